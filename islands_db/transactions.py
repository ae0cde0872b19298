"""Transactions of the one writer: nested ones join, a failed one ends all writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from islands_db.faults import faults
from islands_db.records import StoreError


class Transactions:
    """Opens and ends transactions on one connection.

    Memory follows the tables inside a transaction, so after a failed one it may be ahead of them;
    from then on `atomic` refuses.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._depth = 0
        self._durable = False
        self._failed = False
        # held from BEGIN to COMMIT
        self.writing = Lock()

    @property
    def open(self) -> bool:
        return self._depth > 0

    @contextmanager
    def atomic(self, *, durable: bool = False) -> Iterator[None]:
        """One transaction; inside another it joins that one.

        Raises:
            StoreError: the database refused, or an earlier transaction failed.
            ValueError: a durable one inside one that is not.
        """
        if self._failed:
            raise StoreError(f"{self._path}: a write failed before this; open the database again")
        if durable and self._depth and not self._durable:
            raise ValueError("durable atomic() inside one that is not durable")
        scope = self._joined() if self._depth else self._outermost(durable=durable)
        with scope:
            yield

    @contextmanager
    def _joined(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        except BaseException:
            self._failed = True
            raise
        finally:
            self._depth -= 1

    @contextmanager
    def _outermost(self, *, durable: bool) -> Iterator[None]:
        with self.writing, faults(self._path):
            # The commit's fsync also secures every commit before it: they share one log.
            if durable:
                self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth, self._durable = 1, durable
            try:
                yield
                if self._failed:
                    raise StoreError(f"{self._path}: part of a transaction failed; none is stored")
                self._connection.execute("COMMIT")
            except BaseException:
                self._failed = True
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth, self._durable = 0, False
                if durable:
                    self._connection.execute("PRAGMA synchronous = NORMAL")
