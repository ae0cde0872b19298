"""How the database is opened, kept to one writer, checked, and its log folded in.

Guards against: a file that is missing, of another program, cut short or damaged, from a newer
version, or in use by another writer. Not against: damage in a page that opening does not read when
the file is larger than `CHECKED_BYTES`; `damage` reads every page.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from islands_db import migrations, seals
from islands_db.faults import RESTORE, faults, one_line
from islands_db.records import StoreError

CHECKED_BYTES = 64 * 2**20
"""Files up to this size are checked page by page whenever a writer opens them (about 0.2 s)."""

READ_CHECKED_BYTES = 2 * 2**20
"""Up to this size readers check a file too (about 0.05 s)."""

CACHE_KIB = 128 * 2**10
"""At most what the writer keeps of the file: room for the indexes of a million programs, 120 bytes
each. An attempt adds to five of them at places that nothing foretells, and a page that is not kept
may have to come from the disk."""

CHECKPOINT_ROUNDS = 6
LOG_PAGES = 16_384
"""A log beyond this (64 MiB) is worth holding the writer back for."""


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection without implicit transactions, in WAL mode, that never checkpoints by itself."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        # the log is cut when it starts over: a frame is no whole page, so to write it over an old
        # one that has left the page cache takes a read of the disk, eight for an attempt
        connection.execute("PRAGMA journal_size_limit = 0")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, *, check: bool = True) -> sqlite3.Connection:
    """A read-only connection; also to a run that is being written or whose writer was killed.

    A file of an older version is left as it is: what is read is a copy, brought up to date.
    """
    connection = _unchanged(path)
    try:
        require_ours(connection, path)
        if migrations.user_version(connection) < len(migrations.scripts()):
            return _updated_copy(connection, path)
        require_sound(connection, path, up_to_bytes=READ_CHECKED_BYTES if check else -1)
    except BaseException:
        connection.close()
        raise
    return connection


def _updated_copy(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A private copy of the database, in a temporary file of SQLite's own; closes the original."""
    copy = sqlite3.connect("", isolation_level=None)
    try:
        connection.backup(copy)
        connection.close()
        migrations.migrate(copy, name=str(path))
        copy.execute("PRAGMA query_only = ON")
    except BaseException:
        copy.close()
        raise
    return copy


