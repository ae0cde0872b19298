"""The single writer of a run: what an attempt came to, stored with every state it changed.

The islands live in memory as a copy of their tables; each call writes its rows and changes memory
inside one transaction. If that fails, nothing has changed on disk, and the store refuses further
writes until it is opened again, since memory may be ahead.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType

from islands_db import (
    calls,
    connections,
    lineage,
    lookups,
    maps,
    migrations,
    rows,
    seals,
    state,
    writing,
)
from islands_db.faults import decoding, faults
from islands_db.island import Standing
from islands_db.records import (
    EVALUATED,
    JSON,
    Call,
    CallState,
    Counts,
    Fate,
    Outcome,
    Placement,
    Sample,
    Settings,
    Spending,
    StoreError,
    Verdict,
)
from islands_db.settings import check
from islands_db.settling import Settling, check_verdicts, verdict_key
from islands_db.texts import Texts
from islands_db.transactions import Transactions


class Store:
    """A run's database, open for writing; belongs to the thread that opened it."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: connections.WriterLock
    ) -> None:
        """Use `create` or `open`."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._closed = False
        self._transactions = Transactions(path, connection)
        self._texts = Texts(connection)
        self._state = state.load(connection)
        self._settling = Settling(connection, self._state, self._texts)

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], *, settings: Settings, meta: Mapping[str, JSON]
    ) -> Store:
        """A new database; it appears under its name complete or not at all.

        Raises:
            StoreError: there is a file already, or the folder cannot be written.
            ValueError: the settings contradict themselves.
        """
        path = Path(path)
        check(settings)
        lock = connections.WriterLock(path)
        try:
            if path.exists():
                raise StoreError(f"{path}: exists already; choose another name or remove it")
            with faults(path), connections.draft(path) as connection:
                migrations.migrate(connection, name=str(path))
                writing.put_settings(connection, settings)
                for island in range(settings.islands):
                    writing.put_standing(connection, Standing(island, 0, 0, 0, None))
                if (first_map := maps.start(settings)) is not None:
                    writing.put_map(connection, rows.json_text(first_map), settled=0)
                for key, value in meta.items():
                    writing.put_meta(connection, key, rows.json_text(value))
                seals.fill(connection)
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
            with decoding(path):
                connection = connections.connect_writer(path)
                connections.require_ours(connection, path)
                connections.require_sound(connection, path)
                connections.bring_up_to_date(connection, path)
                calls.cut_open(connection)
                return cls(path, connection, lock)
        except BaseException:
            if connection is not None:
                connection.close()
            lock.release()
            raise

    def close(self) -> None:
        """Ends writing; folds the log into the database file unless readers are still there."""
        if self._transactions.open:
            raise ValueError("close() inside atomic()")
        if self._transactions.waiting:
            with suppress(StoreError), self.atomic():  # told already, if writing has failed
                pass
        with faults(self.path), self._transactions.writing:  # another thread may begin the log anew
            self._closed = True
            self._connection.close()
        self._lock.release()

    @property
    def settings(self) -> Settings:
        return self._state.settings

    @property
    def meta(self) -> Mapping[str, JSON]:
        """The run's own values; change them with `set_meta`."""
        return MappingProxyType(self._state.meta)

    @property
    def best(self) -> tuple[int, float] | None:
        """Program and fitness of the best in training; of equals the first."""
        best = self._state.best
        return None if best is None else (best.program, best.fitness)

    def atomic(self, *, durable: bool = False) -> AbstractContextManager[None]:
        """One transaction for all writes inside; a nested one joins it.

        Committed work survives the end of the process. With `durable` it also survives a power
        cut, at the price of an fsync; without, the last moments before one may be lost, but
        nothing is torn.

        Raises:
            StoreError: the database refused; nothing inside has been stored.
        """
        return self._transactions.atomic(durable=durable)

    def checkpoint(self) -> bool:
        """Copies the log into the database file; from any thread.

        The writer goes on meanwhile; only if it never pauses and the log has grown large is it held
        back for the last bit.

        The log is never copied otherwise, so call this every few seconds while writing, but not
        inside `atomic`. True when the whole log was copied, so that it starts over, for which the
        next commit waits for the disk unless `begin_log_anew` has done that; False where a reader
        is in the middle of it or writes came too fast, which the next call makes good.
        """
        with faults(self.path):
            return connections.checkpoint(self.path, self._transactions.writing)

    def begin_log_anew(self) -> bool:
        """Does after a checkpoint what the next commit would else wait for; from any thread.

        The log starts over, which takes an fsync. The writer is held back meanwhile, so a thread
        that must not block starts no transaction until this is done.

        Returns:
            Whether all of a log was copied: not where there was none, or a reader is in it, or the
            store was closed. One who reads its last state is not in the way of that, but of
            starting over.
        """
        with faults(self.path):
            return connections.begin_log_anew(
                self.path, self._transactions.writing, lambda: not self._closed
            )

    def sync(self) -> None:
        """Makes all that was committed before this call survive a power cut; from any thread.

        The same as `atomic(durable=True)` for those commits, but the writer need not wait: its log
        is one file, and what an fsync secures does not depend on who asks for it.
        """
        with faults(self.path):
            connections.sync_log(self.path)

    # Attempts

    def sample(self, attempt: int, rng: random.Random, *, proposer: str) -> Sample:
        """Draws what an attempt starts from; stores nothing.

        Islands take turns by attempt number, so all of them live. The parent is None while no
        program has a score.
        """
        island, parent, shown = self._state.islands.sample(attempt, rng)
        return Sample(
            attempt=attempt, island=island, parent=parent, inspirations=shown, proposer=proposer
        )

    def begin(self, sample: Sample, *, later: bool = False) -> None:
        """Stores that an attempt is under way, so that a resumed run does it again.

        Args:
            later: It is stored with the next transaction, whichever that is, or on closing: there
                is nothing to lose before, and a transaction costs more than what it stores.

        Raises:
            ValueError: the attempt has begun before, or names an unknown island or program.
        """
        if not 0 <= sample.island < len(self._state.islands.all):
            raise ValueError(f"attempt {sample.attempt}: no island {sample.island}")
        for program in (sample.parent, *sample.inspirations):
            self._state.require_program(program)
        if sample.attempt <= self._state.last_attempt:
            with faults(self.path):
                stored = self._connection.execute(
                    "SELECT 1 FROM attempts WHERE attempt = ?", (sample.attempt,)
                ).fetchone()
            if stored is not None or sample.attempt in self._state.pending:
                raise ValueError(f"attempt {sample.attempt} has begun before")
        if later:
            self._transactions.with_next(partial(writing.begin_attempt, self._connection, sample))
            self._begun(sample)
            return
        with self.atomic():
            writing.begin_attempt(self._connection, sample)
            self._begun(sample)

    def _begun(self, sample: Sample) -> None:
        self._state.pending[sample.attempt] = sample
        self._state.last_attempt = max(self._state.last_attempt, sample.attempt)
        self._state.islands.begin(sample.island, sample.parent)

    def hold(self, attempt: int, payload: bytes) -> None:
        """Stores a result that arrived before its turn.

        Raises:
            ValueError: the attempt is not under way, or holds a result already.
        """
        self._require_pending(attempt)
        if attempt in self._state.held:
            raise ValueError(f"attempt {attempt} holds a result already")
        with self.atomic():
            writing.hold(self._connection, attempt, payload)
            self._state.held.add(attempt)

    def pending(self) -> list[Sample]:
        """The attempts under way, in order."""
        return [self._state.pending[attempt] for attempt in sorted(self._state.pending)]

    def held(self) -> dict[int, bytes]:
        """The results that wait for their turn, by attempt."""
        with decoding(self.path):
            return dict(
                self._connection.execute("SELECT attempt, payload FROM held ORDER BY attempt")
            )

    def barren(self, *, after: int) -> int:
        """Settled attempts since the last that was evaluated, of those behind number `after`."""
        ran = ",".join(f"'{fate}'" for fate in EVALUATED)
        with decoding(self.path):
            row = self._connection.execute(
                f"SELECT attempt FROM attempts WHERE fate IN ({ran}) ORDER BY attempt DESC LIMIT 1"  # noqa: S608
            ).fetchone()
            count: int = self._connection.execute(
                "SELECT count(*) FROM attempts WHERE attempt > ? AND fate IS NOT NULL",
                (max(after, row[0] if row else -1),),
            ).fetchone()[0]
        return count

    def settle(self, attempt: int, outcome: Outcome) -> Placement:
        """Stores how an attempt ended, with everything that changes by it, in one transaction.

        A seed enters every island, any other program its attempt's island; one without a fitness
        enters none.

        Raises:
            ValueError: the attempt is not under way, or the outcome contradicts itself or what is
                stored; nothing has changed.
        """
        sample = self._require_pending(attempt)
        with faults(self.path):
            self._settling.check(attempt, outcome)
        with self.atomic():
            return self._settling.settle(sample, outcome)

    def _require_pending(self, attempt: int) -> Sample:
        sample = self._state.pending.get(attempt)
        if sample is None:
            raise ValueError(f"attempt {attempt} is not under way")
        return sample

    # Calls

    def open_call(self, call: Call) -> int:
        """Stores that a call is about to be sent, with what is set aside for it; its number.

        Raises:
            ValueError: its turn has been answered, which nobody pays for twice.
        """
        if self.answer(call.attempt, call.turn) is not None:
            raise ValueError(f"attempt {call.attempt}: turn {call.turn} has been answered")
        with self.atomic():
            number = calls.add(self._connection, call)
            self._state.open_calls[number] = call
            self._state.spending.add(None, call)
        return number

    def end_call(self, number: int, call: Call) -> None:
        """Stores how a call ended.

        Raises:
            ValueError: it is not open, not to be ended as open, or what was sent is another.
        """
        before = self._state.open_calls.get(number)
        if before is None or call.state is CallState.OPEN:
            raise ValueError(f"call {number} is not open, or not ended")
        if not calls.same_sent(before, call):
            raise ValueError(f"call {number} was sent as {before}, and ends as {call}")
        with self.atomic():
            calls.end(self._connection, number, call)
            del self._state.open_calls[number]
            self._state.spending.add(before, call)
            if call.state is CallState.ANSWERED:
                self._state.answered.setdefault(call.attempt, set()).add(call.turn)

    def answer(self, attempt: int, turn: int) -> Call | None:
        """The answered call of an attempt's turn."""
        if attempt in self._state.pending and turn not in self._state.answered.get(attempt, ()):
            return None
        with decoding(self.path):
            cursor = self._connection.execute(
                f"SELECT {calls.CALL} FROM calls"  # noqa: S608
                " WHERE attempt = ? AND turn = ? AND state = 'answered'",
                (attempt, turn),
            )
            row = cursor.fetchone()
            if row is None:
                return None
            names = [column[0] for column in cursor.description]
            return calls.value(dict(zip(names, row, strict=True)))

    def spending(self) -> Spending:
        """What all calls came to, from running totals."""
        return self._state.spending.all()

    def spending_by_model(self) -> Mapping[str, Spending]:
        """As `spending`, for each model."""
        return self._state.spending.models()

    # Verdicts, events, values

    def add_verdicts(self, program: int, verdicts: Iterable[Verdict]) -> None:
        """Stores verdicts that came later (validation, test); the islands do not change.

        Raises:
            ValueError: there is no such program, or it has a verdict of this stage, split and seed.
        """
        added = tuple(verdicts)
        check_verdicts(added)
        self._state.require_program(program)
        with faults(self.path):
            there = {
                (stage, split, int(seed))
                for stage, split, seed in self._connection.execute(
                    "SELECT stage, split, seed FROM verdicts WHERE program = ?", (program,)
                )
            }
        for verdict in added:
            if verdict_key(verdict) in there:
                raise ValueError(
                    f"program {program} has a verdict of {verdict_key(verdict)} already"
                )
        with self.atomic():
            writing.add_verdicts(self._connection, program, added, position=len(there))

    def ban(self, program: int) -> int:
        """Takes a program and all that comes from it, now and later, out of the search.

        They leave populations and archives, are not the best, and no champions; they stay stored
        and known, so none of them is judged again. What they had pushed out does not come back.

        Returns:
            How many programs the ban reaches now.

        Raises:
            ValueError: there is no such program, it is a seed, or it is banned already.
        """
        self._state.require_program(program)
        attempt, _ = self.came_from(program)
        fate = self._connection.execute("SELECT fate FROM attempts WHERE attempt = ?", (attempt,))
        if fate.fetchone() == (Fate.SEED,):
            raise ValueError(f"program {program} is a seed, which all others come from")
        if program in self._state.banned:
            raise ValueError(f"program {program} is banned already")
        before = len(self._state.banned)
        with self.atomic():
            writing.add_event(self._connection, "ban", rows.json_text({"program": program}))
            found = self._connection.execute(lineage.BANNED)
            self._state.banned = banned = {id for (id,) in found}
            self._state.best = state.best(self._connection)
            for island in self._state.islands.all:
                changes = island.expel(
                    banned, lambda: state.seeds(self._connection), now=self._state.settled
                )
                if changes is not None:
                    self._settling.write(changes)
        return len(banned) - before

    def banned(self, program: int) -> bool:
        """Whether the program, or one it comes from, was banned."""
        return program in self._state.banned

    def event(self, kind: str, data: Mapping[str, JSON]) -> None:
        """Notes something that happened to the run itself."""
        stored = rows.json_text(data)
        with self.atomic():
            writing.add_event(self._connection, kind, stored)

    def set_meta(self, key: str, value: JSON) -> None:
        """Sets one of the run's own values."""
        stored = rows.json_text(value)
        with self.atomic():
            writing.put_meta(self._connection, key, stored)
            self._state.meta[key] = rows.json_value(stored)

    # Reading

    def known(self, hash: str, syntax_hash: str) -> int | None:
        """The judged program with the same content, or else the first of the same syntax tree.

        For the content or syntax tree of a twin it is the program that the twin behaved as.
        """
        with faults(self.path):
            return lookups.known(self._connection, hash, syntax_hash)

    def behaving(
        self, behaviour: int, *, length: int | None = None, up_to_attempt: int | None = None
    ) -> int | None:
        """The first judged program, of attempts up to `up_to_attempt`, that did the same on the
        probe inputs and is not longer than `length` syntax-tree nodes."""
        with faults(self.path):
            return lookups.behaving(
                self._connection, behaviour, length=length, up_to_attempt=up_to_attempt
            )

    def has_text(self, program: int) -> bool:
        """Whether the text of a program has not been dropped."""
        with faults(self.path):
            return lookups.has_text(self._connection, program)

    def rank(self, program: int) -> tuple[int, float]:
        """Rung and fitness of a program, the fitness -inf where it has none.

        Raises:
            ValueError: there is no such program, or it has not been judged.
        """
        with faults(self.path):
            return lookups.rank(self._connection, program)

    def came_from(self, program: int) -> tuple[int, int | None]:
        """The attempt that made a program, and that attempt's parent.

        Raises:
            ValueError: there is no such program.
        """
        with faults(self.path):
            return lookups.came_from(self._connection, program)

    def tried_without_gain(self, parent: int, count: int) -> list[int]:
        """The last attempts from a parent whose program did no better, the oldest first."""
        with faults(self.path):
            return lookups.tried_without_gain(self._connection, parent, count)

    def files(self, program: int) -> dict[str, str]:
        """The program's files, path to text.

        Raises:
            ValueError: there is no such program, or its text was dropped.
        """
        with decoding(self.path):
            files = self._texts.files(program)
        if not files:
            raise ValueError(f"no program {program}, or its text was dropped")
        return files

    def counts(self) -> Counts:
        """Live figures from running totals; cheap at any size of the run."""
        return rows.counts_value(
            self._state.tallies,
            pending=len(self._state.pending),
            islands=self._state.islands.counts(),
            best=self.best,
        )
