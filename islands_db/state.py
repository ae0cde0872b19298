"""What the writer keeps in memory: totals, attempts under way, islands; and how it is read back.

Everything here is a copy of rows, so a state loaded from the file equals the one that was lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from islands_db import rows
from islands_db.calls import BY_MODEL, Totals
from islands_db.islands import Islands, Slot
from islands_db.pool import NO_CELL, NO_SIGNATURE, Entrant
from islands_db.records import JSON, Call, Fate, Outcome, Sample, Settings, Tally

NOTHING = Tally(attempts=0, programs=0, cost_usd=0.0)


@dataclass(slots=True)
class State:
    """The writer's memory."""

    settings: Settings
    meta: dict[str, JSON]
    tallies: dict[tuple[str, Fate], Tally]
    settled: int
    next_program: int
    pending: dict[int, Sample]
    held: set[int]
    best: Entrant | None
    islands: Islands
    spending: Totals
    open_calls: dict[int, Call]

    def count(self, proposer: str, outcome: Outcome, program: int | None) -> Tally:
        """Adds an ended attempt to the totals; the new total of its proposer and fate."""
        before = self.tallies.get((proposer, outcome.fate), NOTHING)
        after = Tally(
            attempts=before.attempts + 1,
            programs=before.programs + (program is not None),
            cost_usd=before.cost_usd + outcome.cost_usd,
        )
        self.tallies[proposer, outcome.fate] = after
        self.settled += 1
        return after

    def improve(self, entrant: Entrant) -> bool:
        """Notes the program as the run's best if it is; of equals the first stays."""
        best = self.best
        if best is not None and (entrant.rung, entrant.fitness) <= (best.rung, best.fitness):
            return False
        self.best = entrant
        return True


def load(connection: sqlite3.Connection) -> State:
    """The state of the tables.

    Raises:
        sqlite3.DatabaseError: the tables contradict each other.
    """
    query = connection.execute
    settings = rows.settings_value(query("SELECT value FROM settings").fetchone()[0])
    tallies = {
        (proposer, Fate(fate)): Tally(attempts=attempts, programs=programs, cost_usd=cost_usd)
        for proposer, fate, attempts, programs, cost_usd in query(
            "SELECT proposer, fate, attempts, programs, cost_usd FROM tallies"
        )
    }
    pending = query(f"SELECT {rows.SAMPLE} FROM attempts WHERE fate IS NULL")  # noqa: S608
    last_program = query("SELECT max(id) FROM programs").fetchone()[0]
    best = query(
        f"SELECT {_ENTRANT} FROM programs p WHERE fitness IS NOT NULL"  # noqa: S608
        " ORDER BY rung DESC, fitness DESC, id LIMIT 1"
    ).fetchone()
    islands = Islands(settings)
    islands.restore(_slots(connection, "members"), _slots(connection, "elites"))
    return State(
        settings=settings,
        meta={key: rows.json_value(value) for key, value in query("SELECT key, value FROM meta")},
        tallies=tallies,
        settled=sum(tally.attempts for tally in tallies.values()),
        next_program=1 + (last_program or 0),
        pending={row[0]: rows.sample_value(row) for row in pending},
        held={attempt for (attempt,) in query("SELECT attempt FROM held")},
        best=None if best is None else _entrant(*best),
        islands=islands,
        spending=_totals(connection),
        open_calls={},
    )


def _totals(connection: sqlite3.Connection) -> Totals:
    cursor = connection.execute(BY_MODEL)
    names = [column[0] for column in cursor.description]
    return Totals(dict(zip(names, row, strict=True)) for row in cursor)


def _slots(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Slot, Entrant]]:
    expected = (0, 0)
    for island, number, joined, *columns in connection.execute(
        f"SELECT t.island, t.slot, t.joined, {_ENTRANT} FROM {table} t"  # noqa: S608
        " JOIN programs p ON p.id = t.program ORDER BY t.island, t.slot"
    ):
        entrant = _entrant(*columns)
        # A missing program drops its slot from the join.
        if (island, number) not in (expected, (island, 0)):
            raise sqlite3.DatabaseError(f"malformed: {table} of island {island} have a gap")
        expected = (island, number + 1)
        yield Slot(island, number, entrant.program, joined), entrant


_ENTRANT = "p.id, p.rung, p.fitness, p.length, p.cell, p.signature"


def _entrant(
    program: int,
    rung: int,
    fitness: float,
    length: int,
    cell: int | None,
    signature: int | None,
) -> Entrant:
    place = NO_CELL if cell is None else cell
    return Entrant(program, rung, fitness, length, place, signature or NO_SIGNATURE)
