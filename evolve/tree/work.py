"""What every operator is handed, and how it picks places."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evolve.tree import build
from evolve.tree.grow import Grower
from evolve.tree.kinds import ARRAYS, Kind
from evolve.tree.places import Site, Slot, Source
from evolve.tree.text import Lines, Splice, replacement


@dataclass(frozen=True, slots=True)
class Work:
    """One program to change, others to learn from, chance."""

    source: Source
    others: Sequence[Source]
    rng: random.Random
    grow: Grower

    def lines(self, place: Site | Slot) -> Lines:
        return self.source.lines_of(place.part)

    def put(self, site: Site, new: ast.expr | None) -> list[Splice] | None:
        """`new` in the place of an expression; None where that says nothing or is the same."""
        if new is None or build.same(new, site.node) or build.silly(site.parent, site.node, new):
            return None
        return [
            replacement(self.lines(site), site.part.file, site.node, new, site.parent, site.field)
        ]

    def typed_site(self) -> Site | None:
        """Any number, boolean or array that another one may replace."""
        known = self.source.sites_where(is_typed)
        return self.rng.choice(known) if known else None

    def site_of(self, *kinds: Kind) -> Site | None:
        known = [site for site in self.source.sites if site.kind in kinds and not site.held]
        return self.rng.choice(known) if known else None


_TYPED = frozenset({Kind.NUMBER, Kind.BOOLEAN, Kind.MASK}) | ARRAYS
"""Kinds of which new expressions can be grown."""


def is_typed(site: Site) -> bool:
    """Whether a new expression may take its place."""
    return site.kind in _TYPED and not site.held


Operator = Callable[[Work], "list[Splice] | None"]
"""Gives the splices of one mutation, or None where it found no place for it."""
