"""What SQLite and the decoders complain of, as a `StoreError` of one line that names the file."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import msgspec

from islands_db.records import StoreError

RESTORE = "restore the file from a copy, or save what can be read with `evolve salvage`"


class faults:
    """Turns SQLite's errors into a `StoreError` that names the file.

    A class, as it stands around every query: a generator takes several times as long.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.IntegrityError):
            raise StoreError(f"{self._path}: refused as inconsistent: {one_line(error)}") from error
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"{self._path}: {one_line(error)}; {_advice(error)}") from error


class decoding(faults):
    """`faults` for reading only: what cannot be decoded is damage too."""

    __slots__ = ()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, _DAMAGE):
            raise StoreError(
                f"{self._path}: a stored value is damaged: {one_line(error)}; {RESTORE}"
            ) from error


_DAMAGE = (ValueError, LookupError, OverflowError, zlib.error, msgspec.MsgspecError)


def one_line(message: object) -> str:
    """The message as one line of bounded length."""
    text = " ".join(str(message).split())
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-60:]}"


def _advice(error: sqlite3.Error) -> str:
    text = str(error)
    if "not a database" in text:
        return "expected the database of a run"
    # a seal could not be made of what is no text
    if "malformed" in text or "corrupt" in text or "user-defined function" in text:
        return RESTORE
    if "full" in text:
        return "free some disk space and resume: what was committed is safe"
    if "readonly" in text or "unable to open" in text:
        return "check the permissions of the file and its folder"
    if "locked" in text:
        return "another program is writing to it; close that and try again"
    return "what was committed is safe; resume to go on"
