"""Certificates are hostile input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evaluators import bin_packing as packing
from evaluators.bin_packing_instances import draw
from evolve import certificate

if TYPE_CHECKING:
    from conftest import Evolve

Json = dict[str, object]


@pytest.fixture(scope="module")
def honest() -> Json:
    """A certificate of best fit on two short instances."""
    instances = draw("or1", 2, 7)
    packings = [packing.best_fit(items, 150) for items in instances]
    artifact = packing.certificate(
        distribution="or1", seed=7, instances=instances, ranks=None, packings=packings
    )
    found = packing.check(json.loads(json.dumps(artifact)))
    value = found.value  # type: ignore[union-attr]
    return {
        "format": certificate.FORMAT,
        "problem": "bin_packing",
        "parameters": {"distribution": "or1"},
        "verifier": "online_bin_packing",
        "verifier_version": packing.online_bin_packing.version,
        "claim": {"objective": "excess_percent", "direction": "min", "value": str(value)},
        "program": "ab" * 32,
        "lineage": ["ab" * 32],
        "artifact": artifact,
    }


def verify(evolve: Evolve, data: object, *options: str) -> tuple[int, str]:
    file = evolve.folder / "certificate.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    ended = evolve("verify", file, *options)
    assert "Traceback" not in ended.err
    return ended.code, ended.out + ended.err


def test_an_honest_one_holds(evolve: Evolve, honest: Json) -> None:
    code, text = verify(evolve, honest)
    assert (code, "holds: excess_percent" in text) == (0, True)
    code, text = verify(evolve, honest, "--json")
    assert json.loads(text)["holds"] is True


def test_a_claim_that_is_too_good_does_not_hold(evolve: Evolve, honest: Json) -> None:
    claim = {"objective": "excess_percent", "direction": "min", "value": "0"}
    code, text = verify(evolve, {**honest, "claim": claim})
    assert (code, "DOES NOT HOLD" in text) == (1, True)


@pytest.mark.parametrize(
    "value",
    ["nan", "1/0", "", "1" * 20_000, "\x1b[31m", "0x10", "1e999999999", "1_0", "2/4", "٣", " 1"],
)
def test_a_claim_that_is_no_number(evolve: Evolve, honest: Json, value: str) -> None:
    claim = {"objective": "x", "direction": "min", "value": value}
    code, text = verify(evolve, {**honest, "claim": claim})
    assert code == 1
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"verifier": "os.system"},
        {"verifier": "evaluators.bin_packing:online_bin_packing"},
        {"verifier_version": "99"},
        {"format": "evolve-certificate/9"},
        {"artifact": None},
        {"claim": 3},
        {"lineage": [1]},
    ],
)
def test_what_is_not_registered_or_misshapen_is_refused(
    evolve: Evolve, honest: Json, change: Json
) -> None:
    code, text = verify(evolve, {**honest, **change})
    assert code in (1, 2)
    assert "holds: " not in text


def test_a_claim_about_something_else_does_not_hold(evolve: Evolve, honest: Json) -> None:
    claim = honest["claim"]
    assert isinstance(claim, dict)
    for change in ({"direction": "max"}, {"objective": "wasted_percent"}):
        code, text = verify(evolve, {**honest, "claim": {**claim, **change}})
        assert (code, "DOES NOT HOLD" in text) == (1, True)
    code, text = verify(evolve, {**honest, "parameters": {"distribution": "weibull5k"}})
    assert (code, "the object is of distribution or1" in text) == (1, True)


def test_what_an_object_does_not_show_is_said_and_no_record_beside_it(
    evolve: Evolve, honest: Json
) -> None:
    artifact = honest["artifact"]
    assert isinstance(artifact, dict)
    chosen = {
        **artifact, "seed": None, "count": 1, "instances": [[75, 75]], "packings": [[0, 0]],
    }  # fmt: skip
    claim = {"objective": "excess_percent", "direction": "min", "value": "0"}
    code, text = verify(evolve, {**honest, "artifact": chosen, "claim": claim})
    assert code == 0
    assert text.count("not shown:") == 2
    assert "FunSearch" not in text


def test_a_pipe_is_not_waited_for(evolve: Evolve) -> None:
    os.mkfifo(evolve.folder / "pipe")
    assert "is not a file" in evolve("verify", "pipe").one_line


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "null", "[" * 100_000, '{"format": "' + "a" * 10_000 + '"}', "\x00\xff"],
)
def test_files_that_are_no_certificate(evolve: Evolve, text: str) -> None:
    code, answer = verify(evolve, text)
    assert (code, "no certificate" in answer) == (2, True)


def test_a_missing_and_a_huge_file(evolve: Evolve) -> None:
    assert evolve("verify", "nosuch.json").code == 2
    huge = evolve.folder / "huge.json"
    with huge.open("wb") as file:
        file.truncate(certificate.MAX_BYTES + 1)
    assert "at most" in evolve("verify", huge).one_line


def corrupted(artifact: Json) -> dict[str, Json]:
    first, *others = artifact["packings"]  # type: ignore[misc]
    changes: dict[str, Json] = {
        "an item in another bin": {"packings": [[first[1], *first[1:]], *others]},
        "a bin that is negative": {"packings": [[-1, *first[1:]], *others]},
        "a missing item": {"packings": [first[1:], *others]},
        "other instances": {"seed": 8},
        "a larger capacity": {"capacity": 300},
    }
    return {how: {**artifact, **change} for how, change in changes.items()}


@pytest.mark.parametrize("how", sorted(corrupted({"packings": [[0, 0]]})))
def test_a_corrupted_object_does_not_hold(evolve: Evolve, honest: Json, how: str) -> None:
    artifact = honest["artifact"]
    assert isinstance(artifact, dict)
    code, text = verify(evolve, {**honest, "artifact": corrupted(artifact)[how]})
    assert (code, "DOES NOT HOLD" in text) == (1, True)


def test_checking_imports_neither_sandbox_nor_database(evolve: Evolve, honest: Json) -> None:
    """No run, no sandbox, no evolved code: only the verifier."""
    file = evolve.folder / "certificate.json"
    file.write_text(json.dumps(honest))
    code = (
        "import sys; from pathlib import Path; from evolve import certificate as c\n"
        f"checked = c.check(c.read(Path({str(file)!r})))\n"
        "assert checked.holds, checked\n"
        "print([m for m in sys.modules if m.startswith(('sandbox', 'islands_db', 'problems'))])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_half_written_certificate_never_stands_there(tmp_path: Path, honest: Json) -> None:
    file = tmp_path / "certificate.json"
    claim = certificate.Claim(objective="x", direction="min", value="1")
    arguments = {
        "problem": "p", "parameters": {}, "verifier": packing.online_bin_packing, "claim": claim,
        "program": "", "lineage": [], "tier": "A", "created": "",
    }  # fmt: skip
    with pytest.raises(ValueError, match="Expecting"):
        certificate.write(file, artifact="{broken", **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
