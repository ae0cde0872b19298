"""The single writer of a run: what an attempt came to, stored with every state it changes.

The islands live in memory as a copy of their tables; each call writes its rows and changes memory
inside one transaction. If that fails, nothing has changed on disk, and the store refuses further
writes until it is opened again, since memory may be ahead.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from islands_db import connections, migrations, rows
from islands_db.grid import cell
from islands_db.islands import Changes, Islands, Row
from islands_db.pool import NO_CELL, Entrant
from islands_db.records import (
    JSON,
    Counts,
    Fate,
    IslandCounts,
    Outcome,
    Placement,
    ProgramText,
    Sample,
    Settings,
    StoreError,
    Tally,
    Verdict,
)
from islands_db.texts import Texts

_JUDGED = (Fate.SEED, Fate.EVALUATED)


class Store:
    """A run's database, open for writing; belongs to the thread that opened it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: connections.WriterLock):
        """Use `create` or `open`."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._depth = 0
        self._durable = False
        self._stale = False
        self._texts = Texts(connection)
        self._settings, self._meta = self._load_values()
        self._tallies = self._load_tallies()
        self._settled = sum(tally.attempts for tally in self._tallies.values())
        self._next_program = self._load_next_program()
        self._pending = self._load_pending()
        self._held = {
            attempt for (attempt,) in self._connection.execute("SELECT attempt FROM held")
        }
        self._best = self._load_best()
        self._islands = Islands(self._settings)
        self._islands.restore(self._slots("members"), self._slots("elites"))

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], *, settings: Settings, meta: Mapping[str, JSON]
    ) -> Store:
        """A new database; it appears under its name complete or not at all.

        Raises:
            StoreError: there is a file already, or the folder cannot be written.
        """
        path = Path(path)
        _check(settings)
        lock = connections.WriterLock(path)
        try:
            if path.exists():
                raise StoreError(f"{path}: exists already; choose another name or remove it")
            draft = path.with_name(path.name + "-new")
            draft.unlink(missing_ok=True)
            with connections.faults(path):
                connection = connections.connect_writer(draft)
                try:
                    migrations.migrate(connection, name=str(path))
                    connection.execute(
                        "INSERT INTO settings (id, value) VALUES (1, ?)",
                        (rows.settings_text(settings),),
                    )
                    connection.executemany(
                        "INSERT INTO meta (key, value) VALUES (?, ?)",
                        [(key, rows.json_text(value)) for key, value in meta.items()],
                    )
                finally:
                    connection.close()
            draft.rename(path)
        except BaseException:
            lock.release()
            raise
        return cls._opened(path, lock)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """An existing database with its islands as they were left.

        Raises:
            StoreError: it is missing, not ours, damaged, from a newer version, or in use.
        """
        path = Path(path)
        connections.require(path)
        return cls._opened(path, connections.WriterLock(path))

    @classmethod
    def _opened(cls, path: Path, lock: connections.WriterLock) -> Store:
        connection: sqlite3.Connection | None = None
        try:
            with connections.faults(path):
                connection = connections.connect_writer(path)
                connections.require_ours(connection, path)
                if path.stat().st_size <= connections.CHECKED_BYTES:
                    for fault in connections.damage(connection)[:1]:
                        raise StoreError(f"{path}: damaged ({fault}); restore it from a copy")
                migrations.migrate(connection, name=str(path))
                return cls(path, connection, lock)
        except BaseException:
            if connection is not None:
                connection.close()
            lock.release()
            raise

    def close(self) -> None:
        """Ends writing; folds the log into the database file unless readers are still there."""
        if self._depth:
            raise ValueError("close() inside atomic()")
        self._connection.close()
        self._lock.release()

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def meta(self) -> Mapping[str, JSON]:
        """The run's own values; change them with `set_meta`."""
        return MappingProxyType(self._meta)

    @property
    def best(self) -> tuple[int, float] | None:
        """Program and fitness of the best in training; of equals the first."""
        return None if self._best is None else (self._best.program, self._best.fitness)

    # Transactions

    @contextmanager
    def atomic(self, *, durable: bool = False) -> Iterator[None]:
        """One transaction for all writes inside; a nested one joins it.

        Committed work survives the end of the process. With `durable` it also survives a power
        cut, at the price of an fsync; without, the last moments before one may be lost, but
        nothing is torn.

        Raises:
            StoreError: the database refused; nothing inside has been stored.
        """
        if self._stale:
            raise StoreError(f"{self.path}: a write has failed before; open the database again")
        if self._depth:
            if durable and not self._durable:
                raise ValueError("durable atomic() inside one that is not")
            yield from self._nested()
        else:
            yield from self._outermost(durable=durable)

    def _nested(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        except BaseException:
            self._stale = True
            raise
        finally:
            self._depth -= 1

    def _outermost(self, *, durable: bool) -> Iterator[None]:
        with connections.faults(self.path):
            if durable:
                self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth, self._durable = 1, durable
            try:
                yield
                if self._stale:
                    raise StoreError(f"{self.path}: part of a transaction failed; none is stored")
                self._connection.execute("COMMIT")
            except BaseException:
                self._stale = True
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth, self._durable = 0, False
                if durable:
                    self._connection.execute("PRAGMA synchronous = NORMAL")

    def checkpoint(self) -> bool:
        """Copies the log into the database file; from any thread, without stopping the writer.

        True when the whole log is copied: if nothing was written meanwhile, the next write starts
        it over. While writes go on without a pause the log keeps growing, so hold them back for one
        call now and then.
        """
        with connections.faults(self.path):
            connection = sqlite3.connect(self.path, isolation_level=None)
            try:
                busy, logged, copied = connection.execute(
                    "PRAGMA wal_checkpoint(PASSIVE)"
                ).fetchone()
            finally:
                connection.close()
        return not busy and logged == copied

    # Attempts

    def sample(self, attempt: int, rng: random.Random, *, proposer: str) -> Sample:
        """Draws what an attempt starts from; stores nothing.

        Islands take turns by attempt number, so all of them live. The parent is None while no
        program has a score.
        """
        island, parent, shown = self._islands.sample(attempt, rng)
        return Sample(
            attempt=attempt, island=island, parent=parent, inspirations=shown, proposer=proposer
        )

    def begin(self, sample: Sample) -> None:
        """Stores that an attempt is under way, so that a resumed run does it again."""
        known = self._connection.execute(
            "SELECT 1 FROM attempts WHERE attempt = ?", (sample.attempt,)
        ).fetchone()
        if known is not None:
            raise ValueError(f"attempt {sample.attempt} has begun before")
        with self.atomic():
            self._connection.execute(
                f"INSERT INTO attempts ({rows.SAMPLE}, created)"  # noqa: S608
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*rows.sample_row(sample), time.time()),
            )
            self._pending[sample.attempt] = sample

    def hold(self, attempt: int, payload: bytes) -> None:
        """Stores a result that arrived before its turn."""
        self._require_pending(attempt)
        if attempt in self._held:
            raise ValueError(f"attempt {attempt} holds a result already")
        with self.atomic():
            self._connection.execute(
                "INSERT INTO held (attempt, payload) VALUES (?, ?)", (attempt, payload)
            )
            self._held.add(attempt)

    def pending(self) -> list[Sample]:
        """The attempts under way, in order."""
        return [self._pending[attempt] for attempt in sorted(self._pending)]

    def held(self) -> dict[int, bytes]:
        """The results that wait for their turn, by attempt."""
        return dict(self._connection.execute("SELECT attempt, payload FROM held ORDER BY attempt"))

    def settle(self, attempt: int, outcome: Outcome) -> Placement:
        """Stores how an attempt ended, with everything that changes by it, in one transaction.

        A seed enters every island, any other program its attempt's island; one without a fitness
        enters none.

        Raises:
            ValueError: the attempt is not under way, or the outcome contradicts itself or what is
                stored; nothing has changed.
        """
        sample = self._require_pending(attempt)
        fitness = self._validate(attempt, outcome)
        with self.atomic():
            program = None
            if outcome.program is not None:
                program = self._add_program(sample, outcome.program, outcome, fitness)
            self._finish_attempt(attempt, outcome, program)
            now = self._count(sample.proposer, outcome, program)
            placement = Placement(program=program)
            if program is not None and fitness is not None:
                placement = self._place(sample, outcome, program, fitness, now)
            every = self._settings.migration_every
            if every and now % every == 0:
                self._write_rows("members", self._islands.migrate(now))
        return placement

    def _require_pending(self, attempt: int) -> Sample:
        sample = self._pending.get(attempt)
        if sample is None:
            raise ValueError(f"attempt {attempt} is not under way")
        return sample

    def _validate(self, attempt: int, outcome: Outcome) -> float | None:
        judged = outcome.fate in _JUDGED
        if judged and outcome.program is None:
            raise ValueError(f"attempt {attempt}: {outcome.fate} without a program")
        if not judged and (outcome.verdicts or outcome.fitness is not None):
            raise ValueError(f"attempt {attempt}: {outcome.fate} has no verdicts and no fitness")
        _require_distinct(outcome.verdicts)
        if judged and outcome.program is not None:
            twin = self._known_by_hash(outcome.program.hash)
            if twin is not None:
                raise ValueError(
                    f"attempt {attempt}: its program is stored as {twin}; settle it as a duplicate"
                )
        return rows.finite(outcome.fitness)

    def _add_program(
        self, sample: Sample, program: ProgramText, outcome: Outcome, fitness: float | None
    ) -> int:
        generation = 0
        if sample.parent is not None:
            (before,) = self._connection.execute(
                "SELECT generation FROM programs WHERE id = ?", (sample.parent,)
            ).fetchone()
            generation = before + 1
        number = self._next_program
        self._next_program += 1
        self._connection.execute(
            "INSERT INTO programs (id, attempt, generation, hash, syntax_hash, length, cell, rung,"
            " fitness) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                sample.attempt,
                generation,
                program.hash,
                program.syntax_hash,
                program.length,
                cell(outcome.features, program.length, self._settings.axes),
                outcome.rung if outcome.fate in _JUDGED else None,
                fitness,
            ),
        )
        self._texts.add(number, program.files, parent=sample.parent)
        self._write_verdicts(number, 0, outcome.verdicts)
        return number

    def _finish_attempt(self, attempt: int, outcome: Outcome, program: int | None) -> None:
        self._connection.execute(
            "UPDATE attempts SET fate = ?, reason = ?, operator = ?, diff = ?, program = ?,"
            " duplicate_of = ?, propose_s = ?, cost_usd = ?, settled = ? WHERE attempt = ?",
            (
                outcome.fate.value,
                rows.text(outcome.reason),
                rows.text(outcome.operator),
                rows.text(outcome.diff),
                program,
                outcome.duplicate_of,
                outcome.propose_s,
                outcome.cost_usd,
                time.time(),
                attempt,
            ),
        )
        del self._pending[attempt]
        if attempt in self._held:
            self._connection.execute("DELETE FROM held WHERE attempt = ?", (attempt,))
            self._held.remove(attempt)

    def _count(self, proposer: str, outcome: Outcome, program: int | None) -> int:
        """Adds the attempt to the totals; the number of attempts that have ended."""
        key = (proposer, outcome.fate)
        before = self._tallies.get(key, Tally(attempts=0, programs=0, cost_usd=0.0))
        after = Tally(
            attempts=before.attempts + 1,
            programs=before.programs + (program is not None),
            cost_usd=before.cost_usd + outcome.cost_usd,
        )
        self._connection.execute(
            "INSERT INTO tallies (proposer, fate, attempts, programs, cost_usd)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET attempts = excluded.attempts,"
            " programs = excluded.programs, cost_usd = excluded.cost_usd",
            (proposer, outcome.fate.value, after.attempts, after.programs, after.cost_usd),
        )
        self._tallies[key] = after
        self._settled += 1
        return self._settled

    def _place(
        self, sample: Sample, outcome: Outcome, program: int, fitness: float, now: int
    ) -> Placement:
        assert outcome.program is not None
        length = outcome.program.length
        place = cell(outcome.features, length, self._settings.axes)
        entrant = Entrant(
            program, outcome.rung, fitness, length, NO_CELL if place is None else place
        )
        changes = self._islands.enter(entrant, island=sample.island, fate=outcome.fate, now=now)
        self._write_changes(changes)
        best = self._best is None or (entrant.rung, entrant.fitness) > (
            self._best.rung,
            self._best.fitness,
        )
        if best:
            self._best = entrant
        return Placement(program=program, joined=changes.joined, elite=changes.elite, best=best)

    def _write_changes(self, changes: Changes) -> None:
        self._write_rows("members", changes.members)
        self._write_rows("elites", changes.elites)

    def _write_rows(self, table: str, written: Iterable[Row]) -> None:
        self._connection.executemany(
            f"INSERT INTO {table} (island, slot, program, joined) VALUES (?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT DO UPDATE SET program = excluded.program, joined = excluded.joined",
            [(row.island, row.slot, row.program, row.joined) for row in written],
        )

    # Verdicts, events, values

    def add_verdicts(self, program: int, verdicts: Iterable[Verdict]) -> None:
        """Stores verdicts that came later (validation, test); the islands do not change.

        Raises:
            ValueError: there is no such program, or it has a verdict of this stage, split and seed.
        """
        added = tuple(verdicts)
        _require_distinct(added)
        if not 1 <= program < self._next_program:
            raise ValueError(f"no program {program}")
        there = {
            (stage, split, int(seed))
            for stage, split, seed in self._connection.execute(
                "SELECT stage, split, seed FROM verdicts WHERE program = ?", (program,)
            )
        }
        for verdict in added:
            if (key := (verdict.stage, verdict.split, verdict.seed)) in there:
                raise ValueError(f"program {program} has a verdict of {key} already")
        with self.atomic():
            self._write_verdicts(program, len(there), added)

    def _write_verdicts(self, program: int, position: int, verdicts: Iterable[Verdict]) -> None:
        self._connection.executemany(
            f"INSERT INTO verdicts (program, position, {rows.VERDICT})"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                rows.verdict_row(program, number, verdict)
                for number, verdict in enumerate(verdicts, start=position)
            ],
        )

    def event(self, kind: str, data: Mapping[str, JSON]) -> None:
        """Notes something that happened to the run itself."""
        stored = rows.json_text(data)
        with self.atomic():
            self._connection.execute(
                "INSERT INTO events (kind, data, created) VALUES (?, ?, ?)",
                (kind, stored, time.time()),
            )

    def set_meta(self, key: str, value: JSON) -> None:
        """Sets one of the run's own values."""
        stored = rows.json_text(value)
        with self.atomic():
            self._connection.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                (key, stored),
            )
            self._meta[key] = rows.json_value(stored)

    # Reading

    def known(self, hash: str, syntax_hash: str) -> int | None:
        """The judged program with the same content, or else the same syntax tree."""
        known = self._known_by_hash(hash)
        if known is not None:
            return known
        row = self._connection.execute(
            "SELECT min(id) FROM programs WHERE syntax_hash = ? AND rung IS NOT NULL",
            (syntax_hash,),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def _known_by_hash(self, hash: str) -> int | None:
        row = self._connection.execute(
            "SELECT id FROM programs WHERE hash = ? AND rung IS NOT NULL", (hash,)
        ).fetchone()
        return None if row is None else int(row[0])

    def files(self, program: int) -> dict[str, str]:
        """The program's files, path to text.

        Raises:
            ValueError: there is no such program.
        """
        files = self._texts.files(program)
        if not files:
            raise ValueError(f"no program {program}")
        return files

    def counts(self) -> Counts:
        """Live figures from running totals; cheap at any size of the run."""
        return rows.counts_value(
            self._tallies,
            pending=len(self._pending),
            islands=[
                IslandCounts(
                    size=island.population.size,
                    elites=island.archive.size,
                    best=None if (best := island.best) is None else best.program,
                    best_rung=0 if best is None else best.rung,
                    best_fitness=None if best is None else best.fitness,
                )
                for island in self._islands.all
            ],
            best=self.best,
        )

    # Memory, rebuilt from the tables

    def _load_values(self) -> tuple[Settings, dict[str, JSON]]:
        (settings,) = self._connection.execute("SELECT value FROM settings").fetchone()
        meta = self._connection.execute("SELECT key, value FROM meta")
        return rows.settings_value(settings), {key: rows.json_value(value) for key, value in meta}

    def _load_tallies(self) -> dict[tuple[str, Fate], Tally]:
        return {
            (proposer, Fate(fate)): Tally(attempts=attempts, programs=programs, cost_usd=cost)
            for proposer, fate, attempts, programs, cost in self._connection.execute(
                "SELECT proposer, fate, attempts, programs, cost_usd FROM tallies"
            )
        }

    def _load_next_program(self) -> int:
        (last,) = self._connection.execute("SELECT max(id) FROM programs").fetchone()
        return 1 if last is None else int(last) + 1

    def _load_pending(self) -> dict[int, Sample]:
        return {
            row[0]: rows.sample_value(row)
            for row in self._connection.execute(
                f"SELECT {rows.SAMPLE} FROM attempts WHERE fate IS NULL"  # noqa: S608
            )
        }

    def _load_best(self) -> Entrant | None:
        row = self._connection.execute(
            f"SELECT {_ENTRANT} FROM programs p WHERE fitness IS NOT NULL"  # noqa: S608
            " ORDER BY rung DESC, fitness DESC, id LIMIT 1"
        ).fetchone()
        return None if row is None else _entrant(*row)

    def _slots(self, table: str) -> Iterator[tuple[Row, Entrant]]:
        for row in self._connection.execute(
            f"SELECT t.island, t.slot, t.joined, {_ENTRANT} FROM {table} t"  # noqa: S608
            " JOIN programs p ON p.id = t.program ORDER BY t.island, t.slot"
        ):
            island, slot, joined, *columns = row
            entrant = _entrant(*columns)
            yield Row(island, slot, entrant.program, joined), entrant


_ENTRANT = "p.id, p.rung, p.fitness, p.length, p.cell"


def _entrant(program: int, rung: int, fitness: float, length: int, cell: int | None) -> Entrant:
    return Entrant(program, rung, fitness, length, NO_CELL if cell is None else cell)


def _check(settings: Settings) -> None:
    for name, least in (("islands", 1), ("population", 1), ("inspirations", 0)):
        if getattr(settings, name) < least:
            raise ValueError(
                f"settings: {name} = {getattr(settings, name)}, expected {least} or more"
            )
    if settings.migration_every < 0:
        raise ValueError(
            f"settings: migration_every = {settings.migration_every}, expected 0 or more"
        )
    for axis in settings.axes:
        if axis.cells < 1 or not axis.low < axis.high:
            raise ValueError(f"settings: {axis}: expected low < high and at least one cell")


def _require_distinct(verdicts: tuple[Verdict, ...]) -> None:
    if len({(v.stage, v.split, v.seed) for v in verdicts}) < len(verdicts):
        raise ValueError("two verdicts of the same stage, split and seed")
