"""The run file (TOML) and what the command line adds to it; unknown keys are errors."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from evolve.errors import UsageError, nearest
from evolve.llm.models import Model, checked
from islands_db.records import Axis, Cells, Graph, Inspire, Settings
from islands_db.settings import check

Positive = Annotated[int, msgspec.Meta(ge=1)]
Weight = Annotated[float, msgspec.Meta(ge=0)]


RESERVED = ("seed", "human", "notes")
"""Names of proposers that are in every run."""
DEFAULT_PROPOSERS = {"tree": 1.0}
"""Who proposes where neither proposers nor models are named."""
_MOST_BYTES = 1 << 20
_LAG = 16
_MOST_LAG = 4096


class Budget(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where a run stops, whichever comes first; totals of the run, resumes included."""

    evals: Annotated[int, msgspec.Meta(ge=1)] | None = None
    minutes: Annotated[float, msgspec.Meta(gt=0)] | None = None
    usd: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """For calls to models; what a lost call may have cost counts as spent."""
    tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Input and output of calls to models."""
    target: float | None = None
    """Value of the first objective, on validation draws where the problem has them."""


class Islands(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How programs are chosen and kept; `docs/search.md` says what each key does."""

    count: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 4
    population: Annotated[int, msgspec.Meta(ge=1)] = 50
    policy: str | list[str] = "mix"
    """One for all islands, or a list that the islands take in turn."""
    inspirations: Annotated[int, msgspec.Meta(ge=0, le=16)] = 2
    inspire: Inspire | list[Inspire] = Inspire.MIXED
    migration_every: Annotated[int, msgspec.Meta(ge=0)] = 400
    migration: Graph | list[tuple[int, int]] = Graph.RING
    """A graph by name, or its edges (from, to)."""
    reset_every: Annotated[int, msgspec.Meta(ge=0)] = 0
    stagnation: Annotated[int, msgspec.Meta(ge=0)] = 0
    most: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    cells: Cells = Cells.GRID
    centroids: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 512


