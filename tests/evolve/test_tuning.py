"""Numbers of a program: found, marked, set, searched, and tuned in a run."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.program import Program
from evolve.tuning import Kind, TuneError, parameters, set_values, skeleton, values_in
from evolve.tuning.search import WORST, Evolution, Told, open_search
from islands_db import Fate, Reader

if TYPE_CHECKING:
    from conftest import Evolve


def program(body: str) -> Program:
    return Program.of({"candidate.py": f"# EVOLVE-BLOCK-START\n{body}\n# EVOLVE-BLOCK-END\n"})


def body(of: Program) -> str:
    return "\n".join(of.files["candidate.py"].split("\n")[1:-2])


def kinds(text: str) -> list[tuple[float, Kind]]:
    return [(parameter.value, parameter.kind) for parameter in parameters(program(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 0.5", [(0.5, Kind.REAL)]),
        ("a = -2.5 * b", [(-2.5, Kind.REAL)]),
        ("a = b - -+-2.5", [(2.5, Kind.REAL)]),
        ("a = b / 3", [(3, Kind.REAL)]),
        ("a = 2 * b + 0.1", [(2, Kind.REAL), (0.1, Kind.REAL)]),
        ("for i in range(12): f(i)", [(12, Kind.INTEGER)]),
        ("a = b ** 2 - c[1]", [(2, Kind.INTEGER)]),
        ("a = b[i + 1] * 7", [(7, Kind.INTEGER)]),
        ("if a == 3: b = 1.5", [(1.5, Kind.REAL)]),
        ("i += 1\ng(x, axis=1, tail=5)", [(5, Kind.INTEGER)]),
        ("a = 1e400 + 0.25", [(0.25, Kind.REAL)]),
        ("a = f'{x:3} 4' + '5'\nb = 6", [(6, Kind.INTEGER)]),
        ("match a:\n    case 3: b = 0.5", [(0.5, Kind.REAL)]),
        ("a = 1.0\nb = 2.0  # tune", [(2.0, Kind.REAL)]),
        ("a = 1.0  # tune: off\nb = 2.0", [(2.0, Kind.REAL)]),
        ("a = True  # tune", [(1, Kind.CHOICE)]),
        ("a = '# tune'\nb = 2.0", [(2.0, Kind.REAL)]),
        ("a = 1.0\nb = 2.0  # width  # TUNE", [(2.0, Kind.REAL)]),
        ("a = 1.0\nb = 2.0  # fine tune", [(1.0, Kind.REAL), (2.0, Kind.REAL)]),
        ("# b = 3.0  # tune\na = 1.0", [(1.0, Kind.REAL)]),
        (
            "a = {2: 3, (4, 5): 6, -7: {8: 0.5}}",
            [(3, Kind.INTEGER), (6, Kind.INTEGER), (0.5, Kind.REAL)],
        ),
        ("a = {9: i + 4 for i in b}", [(4, Kind.INTEGER)]),
        ("a[2] = {3: 0.5}  # tune\nb = 1.0", [(0.5, Kind.REAL)]),
        ("a = b[2]  # tune", [(2, Kind.INTEGER)]),
    ],
)
def test_sizes_are_parameters_and_structure_is_not(
    text: str, expected: list[tuple[float, Kind]]
) -> None:
    assert kinds(text) == expected


def test_a_mark_gives_the_range() -> None:
    real, whole = parameters(program("a = 5.0  # tune: 1..100 log\nb = 9  # tune: 0.5 .. 7.2"))
    assert (real.low, real.high, real.log) == (1.0, 100.0, True)
    assert (whole.low, whole.high, whole.value, whole.kind) == (1, 7, 7, Kind.INTEGER)


@pytest.mark.parametrize(
    "comment", ["# width  # tune: 1..5", "# TUNE: 1..5", "# tune: 1..5  # noqa", "#Tune :1..5"]
)
def test_a_mark_is_read_wherever_it_stands_in_a_comment(comment: str) -> None:
    found = parameters(program(f"a = 3.0  {comment}\nb = 2.0  # Tune: OFF"))
    assert [(p.low, p.high) for p in found] == [(1.0, 5.0)]


def test_every_float_above_0_may_bound_a_logarithmic_range() -> None:
    (wide,) = chosen = parameters(program("a = 1.0  # tune: 1e-300..1e15 log"))
    search = open_search(chosen)
    for seed in range(60):
        (value,) = search.ask(seed)
        new = wide.nearest(value)
        assert 1e-300 <= new <= 1e15
        search.tell(Told((float(new),), (1, -abs(math.log10(new) + 40))))
    assert -60 < math.log10(search.ask(60)[0]) < -20


@pytest.mark.parametrize(
    "range_", ["1000000..1000002", "1000000..1000002 log", "-1e15..-999999999999998"]
)
def test_a_narrow_range_far_from_0_holds_many_values(range_: str) -> None:
    (narrow,) = parameters(program(f"a = 1000001.0  # tune: {range_}"))
    steps = [narrow.low + (narrow.high - narrow.low) * i / 15 for i in range(16)]
    assert len({narrow.nearest(value) for value in steps}) == 16
    assert parameters(program("a = 3.0  # tune: 1..5"))[0].nearest(math.pi) == 3.14159


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = b", "no number that could be tuned"),
        ("a = (", "does not parse"),
        ("a = 1.0  # tune: 5..2", "candidate.py:2: the range 5..2 is empty"),
        ("a = 1.0  # tune: 5..5", "candidate.py:2: the range 5..5 is empty"),
        ("a = 1.0  # tune: 0..5 log", "must lie above 0"),
        ("a = 1.0  # tune: nan..5", "expected LOW..HIGH"),
        ("a = 1.0  # tune: some", "expected LOW..HIGH"),
        ("a = 1.0  # tune: -1e308..1e308", "expected LOW..HIGH"),
        (f"a = {hex(10**400)}  # tune", "beyond 1e"),
        (f"a = {hex(10**400)}", "no number that could be tuned"),
        ("a = 1e300  # tune", "beyond 1e"),
        ("a = -1e999", "no number that could be tuned"),
        ("a = 1  # tune: 0.2..0.8", "no two integers"),
    ],
)
def test_what_cannot_be_tuned_says_why_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(TuneError, match=reason) as caught:
        parameters(program(text))
    assert "\n" not in str(caught.value)


EXPRESSION = st.recursive(
    st.one_of(
        st.floats(-1e6, 1e6).map(repr), st.integers(-50, 50).map(str), st.sampled_from(["x", "y"])
    ),
    lambda inner: st.builds(
        lambda a, sign, b: f"({a}) {sign} ({b})" if "x" in a else f"{a} {sign} ({b})",
        inner,
        st.sampled_from(["+", "-", "*", "/", "**", "<"]),
        inner,
    ),
    max_leaves=6,
)


@given(EXPRESSION, st.randoms(use_true_random=False))
def test_values_set_are_the_values_found_and_the_structure_stays(
    expression: str, rng: random.Random
) -> None:
    base = program(f"def f(x, y):\n    return {expression}")
    try:
        chosen = parameters(base)
    except TuneError:
        return
    values = [rng.uniform(parameter.low, parameter.high) for parameter in chosen]
    child = set_values(base, chosen, values)
    assert skeleton(child) == skeleton(base)
    expected = tuple(float(p.nearest(v)) for p, v in zip(chosen, values, strict=True))
    assert values_in(base, chosen, child) == expected


def test_a_negative_base_of_a_power_keeps_its_meaning() -> None:
    base = program("a = 2.0 ** b - 1.0")
    child = set_values(base, parameters(base), [-3.5, -1.5])
    assert body(child) == "a = (-3.5) ** b - -1.5"


def test_another_name_or_sign_is_another_structure() -> None:
    base = program("def f(a):\n    b = 2.0 * a\n    return b")
    assert skeleton(base) == skeleton(program("def f(a):\n    c = -3 * a  # so\n    return c"))
    assert skeleton(base) != skeleton(program("def f(a):\n    b = 2.0 + a\n    return b"))


def test_cma_finds_the_minimum_of_a_rotated_bowl() -> None:
    chosen = parameters(program("a = 4.0\nb = -3.0\nc = 2.0"))
    search = Evolution(chosen)
    best = math.inf
    for seed in range(400):
        values = search.ask(seed)
        a, b, c = values
        loss = (a + b - 1) ** 2 + 10 * (b - c) ** 2 + (a - 2) ** 2
        best = min(best, loss)
        search.tell(Told(tuple(values), (1, -loss)))
    assert best < 1e-6


def test_tpe_finds_integers_and_what_it_asks_follows_from_what_it_was_told() -> None:
    chosen = parameters(program("for i in range(20): g(i, 3, 0.5)"))
    runs = []
    for _ in range(2):
        search, asked, best = open_search(chosen), [], math.inf
        for seed in range(60):
            values = [float(p.nearest(v)) for p, v in zip(chosen, search.ask(seed), strict=True)]
            loss = abs(values[0] - 33) + abs(values[1] - 5) + abs(values[2] - 0.7)
            best = min(best, loss)
            asked.append(values)
            search.tell(Told(tuple(values), WORST if values[0] == 20 else (1, -loss)))
        runs.append((asked, best))
    assert runs[0] == runs[1]
    assert runs[0][1] < 4


TUNABLE = """
# EVOLVE-BLOCK-START
def answer():
    return 3.5 * 7.5 + 2.5
