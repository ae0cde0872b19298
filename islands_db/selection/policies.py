"""The ways to choose a parent, by name; a new one is one file and one line here."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from islands_db.pool import Columns
from islands_db.selection import mix
from islands_db.selection.archive import uniform
from islands_db.selection.discounted import discounted
from islands_db.selection.funsearch import funsearch
from islands_db.selection.pareto import pareto
from islands_db.selection.power_law import power_law
from islands_db.selection.tournament import ENTRANTS, tournament
from islands_db.selection.tree_search import tree_search


class Admission(Enum):
    """Who comes into a population, and who leaves for it."""

    BETTER = auto()
    """One program of each behaviour; in a full population the worst leaves (`replacement`)."""
    CROWDED = auto()
    """The same, but who leaves is the most crowded of the last front (`pareto`)."""
    ALL = auto()
    """Every program with a score; none leaves."""
    ALL_AND_FAILED = auto()
    """Every program, also those without a score; none leaves."""
    ROOTS = auto()
    """Programs without a parent only: seeds, and what a person handed in; none leaves."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to choose parents, and the population it works on.

    `parent` takes a population that is not empty, the island's archive, and a generator; it
    gives the columns the parent is in and its slot there. `counts_tries` says that it looks at how
    many attempts have begun from each member, `by_cases` that parents are drawn by lexicase
    selection from population and archive instead, where scores by case are known, and `of_archive`
    that the population plays no part, so that migrants contend for cells.
    """

    parent: Callable[[Columns, Columns, random.Random], tuple[Columns, int]]
    admits: Admission = Admission.BETTER
    counts_tries: bool = False
    by_cases: bool = False
    of_archive: bool = False


def _archive(population: Columns, archive: Columns, rng: random.Random) -> tuple[Columns, int]:
    # before any program has a cell there is only the population
    columns = archive if len(archive) else population
    return columns, uniform(columns, rng)


def _of_population(
    choose: Callable[[Columns, random.Random], int],
) -> Callable[[Columns, Columns, random.Random], tuple[Columns, int]]:
    return lambda population, archive, rng: (population, choose(population, rng))


POLICIES: Mapping[str, Policy] = {
    "mix": Policy(mix.parent, counts_tries=True, by_cases=True),
    "discounted": Policy(_of_population(discounted), counts_tries=True),
    "tournament": Policy(
        _of_population(lambda columns, rng: tournament(columns, rng, entrants=ENTRANTS))
    ),
    "power_law": Policy(_of_population(power_law)),
    "map_elites": Policy(_archive, of_archive=True),
    "funsearch": Policy(_of_population(funsearch), Admission.ALL),
    "tree_search": Policy(_of_population(tree_search), Admission.ALL_AND_FAILED, counts_tries=True),
    "pareto": Policy(_of_population(pareto), Admission.CROWDED),
    # baselines: samples from the seeds alone, and a walk that no score steers
    # (arXiv 2602.16805: plain sampling is hard to beat)
    "best_of_n": Policy(_of_population(uniform), Admission.ROOTS),
    "random_walk": Policy(_of_population(uniform), Admission.ALL),
}