def _unchanged(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return _reading(uri)
    except sqlite3.OperationalError:
        log = path.with_name(path.name + "-wal")
        writable = os.access(path.parent, os.W_OK, effective_ids=True)
        if writable or (log.exists() and log.stat().st_size):
            raise
        # No log, and none can come up in a folder that is read-only: the file is all there is.
        return _reading(f"{uri}&immutable=1")


def _reading(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def alone(path: Path) -> Iterator[sqlite3.Connection]:
    """An existing database for one piece of work on the whole of it, while nobody else writes.

    Raises:
        StoreError: it is missing, not ours, damaged, from a newer version, or in use.
    """
    require(path)
    lock = WriterLock(path)
    try:
        with faults(path):
            connection = connect_writer(path)
            try:
                require_ours(connection, path)
                require_sound(connection, path)
                bring_up_to_date(connection, path)
                yield connection
            finally:
                connection.close()
    finally:
        lock.release()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside is stored at the end of the block, or nothing is; durable."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def draft(path: Path) -> Iterator[sqlite3.Connection]:
    """A new database that appears at `path` when the block ends well, and not at all otherwise.

    It appears in WAL mode and with nothing in its log.
    """
    unfinished = path.with_name(path.name + "-new")
    unfinished.unlink(missing_ok=True)
    for database in (unfinished, path):
        for suffix in ("-wal", "-shm", "-journal"):
            # What a removed database left behind would be read into the new one.
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        # Nothing of an unfinished draft is worth keeping: no journal, and one fsync at the end.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
        # Turned into one with a log before it has its name: the change goes through a rollback
        # journal, and who only reads can do nothing with one that a killed writer leaves behind.
        connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    finally:
        connection.close()
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.rename(path)


def checkpoint(path: Path, writing: AbstractContextManager[object]) -> bool:
    """Copies the log into the database; True when all of it was copied at some moment.

    The log starts over only if a write finds it copied to the end, and while one round copies,
    further writes come in. So rounds follow each other, each with less to copy than the one
    before, until one finds nothing new; should none do so and the log be large, a last one holds
    the writer back through `writing`. Under 300 commits a second one round a second let the log
    grow without end; with this it stayed at one second's writes.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        before = -1
        for _ in range(CHECKPOINT_ROUNDS):
            logged, copied = _round(connection)
            if logged == copied and logged in (0, before):
                return True
            before = logged
        if before <= LOG_PAGES:
            return False
        with writing:
            logged, copied = _round(connection)
        return logged == copied
    finally:
        connection.close()


def begin_log_anew(
    path: Path, writing: AbstractContextManager[object], is_open: Callable[[], bool]
) -> bool:
    """Has the log start over, if all of it can be copied now; whether it could.

    The first write into a log that starts over waits for the disk, lest frames of the old log be
    taken for new ones after a power cut. It is made here, with nothing changed, on a connection of
    its own: on the writer's, all that the loop reads meanwhile would wait too. The price is that
    the writer forgets the pages it keeps, some 5 reads of an insertion until it has them again.

    Args:
        is_open: Whether the store still holds the run; asked while the writer is held back.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 0")  # as the writer has it
        with writing:
            if not is_open():
                return False
            logged, copied = _round(connection)
            whole = 0 < logged == copied
            if whole:
                version = migrations.user_version(connection)
                connection.execute(f"PRAGMA user_version = {version}")
        return whole
    finally:
        connection.close()


def _round(connection: sqlite3.Connection) -> tuple[int, int]:
    _, logged, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return logged, copied


def sync_log(path: Path) -> None:
    """Has the disk hold the log as it is now; what was folded in before that is on the disk."""
    try:
        descriptor = os.open(path.with_name(path.name + "-wal"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def require(path: Path) -> None:
    """Refuses a path that is no file or no SQLite database of ours, before anything touches it.

    A file that may be open in this process is looked at through SQLite only. Closing any other
    descriptor of it drops the process's locks: then the next program that opens the run beside a
    live one and leaves takes itself for the last, and deletes the log that is being written.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(path, os.R_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        head = _MAGIC if size >= _HEADER_BYTES else path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: no such database; is the run's name right?") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    if size < _HEADER_BYTES and head.startswith(_MAGIC[: len(head)]):
        raise StoreError(f"{path}: cut short; {RESTORE}")
    if head != _MAGIC or not _begins_as_database(path):
        raise StoreError(f"{path}: not a database; expected the database of a run")


_MAGIC, _HEADER_BYTES = b"SQLite format 3\0", 100


def _begins_as_database(path: Path) -> bool:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        return error.sqlite_errorcode != sqlite3.SQLITE_NOTADB
    finally:
        connection.close()
    return True


def require_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Refuses another program's database and one from a newer version."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != migrations.APPLICATION_ID:
        raise StoreError(f"{path}: a database, but not of a run")
    newest = len(migrations.scripts())
    migrations.refuse_newer(migrations.user_version(connection), newest, name=str(path))


def bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    """The newest schema, and seals on all that is there and comes."""
    migrations.migrate(connection, name=str(path))
    if not seals.filled(connection):
        with transaction(connection):
            seals.fill(connection)
    seals.keep(connection)


def require_sound(
    connection: sqlite3.Connection, path: Path, *, up_to_bytes: int = CHECKED_BYTES
) -> None:
    """Refuses a damaged file, as far as a check in reasonable time can tell."""
    if path.stat().st_size <= up_to_bytes:
        for fault in damage(connection)[:1]:
            from islands_db.salvage import promise  # it opens databases by this module

            can = f" ({saved})" if (saved := promise(path)) else ""
            raise StoreError(f"{path}: damaged ({fault}); {RESTORE}{can}")


def damage(connection: sqlite3.Connection) -> list[str]:
    """What a full check of the file finds wrong, one line each; it reads every page."""
    rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
    found = [one_line(row[0]) for row in rows if row[0] != "ok"]
    for table, _, target, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(20):
        found.append(f"a row of {table} refers to a missing row of {target}")
    if migrations.user_version(connection) == len(migrations.scripts()):
        if seals.schema_broken(connection):
            found.append("its tables or views are not those of a run")
        else:
            found += _broken_seals(connection)
    return found


def _broken_seals(connection: sqlite3.Connection) -> list[str]:
    try:
        return seals.broken(connection)
    except sqlite3.OperationalError as error:
        if "user-defined function" not in str(error):
            raise
        return ["a stored text is no longer UTF-8"]


class WriterLock:
    """Keeps a second writer out; released when the process ends, however it ends.

    The lock is on a file of its own beside the database: SQLite's locks on the database file are
    lost when any descriptor of that file is closed in the process.
    """

    def __init__(self, path: Path) -> None:
        name = path.with_name(path.name + "-lock")
        try:
            self._descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{name}: cannot be created: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise StoreError(f"{path}: in use by another process; only one may write") from None

    def release(self) -> None:
        """Lets others write; again it does nothing, as the descriptor may be another file's."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
