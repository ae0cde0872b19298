"""What calls cost: a dated table that a run's configuration overrides, and arithmetic on it."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

import msgspec

from evolve.llm.base import Usage

_MILLION = 1_000_000
_DATED = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$")

PerMillion = Annotated[float, msgspec.Meta(ge=0)]


class Price(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """USD per million tokens; None where a kind costs as much as the one it is part of."""

    input: PerMillion
    output: PerMillion
    cached: PerMillion | None = None
    written: PerMillion | None = None
    reasoning: PerMillion | None = None

    def cost_usd(self, usage: Usage) -> float:
        """What a call with this usage cost."""
        cached = min(usage.cached, usage.input)
        written = min(usage.written, usage.input - cached)
        reasoning = min(usage.reasoning, usage.output)
        parts = (
            (usage.input - cached - written, self.input),
            (cached, self.input if self.cached is None else self.cached),
            (written, self.input if self.written is None else self.written),
            (usage.output - reasoning, self.output),
            (reasoning, self.output if self.reasoning is None else self.reasoning),
        )
        return sum(tokens * price for tokens, price in parts) / _MILLION

    def at_most_usd(self, *, input: int, output: int) -> float:
        """What a call with so many tokens can cost at most, whatever is cached or reasoning."""
        dearest_in = max(self.input, self.cached or 0.0, self.written or 0.0)
        dearest_out = max(self.output, self.reasoning or 0.0)
        return (input * dearest_in + output * dearest_out) / _MILLION


class Listed(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the table says of a model."""

    price: Price
    context: int


class Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The table in the package."""

    date: str
    sources: list[str]
    models: dict[str, Listed]

    def find(self, model: str) -> Listed | None:
        """The entry of "vendor/name"; a dated or "-latest" name stands for its model."""
        if model in self.models:
            return self.models[model]
        return self.models.get(_DATED.sub("", model))


@lru_cache(maxsize=1)
def table() -> Table:
    """The table in the package."""
    raw = tomllib.loads(files("evolve.llm").joinpath("prices.toml").read_text(encoding="utf-8"))
    return msgspec.convert(raw, Table)
