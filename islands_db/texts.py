"""Where programs' texts lie: each distinct file once, compressed against the parent's version.

A child differs from its parent in a few lines, so zlib with the parent's text as preset dictionary
stores little more than the change. Chains do not grow: the base of a compressed text is always one
that stands alone.
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
"""Programs and bases kept unpacked."""


class Texts:
    """Stores and reads the files of programs through one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._programs: OrderedDict[int, dict[str, str]] = OrderedDict()
        self._bases: OrderedDict[int, bytes] = OrderedDict()

    def files(self, program: int) -> dict[str, str]:
        """The program's files, path to text; empty when there is no such program."""
        cached = self._programs.get(program)
        if cached is None:
            cached = {
                path: self._unpack(base, body).decode()
                for path, base, body in self._connection.execute(
                    "SELECT c.path, s.base, s.body FROM contents c"
                    " JOIN sources s ON s.id = c.source WHERE c.program = ? ORDER BY c.path",
                    (program,),
                )
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
        base = self._base_of(path, parent)
        if base is not None:
            packer = zlib.compressobj(zdict=self._base(base))
            body = packer.compress(text) + packer.flush()
            if 4 * len(body) <= len(text):
                return base, body
        return None, zlib.compress(text)

    def _base_of(self, path: str, parent: int | None) -> int | None:
        row = self._connection.execute(
            "SELECT ifnull(s.base, s.id) FROM contents c JOIN sources s ON s.id = c.source"
            " WHERE c.program = ? AND c.path = ?",
            (parent, path),
        ).fetchone()
        return None if row is None else int(row[0])

    def _base(self, source: int) -> bytes:
        text = self._bases.get(source)
        if text is None:
            (body,) = self._connection.execute(
                "SELECT body FROM sources WHERE id = ?", (source,)
            ).fetchone()
            text = zlib.decompress(body)
            _remember(self._bases, source, text)
        else:
            self._bases.move_to_end(source)
        return text

    def _unpack(self, base: int | None, body: bytes) -> bytes:
        if base is None:
            return zlib.decompress(body)
        unpacker = zlib.decompressobj(zdict=self._base(base))
        return unpacker.decompress(body) + unpacker.flush()


def _remember(cache: OrderedDict[int, T], key: int, value: T) -> None:
    cache[key] = value
    if len(cache) > CACHED:
        cache.popitem(last=False)
