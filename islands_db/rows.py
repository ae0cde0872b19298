"""How records become rows and rows records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import fsum, isfinite
from struct import unpack
from typing import TypeAlias, TypeVar

import msgspec

from islands_db.records import (
    JSON,
    Counts,
    Fate,
    IslandCounts,
    Sample,
    Settings,
    Status,
    StoredEvent,
    StoredProgram,
    StoredProposal,
    Tally,
    Verdict,
)

Row: TypeAlias = Mapping[str, object]
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_floats = msgspec.json.Decoder(dict[str, float])
_texts = msgspec.json.Decoder(dict[str, str])
_ids = msgspec.json.Decoder(tuple[int, ...])
_numbers = msgspec.json.Decoder(tuple[float, ...])
_settings = msgspec.json.Decoder(Settings)

SAMPLE = "attempt, island, parent, inspirations, proposer, note"

PROPOSAL = (
    f"{SAMPLE}, fate, reason, operator, diff, program, duplicate_of, propose_s, cost_usd, created"
)

VERDICT = (
    "stage, split, seed, status, reason, scores, exact, features, fitness, feedback, stderr, tier,"
    " wall_s, cpu_s, memory_bytes"
)

PROGRAM = (
    "SELECT p.id, p.attempt, a.island, a.parent, a.inspirations, p.generation, a.proposer,"
    " a.operator, a.diff, p.hash, p.syntax_hash, p.length, p.rung, p.fitness, a.settled"
    " FROM programs p JOIN attempts a ON a.attempt = p.attempt"
)


def text(value: str) -> str:
    """The text as SQLite can hold it: lone surrogates become escapes."""
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def json_text(value: JSON) -> str:
    """Compact JSON.

    Raises:
        ValueError: the value holds NaN or an infinity, which JSON does not have.
    """
    encoded = _encode(value)
    if b"null" in encoded:  # what it writes for a number that JSON does not have
        _refuse_non_finite(value)
    return encoded.decode()


def _refuse_non_finite(value: object) -> None:
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{value} cannot be stored; expected a finite number")
    elif isinstance(value, Mapping):
        for item in value.values():
            _refuse_non_finite(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            _refuse_non_finite(item)


def json_value(stored: str) -> JSON:
    value: JSON = msgspec.json.decode(stored)
    return value


def numbers_text(values: Sequence[float]) -> str | None:
    """A JSON list, or NULL for none."""
    return _encode(values).decode() if values else None


def numbers_value(stored: str | None) -> tuple[float, ...]:
    return () if stored is None else _numbers.decode(stored)


def check_cases(cases: bytes) -> bytes:
    """The same scores by case.

    Raises:
        ValueError: they are not 32-bit floats, all of them finite.
    """
    if len(cases) % 4 or not all(map(isfinite, unpack(f"<{len(cases) // 4}f", cases))):
        raise ValueError("the scores by case are not finite 32-bit floats")
    return cases


def cases_row(row: Row) -> tuple[float, ...]:
    scores = check_cases(bytes(row["scores"]))  # type: ignore[call-overload]
    return unpack(f"<{len(scores) // 4}f", scores)


def settings_text(settings: Settings) -> str:
    return _encode(settings).decode()


def settings_value(stored: str) -> Settings:
    return _settings.decode(stored)


def sample_row(sample: Sample) -> tuple[object, ...]:
    return (
        sample.attempt,
        sample.island,
        sample.parent,
        _encode(sample.inspirations).decode(),
        sample.proposer,
        sample.note,
    )


def sample_value(row: Sequence[object]) -> Sample:
    """The record of a row of the columns `SAMPLE`."""
    attempt, island, parent, shown, proposer, note = row
    return Sample(
        attempt=_int(attempt),
        island=_int(island),
        parent=_optional(_int, parent),
        inspirations=_ids.decode(str(shown)),
        proposer=str(proposer),
        note=str(note),
    )


def verdict_row(program: int, position: int, verdict: Verdict) -> tuple[object, ...]:
    """The columns program, position and `VERDICT`."""
    exact = {name: text(value) for name, value in verdict.exact.items()}
    return (
        program,
        position,
        verdict.stage,
        verdict.split,
        str(verdict.seed),
        verdict.status.value,
        text(verdict.reason),
        _encode(verdict.values).decode(),
        _encode(exact).decode(),
        _encode(verdict.features).decode(),
        finite(verdict.fitness),
        text(verdict.feedback),
        text(verdict.stderr),
        verdict.tier,
        verdict.wall_s,
        verdict.cpu_s,
        verdict.memory_bytes,
    )


def check_verdict(verdict: Verdict) -> None:
    """Refuses what could not be stored and read back.

    Raises:
        ValueError: a figure is NaN or infinite.
    """
    for figures in (verdict.values, verdict.features):
        _refuse_non_finite(figures)
    finite(verdict.fitness)


def finite(fitness: float | None) -> float | None:
    """A fitness that can be ranked and stored bit for bit (SQLite has no -0.0)."""
    if fitness is None:
        return None
    if not isfinite(fitness):
        raise ValueError(f"fitness {fitness}: expected a finite number, or None for no score")
    return fitness + 0.0


def verdict_value(row: Row) -> Verdict:
    """The record of a row of the columns `VERDICT`."""
    return Verdict(
        stage=str(row["stage"]),
        split=str(row["split"]),
        seed=int(str(row["seed"])),
        status=Status(str(row["status"])),
        reason=str(row["reason"]),
        values=_floats.decode(str(row["scores"])),
        exact=_texts.decode(str(row["exact"])),
        features=_floats.decode(str(row["features"])),
        fitness=_optional(_float, row["fitness"]),
        feedback=str(row["feedback"]),
        stderr=str(row["stderr"]),
        tier=str(row["tier"]),
        wall_s=_float(row["wall_s"]),
        cpu_s=_float(row["cpu_s"]),
        memory_bytes=_int(row["memory_bytes"]),
    )


def program_value(row: Row, verdicts: Iterable[Verdict]) -> StoredProgram:
    """The record of a row of the query `PROGRAM`."""
    return StoredProgram(
        id=_int(row["id"]),
        attempt=_int(row["attempt"]),
        island=_int(row["island"]),
        parent=_optional(_int, row["parent"]),
        inspirations=_ids.decode(str(row["inspirations"])),
        generation=_int(row["generation"]),
        proposer=str(row["proposer"]),
        operator=str(row["operator"]),
        diff=str(row["diff"]),
        hash=str(row["hash"]),
        syntax_hash=str(row["syntax_hash"]),
        length=_int(row["length"]),
        rung=_optional(_int, row["rung"]) or 0,
        fitness=_optional(_float, row["fitness"]),
        created=date(row["settled"]),
        verdicts=tuple(verdicts),
    )


def proposal_value(row: Row) -> StoredProposal:
    """The record of a row of the columns `PROPOSAL`."""
    return StoredProposal(
        attempt=_int(row["attempt"]),
        island=_int(row["island"]),
        parent=_optional(_int, row["parent"]),
        inspirations=_ids.decode(str(row["inspirations"])),
        proposer=str(row["proposer"]),
        note=str(row["note"]),
        fate=_optional(lambda stored: Fate(str(stored)), row["fate"]),
        reason=str(row["reason"]),
        operator=str(row["operator"]),
        diff=str(row["diff"]),
        program=_optional(_int, row["program"]),
        duplicate_of=_optional(_int, row["duplicate_of"]),
        propose_s=_float(row["propose_s"]),
        cost_usd=_float(row["cost_usd"]),
        created=date(row["created"]),
    )


def event_value(row: Row) -> StoredEvent:
    data = json_value(str(row["data"]))
    if not isinstance(data, Mapping):
        raise ValueError(f"event {row['id']} holds {data!r}")
    return StoredEvent(
        id=_int(row["id"]), kind=str(row["kind"]), data=data, created=date(row["created"])
    )


def settings_row(row: Row) -> Settings:
    return settings_value(str(row["value"]))


def meta_row(row: Row) -> tuple[str, JSON]:
    return str(row["key"]), json_value(str(row["value"]))


def tally_row(row: Row) -> tuple[tuple[str, Fate], Tally]:
    tally = Tally(
        attempts=_int(row["attempts"]),
        programs=_int(row["programs"]),
        cost_usd=_float(row["cost_usd"]),
    )
    return (str(row["proposer"]), Fate(str(row["fate"]))), tally


def island_value(row: Row) -> IslandCounts:
    return IslandCounts(
        size=_int(row["size"]),
        elites=_int(row["elites"]),
        best=_optional(_int, row["best"]),
        best_rung=_optional(_int, row["best_rung"]) or 0,
        best_fitness=_optional(_float, row["best_fitness"]),
    )


def counts_value(
    tallies: Mapping[tuple[str, Fate], Tally],
    *,
    pending: int,
    islands: Iterable[IslandCounts],
    best: tuple[int, float] | None,
) -> Counts:
    """The totals of the tallies, by fate and by proposer."""
    fates: dict[Fate, int] = {}
    proposers: dict[str, dict[Fate, Tally]] = {}
    for (proposer, fate), tally in tallies.items():
        fates[fate] = fates.get(fate, 0) + tally.attempts
        proposers.setdefault(proposer, {})[fate] = tally
    each = tuple(islands)
    return Counts(
        attempts=sum(fates.values()),
        pending=pending,
        evaluated=fates.get(Fate.SEED, 0) + fates.get(Fate.EVALUATED, 0),
        ran=sum(fates.get(fate, 0) for fate in (Fate.SEED, Fate.EVALUATED, Fate.TWIN)),
        programs=sum(tally.programs for tally in tallies.values()),
        cost_usd=fsum(tally.cost_usd for tally in tallies.values()),
        wasted_usd=fsum(
            tally.cost_usd
            for (_, fate), tally in tallies.items()
            if fate not in (Fate.SEED, Fate.EVALUATED, Fate.EVALUATOR_ERROR)
        ),
        fates=fates,
        proposers=proposers,
        islands=each,
        elites=sum(island.elites for island in each),
        best=best,
    )


def date(seconds: object) -> str:
    """UTC as ISO 8601 to the millisecond."""
    return datetime.fromtimestamp(_float(seconds), UTC).isoformat(timespec="milliseconds")


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is not an integer")
    return value


def _float(value: object) -> float:
    if not isinstance(value, float | int):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _optional(convert: Callable[[object], T], value: object) -> T | None:
    return None if value is None else convert(value)