# EVOLVE-BLOCK-END
"""


@pytest.fixture
def tunable(toy: Path) -> Path:
    (toy / "seed.py").write_text(TUNABLE)
    return toy


def test_the_tuner_alone_changes_numbers_only_and_gains(evolve: Evolve, tunable: Path) -> None:
    ended = evolve(
        "run", tunable, "--set", "goal=100", "--proposer", "tuner", "--evals", 150, "--seed", 3,
        "--name", "t", "--json", "--deterministic",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert ended.data["test"]["champion"] < 10  # type: ignore[index]
    with Reader(evolve.folder / "runs" / "t" / "run.db") as reader:
        texts = [Program.of(reader.files(id)) for id in range(1, reader.counts().programs + 1)]
    assert len({skeleton(text) for text in texts}) == 1
    lineage = evolve("lineage", "t")
    assert re.search(r"by structure [-+0.]+ in 0 steps, by constants \+\d+", lineage.out)


def test_a_program_without_numbers_leaves_the_field_to_the_others(
    evolve: Evolve, toy: Path
) -> None:
    (toy / "seed.py").write_text(TUNABLE.replace("3.5 * 7.5 + 2.5", "len('a' * len('bcd'))"))
    ended = evolve(
        "run", toy, "--proposer", "tree", "--proposer", "tuner", "--evals", 60, "--name", "t"
    )
    assert ended.code == 0, ended.err
    assert re.search(r"tuner +\d+% of proposals, \d+ so far: \d+ better than their", ended.out)
    with Reader(evolve.folder / "runs" / "t" / "run.db") as reader:
        refused = {p.reason for p in reader.proposals() if p.proposer == "tuner" and p.reason}
    assert "its EVOLVE-BLOCKs hold no number that could be tuned" in refused


def test_an_unknown_proposer_or_weight_is_one_line(evolve: Evolve, toy: Path) -> None:
    assert "did you mean 'tuner'" in evolve("run", toy, "--proposer", "tunr").one_line
    assert "expected NAME or NAME:WEIGHT" in evolve("run", toy, "--proposer", "tree:x").one_line


def test_the_market_pays_the_tuner_for_what_is_better_than_its_session_also_after_a_resume(
    evolve: Evolve, tunable: Path
) -> None:
    options = (
        "run", tunable, "--set", "goal=300", "--proposer", "tree", "--proposer", "tuner",
        "--policy", "fixed", "--seed", 2, "--deterministic", "--lag", 4,
    )  # fmt: skip
    assert evolve(*options, "--evals", 120, "--name", "whole").code == 0
    assert evolve(*options, "--evals", 50, "--name", "halves").code == 0
    assert evolve("resume", "halves", "--evals", 120).code == 0
    told = {}
    for name in ("whole", "halves"):
        with Reader(evolve.folder / "runs" / name / "run.db") as reader:
            told[name] = reader.meta["bandit"]
            tuned = [p for p in reader.proposals() if p.proposer == "tuner" and p.parent]
            known = {
                id: (program.rung, program.fitness or 0.0)
                for id in {p.parent for p in tuned} | {p.duplicate_of or p.program for p in tuned}
                if id is not None and (program := reader.program(id))
            }
    assert told["whole"] == told["halves"]
    best: dict[int, tuple[int, float]] = {}
    gained = passed = 0
    for one in tuned:
        found, session = one.duplicate_of or one.program, json.loads(one.note).get("session")
        if one.parent is None or found is None or session is None:
            continue
        before = best.get(session, known[one.parent])
        if one.fate is Fate.EVALUATED:
            gained += known[found] > before
            passed += known[found] > known[one.parent]
        best[session] = max(known[found], before)
    assert told["whole"]["tuner"][4] == gained  # type: ignore[index]
    assert gained < passed / 2
