"""Fills the islands anew from the programs that were made on them.

For a database whose programs are right and whose islands are not: scores were given anew, runs
were merged, or a file was salvaged. Every island takes its own programs and the seeds, in the order
they were made, as if nothing had migrated; one that stays empty starts from the best of all.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from islands_db import lineage, maps, rows, state, writing
from islands_db.island import Island, slots_of
from islands_db.islands import Islands
from islands_db.maps import CellMap, Features
from islands_db.pool import FAILED, NO_CELL, Entrant
from islands_db.records import Cells, Fate, Settings

_JUDGED = (
    f"SELECT a.attempt, a.island, a.fate, {state.ENTRANT} FROM programs p {state.ATTEMPT}"  # noqa: S608
    " WHERE p.rung IS NOT NULL"
    f" AND p.id NOT IN ({lineage.BANNED}) ORDER BY p.id"
)

_SEEN = (
    "SELECT features FROM programs WHERE features IS NOT NULL AND fitness IS NOT NULL ORDER BY id"
)


def refill(connection: sqlite3.Connection) -> None:
    """Writes populations, archives, standings and cells; inside the open transaction."""
    settings = rows.settings_value(connection.execute("SELECT value FROM settings").fetchone()[0])
    islands = Islands(settings)
    (settled,) = connection.execute(
        "SELECT count(*) FROM attempts WHERE fate IS NOT NULL"
    ).fetchone()
    standings = [replace(standing, peak=None) for standing in state.standings(connection)]
    islands.restore(standings, (), (), ())
    if settings.cells is Cells.ADAPTIVE:
        _remap(connection, settings, settled)
    best: Entrant | None = None
    for now, (attempt, island, fate, *columns) in enumerate(connection.execute(_JUDGED)):
        entrant = state.entrant(*columns)
        islands.enter(entrant, attempt=attempt, island=island, fate=Fate(fate), now=now)
        if best is None or (entrant.rung, entrant.fitness) > (best.rung, best.fitness):
            best = entrant
    for island in islands.all:
        if not island.population.size and best is not None and best.fitness > FAILED:
            island.join(best, settled)
    _write(connection, islands.all, settled)


def _write(connection: sqlite3.Connection, islands: list[Island], settled: int) -> None:
    for table in ("members", "elites", "islands"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    for island in islands:
        writing.put_slots(connection, "members", slots_of(island.index, island.population))
        writing.put_slots(connection, "elites", slots_of(island.index, island.archive))
        writing.put_standing(connection, replace(island.standing, improved=settled))


def _remap(connection: sqlite3.Connection, settings: Settings, settled: int) -> None:
    """Cells that follow the programs are set as they would have been at the last time due."""
    seen: deque[Features] = deque(maxlen=maps.SEEN)
    edges = maps.start(settings)
    assert edges is not None
    for count, (features,) in enumerate(connection.execute(_SEEN), start=1):
        seen.append(rows.numbers_value(features))
        if maps.remap_due(count):
            edges = maps.edges(seen, settings.axes, edges)
    writing.put_map(connection, rows.json_text(edges), settled=settled)
    cells = maps.load(settings, edges)
    place = _places(cells)
    connection.create_function("cell_of", 2, place, deterministic=True)
    connection.execute(
        "UPDATE programs SET cell = cell_of(features, length) WHERE features IS NOT NULL"
    )


def _places(cells: CellMap) -> Callable[[str, int], int | None]:
    def place(features: str, length: int) -> int | None:
        found = cells.cell(rows.numbers_value(features), length)
        return None if found == NO_CELL else found

    return place
