"""The page's server: whom it answers, what leaves it, and runs in every state."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import sqlite3
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from evolve.ui.guard import is_loopback
from islands_db import Reader

from . import hostile
from .conftest import Evolve, write_toy

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Page:
    """A server under test."""

    address: str
    port: int
    token: str

    def ask(
        self, path: str, *, method: str = "GET", body: str | None = None, **headers: str | None
    ) -> tuple[int, str, Mapping[str, str]]:
        """Status, body and headers; a header given as None is not sent."""
        sent: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token}",
        }  # fmt: skip
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=400)) as link:
            link.putrequest(method, path, skip_host=True)
            for name, value in sent.items():
                if value is not None:
                    link.putheader(name, value)
            link.putheader("Content-Length", str(len((body or "").encode())))
            link.endheaders((body or "").encode())
            answer = link.getresponse()
            return answer.status, answer.read().decode(), dict(answer.headers)

    def data(self, path: str) -> dict[str, object]:
        status, text, _ = self.ask(f"/api/{path}")
        assert status == 200, text
        found: dict[str, object] = json.loads(text)
        return found

    def act(self, run: str, command: str, **arguments: object) -> tuple[int, dict[str, object]]:
        status, text, _ = self.ask(
            f"/api/runs/{run}/actions/{command}", method="POST", body=json.dumps(arguments)
        )
        return status, json.loads(text)


@contextmanager
def serving(folder: Path, *options: object) -> Iterator[Page]:
    process = subprocess.Popen(
        Evolve(folder).command("ui", "--port", 0, *options), cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http" in line, process.communicate()
        address = line.split(": ")[-1].strip()
        port = urlsplit(address).port
        assert port is not None
        yield Page(address=address, port=port, token=address.partition("token=")[2])
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ui")
    write_toy(root / "toy", {})
    ended = Evolve(root)("run", "./toy", "--evals", 40, "--seed", 3, "--name", "a", "--workers", 1)
    assert ended.code == 0, ended.err
    hostile.write_run(root / "runs/bad")
    return root


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    with serving(folder) as running:
        yield running


def test_nothing_is_told_without_the_secret(page: Page) -> None:
    for given in (None, "", "Bearer", "Bearer x", f"Bearer {page.token}x", page.token,
                  f"Bearer {page.token[:-1]}", "Bearer \xff"):  # fmt: skip
        status, text, _ = page.ask("/api/runs", Authorization=given)
        assert status == 401, given
        assert "runs" not in text
        assert page.ask("/api/runs/a/actions/stop", method="POST", Authorization=given)[0] == 401
    assert page.ask("/api/runs")[0] == 200
    assert page.ask(f"/api/runs?token={page.token}", Authorization=None)[0] == 401
    assert page.ask("/", Authorization=None)[0] == 200, "the page itself says nothing"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "2130706433", "[::2]:80",
     "127.0.0.1@evil.example:80", "evil.example:127.0.0.1", "", None, "0.0.0.0", "[", "a/b"],  # noqa: S104
)  # fmt: skip
def test_a_name_that_was_made_to_point_here_is_refused(page: Page, host: str | None) -> None:
    assert page.ask("/api/runs", Host=host)[0] in (400, 421)
    assert page.ask("/", Host=host)[0] in (400, 421)


def test_a_tunnel_may_end_at_another_port(page: Page) -> None:
    for host in ("localhost:9999", "127.0.0.1", "[::1]:1", "127.1.2.3:80"):
        assert page.ask("/api/runs", Host=host)[0] == 200, host
    assert [is_loopback(name) for name in ("localhost", "::1", "10.0.0.1", "localhost.")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_another_site_may_not_act_even_with_the_secret(page: Page) -> None:
    for origin in (
        "http://evil.example",
        "null",
        "http://[",
        "",
        f"http://127.0.0.1:{page.port + 1}",
    ):
        assert page.ask("/api/runs/a/actions/stop", method="POST", Origin=origin)[0] == 403
    assert page.ask("/api/runs", Origin=f"http://127.0.0.1:{page.port}")[0] == 200
    assert page.ask("/api/runs", method="OPTIONS")[2].get("access-control-allow-origin") is None


def test_every_answer_carries_the_policy(page: Page) -> None:
    for path in ("/", "/static/main.js", "/api/runs", "/nothing", "/static/../app.py"):
        status, text, headers = page.ask(path)
        assert "require-trusted-types-for 'script'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert status in (200, 404)
        assert "def application" not in text


@pytest.mark.parametrize(
    "path",
    ["runs/none/overview", "runs/..%2f..%2fetc/overview", "runs/%2e%2e/overview", "runs/a/nothing",
     "runs/a/programs/99999", "runs/a/programs/zzz", "runs/a/programs?sort=x",
     "runs/a/programs?count=-1&offset=x", "compare", "runs/a%00b/overview",
     "runs/a/programs/%F0%9F%92%A3"],
)  # fmt: skip
def test_what_is_not_there_is_one_line(page: Page, path: str) -> None:
    status, text, _ = page.ask(f"/api/{path}")
    assert status in (404, 409), text
    if path != "runs/..%2f..%2fetc/overview":  # no such address at all
        assert len(json.loads(text)["error"].splitlines()) == 1


def test_views_agree_with_the_commands(page: Page, folder: Path) -> None:
    line = Evolve(folder)
    shown = line("show", "a", "--json").data
    overview = page.data("runs/a/overview")
    champion = overview["champion"]
    assert isinstance(champion, dict)
    assert [champion[k] for k in ("id", "training", "validation", "test")] == [
        shown[k] for k in ("id", "training", "validation", "test")
    ]
    table = page.data("runs/a/programs?count=500")["programs"]
    assert isinstance(table, list)
    with Reader(folder / "runs" / "a" / "run.db") as reader:  # `best` ranks by validation
        assert [one["id"] for one in table[:5]] == [one.id for one in reader.top(5)]
    family = page.data("runs/a/tree")
    told = line("lineage", "a", "--json").data["lineage"]
    assert isinstance(told, list)
    assert family["line"] == [step["id"] for step in told]
    program = page.data(f"runs/a/programs/{champion['id']}")
    assert program["files"] == shown["files"]
    assert program["verdicts"] != []
    for query, kept in (
        ("sort=id&descending=true", lambda rows: rows == sorted(rows, reverse=True)),
        ("search=1", lambda rows: 1 in rows),
        (f"search={shown['hash']}", lambda rows: rows == [shown["id"]]),
        ("show=failed", lambda rows: all(next(p for p in table if p["id"] == r)["value"] is None
                                         for r in rows)),
        ("island=0", lambda rows: len(rows) > 0),
        ("proposer=seed", lambda rows: rows == [1]),
        ("offset=1000", lambda rows: rows == []),
    ):  # fmt: skip
        found = page.data(f"runs/a/programs?{query}")["programs"]
        assert isinstance(found, list)
        assert kept([one["id"] for one in found]), query


def test_no_text_leaves_that_a_screen_would_obey(page: Page) -> None:
    for path in ("runs", "runs/bad/overview", "runs/bad/programs?count=500", "runs/bad/tree",
                 "runs/bad/islands", "compare?run=bad&run=a",
                 *(f"runs/bad/programs/{n}" for n in (1, 7, 75, len(hostile.ALL)))):  # fmt: skip
        text = json.dumps(page.data(path), ensure_ascii=False)
        kinds = {unicodedata.category(c) for c in set(text) - {"\n", "\t"}}
        assert kinds.isdisjoint({"Cc", "Cf", "Zl", "Zp", "Cs"}), path
        assert len(text) < 12_000_000, path


def test_runs_that_cannot_be_read_stand_beside_those_that_can(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "newer", "damaged", "cut", "odd name"):
        shutil.copytree(folder / "runs/a", tmp_path / "runs" / name)
    with closing(sqlite3.connect(tmp_path / "runs/newer/run.db")) as connection:
        connection.execute("PRAGMA user_version = 999")
    for suffix in ("-wal", "-shm"):
        for name in ("damaged", "cut"):
            (tmp_path / f"runs/{name}/run.db{suffix}").unlink(missing_ok=True)
    data = bytearray((tmp_path / "runs/damaged/run.db").read_bytes())
    data[4096 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4096)
    (tmp_path / "runs/damaged/run.db").write_bytes(data)
    (tmp_path / "runs/cut/run.db").write_bytes(b"SQLite format 3\0" + b"\0" * 10)
    (tmp_path / "runs/empty").mkdir()
    with serving(tmp_path) as page:
        found = page.data("runs")["runs"]
        assert isinstance(found, list)
        faults = {run["name"]: run.get("fault") for run in found}
        assert set(faults) == {"a", "newer", "damaged", "cut"}
        assert faults.pop("a") is None
        assert all(faults.values())
        for name in faults:
            assert page.ask(f"/api/runs/{name}/overview")[0] == 409
        assert page.act("a", "pause")[0] == 404, "no process works on it"
        # a killed run leaves its socket
        leftover = socket.socket(socket.AF_UNIX)
        leftover.bind(str(tmp_path / "runs/a/run.sock"))
        leftover.close()
        assert page.data("runs/a/overview")["status"] is None
        # and a run of that name begins anew
        shutil.rmtree(tmp_path / "runs/a")
        assert page.ask("/api/runs/a/overview")[0] == 404


def test_a_family_in_a_circle_ends_like_any_other(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs/a", tmp_path / "runs/a")
    with closing(sqlite3.connect(tmp_path / "runs/a/run.db", isolation_level=None)) as connection:
        connection.execute("UPDATE attempts SET parent = 5 WHERE program = 3")
        connection.execute("UPDATE attempts SET parent = 3 WHERE program = 5")
        connection.execute("UPDATE settings SET seal = NULL")  # large files are not checked either
    with serving(tmp_path) as page:
        page.data("runs/a/tree")
        lines = [page.data(f"runs/a/programs/{program}")["lineage"] for program in (3, 5)]
        assert [[step["id"] for step in line] for line in lines] == [[3], [3, 5]]  # type: ignore[attr-defined]


def test_a_folder_without_runs_is_no_fault(tmp_path: Path) -> None:
    with serving(tmp_path, "--runs", "nowhere") as page:
        assert page.data("runs")["runs"] == []


def test_actions_that_are_none_are_refused(page: Page) -> None:
    for command, body in (
        ("explode", "{}"), ("status", "{}"), ("pause", "["), ("budget", "3"),
        ("inject", "\xff"), ("inject", '{"files": "' + "x" * 5_000_000 + '"}'),
    ):  # fmt: skip
        status, text, _ = page.ask(f"/api/runs/a/actions/{command}", method="POST", body=body)
        assert status == 404, (command, text[:200])
        assert "error" in json.loads(text)


def test_where_it_cannot_listen_it_says_so_in_one_line(page: Page, tmp_path: Path) -> None:
    evolve = Evolve(tmp_path)
    taken = evolve("ui", "--port", page.port)
    assert taken.code == 3
    assert "--port 0 takes a free one" in taken.one_line
    for host in ("0.0.0.0", "::"):  # noqa: S104
        everywhere = evolve("ui", "--host", host)
        assert everywhere.code == 2
        assert "name the one" in everywhere.one_line
    assert evolve("ui", "--host", "no.such.host.invalid").code == 2
