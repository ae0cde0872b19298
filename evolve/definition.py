"""Whether a problem's definition makes sense, as far as that can be said without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from math import isfinite
from pathlib import PurePath

from evolve import parameters
from evolve.errors import ProblemError
from evolve.problem import Feature, Problem, Record


def check(problem: Problem) -> None:
    """Looks at every argument of a problem, and at the functions it was given.

    Raises:
        ProblemError: the first fault, in one line; it contradicts itself, holds something of a
            wrong type, or names files that are not there.
    """
    name = problem.name
    if not isinstance(name, str) or not name.isidentifier():
        raise ProblemError(f"problem name {name!r} is not an identifier, such as bin_packing")
    try:
        _check_texts(problem)
        parameters.check(problem.parameters)
        parameters.check_shorthand(problem.shorthand, problem.parameters)
        _check_objectives(problem)
        _check_features(problem.features)
        _check_records(problem)
        _check_stages(problem)
    except ProblemError as error:
        raise ProblemError(f"{name}: {error}") from None
    problem.read(problem.statement)
    if problem.driver is not None:
        problem.read(problem.driver)


def _check_texts(problem: Problem) -> None:
    for what in ("statement", "shorthand"):
        _expect(what, getattr(problem, what), isinstance(getattr(problem, what), str), "text")
    for what in ("driver", "verifier"):
        value = getattr(problem, what)
        _expect(what, value, value is None or isinstance(value, str), "text")
    for what in ("contract", "measurement"):
        value = getattr(problem, what)
        _expect(what, value, callable(value) or isinstance(value, str), "text or a function")
    for what in ("known_bad", "primitives"):
        value = getattr(problem, what)
        _expect(what, value, _is_list_of(str, value), "a list of texts")
    for what in ("seeds", "requires", "preload"):
        value = getattr(problem, what)
        fine = callable(value) or _is_list_of(str, value)
        _expect(what, value, fine, "a list of texts, or a function that gives one")
    for pattern in problem.known_bad:
        fine = bool(pattern) and not PurePath(pattern).is_absolute()
        _expect("known_bad", pattern, fine, "patterns of files below the problem's folder")
    _expect("certify", problem.certify, problem.certify in ("test", "best"), "'test' or 'best'")


def _check_objectives(problem: Problem) -> None:
    _expect(
        "objective",
        problem.objective,
        isinstance(problem.objective, str) or _is_list_of(str, problem.objective),
        "'min NAME' or 'max NAME', or a list of such",
    )
    names = [objective.name for objective in problem.objectives]
    if not names:
        raise ProblemError("no objective; write e.g. objective='max size'")
    _expect_distinct("objectives", names)


def _check_features(features: object) -> None:
    _expect("features", features, _is_list_of(Feature, features), "a list of Feature(...)")
    assert isinstance(features, Sequence)
    for feature in features:
        what = f"feature {feature.name!r}"
        _expect("a feature's name", feature.name, _is_name(feature.name), "an identifier")
        for bound in ("low", "high"):
            value = getattr(feature, bound)
            _expect(f"{what}: {bound}", value, _is_number(value), "a finite number")
        if not feature.low < feature.high:
            raise ProblemError(
                f"{what}: low = {feature.low} is not below high = {feature.high}; its cells lie "
                "between them"
            )
        fine = type(feature.cells) is int and feature.cells >= 1
        _expect(f"{what}: cells", feature.cells, fine, "an integer from 1")
    _expect_distinct("features", [feature.name for feature in features])
    # imported here, as a worker needs no database
    from islands_db import Axis, Settings, settings

    try:
        settings.check(Settings(axes=tuple(Axis(**asdict(feature)) for feature in features)))
    except ValueError as error:
        raise ProblemError(f"features: {str(error).removeprefix('settings: ')}") from None


def _check_records(problem: Problem) -> None:
    records = problem.records
    _expect("records", records, _is_list_of(Record, records), "a list of Record(...)")
    known = [objective.name for objective in problem.objectives]
    for record in records:
        what = f"record of {record.who!r:.40}"
        _expect(what, record.value, _is_number(record.value), "a finite number")
        for text in ("who", "source", "date", "split"):
            value = getattr(record, text)
            _expect(f"{what}: {text}", value, isinstance(value, str), "text")
        fine = record.objective is None or record.objective in known
        _expect(f"{what}: objective", record.objective, fine, f"one of {', '.join(known)}")
        for name in record.when:
            if name not in problem.parameters:
                raise ProblemError(f"{what}: when names {name!r}, which is no parameter")


def _check_stages(problem: Problem) -> None:
    if not problem.stages:
        raise ProblemError("no stage; decorate one function with @problem.stage()")
    _expect_distinct("stages", [stage.name for stage in problem.stages])
    for stage in problem.every_stage:
        stage.check(problem.parameters)
    _expect_distinct("baselines", [baseline.name for baseline in problem.baselines])


def _expect(what: str, value: object, fine: bool, expected: str) -> None:
    if not fine:
        raise ProblemError(f"{what} = {value!r:.60}: expected {expected}")


def _expect_distinct(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ProblemError(f"two {what} are named {name!r}")


def _is_list_of(kind: type, value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(one, kind) for one in value)
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier()


def _is_number(value: object) -> bool:
    # a Fraction too large for a float is finite
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        return False
    return not isinstance(value, float) or isfinite(value)
