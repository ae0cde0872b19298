"""Hostile texts in every field of a run: nothing runs in a browser, nothing reaches a terminal."""

from __future__ import annotations

import html
import html.parser
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from . import hostile
from .conftest import Evolve

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Evolve:
    root = tmp_path_factory.mktemp("hostile")
    hostile.write_run(root / "runs/bad")
    return Evolve(root)


@pytest.fixture(scope="module")
def page(attacked: Evolve, terminal: Callable[..., str]) -> str:
    """The page of the run; drawing so many baselines takes a while."""
    _require_harmless(terminal(attacked, 80, "report", "bad", "-o", "page.html"))
    return (attacked.folder / "page.html").read_text()


def test_there_are_sixty_of_them() -> None:
    assert len(set(hostile.ALL)) == len(hostile.ALL) >= 60


LONGEST = len(hostile.ALL)
COMMANDS = [
    ("ls",), ("best", "bad"), ("best", "bad", "--top", "99"), ("show", "bad:20"),
    ("show", f"bad:{LONGEST}"), ("lineage", "bad"), ("lineage", "bad", "--diff"),
    ("lineage", "bad", "--tree"), ("why", "bad:45"), ("why", f"bad:{LONGEST}"),
    ("diff", "bad:1", str(LONGEST)),
    ("lineage", "bad", "--json"), ("why", "bad:45", "--json"), ("ls", "--json"),
    ("why", "bad", "--attempt", "44"), ("show", "bad:55"), ("why", "bad:75"), ("why", "bad:92"),
    ("show", "bad:\x1b[31m"), ("lineage", "\x1b]0;x\x07"), ("diff", "bad:1", "\u202e"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_nothing_reaches_a_terminal(
    attacked: Evolve, command: tuple[str, ...], terminal: Callable[..., str]
) -> None:
    for columns in (80, 160):
        _require_harmless(terminal(attacked, columns, *command, codes=(0, 2)))


def _require_harmless(written: str) -> None:
    """Refuses what a terminal would obey, but for our own colours, and a traceback."""
    shown = re.sub(r"\x1b\[[0-9;]*m", "", written)
    obeyed = {c for c in set(shown) if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
    assert obeyed <= {"\n", "\t"}, sorted(map(hex, map(ord, obeyed)))
    # colours that a text had set would be among ours
    assert "\x1b[31;1m" not in written
    assert "Traceback" not in written
    assert "a bug of ours" not in written


@pytest.mark.slow
def test_nothing_of_a_folders_name_reaches_a_terminal(evolve: Evolve, toy: Path) -> None:
    """Runs are copied from elsewhere, so their folders may be called anything."""
    assert evolve("run", "./toy", "--evals", 3, "--workers", 1, "--name", "a").code == 0
    runs = evolve.folder / "\x1b[31m\u202eall"
    evolve.folder.joinpath("runs").rename(runs)
    runs.joinpath("a").rename(runs / "\x1b]0;pwned\x07\u202e")
    asked: list[tuple[object, ...]] = [
        ("ls",), ("best", "--top", 3), ("show",), ("lineage",), ("lineage", "--tree"), ("why",),
        ("diff", "1", "1"), ("report",), ("gc",), ("resume",), ("export",), ("rescore",),
        ("control", "\x1b]0;pwned\x07\u202e", "status"), ("why", "--attempt", 99),
        ("salvage", "\x1b]0;pwned\x07\u202e", "-o", "b"),
    ]  # fmt: skip
    for command in asked:
        ended = evolve(*command, "--runs", runs)
        said = ended.out + ended.err
        assert not {c for c in said if unicodedata.category(c) in ("Cc", "Cf")} - {"\n"}, command
        assert "Traceback" not in said
        assert "a bug of ours" not in said


class _Page(html.parser.HTMLParser):
    """What a page is made of, as a parser sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.targets |= {
            value or "" for name, value in attrs if name in ("href", "src", "xlink:href")
        }


@pytest.mark.slow
def test_the_page_holds_no_tag_of_theirs_and_asks_nobody(page: str) -> None:
    assert len(page.encode()) < 3_000_000
    parsed = _Page()
    parsed.feed(page)
    assert parsed.tags.isdisjoint(
        {"script", "iframe", "object", "embed", "base", "link", "form", "input", "math"}
    )
    assert not {name for name in parsed.attributes if name.startswith("on")}
    assert "style" not in parsed.attributes
    assert all(t.startswith(("#", "data:image/png;base64,")) for t in parsed.targets)
    assert "{{ 7 * 7 }}" in page
    assert "default-src 'none'" in page
    assert not {c for c in page if unicodedata.category(c) in ("Cc", "Cf")} - {"\n", "\t"}


@pytest.mark.slow
def test_nothing_runs_in_a_real_browser(page: str, tmp_path: Path) -> None:
    _, said = _opened(tmp_path, page)
    assert "Content Security Policy" not in said, "the policy had nothing to stop"
    # a probe of ours, let in by a weaker policy, says what the page has become
    probe = "document.title = [window.pwned, document.scripts.length, location.protocol].join(' ')"
    weaker = "default-src 'none'; script-src 'unsafe-inline';"
    text = page.replace("default-src 'none';", weaker, 1)
    script = f"<script>onload = () => setTimeout(() => {{ {probe} }}, 300)</script>"
    became, _ = _opened(tmp_path, text.replace("</body>", f"{script}</body>"))
    title = re.search(r"<title>(.*?)</title>", became, re.DOTALL)
    assert title is not None
    assert title[1].split() == ["1", "file:"], "even with scripts allowed only the probe may run"


@pytest.mark.slow
def test_the_policy_alone_would_stop_them(page: str, tmp_path: Path) -> None:
    became, said = _opened(tmp_path, html.unescape(page))
    assert "<script>window.pwned=1</script>" in became, "as if escaping had failed"
    assert "Executing inline script violates" in said


def _opened(folder: Path, page: str) -> tuple[str, str]:
    """What a browser makes of a page: its document afterwards, and its console."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium here; `apt install chromium` has it")
    file = folder / "opened.html"
    file.write_text(page)
    dumped = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         "--virtual-time-budget=3000", f"--user-data-dir={folder}/profile", "--dump-dom",
         f"file://{file}"],
        capture_output=True, text=True, timeout=400, check=True,
    )  # fmt: skip
    return dumped.stdout, dumped.stderr


@pytest.mark.slow
def test_markdown_makes_nothing_of_them(attacked: Evolve, terminal: Callable[..., str]) -> None:
    _require_harmless(terminal(attacked, 80, "report", "bad", "--md", "-o", "page.md"))
    text = (attacked.folder / "page.md").read_text()
    outside = re.sub(r"^(`{3,})[^`\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"!\[[A-Za-z ]+\]\(page-plots/[a-z]+\.png\)", "", outside)
    assert "<" not in outside
    assert not re.search(r"(?<!\\)[\[`]", outside)


def test_a_text_of_ten_megabytes_is_shown_in_no_time() -> None:
    import time

    from evolve.terminal import inert

    began = time.process_time()
    assert len(inert("x\x1b" * 5_000_000)) == 25_000_000
    assert time.process_time() - began < 20