class Notes(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """When a model sums up what has worked so far, for later prompts."""

    every: Annotated[int, msgspec.Meta(ge=0)] = 50
    """Programs between one summary and the next; 0 for none."""
    model: str = ""
    """By default the one with the largest weight."""


class Evaluation(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How much is spent on judging a program; `docs/search.md` says what each key does."""

    draws: Annotated[int, msgspec.Meta(ge=1, le=64)] = 3
    """So many validation draws a champion is measured on before it is called one."""
    halving: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Successive halving: the best one in so many goes on to the next stage. 0: every program that
    reaches the pass mark does."""


class RunFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Everything that shapes a run. Its resolved copy is stored with the run."""

    problem: str = ""
    parameters: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    seed: int | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=1024)] | None = None
    deterministic: bool = False
    lag: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    """Attempts under way at once; attempt k starts from the state after result k - lag. By default
    16, and four for each worker where they are many and the order does not matter; beside that, as
    many as calls may be in flight."""
    proposers: dict[str, Weight] = msgspec.field(default_factory=dict)
    """By default "tree", unless models are given."""
    llm: tuple[Model, ...] = ()
    policy: Literal["bandit", "fixed"] = "bandit"
    """How proposers and models share the attempts: by gain per cost, or by their weights."""
    budget: Budget = Budget()
    islands: Islands = Islands()
    notes: Notes = Notes()
    evaluation: Evaluation = Evaluation()


def read(path: Path) -> RunFile:
    """Reads a run file.

    Raises:
        UsageError: it cannot be read, is no TOML, or has unknown or impossible entries.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise UsageError(f"{path}: over {_MOST_BYTES} bytes, which is no run file")
        raw = tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read run file {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    return parse(raw, where=str(path))


def parse(raw: object, *, where: str) -> RunFile:
    """Checks plain data against the run file's shape; `where` names its origin in errors."""
    _known_keys(raw, RunFile, where, "")
    _finite(raw, where)
    try:
        config = msgspec.convert(raw, RunFile)
        for model in config.llm:
            checked(model, where=f"{where}: llm")
        return config
    except msgspec.ValidationError as error:
        text = str(error).replace(" - at `$.", " at `").replace("`$`", "the top level")
        text += _choices(text)
        raise UsageError(f"{where}: {text}") from None


def search_settings(
    islands: Islands, *, axes: Sequence[Axis], objectives: int, seed: int
) -> Settings:
    """What the database is told of the search."""
    return Settings(
        islands=islands.count,
        axes=tuple(axes),
        population=islands.population,
        policies=(islands.policy,) if isinstance(islands.policy, str) else tuple(islands.policy),
        inspirations=islands.inspirations,
        inspire=(islands.inspire,)
        if isinstance(islands.inspire, Inspire)
        else tuple(islands.inspire),
        migration_every=islands.migration_every,
        migration=islands.migration if isinstance(islands.migration, Graph) else Graph.EDGES,
        edges=() if isinstance(islands.migration, Graph) else tuple(islands.migration),
        reset_every=islands.reset_every,
        stagnation=islands.stagnation,
        most_islands=islands.most,
        cells=islands.cells,
        centroids=islands.centroids,
        objectives=objectives,
        seed=seed,
    )


def check_search(config: RunFile) -> None:
    """Refuses islands that cannot work, before anything is made for the run.

    Raises:
        UsageError: names the setting, its value and what was expected.
    """
    axes = [Axis(name="length", low=0, high=1, cells=1)]  # there is always one
    try:
        check(search_settings(config.islands, axes=axes, objectives=1, seed=0))
    except ValueError as error:
        raise UsageError(str(error)) from None


def with_search(config: RunFile, pairs: Mapping[str, str]) -> RunFile:
    """The configuration with keys of its [islands] set from text, as TOML reads values.

    Raises:
        UsageError: there is no such key, or the value does not fit it.
    """
    where = "--search"
    given: dict[str, object] = {}
    for key, text in pairs.items():
        try:
            given[key] = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            given[key] = text  # a bare word
    merged = {**msgspec.to_builtins(config.islands), **given}
    islands = parse({"islands": merged}, where=where).islands
    return msgspec.structs.replace(config, islands=islands)


def resolved(
    config: RunFile, *, problem: str, parameters: Mapping[str, object], cores: int, seed: int
) -> RunFile:
    """The configuration with everything settled that was left open."""
    workers = config.workers or cores
    lag = config.lag or min(_MOST_LAG, calls_in_flight(config) + default_lag(config, workers))
    kept = {k: v for k, v in parameters.items() if isinstance(v, str | int | float)}
    return msgspec.structs.replace(
        config,
        problem=problem,
        parameters=kept,
        workers=workers,
        lag=lag,
        proposers=config.proposers or ({} if config.llm else DEFAULT_PROPOSERS),
        seed=seed if config.seed is None else config.seed,
    )


def default_lag(config: RunFile, workers: int) -> int:
    """Attempts under way beside those that wait for a model."""
    return _LAG if config.deterministic else max(_LAG, 4 * workers)


def calls_in_flight(config: RunFile) -> int:
    """How many calls all models of the run together may have in flight."""
    return sum(model.concurrency for model in config.llm)


def weights(config: RunFile) -> dict[str, float]:
    """Shares of proposers and models by name.

    Raises:
        UsageError: a name stands twice, or nothing has a share.
    """
    found = dict(config.proposers)
    for model in config.llm:
        if model.arm in found:
            raise UsageError(f"{model.arm} is given twice; give one of them a label")
        if model.arm in RESERVED:
            raise UsageError(f"llm: the label {model.arm!r} means something else; choose another")
        found[model.arm] = model.weight
    arms = [model.arm for model in config.llm]
    if config.notes.model and config.notes.model not in arms:
        raise UsageError(
            f"notes: no model {config.notes.model!r}; {nearest(config.notes.model, arms)}"
        )
    if sum(found.values()) <= 0:
        raise UsageError("proposers: at least one needs a weight above 0")
    return found


def plain(config: RunFile) -> dict[str, object]:
    """The configuration as JSON data, for storing."""
    data: dict[str, object] = msgspec.to_builtins(config)
    return data


def _known_keys(raw: object, kind: type[msgspec.Struct], where: str, prefix: str) -> None:
    # msgspec would say "unknown field"; this says which one was meant
    if not isinstance(raw, dict):
        return
    fields = {f.name: f.type for f in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in fields:
            raise UsageError(f"{where}: unknown key '{prefix}{key}'; {nearest(key, list(fields))}")
        nested = fields[key]
        if isinstance(nested, type) and issubclass(nested, msgspec.Struct):
            _known_keys(value, nested, where, f"{prefix}{key}.")
        if key == "llm" and isinstance(value, list):
            for entry in value:
                _known_model_keys(entry, where)


def _known_model_keys(entry: object, where: str) -> None:
    if isinstance(entry, dict) and any("key" in k and k not in _KEY_KEYS for k in entry):
        raise UsageError(
            f"{where}: a key does not belong into a run file, which is stored with the run; name "
            "the environment variable that holds it as key_env, or a file as key_file"
        )
    _known_keys(entry, Model, where, "llm.")


_KEY_KEYS = ("key_env", "key_file")


def _finite(value: object, where: str, key: str = "") -> None:
    # "inf" and "nan" are floats in TOML; neither can be stored, nor means anything as a setting
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where}: {key} = {value}: expected a finite number")
    inner = value if isinstance(value, Mapping) else {}
    if isinstance(value, list | tuple):
        inner = dict(enumerate(value))
    for name, each in inner.items():
        _finite(each, where, f"{key}.{name}" if key else str(name))


def _choices(text: str) -> str:
    # msgspec says which value is none of them, but not what they are
    found = re.search(r"^Invalid enum value .* at `(?:(\w+)\.)?(\w+)(?:\[\d+\])?`$", text)
    if found is None:
        return ""
    kind: Any = RunFile
    for name in filter(None, found.groups()):
        kind = next(f.type for f in msgspec.structs.fields(kind) if f.name == name)
    options = (kind, *get_args(kind))
    enums = [each for each in options if isinstance(each, type) and issubclass(each, Enum)]
    words = [str(word) for enum in enums for word in enum]
    return f"; expected one of: {', '.join(words or map(str, options[1:]))}"


def flat(value: object, prefix: str = "") -> dict[str, str]:
    """Nested settings as names with dots and texts."""
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= flat(inner, f"{prefix}.{key}" if prefix else str(key))
        return found
    if isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        return flat({str(number): inner for number, inner in enumerate(value)}, prefix)
    return {prefix: str(value)}
