"""The methods that a comparison knows by name: each is what it changes in a run's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from evolve.config import DEFAULT_PROPOSERS, RunFile, check_search, parse, weights
from evolve.errors import UsageError, nearest
from evolve.llm.models import Model
from evolve.proposers import REGISTRY
from islands_db.selection.policies import POLICIES


class Method(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One method; what it leaves out is as in a plain run.

    Attributes:
        like: The method it starts from; its own keys go over that one's.
        islands: Keys of [islands] in a run file.
        proposers: Their weights; empty where models alone propose.
        llm: Whether the models of the comparison take part. By default they do if there are any
            and `proposers` is left out, as in a plain run.
        policy: How proposers share the attempts.
        lag: Attempts under way at once.
        evaluation: Keys of [evaluation] in a run file.
    """

    like: str = ""
    islands: dict[str, object] | None = None
    proposers: dict[str, float] | None = None
    llm: bool | None = None
    policy: Literal["bandit", "fixed"] | None = None
    lag: int | None = None
    evaluation: dict[str, object] | None = None


_ALONE: dict[str, object] = {"count": 1, "inspirations": 0}
NAMED: Mapping[str, Method] = {
    "default": Method(),
    **{name: Method(islands={"policy": name}) for name in POLICIES if name != "mix"},
    # overrides the entry of the policy: N samples need neither islands nor inspirations
    "best_of_n": Method(islands={**_ALONE, "policy": "best_of_n"}),
    "greedy": Method(islands={**_ALONE, "policy": "tournament", "population": 1}),
    "random_walk": Method(islands={"count": 1, "policy": "random_walk", "inspire": "policy"}),
    "tree_only": Method(proposers={"tree": 1.0}, llm=False),
    "tuner_only": Method(proposers={"tuner": 1.0}, llm=False),
    "llm_only": Method(proposers={}, llm=True),
    "tree_tuner": Method(proposers={"tree": 1.0, "tuner": 1.0}, llm=False),
    "tree_llm": Method(proposers={"tree": 1.0}, llm=True),
    "tuner_llm": Method(proposers={"tuner": 1.0}, llm=True),
    "all_proposers": Method(proposers={"tree": 1.0, "tuner": 1.0}, llm=True),
}


def configured(
    name: str, own: Mapping[str, Method], models: Sequence[Model], *, where: str
) -> RunFile:
    """The run file of a method, without problem, seed and budget.

    Raises:
        UsageError: there is no such method, or it cannot work here.
    """
    method = _resolved(name, own, where, ())
    at = f"{where}: method {name!r}"
    llm = (bool(models) and method.proposers is None) if method.llm is None else method.llm
    if llm and not models:
        raise UsageError(f"{at} asks models, and the file names none; add a table [[llm]]")
    proposers = method.proposers
    if proposers is None:
        proposers = {} if llm else DEFAULT_PROPOSERS
    for proposer in proposers:
        if proposer not in REGISTRY:
            raise UsageError(f"{at}: no proposer {proposer!r}; {nearest(proposer, list(REGISTRY))}")
    plain: dict[str, object] = {"proposers": proposers, "islands": method.islands or {}}
    if method.policy is not None:
        plain["policy"] = method.policy
    if method.lag is not None:
        plain["lag"] = method.lag
    if method.evaluation is not None:
        plain["evaluation"] = method.evaluation
    config = msgspec.structs.replace(parse(plain, where=at), llm=tuple(models) if llm else ())
    try:
        weights(config)
        check_search(config)
    except UsageError as error:
        raise UsageError(f"{at}: {error}") from None
    return config


def _resolved(name: str, own: Mapping[str, Method], where: str, above: tuple[str, ...]) -> Method:
    if name in above:
        raise UsageError(f"{where}: method {name!r} is like itself ({' -> '.join((*above, name))})")
    if name not in own:
        if name not in NAMED:
            known = nearest(name, [*NAMED, *own])
            raise UsageError(f"{where}: no method {name!r}; {known}")
        return NAMED[name]
    method = own[name]
    if not method.like:
        return method
    # a method may be called as the one it starts from
    base = (
        NAMED[name]
        if method.like == name and name in NAMED
        else _resolved(method.like, own, where, (*above, name))
    )
    over = {f: v for f in method.__struct_fields__ if (v := getattr(method, f)) is not None}
    if base.islands and method.islands:
        over["islands"] = {**base.islands, **method.islands}
    return msgspec.structs.replace(base, **over)
