"""The report of runs in every state."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from .conftest import Evolve


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Evolve:
    from .conftest import write_toy

    evolve = Evolve(tmp_path_factory.mktemp("report"))
    toy = write_toy(evolve.folder / "toy", {})
    ended = evolve("run", toy, "--evals", 40, "--seed", 3, "--name", "a", "--deterministic")
    assert ended.code == 0, ended.err
    return evolve


def test_a_report_says_what_the_run_found_and_what_the_seed_held(run: Evolve) -> None:
    ended = run("report", "a")
    assert ended.code == 0, ended.err
    page = (run.folder / "runs/a/report.html").read_text()
    champion = run("show", "a", "--json").data
    line = run("lineage", "a", "--json").data["lineage"]
    assert isinstance(line, list)
    assert f'<td class="n">{champion["test"]:g}</td>' in page
    assert '<td class="n">979</td>' in page, "the seed program answers 21 where 1000 is asked"
    assert page.count("<details") == len(line) + 1
    assert page.count("<svg") >= 3
    assert "arithmetic" in page, "the published value, without the problem's code"
    assert "search again" not in page
    assert "and finds the same" in page


def test_a_report_reads_no_code_of_the_problem(run: Evolve, tmp_path: Path) -> None:
    shutil.copytree(run.folder / "runs/a", tmp_path / "runs/a")
    elsewhere = Evolve(tmp_path)
    moved = run.folder / "toy"
    hidden = moved.rename(run.folder / "gone")
    try:
        assert elsewhere("report", "a").code == 0
    finally:
        hidden.rename(moved)


def test_markdown_has_its_plots(run: Evolve) -> None:
    ended = run("report", "a", "--md")
    assert ended.code == 0, ended.err
    text = (run.folder / "runs/a/report.md").read_text()
    for name in re.findall(r"\]\((.*?)\)", text):
        assert (run.folder / "runs/a" / name).read_bytes().startswith(b"\x89PNG")
    assert "## Lineage" in text


def test_a_run_without_a_program_has_a_report(run: Evolve, tmp_path: Path) -> None:
    from islands_db import Settings, Store

    (tmp_path / "runs/empty").mkdir(parents=True)
    meta = {"problem": "x", "objectives": ["max size"]}
    Store.create(tmp_path / "runs/empty/run.db", settings=Settings(), meta=meta).close()
    ended = Evolve(tmp_path)("report", "empty")
    assert ended.code == 0, ended.err
    assert "no program has a score yet" in (tmp_path / "runs/empty/report.html").read_text()
    assert Evolve(tmp_path)("report", "empty", "--md").code == 0


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE meta SET value = '[]' WHERE key = 'objectives'", "objective"),
        ("UPDATE meta SET value = '5' WHERE key = 'references'", "what the run says of itself"),
        ("UPDATE events SET data = '{}' WHERE kind = 'test'", "event"),
        ("PRAGMA user_version = 99", "newer"),
        ("UPDATE sources SET body = x'00'", "damaged"),
    ],
)
def test_a_damaged_run_gets_one_line(run: Evolve, tmp_path: Path, damage: str, says: str) -> None:
    shutil.copytree(run.folder / "runs/a", tmp_path / "runs/a")
    connection = sqlite3.connect(tmp_path / "runs/a/run.db", isolation_level=None)
    connection.execute(damage)
    # as if seals did not show it: what a file from elsewhere says may be anything
    connection.execute("UPDATE settings SET seal = NULL")
    connection.close()
    ended = Evolve(tmp_path)("report", "a")
    assert ended.code == 3
    assert says in ended.one_line
    assert not list((tmp_path / "runs/a").glob("*.part"))


def test_a_place_that_cannot_be_written_is_said_in_one_line(run: Evolve) -> None:
    ended = run("report", "a", "-o", "nowhere/page.html")
    assert ended.code == 3
    assert "cannot write nowhere" in ended.one_line
    assert run("report", "a", "--md", "-o", "nowhere/page.md").code == 3


def test_a_certificate_that_was_changed_does_not_hold(run: Evolve, tmp_path: Path) -> None:
    shutil.copytree(run.folder / "runs/a", tmp_path / "runs/a")
    (tmp_path / "runs/a/certificate.json").write_text("{}")
    assert Evolve(tmp_path)("report", "a").code == 0
    assert "could not be checked" in (tmp_path / "runs/a/report.html").read_text()
