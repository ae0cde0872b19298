"""What the writer keeps in memory: totals, attempts under way, islands; and how it is read back.

Everything here is a copy of rows, so a state loaded from the file equals the one that was lost.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from islands_db import lineage, maps, rows
from islands_db.calls import BY_MODEL, Totals
from islands_db.island import Changes, Slot, Standing
from islands_db.islands import Islands
from islands_db.maps import CellMap, Features
from islands_db.pool import FAILED, NO_CELL, NO_PARENT, NO_SIGNATURE, Entrant
from islands_db.records import JSON, Call, Cells, Fate, Outcome, Sample, Settings, Tally
from islands_db.selection.policies import POLICIES

NOTHING = Tally(attempts=0, programs=0, cost_usd=0.0)


@dataclass(slots=True)
class State:
    """The writer's memory."""

    settings: Settings
    meta: dict[str, JSON]
    tallies: dict[tuple[str, Fate], Tally]
    settled: int
    next_program: int
    last_attempt: int
    """The highest that has begun; -1 before the first."""
    pending: dict[int, Sample]
    held: set[int]
    best: Entrant | None
    banned: set[int]
    islands: Islands
    spending: Totals
    open_calls: dict[int, Call]
    answered: dict[int, set[int]]
    """Turns with an answer of the attempts under way."""
    cells: CellMap
    seen: deque[Features]
    """What the latest programs with a score showed, where cells follow it."""
    seen_in_all: int

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

    def require_program(self, program: int | None) -> None:
        """Refuses a number that no program has; None is none.

        Raises:
            ValueError: there is no such program.
        """
        if program is not None and not 1 <= program < self.next_program:
            raise ValueError(f"no program {program}")

    def improve(self, entrant: Entrant) -> bool:
        """Notes the program as the run's best if it is; of equals the first stays."""
        best = self.best
        if best is not None and (entrant.rung, entrant.fitness) <= (best.rung, best.fitness):
            return False
        self.best = entrant
        return True

    def see(self, features: Features) -> tuple[Changes, list[list[float]]] | None:
        """Lets the archives' cells follow what programs show; the new edges when it is time."""
        if self.settings.cells is not Cells.ADAPTIVE or not features:
            return None
        self.seen.append(features)
        self.seen_in_all += 1
        if not maps.remap_due(self.seen_in_all):
            return None
        assert isinstance(self.cells, maps.Adaptive)
        edges = maps.edges(self.seen, self.settings.axes, self.cells.edges)
        self.cells = maps.load(self.settings, edges)
        return self.islands.remap(self.cells), edges


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
    last_attempt = query("SELECT max(attempt) FROM attempts").fetchone()[0]
    islands = Islands(settings)
    adaptive = settings.cells is Cells.ADAPTIVE
    islands.restore(
        standings(connection),
        _slots(connection, "members"),
        _slots(connection, "elites"),
        # of islands born later too, which are not there yet
        _tries(connection) if any(POLICIES[p].counts_tries for p in settings.policies) else (),
    )
    # births begin from them, and adaptive cells move; to find them takes a look at every attempt
    if settings.stagnation or adaptive:
        islands.seeds = seeds(connection)
    stored_map = query("SELECT value FROM maps ORDER BY id DESC LIMIT 1").fetchone()
    seen = _seen(connection) if adaptive else []
    return State(
        settings=settings,
        meta={key: rows.json_value(value) for key, value in query("SELECT key, value FROM meta")},
        tallies=tallies,
        settled=sum(tally.attempts for tally in tallies.values()),
        next_program=1 + (last_program or 0),
        last_attempt=-1 if last_attempt is None else last_attempt,
        pending={row[0]: rows.sample_value(row) for row in pending},
        held={attempt for (attempt,) in query("SELECT attempt FROM held")},
        best=best(connection),
        banned={program for (program,) in query(lineage.BANNED)},
        islands=islands,
        spending=_totals(connection),
        open_calls={},
        answered=_answered(connection),
        cells=maps.load(settings, None if stored_map is None else rows.json_value(*stored_map)),
        seen=deque(seen, maxlen=maps.SEEN),
        seen_in_all=_count_seen(connection) if adaptive else 0,
    )


