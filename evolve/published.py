"""Reads files that others published: JSON, text, and npz. Every byte is hostile.

Nothing is executed: an npz is a zip of arrays, and an array of Python objects is a pickle, of which
only arrays of numbers are read, by `evolve.pickled`. Sizes are those found, never those claimed: a
member is unpacked only up to the bound, and an array's header must agree with the bytes there are.
"""

from __future__ import annotations

import codecs
import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from evaluators import Verifier
from evolve import pickled
from evolve.certificate import MAX_BYTES, bound_nodes, read_bytes, refuse_doubled
from evolve.errors import UsageError

_MAX_MEMBERS = 1000
_MAX_UNPACKED = 32 << 20
_MAX_HEADER = 10_000
_PLAIN = "iufc"


def content_of(path: Path) -> object:
    """JSON data, a text, or the arrays of an npz by name.

    Raises:
        UsageError: it cannot be read, is too large, or is none of these.
    """
    text = read_bytes(path, MAX_BYTES)
    if text.startswith(b"PK"):
        return _arrays(path, text)
    if text.startswith(b"\x93NUMPY"):
        return {"arr_0": _array(f"{path}", text)}
    if text.startswith(b"\x80"):
        return {"arr_0": _unpickled(f"{path}", text)}
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{path} is text in UTF-16 or UTF-32; save it as UTF-8")
    bound_nodes(path, text)
    refuse_doubled(path, text)
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise UsageError(f"{path} is no certificate: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if text.lstrip()[:1] == b'"' or (text.lstrip()[:1] == b"{" and b'"' in text[:1000]):
            raise UsageError(f"{path} is no certificate: {error}") from None
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no certificate, no npz and no text") from None


def _unpickled(name: str, data: bytes) -> object:
    try:
        return pickled.content_of(data)
    except pickled.NotPlain as error:
        raise UsageError(f"{name}: {error}") from None


def _arrays(path: Path, text: bytes) -> dict[str, object]:
    try:
        with zipfile.ZipFile(io.BytesIO(text)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise UsageError(f"{path}: {len(members)} members, at most {_MAX_MEMBERS} are read")
            left = _MAX_UNPACKED
            found: dict[str, object] = {}
            for member in members:
                name = f"{path}, {member.filename[:60]!r}"
                if member.filename.removesuffix(".npy") in found:
                    raise UsageError(f"{name} occurs twice")
                if member.flag_bits & 1:
                    raise UsageError(f"{name} is encrypted")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise UsageError(f"{name} is compressed in a way npz files are not")
                if member.file_size > left:
                    raise UsageError(f"{name} claims {member.file_size} bytes, too many to read")
                with archive.open(member) as stream:
                    data = stream.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise UsageError(f"{path}: over {_MAX_UNPACKED} bytes when unpacked")
                found[member.filename.removesuffix(".npy")] = _array(name, data)
            return found
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
        OverflowError, OSError,
    ) as error:  # fmt: skip
        raise UsageError(f"{path} is no sound npz: {str(error)[:200]}") from None


def _array(name: str, data: bytes) -> object:
    """An array in npy format: of plain numbers without a copy, or what its pickle holds."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            head = np.lib.format.read_array_header_1_0(stream, max_header_size=_MAX_HEADER)
        elif version == (2, 0):
            head = np.lib.format.read_array_header_2_0(stream, max_header_size=_MAX_HEADER)
        else:
            raise UsageError(f"{name}: npy version {version}, expected 1.0 or 2.0")
    except (ValueError, TypeError, EOFError, SyntaxError, RecursionError, MemoryError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UsageError(f"{name} is no array in npy format: {reason}") from None
    shape, by_columns, dtype = head
    if dtype.hasobject:
        return _unpickled(name, data[stream.tell() :])
    # a double holds what is read exactly, and no wider float does
    if dtype.kind not in _PLAIN or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise UsageError(f"{name} is an array of {str(dtype)[:60]}, expected numbers")
    if len(shape) > 8 or any(type(side) is not int or side < 0 for side in shape):
        raise UsageError(f"{name}: no shape of an array")
    there, claimed = len(data) - stream.tell(), math.prod(shape) * dtype.itemsize
    if there != claimed:
        raise UsageError(f"{name}: its header claims {str(claimed)[:40]} bytes, there are {there}")
    flat = np.frombuffer(data, dtype=dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if by_columns else "C")


def objects(
    content: object, known: Mapping[str, Verifier], *, kind: str = ""
) -> list[tuple[Verifier, str, object]]:
    """What a file's content holds: for each object its verifier, its label, and its artifact.

    Args:
        kind: Name of the verifier to read it for; by default the first that recognises it.
    """
    for verifier in known.values():
        if kind in ("", verifier.name):
            found = verifier.published(content)
            if found:
                return [(verifier, label, artifact) for label, artifact in found.items()]
    return []
