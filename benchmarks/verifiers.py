"""The verifiers: how quick they are, what they refuse, what hostile and published files do."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations, product
from pathlib import Path

import numpy as np

from benchmarks.rows import Measured, NotMeasured, Plan, Row
from evaluators import Invalid, Valid, bilinear, bilinear_files, cap_sets, circle_packings
from evaluators import sorting_networks as networks
from evaluators.bilinear import Scheme


def _definition(n: int, m: int, p: int) -> Scheme:
    tensor = bilinear.matmul_tensor(n, m, p)
    factors = []
    for size, at in zip(tensor.shape, np.nonzero(tensor), strict=True):
        factor = np.zeros((n * m * p, size), dtype=np.int64)
        factor[np.arange(n * m * p), at] = 1
        factors.append(factor)
    u, v, w = factors
    return Scheme(n, m, p, "Z", u, v, w)


def _median_ms(function: Callable[[], object]) -> float:
    times = []
    for _ in range(11):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1000


def scheme_ms(plan: Plan) -> Measured:
    scheme = _dense(_definition(5, 5, 5), random.Random(plan.seed))
    assert isinstance(bilinear.verify(scheme), Valid)
    filled = sum(int((factor != 0).sum()) for factor in scheme.factors) / (3 * scheme.u.size)
    detail = f"rank 125, {100 * filled:.0f} % of entries not zero; median of 11"
    return Measured(value=_median_ms(lambda: bilinear.verify(scheme)), detail=detail)


def _dense(scheme: Scheme, rng: random.Random) -> Scheme:
    """The same scheme after changes of basis: rows of A and of C, so that its entries fill up."""
    n, m, p = scheme.n, scheme.m, scheme.p
    u, w = scheme.u.reshape(-1, n, m).copy(), scheme.w.reshape(-1, p, n).copy()
    for _ in range(3 * n):
        i, j = rng.sample(range(n), 2)
        u[:, i] += u[:, j]
        w[:, :, j] -= w[:, :, i]
    moved = Scheme(n, m, p, "Z", u.reshape(-1, n * m), scheme.v, w.reshape(-1, p * n))
    return moved


def network_s(plan: Plan) -> Measured:
    pairs = [[(i, i + 1)] for end in range(16, 0, -1) for i in range(end)]
    assert isinstance(networks.verify(17, pairs), Valid)
    detail = "bubble sort of 17 wires, 136 comparators; median of 11"
    return Measured(value=_median_ms(lambda: networks.verify(17, pairs)) / 1000, detail=detail)


def corruptions(plan: Plan) -> Measured:
    passed = tried = 0
    for scheme in (_definition(2, 2, 2), _dense(_definition(3, 3, 3), random.Random(plan.seed))):
        for which, factor in enumerate(scheme.factors):
            for place in np.ndindex(factor.shape):
                for change in (-1, 1):
                    u, v, w = (x.copy() for x in scheme.factors)
                    (u, v, w)[which][place] += change
                    changed = Scheme(scheme.n, scheme.m, scheme.p, "Z", u, v, w)
                    tried += 1
                    passed += isinstance(bilinear.verify(changed), Valid)
    return Measured(value=100 * (tried - passed) / tried, detail=f"of {tried} changes of an entry")


def _count(plan: Plan) -> int:
    return 10_000 if plan.full else 500


def twins_schemes(plan: Plan) -> Measured:
    rng = random.Random(plan.seed)
    differing = valid = 0
    for _ in range(_count(plan)):
        n, m, p = (rng.randint(1, 2) for _ in range(3))
        scheme = _definition(n, m, p)
        if n > 1:
            scheme = _dense(scheme, rng)
        if rng.random() < 0.5:
            factor = rng.choice(scheme.factors)
            factor[rng.randrange(len(factor)), rng.randrange(factor.shape[1])] += rng.choice(
                (-1, 1)
            )
        tensor = bilinear.matmul_tensor(n, m, p)
        right = all(f.any(axis=1).all() for f in scheme.factors) and all(
            bilinear.entry(scheme, a, b, c)[0] == tensor[a, b, c]
            for a, b, c in product(*map(range, tensor.shape))
        )
        valid += right
        differing += isinstance(bilinear.verify(scheme), Valid) != right
    return Measured(value=differing, detail=f"of {_count(plan)}, {valid} of them valid")


def twins_networks(plan: Plan) -> Measured:
    rng = random.Random(plan.seed)
    differing = valid = 0
    for _ in range(_count(plan)):
        wires = rng.randint(2, 6)
        pairs = [(i, i + 1) for end in range(wires - 1, 0, -1) for i in range(end)]
        if rng.random() < 0.5:
            pairs.pop(rng.randrange(len(pairs)))
        right = all(
            networks.apply(pairs, bits) == sorted(bits) for bits in product((0, 1), repeat=wires)
        )
        valid += right
        found = networks.verify(wires, [[pair] for pair in pairs])
        differing += isinstance(found, Valid) != right
    return Measured(value=differing, detail=f"of {_count(plan)}, {valid} of them valid")


def twins_caps(plan: Plan) -> Measured:
    rng = random.Random(plan.seed)
    differing = valid = 0
    for _ in range(_count(plan)):
        n = rng.randint(1, 4)
        vectors = [[rng.randrange(3) for _ in range(n)] for _ in range(rng.randint(1, 7))]
        right = len(set(map(tuple, vectors))) == len(vectors) and not any(
            all(sum(x) % 3 == 0 for x in zip(a, b, c, strict=True))
            for a, b, c in combinations(vectors, 3)
        )
        valid += right
        differing += isinstance(cap_sets.verify(n, vectors), Valid) != right
    return Measured(value=differing, detail=f"of {_count(plan)}, {valid} of them valid")


def twins_circles(plan: Plan) -> Measured:
    rng = random.Random(plan.seed)
    differing = valid = 0
    for _ in range(_count(plan)):
        side = rng.randint(2, 3)
        circles = [
            [(i + 0.5) / side, (j + 0.5) / side, 0.5 / side]
            for i, j in product(range(side), repeat=2)
        ]
        for circle in circles:
            circle[2] -= rng.choice((0.0, 0.0, 1e-17, 1e-3))
        if rng.random() < 0.5:
            rng.choice(circles)[rng.randrange(3)] += rng.choice((-1, 1)) * 10 ** -rng.uniform(2, 17)
        exact = [[Fraction(x) for x in circle] for circle in circles]
        right = all(min(x, y, 1 - x, 1 - y) >= r > 0 for x, y, r in exact) and all(
            (a - x) ** 2 + (b - y) ** 2 >= (r + s) ** 2
            for (a, b, r), (x, y, s) in combinations(exact, 2)
        )
        valid += right
        found = circle_packings.check({"circles": circles})
        differing += isinstance(found, Valid) != right
    return Measured(value=differing, detail=f"of {_count(plan)}, {valid} of them valid")


def _hostile(rng: random.Random, folder: Path) -> Path:
    """One hostile file, drawn from kinds and sizes."""
    import io
    import struct
    import zipfile

    def npz(data: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("2,2,2.npy", data)
        return stream.getvalue()

    def npy(descr: str, shape: str) -> bytes:
        head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape},), }}\n".encode()
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head

    size = rng.randint(1, 10**6)
    one = {"n": 1, "m": 1, "p": 1, "field": "Z", "v": [[1]], "w": [[1]]}
    kinds: list[Callable[[], bytes]] = [
        lambda: b"[" * size,
        lambda: b'{"u":' * size,
        lambda: b"[" + b"[]," * size + b"[]]",
        lambda: json.dumps({**one, "u": [["X"]]}).replace('"X"', "9" * size).encode(),
        lambda: json.dumps({**one, "u": [[float("nan")]]}).encode(),
        lambda: json.dumps({**one, "u": [[rng.choice([1.5, "1", None, True])]]}).encode(),
        lambda: json.dumps({"n": size, "vectors": [[0] * 9] * rng.randint(1, 50_000)}).encode(),
        lambda: json.dumps({"circles": [["0.5", "0.5", "1e-" + "9" * 50]]}).encode(),
        lambda: json.dumps({"wires": size, "layers": [[[0, 1]]] * rng.randint(1, 9)}).encode(),
        lambda: npz(npy("<i8", str(10**9 + size))),
        lambda: npz(npy("|O", "3") + b"\x80\x04" + bytes(100)),
        lambda: npz(bytes(rng.randint(30, 300) << 20)),
        lambda: npz(npy("<f8", "3") + np.full(3, np.nan).tobytes()),
        lambda: npz(bytes(size))[: -rng.randint(1, 50)],
        lambda: rng.randbytes(size),
    ]
    file = folder / "hostile"
    file.write_bytes(rng.choice(kinds)())
    return file


_worst: dict[Plan, tuple[float, float, int, int]] = {}


def _hostile_run(plan: Plan) -> tuple[float, float, int, int]:
    """(slowest s, most MB, files accepted or crashed on, files) of fresh `evolve verify`."""
    if plan in _worst:
        return _worst[plan]
    rng = random.Random(plan.seed)
    slowest = most = 0.0
    wrong, count = 0, 1000 if plan.full else 30
    with tempfile.TemporaryDirectory(prefix="evolve-hostile-") as scratch:
        for _ in range(count):
            file = _hostile(rng, Path(scratch))
            began = time.monotonic()
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "evolve", "verify", str(file)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert child.stderr is not None
            text = child.stderr.read()
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            slowest = max(slowest, time.monotonic() - began)
            most = max(most, used.ru_maxrss / 1024)
            wrong += child.returncode not in (1, 2) or b"Traceback" in text
            child.stderr.close()
    _worst[plan] = slowest, most, wrong, count
    return _worst[plan]


def hostile_s(plan: Plan) -> Measured:
    slowest, _, _, count = _hostile_run(plan)
    return Measured(value=slowest, detail=f"slowest of {count}, start of the program included")


def hostile_mb(plan: Plan) -> Measured:
    return Measured(value=_hostile_run(plan)[1], detail="most of them, resident")


def hostile_wrong(plan: Plan) -> Measured:
    return Measured(value=_hostile_run(plan)[2], detail="held, crashed, or gave no plain line")


def published(plan: Plan) -> Measured | NotMeasured:
    folder = os.environ.get("EVOLVE_PUBLISHED", "")
    if not folder:
        return NotMeasured(why="EVOLVE_PUBLISHED names no folder")
    right = []
    for name, check, value in (
        ("alphaevolve_2x4x5_r32", bilinear_files.check, 32),
        ("funsearch_n8_512", cap_sets.check, 512),
    ):
        found = check(json.loads((Path(folder) / f"{name}.json").read_bytes()))
        right.append(isinstance(found, Valid) and found.value == value)
    circles = json.loads((Path(folder) / "circle_packing_n26_alphaevolve_v2.json").read_bytes())
    right.append(isinstance(circle_packings.check(circles), Invalid))
    found = circle_packings.check(circle_packings.repaired(circles))
    right.append(isinstance(found, Valid) and f"{float(found.value):.12f}" == "2.635983084918")
    detail = "a scheme, a cap set, circles refused as printed, and valid after repair"
    return Measured(value=sum(right) / len(right), detail=detail)


ROWS = [
    Row(name="<5,5,5> over Z verified", unit="ms", measure=scheme_ms, at_most=5),
    Row(name="network of 17 wires verified", unit="s", measure=network_s, at_most=2),
    Row(name="changes of one entry refused", unit="%", measure=corruptions, at_least=100),
    Row(name="schemes judged unlike the twin", unit="schemes", measure=twins_schemes, at_most=0),
    Row(name="networks judged unlike the twin", unit="nets", measure=twins_networks, at_most=0),
    Row(name="cap sets judged unlike the twin", unit="sets", measure=twins_caps, at_most=0),
    Row(name="packings judged unlike the twin", unit="packings", measure=twins_circles, at_most=0),
    Row(name="hostile file, slowest", unit="s", measure=hostile_s, at_most=1),
    Row(name="hostile file, most memory", unit="MB", measure=hostile_mb, at_most=256),
    Row(name="hostile files not refused in a line", unit="files", measure=hostile_wrong, at_most=0),
    Row(name="published objects at their values", unit="share", measure=published, at_least=1),
]
