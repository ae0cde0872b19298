"""The run file (TOML) and what the command line adds to it; unknown keys are errors."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from evolve.errors import UsageError, nearest

Positive = Annotated[int, msgspec.Meta(ge=1)]
Weight = Annotated[float, msgspec.Meta(ge=0)]


_LAG = 16


class Budget(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where a run stops, whichever comes first; totals of the run, resumes included."""

    evals: Annotated[int, msgspec.Meta(ge=1)] | None = None
    minutes: Annotated[float, msgspec.Meta(gt=0)] | None = None
    target: float | None = None
    """Value of the first objective, on validation draws where the problem has them."""


class Islands(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 4
    population: Annotated[int, msgspec.Meta(ge=2)] = 50
    inspirations: Annotated[int, msgspec.Meta(ge=0, le=16)] = 2
    migration_every: Annotated[int, msgspec.Meta(ge=0)] = 400


class RunFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Everything that shapes a run. Its resolved copy is stored with the run."""

    problem: str = ""
    parameters: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    seed: int | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=1024)] | None = None
    deterministic: bool = False
    lag: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    """Attempts under way at once; attempt k starts from the state after result k - lag. By default
    16, and four for each worker where they are many and the order does not matter."""
    proposers: dict[str, Weight] = msgspec.field(default_factory=lambda: {"tree": 1.0})
    budget: Budget = Budget()
    islands: Islands = Islands()


def read(path: Path) -> RunFile:
    """Reads a run file.

    Raises:
        UsageError: it cannot be read, is no TOML, or has unknown or impossible entries.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read run file {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    return parse(raw, where=str(path))


def parse(raw: object, *, where: str) -> RunFile:
    """Checks plain data against the run file's shape; `where` names its origin in errors."""
    _known_keys(raw, RunFile, where, "")
    try:
        return msgspec.convert(raw, RunFile)
    except msgspec.ValidationError as error:
        text = str(error).replace(" - at `$.", " at `").replace("`$`", "the top level")
        raise UsageError(f"{where}: {text}") from None


def resolved(
    config: RunFile, *, problem: str, parameters: Mapping[str, object], cores: int, seed: int
) -> RunFile:
    """The configuration with everything settled that was left open."""
    workers = config.workers or cores
    lag = config.lag or (_LAG if config.deterministic else max(_LAG, 4 * workers))
    kept = {k: v for k, v in parameters.items() if isinstance(v, str | int | float)}
    return msgspec.structs.replace(
        config,
        problem=problem,
        parameters=kept,
        workers=workers,
        lag=lag,
        seed=seed if config.seed is None else config.seed,
    )


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
