"""The page in a real browser: every view and action, hostile texts, the keyboard."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import big_run
from benchmarks.loopback import EVOLVE, loopback, models
from islands_db import Reader

from . import hostile
from .browser import Browser, browser
from .conftest import Evolve, write_toy
from .test_ui_server import serving

pytestmark = pytest.mark.slow
BY_HAND = """
# EVOLVE-BLOCK-START
def answer():
    return 997 + len("by hand")
# EVOLVE-BLOCK-END
"""
VIEWS = ("", "/programs", "/tree", "/islands", "/program/champion")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.look(width=1280)
        yield opened


def at(tab: Browser, place: str) -> None:
    """Goes to a view of the page and waits until it is there."""
    tab.run(f"location.hash = {json.dumps(place)}")
    tab.wait("!document.querySelector('main').innerText.includes('Loading')", place)


def clean(tab: Browser, origin: str) -> None:
    """Nothing ran, nothing failed, and nobody but the server was asked."""
    assert tab.run("window.pwned") is None
    assert tab.complaints == []
    assert {a for a in tab.asked if not a.startswith((origin, "data:", "about:"))} == set()
    tab.open("about:blank")  # before the server goes


def _killed(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_live_run_is_watched_and_steered(tab: Browser, tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", {})
    line = Evolve(tmp_path)
    process = line.start("run", "./toy", "--name", "mine", "--workers", 1)
    try:
        with serving(tmp_path) as page:
            _steered(tab, page.address, line, process)
            clean(tab, page.address.partition("#")[0])
    finally:
        _killed(process)


def _steered(tab: Browser, address: str, line: Evolve, process: subprocess.Popen[str]) -> None:
    def evaluated() -> int:
        found = "[...document.querySelectorAll('dt')].find(e => e.innerText === 'evaluated')"
        text = tab.wait(f"{found}?.nextElementSibling.innerText")
        return int(text.split()[0].replace(",", ""))

    tab.open(address)
    tab.wait_for("mine")
    tab.click("mine")
    tab.wait_for("live: searching")
    assert tab.run("location.hash") == "#/run/mine", "the secret has left the address"
    before = evaluated()
    tab.wait(
        "parseInt([...document.querySelectorAll('dt')].find(e => e.innerText === 'evaluated')"
        f"?.nextElementSibling.innerText.replace(',', '')) > {before + 5}",
        "it follows the run",
    )
    tab.click("Pause")
    tab.wait_for("live: paused")
    tab.click("Budget...")
    tab.fill("dialog input[name=evals]", "-3")
    tab.run("document.querySelector('dialog form').noValidate = true")
    tab.click("Change it")
    tab.wait_for("budget:")
    assert [line for line in tab.complaints if "404" not in line] == []
    tab.complaints.clear()  # a browser's own note of the refusal
    tab.fill("dialog input[name=evals]", "1000000")
    tab.click("Change it")
    tab.wait_for("budget changed")
    tab.click("Hand in a program...")
    tab.wait("document.querySelector('dialog textarea')?.value.includes('EVOLVE-BLOCK-START')")
    tab.fill("dialog textarea", BY_HAND)
    tab.click("Hand it in")
    tab.wait_for("handed in as attempt")
    tab.click("Go on")
    tab.wait_for("live: searching")
    tab.wait_for("human")

    at(tab, "#/run/mine/programs")
    tab.fill("input[type=search]", "human")
    tab.wait_for("1 of ")
    tab.wait("document.querySelectorAll('tbody tr').length === 1")
    for width, dark in ((1280, True), (500, True), (1280, False)):
        tab.look(width=width, dark=dark)  # a redrawn view keeps what was typed
        assert tab.run("document.querySelector('input[type=search]').value") == "human"
        assert tab.run("document.querySelectorAll('tbody tr').length") == 1
    tab.run("document.querySelector('tbody a').click()")
    tab.wait_for("Verdicts")
    mine = int(tab.run("location.hash").rpartition("/")[2])
    tab.wait_for("distance 4")

    at(tab, "#/run/mine/program/champion")
    tab.wait_for("What it changed in its parent")
    champion = int(tab.run("document.querySelector('h2').innerText").split()[1].strip(","))
    tab.click("Ban it with its offspring...")
    tab.click("Ban it")
    tab.wait_for("banned:")

    at(tab, "#/run/mine")
    tab.click("Stop...")
    tab.click("Stop it")
    process.communicate(timeout=400)
    assert process.returncode == 0
    tab.wait_for("No process works on this run now")
    tab.wait_for("ended: stopped by command")
    with Reader(line.folder / "runs/mine/run.db") as reader:
        told = [e.kind for e in reader.events() if e.kind not in ("best", "test", "ended")]
        assert told == ["pause", "budget", "inject", "go", "ban", "stop"]
        assert champion in reader.banned()
        assert reader.program(mine).proposer == "human"
        assert "by hand" in reader.files(mine)["program.py"]


def test_what_a_model_was_asked_and_told(tab: Browser, tmp_path: Path) -> None:
    with loopback(tmp_path / "ledger", "--latency", "0.05") as vendor, serving(tmp_path) as page:
        process = subprocess.Popen(
            [*EVOLVE, "run", "bin_packing:or1", *models("openai/loopback"), "--name", "asked",
             "--runs", str(tmp_path / "runs")],
            cwd=tmp_path, env={**os.environ, **vendor.environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            tab.open(page.address)
            tab.wait_for("asked")
            tab.click("asked")
            tab.wait_for("loopback")
            tab.click("Hint...")
            tab.fill("dialog textarea", "Look at the <b>gap</b> first.")
            tab.click("Hand it in")
            tab.wait_for("the models are told")
            tab.wait_for("hint")

            def told() -> int | None:
                found = page.data("runs/asked/programs?sort=id&descending=true&count=20")
                programs = found["programs"]
                assert isinstance(programs, list)
                for one in programs:
                    said = json.dumps(page.data(f"runs/asked/programs/{one['id']}")["prompts"])
                    if "<b>gap</b>" in said:
                        return int(one["id"])
                return None

            for _ in range(60):
                if (heard := told()) is not None:
                    break
                tab.wait("new Promise(done => setTimeout(() => done(true), 300))")
            assert heard is not None, "a prompt holds it, and its hash is that of the one sent"
            at(tab, f"#/run/asked/program/{heard}")
            tab.click("prompt, as it was sent")
            tab.wait_for("Look at the <b>gap</b> first.")
            tab.click("answer to turn 0")
            tab.wait_for("EVOLVE-BLOCK")
            clean(tab, page.address.partition("#")[0])
        finally:
            _killed(process)


def test_hostile_texts_are_shown_and_nothing_runs(tab: Browser, tmp_path: Path) -> None:
    hostile.write_run(tmp_path / "runs/bad")
    with serving(tmp_path) as page:
        tab.open(page.address)
        tab.wait_for("bad")
        programs = ["/program/1", "/program/24", "/program/41", "/program/champion"]
        for view in (*VIEWS, *programs):
            at(tab, f"#/run/bad{view}")
            tab.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            tab.run("document.querySelectorAll('a, summary').forEach(one => one.matches(':hover'))")
            theirs = "script:not([src]), iframe, object, embed, base, math, meta[http-equiv]"
            assert tab.run(f"document.querySelectorAll({json.dumps(theirs)}).length") == 0
            assert (
                tab.run("document.querySelectorAll('main style, main form, main link').length") == 0
            )
            links = (
                "[...document.querySelectorAll('main a')].every(a => a.hash && a.origin === origin)"
            )
            assert tab.run(links)
            assert tab.run("getComputedStyle(document.body).display") == "block"
        tab.wait_for("<img src=x onerror")
        at(tab, "#/compare/bad")
        tab.wait("new Promise(done => setTimeout(() => done(true), 500))")
        assert tab.complaints == []
        # were a text ever to be taken for markup, the policy would refuse it
        assert tab.run(
            "try { document.body.innerHTML = '<b>x</b>'; 'taken' } catch (e) { e.name }"
        ) == ("TypeError")
        tab.complaints.clear()


def test_a_family_of_20_000_is_usable_by_keyboard(tab: Browser, tmp_path: Path) -> None:
    big_run.write(tmp_path / "runs/big", 20_000, seed=1)
    with serving(tmp_path) as page:
        tab.open(page.address)
        tab.wait_for("big")
        at(tab, "#/run/big/tree")
        tab.wait_for("20,000 programs")
        assert tab.run("document.querySelectorAll('[role=treeitem]').length") < 2000
        tab.click("Show the champion")
        focused = "document.activeElement.dataset.key"
        with Reader(tmp_path / "runs/big/run.db") as reader:
            champion = reader.find("champion")
            line = [one.id for one in reader.lineage(champion)]
            children = [one.id for one in reader.children(line[-2])]
        assert tab.run(focused) == f"node-{champion}"
        tab.press("ArrowLeft")
        assert tab.run(focused) in (f"node-{line[-2]}", f"node-{champion}")
        tab.press("Home")
        assert tab.run(focused) == "node-1"
        tab.press("ArrowLeft")
        assert tab.run("document.querySelectorAll('[role=treeitem]').length") == 1
        tab.press("ArrowRight")
        assert tab.run("document.activeElement.getAttribute('aria-expanded')") == "true"
        tab.press("ArrowRight")
        assert tab.run(focused) != "node-1"
        tab.fill("input[type=search]", str(children[0]))
        tab.wait(f"{focused} === 'node-{children[0]}'")
        tab.press("Enter")
        tab.wait_for(f"Program {children[0]}")
        at(tab, "#/run/big/programs")
        tab.run("document.querySelector('[data-key=sort-length]').focus()")
        tab.press("Enter")
        tab.wait("document.querySelector('th[aria-sort]')?.innerText.startsWith('length')")
        assert tab.run(focused) == "sort-length", "the focus stays where it was"
        clean(tab, page.address.partition("#")[0])


def test_without_the_secret_the_page_says_what_to_do(tab: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as page:
        tab.open(page.address.partition("#")[0])
        tab.wait_for("open the address that `evolve ui` printed")
        tab.open("about:blank")
