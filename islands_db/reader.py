"""Reading a run, finished or live, beside its writer: programs, lineage, proposals, figures.

Each call sees one committed state; two calls on a live run may see different ones, unless they are
made inside a `snapshot`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from islands_db import calls, connections, lineage, lookups, naming, rows
from islands_db.faults import decoding
from islands_db.records import (
    JSON,
    Call,
    Counts,
    Edit,
    Generation,
    IslandCounts,
    Settings,
    Spending,
    StoredEvent,
    StoredProgram,
    StoredProposal,
    StoreError,
    Verdict,
)
from islands_db.tables import Database
from islands_db.texts import Texts

if TYPE_CHECKING:
    from islands_db.history import History, Programs

T = TypeVar("T")


class Reader:
    """A run's database, open for reading only; belongs to the thread that opened it.

    Args:
        check: Look a small file over for damage first; whoever reads it once a second need not.

    Raises:
        StoreError: it is missing, not ours, damaged, or from a newer version.
    """

    def __init__(self, path: str | os.PathLike[str], *, check: bool = True) -> None:
        self.path = Path(path)
        connections.require(self.path)
        with decoding(self.path):
            connection = connections.connect_reader(self.path, check=check)
        self._database = Database(connection, recursive_triggers=False, execute_plugins=False)
        self._texts = Texts(connection)

    def close(self) -> None:
        self._database.conn.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        return self._read(rows.settings_row, "SELECT value FROM settings")[0]

    @property
    def meta(self) -> Mapping[str, JSON]:
        """The run's own values as they stand now."""
        return dict(self._read(rows.meta_row, "SELECT key, value FROM meta"))

    def program(self, program: int) -> StoredProgram:
        """One program with its verdicts.

        Raises:
            StoreError: there is no such program.
        """
        found = self._programs(f"{rows.PROGRAM} WHERE p.id = ?", program)
        if not found:
            raise StoreError(f"{self.path}: no program {program}")
        return found[0]

    def came_from(self, program: int) -> tuple[int, int | None]:
        """The attempt that made a program, and that attempt's parent.

        Raises:
            StoreError: there is no such program.
        """
        with decoding(self.path):
            try:
                return lookups.came_from(self._database.conn, program)
            except ValueError as error:
                raise StoreError(f"{self.path}: {error}") from None

    def files(self, program: int) -> dict[str, str]:
        """The program's files, path to text.

        Raises:
            StoreError: there is no such program, or its text was dropped.
        """
        with decoding(self.path):
            files = self._texts.files(program)
        if not files:
            self.program(program)
            raise StoreError(
                f"{self.path}: the text of program {program} was dropped by `evolve gc`; its"
                " scores and its origin are still there"
            )
        return files

    def has_text(self, program: int) -> bool:
        """Whether the text of a program has not been dropped."""
        return bool(self._ids("SELECT program AS id FROM contents WHERE program = ?", program))

    def verdicts(self, program: int) -> list[Verdict]:
        """Everything the stages said of a program, in the order it came."""
        return self._read(
            rows.verdict_value,
            f"SELECT {rows.VERDICT} FROM verdicts WHERE program = ? ORDER BY position",  # noqa: S608
            program,
        )

    def cases(self, program: int) -> tuple[float, ...]:
        """What a program scored by case, higher is better; none where its problem does not say."""
        return next(
            iter(self._read(rows.cases_row, "SELECT scores FROM cases WHERE program = ?", program)),
            (),
        )

    def past_verdicts(self, program: int) -> list[tuple[int, Verdict]]:
        """What the stages said before scores were given anew, with the number of that scoring."""
        return self._read(
            lambda row: (row["scoring"], rows.verdict_value(row)),
            f"SELECT scoring, {rows.VERDICT} FROM past_verdicts WHERE program = ?"  # noqa: S608
            " ORDER BY scoring, position",
            program,
        )

    def verdicts_of(self, split: str) -> dict[int, list[Verdict]]:
        """The verdicts of a split, by program; programs and verdicts in the order they came.

        Of training, which has one or more for each program, none are given.
        """
        found: dict[int, list[Verdict]] = {}
        for program, verdict in self._read(
            lambda row: (row["program"], rows.verdict_value(row)),
            f"SELECT program, {rows.VERDICT} FROM verdicts WHERE split = ?"  # noqa: S608
            " AND split <> 'training' ORDER BY program, position",
            split,
        ):
            found.setdefault(program, []).append(verdict)
        return found

    def stage_values(self) -> list[tuple[int, str, float]]:
        """(attempt, stage, fitness) of every training verdict that has one, by attempt."""
        return self._read(
            lambda row: (row["attempt"], row["stage"], row["fitness"]),
            "SELECT p.attempt, v.stage, v.fitness FROM verdicts v JOIN programs p"
            " ON p.id = v.program WHERE v.split = 'training' AND v.fitness IS NOT NULL"
            " ORDER BY p.attempt, v.position",
        )

    def find(self, text: str) -> int:
        """The program a person means: "best", "champion", an id, or the start of a hash.

        The best leads in training, the champion in validation.

        Raises:
            StoreError: nothing fits, or several do.
        """
        if text in ("best", "champion"):
            split = "training" if text == "best" else "validation"
            leaders = self._leaders(1, split)
            if not leaders:
                raise StoreError(f"{self.path}: no program has a score in {split} yet")
            return leaders[0]
        with decoding(self.path):
            try:
                return naming.meant(self._database.conn, text)
            except ValueError as error:
                raise StoreError(f"{self.path}: {error}") from None

    def beginning_with(self, prefix: str) -> list[int]:
        """Programs whose hash begins so, at most a hundred."""
        with decoding(self.path):
            return naming.beginning_with(self._database.conn, prefix)

    def lineage(self, program: int) -> list[StoredProgram]:
        """The line of parents from the seed down to the program, it included."""
        found = self._programs(
            "WITH RECURSIVE line (id, depth) AS ("  # noqa: S608
            " SELECT ?, 0 UNION ALL SELECT a.parent, line.depth + 1 FROM line"
            " JOIN programs p ON p.id = line.id JOIN attempts a ON a.attempt = p.attempt"
            # a parent is older than its child; where a file says otherwise the walk ends
            f" WHERE a.parent < line.id) {rows.PROGRAM}"
            " JOIN line ON line.id = p.id ORDER BY line.depth DESC",
            program,
        )
        if not found:
            raise StoreError(f"{self.path}: no program {program}")
        return found

    def ancestors(self, program: int) -> list[int]:
        """Its parent, that one's parent, and so on up to the seed."""
        self.program(program)
        return self._ids(lineage.ANCESTORS, program)

    def descendants(self, program: int) -> list[int]:
        """Everything made from the program, directly or not, nearest first."""
        self.program(program)
        return self._ids(lineage.DESCENDANTS, program)

    def common_ancestor(self, one: int, other: int) -> int | None:
        """The nearest program that both come from (it may be one of them), if there is one."""
        for program in (one, other):
            self.program(program)
        found = self._ids(lineage.COMMON, one, other)
        return found[0] if found else None

    def edits(self, program: int) -> list[Edit]:
        """The edits on the way from the seed to the program, with what each gained."""
        self.program(program)
        return self._read(lineage.edit_value, lineage.EDITS, program)

    def generations(self) -> list[Generation]:
        """The best program of every generation; reads every program there is."""
        return self._read(lineage.generation_value, lineage.GENERATIONS)

    def hunks(self, one: int, other: int, *, context: int = 3) -> str:
        """A unified diff from one program to another, whatever their relation."""
        return "\n".join(lineage.hunks(self.files(one), self.files(other), context=context))

    def children(self, program: int) -> list[StoredProgram]:
        """The programs that were made from this one as parent."""
        return self._programs(
            f"{rows.PROGRAM} WHERE a.parent = ? AND a.program = p.id ORDER BY p.id", program
        )

    def banned(self) -> list[int]:
        """The programs that were banned, and all that was made from them, in order."""
        return sorted(self._ids(lineage.BANNED))

    def offspring(self, program: int) -> int:
        """How many programs were made from this one as parent."""
        return self._ids("SELECT count(program) AS id FROM attempts WHERE parent = ?", program)[0]

    def top(self, count: int, split: str = "training") -> list[StoredProgram]:
        """The best programs, best first.

        Training ranks by rung and fitness. In the other splits those lead that were measured most
        often there, by their mean fitness; one that failed there once is left out, as are
        banned ones.
        """
        return [self.program(program) for program in self._leaders(count, split)]

    def _leaders(self, count: int, split: str) -> list[int]:
        if split == "training":
            return self._ids(
                "SELECT id FROM programs WHERE fitness IS NOT NULL"  # noqa: S608
                f" AND id NOT IN ({lineage.BANNED})"
                " ORDER BY rung DESC, fitness DESC, id LIMIT ?",
                count,
            )
        return self._ids(
            "SELECT program AS id FROM verdicts WHERE split = ? AND split <> 'training'"  # noqa: S608
            f" AND program NOT IN ({lineage.BANNED})"
            " GROUP BY program HAVING count(fitness) = count(*)"
            " ORDER BY count(*) DESC, avg(fitness) DESC, program LIMIT ?",
            split,
            count,
        )

    def proposals(
        self,
        *,
        attempt: int | None = None,
        program: int | None = None,
        parent: int | None = None,
        last: int | None = None,
    ) -> list[StoredProposal]:
        """Attempts in order: all, or those that fit every condition given.

        Args:
            attempt: This one.
            program: Those that came to this program: the one that made it, and its duplicates.
            parent: Those that started from this program, whatever became of them.
            last: So many of them, the newest.
        """
        conditions, values = ["1"], []
        if attempt is not None:
            conditions.append("attempt = ?")
            values.append(attempt)
        if program is not None:
            conditions.append(
                "attempt IN (SELECT attempt FROM programs WHERE id = ? UNION ALL"
                " SELECT attempt FROM attempts WHERE duplicate_of = ?)"
            )
            values += [program, program]
        if parent is not None:
            conditions.append("parent = ?")
            values.append(parent)
        found = self._read(
            rows.proposal_value,
            f"SELECT {rows.PROPOSAL} FROM attempts"  # noqa: S608
            f" WHERE {' AND '.join(conditions)} ORDER BY attempt DESC LIMIT ?",
            *values,
            -1 if last is None else last,
        )
        return found[::-1]

    def calls(self, *, attempt: int | None = None) -> list[Call]:
        """The calls in the order they were sent: all, or those of one attempt."""
        every = f"SELECT {calls.CALL} FROM calls"  # noqa: S608
        if attempt is None:
            return self._read(calls.value, f"{every} ORDER BY id")
        return self._read(calls.value, f"{every} WHERE attempt = ? ORDER BY id", attempt)

    def spending(self) -> Mapping[str, Spending]:
        """What the calls to each model came to."""
        return calls.Totals(self._read(dict, calls.BY_MODEL)).models()

    def events(self, kind: str | None = None) -> list[StoredEvent]:
        """What happened to the run, in order."""
        return self._read(
            rows.event_value,
            "SELECT id, kind, data, created FROM events WHERE ? IS NULL OR kind = ? ORDER BY id",
            kind,
            kind,
        )

    def history(self) -> History:
        """Every ended attempt as columns; reads the whole run."""
        from islands_db import history  # with numpy, which no other question needs

        with decoding(self.path):
            return history.read(self._database.conn)

    def follow(self, programs: Programs) -> int:
        """Reads into the columns the programs that have come since; how many."""
        with decoding(self.path):
            return programs.read_on(self._database.conn)

    def standing(self) -> tuple[int, ...]:
        """What moves when anything has happened: times scores were given anew, last program,
        attempts ended, last event, verdicts outside training. The first thing to ask when
        following a run."""
        found: list[tuple[int, ...]] = self._read(
            lambda row: tuple(row.values()),
            "SELECT (SELECT count(*) FROM scorings) AS scorings,"
            " (SELECT ifnull(max(id), 0) FROM programs) AS programs,"
            " (SELECT ifnull(sum(attempts), 0) FROM tallies) AS attempts,"
            " (SELECT ifnull(max(id), 0) FROM events) AS events,"
            " (SELECT count(*) FROM verdicts WHERE split <> 'training') AS verdicts",
        )
        return found[0]

    def values(self, split: str) -> dict[int, tuple[float, int]]:
        """The mean fitness of every program that has one in each verdict of a split other than
        training, and the number of these verdicts: means of few are of easier draws, perhaps."""
        found: list[tuple[int, float, int]] = self._read(
            lambda row: (row["program"], row["fitness"], row["draws"]),
            "SELECT program, avg(fitness) AS fitness, count(*) AS draws FROM verdicts"
            " WHERE split = ? AND split <> 'training'"
            " GROUP BY program HAVING count(fitness) = count(*)",
            split,
        )
        return {program: (fitness, draws) for program, fitness, draws in found}

    def epochs(self) -> list[tuple[int, str, int | None, int | None]]:
        """What happened to the islands: (settled attempts, kind, island, program), in order."""
        return self._read(
            lambda row: (row["settled"], row["kind"], row["island"], row["program"]),
            "SELECT settled, kind, island, program FROM epochs ORDER BY id",
        )

    def populations(self) -> list[list[int]]:
        """The programs in each island's population now."""
        found: dict[int, list[int]] = {}
        for island, program in self._read(
            lambda row: (row["island"], row["program"]),
            "SELECT island, program FROM members ORDER BY island, slot",
        ):
            found.setdefault(island, []).append(program)
        return [found.get(island, []) for island in range(max(found, default=-1) + 1)]

    def counts(self) -> Counts:
        """The run's figures from its running totals, in one consistent state."""
        with decoding(self.path), self.snapshot():
            return rows.counts_value(
                dict(self._read(rows.tally_row, "SELECT * FROM tallies")),
                pending=self._ids("SELECT count(*) AS id FROM attempts WHERE fate IS NULL")[0],
                islands=[
                    self._island(island)
                    for island in self._ids("SELECT island AS id FROM islands ORDER BY island")
                ],
                best=self._best(),
            )

    def _best(self) -> tuple[int, float] | None:
        found: list[tuple[int, float]] = self._read(
            lambda row: (row["id"], row["fitness"]),
            "SELECT id, fitness FROM programs WHERE fitness IS NOT NULL"  # noqa: S608
            f" AND id NOT IN ({lineage.BANNED}) ORDER BY rung DESC, fitness DESC, id LIMIT 1",
        )
        return found[0] if found else None

    def _island(self, island: int) -> IslandCounts:
        return self._read(
            rows.island_value,
            "SELECT (SELECT count(*) FROM members WHERE island = n) AS size,"
            " (SELECT count(*) FROM elites WHERE island = n) AS elites,"
            " p.id AS best, p.rung AS best_rung, p.fitness AS best_fitness"
            " FROM (SELECT ? AS n) LEFT JOIN programs p ON p.id = ("
            " SELECT m.program FROM members m JOIN programs q ON q.id = m.program"
            " WHERE m.island = n AND q.fitness IS NOT NULL"
            " ORDER BY q.rung DESC, q.fitness DESC, q.id LIMIT 1)",
            island,
        )[0]

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside the block is one committed state of the run; may be nested."""
        connection = self._database.conn
        if connection.in_transaction:
            yield
            return
        with decoding(self.path):
            connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("COMMIT")

    def _programs(self, query: str, *values: object) -> list[StoredProgram]:
        return self._read(
            lambda row: rows.program_value(row, self.verdicts(row["id"])), query, *values
        )

    def _ids(self, query: str, *values: object) -> list[int]:
        found: list[int] = self._read(lambda row: row["id"], query, *values)
        return found

    def _read(self, convert: Callable[[dict[str, Any]], T], query: str, *values: object) -> list[T]:
        with decoding(self.path):
            cursor = self._database.conn.execute(query, values)
            names = [column[0] for column in cursor.description]
            return [convert(dict(zip(names, row, strict=True))) for row in cursor]
