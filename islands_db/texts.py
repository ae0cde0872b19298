"""Where programs' texts lie: each distinct file once, compressed against the parent's version.

A child differs from its parent in a few lines, so zlib with the parent's text as preset dictionary
stores little more than the change. A base may have a base itself, up to `LONGEST_CHAIN` steps, and
then a text stands alone again. With every base standing alone, lines of descent of 2 kB programs
took 360 bytes a text, since a child then carries all changes since the last base.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

CACHED = 512
"""Programs and sources kept unpacked."""

LONGEST_CHAIN = 16
"""So many texts are unpacked one after the other at most, 15 microseconds each."""

_CHAIN = """
WITH RECURSIVE chain (id, base) AS (
    SELECT s.id, s.base FROM contents c JOIN sources s ON s.id = c.source
    WHERE c.program = ? AND c.path = ?
    UNION ALL SELECT s.id, s.base FROM chain JOIN sources s ON s.id = chain.base
    WHERE chain.base < chain.id)
SELECT id FROM chain
"""
"""A file's source and those it needs, the last standing alone."""


class Texts:
    """Stores and reads the files of programs through one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._programs: OrderedDict[int, dict[str, str]] = OrderedDict()
        self._sources: OrderedDict[int, bytes] = OrderedDict()

    def files(self, program: int) -> dict[str, str]:
        """The program's files, path to text; empty when there is no such program."""
        cached = self._programs.get(program)
        if cached is None:
            cached = {
                path: self._text(source).decode()
                for path, source in self._connection.execute(
                    "SELECT path, source FROM contents WHERE program = ? ORDER BY path", (program,)
                ).fetchall()
            }
            if cached:
                _remember(self._programs, program, cached)
        else:
            self._programs.move_to_end(program)
        return dict(cached)

    def add(self, program: int, files: Mapping[str, str], *, parent: int | None) -> None:
        """Stores the files of a new program inside the open transaction."""
        for path in sorted(files):
            source = self._source(files[path].encode(), path, parent)
            self._connection.execute(
                "INSERT INTO contents (program, path, source) VALUES (?, ?, ?)",
                (program, path, source),
            )

    def _source(self, text: bytes, path: str, parent: int | None) -> int:
        digest = blake2b(text, digest_size=20).digest()
        known = self._connection.execute(
            "SELECT id FROM sources WHERE hash = ?", (digest,)
        ).fetchone()
        if known is not None:
            return int(known[0])
        base, body = self._pack(text, path, parent)
        cursor = self._connection.execute(
            "INSERT INTO sources (hash, base, body) VALUES (?, ?, ?)", (digest, base, body)
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _pack(self, text: bytes, path: str, parent: int | None) -> tuple[int | None, bytes]:
        chain = self._connection.execute(_CHAIN, (parent, path)).fetchall()
        if 0 < len(chain) <= LONGEST_CHAIN:
            ((base,), *_) = chain
            packer = zlib.compressobj(zdict=self._text(base))
            body = packer.compress(text) + packer.flush()
            if 4 * len(body) <= len(text):
                return base, body
        return None, zlib.compress(text)

    def _text(self, source: int) -> bytes:
        text = self._sources.get(source)
        if text is None:
            row = self._connection.execute(
                "SELECT base, body FROM sources WHERE id = ?", (source,)
            ).fetchone()
            if row is None:
                raise ValueError(f"source {source} is missing")
            text = self._unpacked(source, *row)
            _remember(self._sources, source, text)
        else:
            self._sources.move_to_end(source)
        return text

    def _unpacked(self, source: int, base: int | None, body: bytes) -> bytes:
        if base is None:
            return zlib.decompress(body)
        if base >= source:
            raise ValueError(f"source {source} is packed against a later one, {base}")
        unpacker = zlib.decompressobj(zdict=self._text(base))
        return unpacker.decompress(body) + unpacker.flush()


def _remember(cache: OrderedDict[int, T], key: int, value: T) -> None:
    cache[key] = value
    if len(cache) > CACHED:
        cache.popitem(last=False)
