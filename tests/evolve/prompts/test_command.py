"""`evolve prompt`: what would be asked, before anything is paid; a mistake is one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]
EVOLVE = Path(sys.executable).with_name("evolve")
EXAMPLE = ROOT / "examples" / "no_three_in_line"


def evolve(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(EVOLVE), *map(str, arguments)],
        capture_output=True, text=True, timeout=400, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip


def test_it_prints_the_prompt_and_its_size():
    done = evolve("prompt", EXAMPLE)
    assert done.returncode == 0, done.stderr
    for expected in ("# No three in line", "How your code is called", "`points` 19", "at most"):
        assert expected in done.stdout
    data = msgspec.json.decode(evolve("prompt", EXAMPLE, "--json").stdout)
    assert data["fixed"] in done.stdout
    assert data["text"] in done.stdout
    assert data["bytes"] == len((data["fixed"] + data["text"]).encode()) < data["most_tokens"]


def test_a_template_that_cannot_be_used_is_one_line(tmp_path):
    for path in EXAMPLE.glob("*.*"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "diff.txt").write_text("$parent\n$formt\n")
    done = evolve("prompt", tmp_path)
    assert done.returncode == 5
    assert done.stderr.strip().endswith("diff.txt:2: no field $formt; did you mean 'format'?")
    assert len(done.stderr.strip().split("\n")) == 1
    checked = evolve("check", tmp_path)
    assert checked.returncode == 1
    assert "BAD   prompts:" in checked.stdout
    (tmp_path / "prompts" / "diff.txt").unlink()
    (tmp_path / "contract.md").unlink()
    assert "contract.md" in evolve("prompt", tmp_path).stderr


def test_what_a_model_would_not_be_told_is_noted(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "problem.py").read_text(encoding="utf-8")
    kept = [x for x in text.split("\n") if "contract=" not in x and "measurement=" not in x]
    (tmp_path / "problem.py").write_text("\n".join(kept), encoding="utf-8")
    checked = evolve("check", tmp_path)
    assert checked.returncode == 0
    assert "note  contract: none" in checked.stdout
    assert "note  measurement: not said" in checked.stdout
