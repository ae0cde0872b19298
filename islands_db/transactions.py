"""Transactions of the one writer: nested ones join, a failed one ends all writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock

from islands_db.faults import faults
from islands_db.records import StoreError


class Transactions:
    """Opens and ends transactions on one connection.

    Memory follows the tables inside a transaction, so after a failed one it may be ahead of them;
    from then on `atomic` refuses, with the line that the first error had: whoever writes next may
    be the one who is heard.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._depth = 0
        self._durable = False
        self._failed = False
        self._why = ""
        self._first: list[Callable[[], None]] = []
        # held from BEGIN to COMMIT
        self.writing = Lock()

    @property
    def open(self) -> bool:
        return self._depth > 0

    def atomic(self, *, durable: bool = False) -> AbstractContextManager[None]:
        """One transaction; inside another it joins that one.

        Raises:
            StoreError: the database refused, or an earlier transaction failed.
            ValueError: a durable one inside one that is not.
        """
        return _Scope(self, durable=durable)

    def with_next(self, write: Callable[[], None]) -> None:
        """Has something written as the first of the next transaction, or in the open one."""
        if self._depth:
            write()
        else:
            self._first.append(write)

    @property
    def waiting(self) -> bool:
        """Whether something is to be written with the next transaction."""
        return bool(self._first)

    def enter(self, *, durable: bool) -> None:
        if self._failed:
            raise StoreError(
                self._why or f"{self._path}: a write failed before this; open the database again"
            )
        if self._depth:
            if durable and not self._durable:
                raise ValueError("durable atomic() inside one that is not durable")
            self._depth += 1
            return
        self.writing.acquire()
        try:
            with faults(self._path):
                # The commit's fsync also secures every commit before it: they share one log.
                if durable:
                    self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self.writing.release()
            raise
        self._depth, self._durable = 1, durable
        if self._first:
            try:
                for write in self._first:
                    write()
                self._first.clear()
            except BaseException as error:
                self.leave(error)
                raise

    def leave(self, error: BaseException | None) -> None:
        """Ends what `enter` began; what SQLite raised inside comes out as a `StoreError`."""
        self._note(error)
        if self._depth > 1:
            self._depth -= 1
            return
        try:
            with faults(self._path):
                self._end(error)
        except StoreError as found:
            self._note(found)
            raise
        finally:
            self._depth = 0
            self.writing.release()

    def _note(self, error: BaseException | None) -> None:
        self._failed |= error is not None
        if not self._why and isinstance(error, StoreError):
            self._why = str(error)

    def _end(self, error: BaseException | None) -> None:
        try:
            if isinstance(error, sqlite3.Error):
                raise error
            if error is None:
                if self._failed:
                    raise StoreError(f"{self._path}: part of a transaction failed; none is stored")
                self._connection.execute("COMMIT")
        except BaseException:
            self._failed = True
            raise
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if self._durable:
                self._connection.execute("PRAGMA synchronous = NORMAL")


class _Scope:
    """What `atomic` gives; a class, as a generator takes several times as long."""

    __slots__ = ("_durable", "_transactions")

    def __init__(self, transactions: Transactions, *, durable: bool) -> None:
        self._transactions = transactions
        self._durable = durable

    def __enter__(self) -> None:
        self._transactions.enter(durable=self._durable)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._transactions.leave(error)
