"""Files that mean harm to who reads them, and honest ones as large as any that are accepted.

Each kind is a function of a generator that makes its sizes; `draw` picks kinds in turn.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Kind = Callable[[random.Random], bytes]
ONE = {"n": 1, "m": 1, "p": 1, "field": "Z", "v": [[1]], "w": [[1]]}


def npz(data: bytes, name: str = "2,2,2.npy") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return stream.getvalue()


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape},), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


class _Runs:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 7",)


def _size(rng: random.Random, most: int = 10**6) -> int:
    return int(10 ** rng.uniform(0, np.log10(most)))


def _definition(n: int, m: int, p: int, *, term: int = 0) -> dict[str, np.ndarray]:
    """Factor matrices (index, term) of the definition; `term` left out if it is not 0."""
    places = np.indices((n, m, p)).reshape(3, -1)
    places = np.delete(places, term, axis=1) if term else places
    i, j, k = places
    found = {}
    for name, size, at in (
        ("u", n * m, i * m + j),
        ("v", m * p, j * p + k),
        ("w", p * n, k * n + i),
    ):
        matrix = np.zeros((size, places.shape[1]), dtype=np.int8)
        matrix[at, np.arange(places.shape[1])] = 1
        found[name] = matrix
    return found


def _scheme_json(rng: random.Random) -> bytes:
    """A scheme as large as JSON may hold, wrong in its last term."""
    side = rng.randint(8, 13)
    factors = _definition(side, side, side)
    factors["w"][-1, -1] = rng.choice([0, 2, 3])
    lists = {name: matrix.tolist() for name, matrix in factors.items()}
    return json.dumps({"n": side, "m": side, "p": side, "field": "Z", **lists}).encode()


def _scheme_npz(rng: random.Random) -> bytes:
    """A dense scheme: all entries that fit, of a format with much work."""
    n, m, p = (rng.randint(2, 32) for _ in range(3))
    rank = max(1, min(n * m * p, 2_000_000 // (n * m + m * p + p * n)))
    stream = io.BytesIO()
    generator = np.random.default_rng(rng.randrange(2**32))
    parts = {
        f"{n}x{m}x{p}_{name}": generator.integers(1, 3, (size, rank), dtype=np.int8)
        for name, size in (("u", n * m), ("v", m * p), ("w", p * n))
    }
    np.savez_compressed(stream, **parts)  # type: ignore[arg-type]
    return stream.getvalue()


def _scheme_late(rng: random.Random) -> bytes:
    """After changes of basis, so that the identity fails at the end of much work only."""
    side = rng.randint(9, 14)
    factors = _definition(side, side, side)
    lower = np.tril(np.ones((side, side), dtype=np.int64))
    u = np.einsum("ij,jkr->ikr", lower, factors["u"].reshape(side, side, -1).astype(np.int64))
    inverse = np.rint(np.linalg.inv(lower)).astype(np.int64)
    w = np.einsum("kir,ij->kjr", factors["w"].reshape(side, side, -1).astype(np.int64), inverse)
    w[-1, -1, -1] += 1
    stream = io.BytesIO()
    size = f"{side}x{side}x{side}"
    parts = {
        f"{size}_u": u.reshape(side**2, -1).astype(np.int8), f"{size}_v": factors["v"],
        f"{size}_w": w.reshape(side**2, -1).astype(np.int8),
    }  # fmt: skip
    np.savez_compressed(stream, **parts)
    return stream.getvalue()


def _scheme_wide(rng: random.Random) -> bytes:
    """Entries of hundreds of bits over Q, Q(i) or Q(sqrtD)."""
    side, bits = rng.randint(3, 9), rng.randint(60, 260)
    factors = _definition(side, side, side)
    ring = rng.choice(["Q", "Q(i)", "Q(sqrt-99998)", "Q(sqrt2)"])
    big = 2**bits - 1
    lists: dict[str, object] = {
        name: [[int(x) * big for x in row] for row in matrix] for name, matrix in factors.items()
    }
    lists["denominator"] = big + rng.randint(1, 2)
    return json.dumps({"n": side, "m": side, "p": side, "field": ring, **lists}).encode()


def _network(rng: random.Random) -> bytes:
    """Random comparators on many wires, or orders in which many states occur."""
    wires = rng.choice([24, 25, 28, 31, 32, 48, 63, 64])
    pairs = [sorted(rng.sample(range(wires), 2)) for _ in range(wires * (wires - 1) // 2)]
    if rng.random() < 0.5:
        pairs = [[i, j] for i in range(wires) for j in range(i + 1, wires)]
        rng.shuffle(pairs)
    if rng.random() < 0.3:
        half = wires // 2
        pairs = [[i, i + half] for i in range(half)] + pairs[: -rng.randint(1, 300)]
    return json.dumps({"N": wires, "nw": pairs}).encode()


def _caps(rng: random.Random) -> bytes:
    """As many vectors as are checked, free of lines up to the last."""
    vectors = [[i >> bit & 1 for bit in range(12)] for i in range(4096)]
    if rng.random() < 0.5:
        vectors = [[rng.randrange(3) for _ in range(12)] for _ in range(20_000)]
    return json.dumps({"n": 12, "vectors": [*vectors, [2] * 12]}).encode()


def _circles(rng: random.Random) -> bytes:
    """As many circles and digits as are checked, one of them a little too large."""
    count = rng.choice([100, 300, 500, 1000])
    digits = "1" * rng.choice([10, 40, 90, 340])
    circles = [
        [
            f"{(i % 32 + 0.5) / 32:.6f}{digits}",
            f"{(i // 32 + 0.5) / 32:.6f}{digits}",
            f"0.0156{digits}",
        ]
        for i in range(count)
    ]
    circles[-1][2] = "0.0160001"
    return json.dumps({"circles": circles}).encode()


def _bins(rng: random.Random) -> bytes:
    """Instances of a million items that no seed gives."""
    count = rng.choice([10, 100, 200])
    rows = [[rng.randint(1, 100)] * 5000 for _ in range(count)]
    artifact = {
        "distribution": "weibull5k", "capacity": 100, "seed": rng.choice([None, 3]), "count": count,
        "instances": rows, "ranks": None,
        "packings": [list(range(5000))] * (count - 1) + [[0] * 5000],
    }  # fmt: skip
    claim = {"objective": "excess_percent", "direction": "min", "value": "0"}
    frame = {
        "format": "evolve-certificate/1", "problem": "bin_packing", "parameters": {},
        "verifier": "online_bin_packing", "verifier_version": "1", "claim": claim, "program": "",
        "lineage": [], "artifact": artifact,
    }  # fmt: skip
    return json.dumps(frame, separators=(",", ":")).encode()


def _pickle(rng: random.Random) -> bytes:
    """Pickles that would call something, that claim much, or that are damaged."""
    whole = np.empty(3, dtype=object)
    for at in range(3):
        whole[at] = np.ones((4, 7))
    honest = bytearray(pickle.dumps(whole, protocol=rng.choice([2, 3, 4])))
    for _ in range(rng.randint(1, 5)):
        honest[rng.randrange(len(honest))] = rng.randrange(256)
    data = rng.choice(
        [
            pickle.dumps([_Runs()]),
            b"\x80\x04r\xff\xff\xff\x7f" * rng.randint(1, 9) + b".",
            b"\x80\x04" + b"]\x94" * _size(rng) + b".",
            b"\x80\x04\x8e\xff\xff\xff\xff\xff\x00\x00\x00",
            b"\x80\x04\x8b\xff\xff\xff\x7f",
            b"\x80\x04(" + b"(" * _size(rng) + b"t.",
            b"\x80\x02cos\nsystem\n(S'exit 7'\ntR.",
            b"I" + b"9" * _size(rng) + b"\n.",
            bytes(honest),
        ]
    )
    return rng.choice([npz(npy("|O", "3", data)), npy("|O", "3", data), data])


def _text(rng: random.Random) -> bytes:
    """Texts that make a careless pattern slow, or a careless parser deep."""
    size = _size(rng, 4 * 10**6)
    unit = rng.choice(
        ["(", "[[", "{{1,", " ,", "np.array(", "1/", "(a11 + ", "a11*", "0 ", "-", "1.", "[0,1]\n",
         "dtype=", "# \n", "٣", "²", "\x00", "1e9,", "(1+", "{1, 2}, ", "0.5 0.5 0.1\n", "x = ",
         "\n"]
    )  # fmt: skip
    return (rng.choice(["", "[", "(", "x = np.array("]) + unit * (size // len(unit) + 1)).encode()


KINDS: dict[str, Kind] = {
    "deep lists": lambda rng: b"[" * _size(rng),
    "deep objects": lambda rng: b'{"u":' * _size(rng),
    "many lists": lambda rng: b"[" + b"[]," * _size(rng) + b"[]]",
    "many objects": lambda rng: b"[" + b"{}," * _size(rng, 4 * 10**6) + b"{}]",
    "many texts": lambda rng: b"[" + b'"a",' * _size(rng, 2 * 10**6) + b'"b"]',
    "many floats": lambda rng: b'{"circles":[' + b"0.5," * _size(rng, 2 * 10**6) + b"1]}",
    "a long number": lambda rng: json.dumps({**ONE, "u": [["X"]]})
    .replace('"X"', "9" * _size(rng, 10**7))
    .encode(),
    "NaN": lambda rng: json.dumps({**ONE, "u": [[rng.choice([float("nan"), 1e999])]]}).encode(),
    "no integers": lambda rng: json.dumps(
        {**ONE, "u": [[rng.choice([1.5, "1", None, True, {}, [], "٣"])]]}
    ).encode(),
    "a key twice": lambda rng: b'{"n":1,"n":2,"m":1,'
    b'"p":1,"field":"Z","u":[[1]],"v":[[1]],"w":[[2]]}',
    "zero denominator": lambda rng: json.dumps(
        {**ONE, "u": [[1]], "field": "Q", "denominator": rng.choice([0, -1, 10**300, 1.0])}
    ).encode(),
    "many vectors": lambda rng: json.dumps(
        {"n": _size(rng), "vectors": [[0] * 9] * rng.randint(1, 50_000)}
    ).encode(),
    "a tiny radius": lambda rng: json.dumps(
        {"circles": [["0.5", "0.5", "1e-" + "9" * rng.randint(3, 50)]]}
    ).encode(),
    "many wires": lambda rng: json.dumps(
        {"wires": _size(rng) + 65, "layers": [[[0, 1]]] * rng.randint(1, 9)}
    ).encode(),
    "one layer again and again": lambda rng: json.dumps(
        {"wires": 64, "layers": [[[0, 1]]] * _size(rng, 300_000)}
    ).encode(),
    "a claim of 10 GB": lambda rng: npz(npy("<i8", str(10**9 + _size(rng)))),
    "a claim of nothing": lambda rng: npz(npy("<i8", rng.choice(["0", "-1", "2**62", "1, 0, 9"]))),
    "a header that runs": lambda rng: npz(
        b"\x93NUMPY\x01\x00\x1e\x00" + b"__import__('os').system('ls')\n"
    ),
    "a header of 4 GB": lambda rng: b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "a zip bomb": lambda rng: npz(bytes(rng.randint(30, 300) << 20)),
    "a zip bomb that lies": lambda rng: _lying(rng),
    "many members": lambda rng: _members(rng),
    "NaN in an array": lambda rng: npz(npy("<f8", "3", np.full(3, np.nan).tobytes())),
    "an array of texts": lambda rng: npz(
        npy(rng.choice(["<U9", "<M8[s]", "|V8", "|b1"]), "1", b"1" * 8)
    ),
    "a cut zip": lambda rng: npz(bytes(_size(rng)))[: -rng.randint(1, 50)],
    "noise": lambda rng: rng.randbytes(_size(rng)),
    "nothing": lambda rng: b"",
    "a large certificate": lambda rng: b'{"format":"evolve-certificate/1","problem":"'
    + b"a" * _size(rng, 20 * 10**6)
    + b'"}',
    "pickles": _pickle,
    "texts": _text,
    "a large scheme": _scheme_json,
    "a dense scheme": _scheme_npz,
    "a scheme that fails late": _scheme_late,
    "wide numbers": _scheme_wide,
    "a network with many states": _network,
    "many vectors without a line": _caps,
    "many digits": _circles,
    "a million items": _bins,
}  # fmt: skip


def _lying(rng: random.Random) -> bytes:
    """Its directory claims a few bytes; there are megabytes."""
    data = bytearray(npz(bytes(64 << 20)))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", rng.randint(1, 1000))
    return bytes(data)


def _members(rng: random.Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(_size(rng, 5000)):
            archive.writestr(f"{number}.npy", b"")
    return stream.getvalue()


def draw(rng: random.Random, number: int, folder: Path) -> tuple[str, Path]:
    """The kind and the path of one file that is to be refused; every kind comes in turn."""
    special = ("a pipe", "a folder", "a device", "a link to a device", "a loop of links", "missing")
    names = [*KINDS, *special]
    name = names[number % len(names)]
    file = folder / "hostile"
    if file.is_symlink() or file.exists():
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
    match name:
        case "a pipe":
            os.mkfifo(file)
        case "a folder":
            file.mkdir()
        case "a device":
            return name, Path("/dev/zero")
        case "a link to a device":
            file.symlink_to("/dev/zero")
        case "a loop of links":
            file.symlink_to(file)
        case "missing":
            pass
        case kind:
            file.write_bytes(KINDS[kind](rng))
    return name, file