def _answered(connection: sqlite3.Connection) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for attempt, turn in connection.execute(
        "SELECT c.attempt, c.turn FROM attempts a JOIN calls c ON c.attempt = a.attempt"
        " WHERE a.fate IS NULL AND c.state = 'answered'"
    ):
        found.setdefault(attempt, set()).add(turn)
    return found


def _totals(connection: sqlite3.Connection) -> Totals:
    cursor = connection.execute(BY_MODEL)
    names = [column[0] for column in cursor.description]
    return Totals(dict(zip(names, row, strict=True)) for row in cursor)


def _slots(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Slot, Entrant]]:
    expected = (0, 0)
    for island, number, joined, *columns in connection.execute(
        f"SELECT t.island, t.slot, t.joined, {ENTRANT} FROM {table} t"  # noqa: S608
        f" JOIN programs p ON p.id = t.program {ATTEMPT} ORDER BY t.island, t.slot"
    ):
        stored = entrant(*columns)
        # A missing program drops its slot from the join.
        if (island, number) not in (expected, (island, 0)):
            raise sqlite3.DatabaseError(f"malformed: {table} of island {island} have a gap")
        expected = (island, number + 1)
        yield Slot(island, number, stored.program, joined), stored


def standings(connection: sqlite3.Connection) -> Iterator[Standing]:
    """The islands' own rows, in order."""
    for island, born, since, improved, rung, fitness in connection.execute(
        "SELECT island, born, since, improved, peak_rung, peak_fitness FROM islands ORDER BY island"
    ):
        yield Standing(island, born, since, improved, None if rung is None else (rung, fitness))


def _tries(connection: sqlite3.Connection) -> Iterator[tuple[int, int, int]]:
    # members of any island, since they may migrate back to one they have left
    return connection.execute(
        "SELECT a.island, a.parent, count(*) FROM attempts a JOIN islands i ON i.island = a.island"
        " WHERE a.parent IN (SELECT program FROM members) AND a.attempt >= i.since"
        " GROUP BY a.island, a.parent"
    )


def best(connection: sqlite3.Connection) -> Entrant | None:
    """The best in training of those that are not banned; of equals the first."""
    row = connection.execute(
        f"SELECT {ENTRANT} FROM programs p {ATTEMPT} WHERE fitness IS NOT NULL"  # noqa: S608
        f" AND p.id NOT IN ({lineage.BANNED}) ORDER BY rung DESC, fitness DESC, p.id LIMIT 1"
    ).fetchone()
    return None if row is None else entrant(*row)


def seeds(connection: sqlite3.Connection) -> list[Entrant]:
    """The seed programs that have a score."""
    found = connection.execute(
        f"SELECT {ENTRANT} FROM attempts a JOIN programs p ON p.id = a.program"  # noqa: S608
        " WHERE a.fate = 'seed' AND p.fitness IS NOT NULL ORDER BY p.id"
    )
    return [entrant(*row) for row in found]


_SEEN = "FROM programs WHERE features IS NOT NULL AND fitness IS NOT NULL"


def _seen(connection: sqlite3.Connection) -> list[Features]:
    found = connection.execute(
        f"SELECT features {_SEEN} ORDER BY id DESC LIMIT {maps.SEEN}"
    ).fetchall()
    return [rows.numbers_value(*row) for row in reversed(found)]


def _count_seen(connection: sqlite3.Connection) -> int:
    return int(connection.execute(f"SELECT count(*) {_SEEN}").fetchone()[0])


ENTRANT = (
    "p.id, p.rung, p.fitness, p.length, p.cell, p.signature, a.parent, p.objectives, p.features,"
    " (SELECT scores FROM cases WHERE cases.program = p.id)"
)
ATTEMPT = "JOIN attempts a ON a.attempt = p.attempt"


def entrant(
    program: int,
    rung: int,
    fitness: float | None,
    length: int,
    cell: int | None,
    signature: int | None,
    parent: int | None,
    objectives: str | None,
    features: str | None,
    cases: bytes | None,
) -> Entrant:
    """What the islands know of a program, from the columns `ENTRANT`."""
    return Entrant(
        program=program,
        rung=rung,
        fitness=FAILED if fitness is None else fitness,
        length=length,
        cell=NO_CELL if cell is None else cell,
        signature=signature or NO_SIGNATURE,
        parent=parent or NO_PARENT,
        objectives=rows.numbers_value(objectives),
        features=rows.numbers_value(features),
        cases=rows.check_cases(cases or b""),
    )
