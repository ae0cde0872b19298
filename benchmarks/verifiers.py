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
from math import lcm
from pathlib import Path

import numpy as np

from benchmarks import hostile_files, twins
from benchmarks.rows import Measured, NotMeasured, Plan, Row
from evaluators import (
    Invalid,
    Valid,
    bilinear,
    bilinear_files,
    bin_packing,
    cap_sets,
    circle_packings,
)
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
    """Every entry of three schemes, changed by every small amount."""
    strassen = _ours(twins.strassen("Z"))
    passed = tried = 0
    for scheme in (strassen, _definition(2, 2, 2), _dense(_definition(3, 3, 3), random.Random(1))):
        for which, factor in enumerate(scheme.factors):
            for place in np.ndindex(factor.shape):
                for change in (-3, -2, -1, 1, 2, 3):
                    u, v, w = (x.copy() for x in scheme.factors)
                    (u, v, w)[which][place] += change
                    changed = Scheme(scheme.n, scheme.m, scheme.p, "Z", u, v, w)
                    tried += 1
                    passed += isinstance(bilinear.verify(changed), Valid)
    return Measured(value=100 * (tried - passed) / tried, detail=f"of {tried} changes of an entry")


def _ours(scheme: twins.Scheme) -> Scheme:
    """The twin's scheme as the verifier takes it: integers over one denominator."""
    numbers = [part for vectors in scheme.factors for v in vectors for x in v for part in x]
    scale = lcm(*(x.denominator for x in numbers))
    factors = []
    for vectors in scheme.factors:
        rows = [[[int(part * scale) for part in x] for x in vector] for vector in vectors]
        pairs = twins.ROOTS[scheme.ring] != 0
        kept = rows if pairs else [[x[0] for x in row] for row in rows]
        factors.append(np.array(kept, dtype=np.object_))
    u, v, w = factors
    return Scheme(scheme.n, scheme.m, scheme.p, scheme.ring, u, v, w, scale)


def _compared(plan: Plan, one: Callable[[random.Random], tuple[bool, bool]]) -> Measured:
    """How often verifier and twin differ on random objects."""
    rng = random.Random(plan.seed)
    count = 10_000 if plan.full else 500
    answers = [one(rng) for _ in range(count)]
    differing = sum(ours != theirs for ours, theirs in answers)
    valid = sum(theirs for _, theirs in answers)
    return Measured(value=differing, detail=f"of {count}, {valid} of them valid")


def twins_schemes(plan: Plan) -> Measured:
    def one(rng: random.Random) -> tuple[bool, bool]:
        scheme = twins.some_scheme(rng)
        return isinstance(bilinear.verify(_ours(scheme)), Valid), twins.is_scheme(scheme)

    return _compared(plan, one)


def twins_networks(plan: Plan) -> Measured:
    """By all inputs, and by the states that occur, as networks of many wires are checked."""

    def one(rng: random.Random) -> tuple[bool, bool]:
        wires, pairs = twins.some_network(rng)
        ours = isinstance(networks.verify(wires, [[pair] for pair in pairs]), Valid)
        followed = networks.fault_of_states(wires, pairs) is None
        right = twins.sorts(wires, pairs)
        return ours if ours == followed else not right, right

    return _compared(plan, one)


def twins_caps(plan: Plan) -> Measured:
    def one(rng: random.Random) -> tuple[bool, bool]:
        n, vectors = twins.some_vectors(rng)
        return isinstance(cap_sets.verify(n, vectors), Valid), twins.is_cap(vectors)

    return _compared(plan, one)


def twins_circles(plan: Plan) -> Measured:
    def one(rng: random.Random) -> tuple[bool, bool]:
        circles = twins.some_circles(rng)
        found = circle_packings.check({"circles": circles})
        return isinstance(found, Valid), twins.are_disjoint(circles)

    return _compared(plan, one)


def twins_bins(plan: Plan) -> Measured:
    def one(rng: random.Random) -> tuple[bool, bool]:
        items, bins, capacity = twins.some_bins(rng)
        found = bin_packing.verify_packing(items, bins, capacity)
        return isinstance(found, Valid), twins.fits_bins(items, bins, capacity)

    return _compared(plan, one)


_worst: dict[Plan, tuple[float, float, int, str]] = {}


def _hostile_run(plan: Plan) -> tuple[float, float, int, str]:
    """(slowest s, most MB, files accepted or crashed on, worst kinds) of fresh `evolve verify`."""
    if plan in _worst:
        return _worst[plan]
    rng = random.Random(plan.seed)
    slowest, most = (0.0, ""), (0.0, "")
    wrong, count = 0, 1000 if plan.full else 100
    with tempfile.TemporaryDirectory(prefix="evolve-hostile-") as scratch:
        for number in range(count):
            kind, file = hostile_files.draw(rng, number, Path(scratch))
            began = time.monotonic()
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "evolve", "verify", str(file)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert child.stderr is not None
            text = child.stderr.read()
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            child.stderr.close()
            slowest = max(slowest, (time.monotonic() - began, kind))
            most = max(most, (used.ru_maxrss / 1024, kind))
            if child.returncode not in (1, 2) or b"Traceback" in text or text.count(b"\n") > 1:
                wrong += 1
                print(f"  {kind}: code {child.returncode}", file=sys.stderr)
    shown = f"of {count}; slowest {slowest[1]}, largest {most[1]}"
    _worst[plan] = slowest[0], most[0], wrong, shown
    return _worst[plan]


def hostile_s(plan: Plan) -> Measured:
    slowest, _, _, shown = _hostile_run(plan)
    return Measured(value=slowest, detail=f"{shown}; start of the program included")


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
    Row(name="bins judged unlike the twin", unit="packings", measure=twins_bins, at_most=0),
    Row(name="hostile file, slowest", unit="s", measure=hostile_s, at_most=1),
    Row(name="hostile file, most memory", unit="MB", measure=hostile_mb, at_most=256),
    Row(name="hostile files not refused in a line", unit="files", measure=hostile_wrong, at_most=0),
    Row(name="published objects at their values", unit="share", measure=published, at_least=1),
]
