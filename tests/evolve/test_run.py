"""A run as its user sees it: from the seed to a certificate, stopped, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evolve.control import send
from islands_db import Fate, Reader, fingerprint

if TYPE_CHECKING:
    from conftest import Evolve


def database(evolve: Evolve, name: str = "mine") -> Path:
    return evolve.folder / "runs" / name / "run.db"


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"waited a minute for: {what}"
        time.sleep(0.02)


def evaluated(evolve: Evolve) -> int:
    file = database(evolve)
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM programs").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_a_run_gets_closer_and_says_where_its_champion_came_from(evolve: Evolve, toy: Path) -> None:
    ended = evolve("run", toy, "--evals", 150, "--seed", 1, "--name", "mine", "--json")
    assert ended.code == 0, ended.err
    data = ended.data
    test = data["test"]
    assert isinstance(test, dict)
    assert data["ended"] == "150 evaluations used"
    assert data["status"]["evaluated"] == 150  # type: ignore[index]
    assert test["seed_program"] == 979
    assert test["champion"] < 900
    assert test["baselines"] == {"zero": 1000}

    lineage = evolve("lineage", "mine", "--json").data["lineage"]
    assert isinstance(lineage, list)
    assert lineage[0]["proposer"] == "seed"
    assert lineage[-1]["id"] == data["champion"]
    for before, after in pairwise(lineage):
        assert after["parent"] == before["id"]
    assert "EVOLVE-BLOCK-START" in evolve("best", "mine").out
    shown = evolve("show", f"mine:{data['champion']}", "--json").data
    assert shown["test"] == test["champion"]
    assert {verdict["tier"] for verdict in shown["verdicts"]} <= {"A", "B"}  # type: ignore[index, union-attr]
    operators = shown["operators"]["tree"]  # type: ignore[index, call-overload]
    assert sum(one["share"] for one in operators.values()) == pytest.approx(1)
    assert sum(one["attempts"] for one in operators.values()) >= 149
    assert sum(one["best"] for one in operators.values()) > 0
    made_by = lineage[-1]["operator"].split("+")[0]
    assert f"{made_by} in this run: asked" in evolve("show", "mine:champion").out


def test_the_target_ends_a_run(evolve: Evolve, toy: Path) -> None:
    ended = evolve("run", f"{toy}:22", "--target", 1, "--evals", 500, "--json")
    assert ended.data["ended"] == "target 1 reached"


def test_every_evaluated_program_is_a_different_one(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 60, "--seed", 3, "--name", "mine").code == 0
    with closing(sqlite3.connect(database(evolve))) as connection:
        rows = connection.execute("SELECT hash, syntax_hash FROM programs").fetchall()
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == len(rows) == 60


SAYS_HOW_IT_BEHAVES = (
    'found = candidate.call("answer")',
    'found = candidate.call("answer")\n    candidate.behaves_as(repr(found).encode())',
)


def test_a_program_that_behaves_as_an_earlier_one_is_not_judged(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    ended = evolve(
        "run", variant("toy", SAYS_HOW_IT_BEHAVES), "--evals", 150, "--seed", 4,
        "--name", "mine", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    status = ended.data["status"]
    with closing(sqlite3.connect(database(evolve))) as connection:
        judged = connection.execute("SELECT behaviour, length FROM programs ORDER BY id").fetchall()
        twins = connection.execute(
            "SELECT a.reason, a.program, a.duplicate_of, t.program FROM attempts a"
            " JOIN twins t ON t.attempt = a.attempt WHERE a.fate = 'twin'"
        ).fetchall()
    assert status["fates"]["twin"] == len(twins) > 5  # type: ignore[index]
    assert status["evaluated"] + len(twins) == 150  # type: ignore[index]
    assert len(judged) == status["evaluated"]  # type: ignore[index]
    shortest: dict[int, int] = {}
    for behaviour, length in judged:
        assert length < shortest.get(behaviour, length + 1)
        shortest[behaviour] = length
    for reason, program, duplicate_of, stored in twins:
        assert (reason, program) == (f"behaves as program {duplicate_of}", None)
        assert duplicate_of == stored


def test_a_shorter_program_of_the_same_behaviour_takes_the_place_of_the_longer(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    """Nothing is better than the seed here, so all that can be won is brevity."""
    seed = """
    # EVOLVE-BLOCK-START
    def answer():
        unread = 4
        return 10 * 100 if 2 * 3 > 5 else 7 * 11
    # EVOLVE-BLOCK-END
    """
    ended = evolve(
        "run", variant("toy", SAYS_HOW_IT_BEHAVES, seed=seed), "--evals", 100, "--seed", 1,
        "--islands", 1, "--name", "mine", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    with Reader(database(evolve)) as reader:
        (population,) = reader.populations()
    with closing(sqlite3.connect(database(evolve))) as connection:
        same = connection.execute(
            "SELECT id, length FROM programs WHERE rung > 0 AND behaviour ="
            " (SELECT behaviour FROM programs WHERE id = 1) ORDER BY length"
        ).fetchall()
    assert same[0][1] < dict(same)[1]
    assert [id for id, _ in same if id in population] == [same[0][0]]


def test_a_stage_that_says_two_things_of_a_program_is_at_fault(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    before, after = SAYS_HOW_IT_BEHAVES
    toy = variant("toy", (before, after + '\n    candidate.behaves_as(b"")'))
    assert "says two things of one program" in evolve("run", toy, "--evals", 5).one_line


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "twins", "tuner"])
def test_the_same_seed_ends_the_same_with_any_number_of_workers_killed_or_not(
    evolve: Evolve, variant: Callable[..., Path], kind: str
) -> None:
    toy = variant("toy", *([SAYS_HOW_IT_BEHAVES] if kind == "twins" else []))
    options: tuple[object, ...] = ("--deterministic", "--evals", 100, "--seed", 11)
    if kind == "tuner":
        options += ("--proposer", "tree", "--proposer", "tuner:2")
    for workers in (1, 2):
        name = f"straight{workers}"
        ended = evolve("run", toy, *options, "--workers", workers, "--name", name)
        assert ended.code == 0, ended.err
    process = evolve.start("run", toy, *options, "--workers", 2, "--name", "mine")
    for at in (15, 50):
        wait_until(lambda at=at: evaluated(evolve) >= at, f"{at} programs")  # type: ignore[misc]
        process.kill()
        process.communicate()
        process = evolve.start("resume", "mine", "--workers", 1 + at % 3)
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    names = ("straight1", "straight2", "mine")
    ends = {fingerprint(database(evolve, name)) for name in names}
    assert len(ends) == 1
    learnt = []
    for name in names:
        with Reader(database(evolve, name)) as reader:
            learnt.append(reader.meta["operators"])
    assert learnt[0] == learnt[1] == learnt[2]
    with Reader(database(evolve)) as reader:
        tallies = reader.counts().proposers
    assert ("tuner" in tallies) == (kind == "tuner")
    assert kind != "tuner" or tallies["tuner"][Fate.EVALUATED].attempts > 10


def test_ctrl_c_finishes_what_is_in_flight_and_says_how_to_go_on(evolve: Evolve, toy: Path) -> None:
    process = evolve.start("run", toy, "--name", "mine")
    wait_until(lambda: evaluated(evolve) >= 10, "10 programs")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=400)
    assert process.returncode == 130
    assert "evolve resume mine" in out
    assert "Traceback" not in errors
    before = evaluated(evolve)
    assert evolve("resume", "mine", "--evals", before + 20).code == 0
    with Reader(database(evolve)) as reader:
        assert reader.counts().evaluated == before + 20


def test_a_live_run_takes_commands(evolve: Evolve, toy: Path) -> None:
    process = evolve.start("run", toy, "--name", "mine")
    wait_until(lambda: evaluated(evolve) >= 5, "5 programs")
    for lock in ("run.lock", "run.db-lock"):  # as who takes them for left over
        (evolve.folder / "runs/mine" / lock).unlink()
        second = evolve("resume", "mine")
        assert second.code == 4
        assert "in use" in second.one_line
    assert evolve("control", "mine", "pause").code == 0
    assert evolve("control", "mine", "status").data["phase"] == "paused"
    handed = evolve.folder / "mine.py"
    handed.write_text(
        "\n# EVOLVE-BLOCK-START\ndef answer():\n    return 1000\n# EVOLVE-BLOCK-END\n"
    )
    assert "attempt" in evolve("control", "mine", "inject", handed).data
    assert evolve("control", "mine", "go").code == 0
    assert evolve("control", "mine", "budget", "--target", 0).code == 0
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    lineage = evolve("lineage", "mine", "--json").data["lineage"]
    assert isinstance(lineage, list)
    assert lineage[-1]["proposer"] == "human"
    with Reader(database(evolve)) as reader:
        assert [event.kind for event in reader.events()][:1] != []
        kinds = {event.kind for event in reader.events()}
    assert {"pause", "go", "inject", "budget", "test", "ended"} <= kinds


def test_a_ban_over_the_socket_takes_the_champion_out(evolve: Evolve, toy: Path) -> None:
    process = evolve.start("run", toy, "--name", "mine", "--workers", 1)
    wait_until(lambda: evaluated(evolve) >= 30, "30 programs")
    best = int(str(evolve("show", "mine:best", "--json").data["id"]))
    assert evolve("control", "mine", "ban", 1).code == 2
    assert evolve("control", "mine", "ban").code == 2
    assert evolve("control", "mine", "hint", "try primes").one_line.endswith("nobody would read it")
    assert evolve("control", "mine", "ban", best).data["program"] == best
    assert evolve("control", "mine", "stop").code == 0
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    with Reader(database(evolve)) as reader:
        assert best in reader.banned()
        assert evolve("show", "mine", "--json").data["id"] not in reader.banned()


def test_a_hostile_command_gets_an_answer_and_does_no_harm(evolve: Evolve, toy: Path) -> None:
    process = evolve.start("run", toy, "--name", "mine")
    wait_until(lambda: evaluated(evolve) >= 2, "2 programs")
    socket = database(evolve).with_name("run.sock")
    assert oct(socket.stat().st_mode & 0o777) == "0o600"
    for command, arguments in (
        ("explode", {}),
        ("budget", {"evals": -1}),
        ("budget", {}),
        ("inject", {"files": {"../../x": "y"}}),
        ("inject", {"files": 3}),
        ("hint", {"text": 3}),
        ("hint", {"text": "x"}),
        ("ban", {"program": "1"}),
        ("ban", {"program": True}),
        ("ban", {"program": 10**30}),
    ):
        with pytest.raises(Exception, match=command):
            send(socket, command, **arguments)
    assert send(socket, "stop") == {"ok": True}
    process.communicate(timeout=400)
    assert process.returncode == 0


@pytest.mark.slow
def test_kill_9_of_the_engine_takes_every_process_along(evolve: Evolve, toy: Path) -> None:
    process = evolve.start("run", toy, "--name", "mine")
    wait_until(lambda: evaluated(evolve) >= 5, "5 programs")
    family = descendants(process.pid)
    assert len(family) >= 4
    process.kill()
    process.communicate()
    wait_until(lambda: not any(alive(pid) for pid in family), "all processes gone")


@pytest.mark.slow
def test_no_key_reaches_a_helper_process(evolve: Evolve, toy: Path) -> None:
    environment = {**os.environ, "OPENAI_API_KEY": "sk-a-secret", "ANTHROPIC_API_KEY": "also one"}
    process = subprocess.Popen(
        evolve.command("run", toy, "--name", "mine"),
        cwd=evolve.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: evaluated(evolve) >= 5, "5 programs")
        seen = [text for pid in descendants(process.pid) - {process.pid} if (text := environ(pid))]
        assert len(seen) >= 3
        assert not any(b"sk-a-secret" in text or b"also one" in text for text in seen)
    finally:
        process.kill()
        process.wait()


def test_a_run_that_has_used_its_budget_is_not_tested_again(evolve: Evolve, toy: Path) -> None:
    first = evolve("run", toy, "--evals", 20, "--name", "mine", "--json")
    again = evolve("resume", "mine", "--json")
    assert (first.code, again.code) == (0, 0)
    assert first.data["test"] == again.data["test"]
    with Reader(database(evolve)) as reader:
        assert len(reader.events("test")) == 1
        assert reader.counts().evaluated == 20


def test_a_champion_found_later_is_tested_on_a_draw_of_its_own(evolve: Evolve, toy: Path) -> None:
    options = ("--deterministic", "--seed", 5, "--name", "mine")
    assert evolve("run", toy, "--evals", 5, *options).code == 0
    ended = evolve("resume", "mine", "--evals", 200)
    assert ended.code == 0, ended.err
    with Reader(database(evolve)) as reader:
        seeds = [event.data["seed"] for event in reader.events("test")]
    assert len(seeds) == len(set(seeds)) == 2


def test_a_larger_budget_is_kept_for_the_next_resume(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 10, "--name", "mine").code == 0
    assert evolve("resume", "mine", "--evals", 25).code == 0
    assert evolve("resume", "mine").code == 0
    with Reader(database(evolve)) as reader:
        assert reader.counts().evaluated == 25


def test_without_validation_draws_the_target_still_holds_on_resume(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    folder = variant("toy", ("@problem.validation(timeout_s=2.0, memory_mb=256)\n", ""))
    ended = evolve("run", f"{folder}:22", "--target", 1, "--evals", 400, "--name", "mine", "--json")
    assert ended.data["ended"] == "target 1 reached"
    assert ended.data["champion_split"] == "training"
    again = evolve("resume", "mine", "--json")
    assert again.data["ended"] == "target 1 reached"
    assert again.data["status"]["evaluated"] == ended.data["status"]["evaluated"]  # type: ignore[index]


def test_a_number_too_large_is_the_programs_fault(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    folder = variant("toy", (" or abs(found) > 1e12", ""))
    huge = evolve.folder / "huge.py"
    huge.write_text("def answer():\n    return -(10 ** 400)\n")
    ended = evolve("evaluate", folder, huge, "--json")
    assert ended.code == 1
    verdict = ended.data["verdicts"][0]  # type: ignore[index]
    assert verdict["status"] == "invalid"
    assert "distance" in verdict["reason"]


def test_files_lost_with_a_kill_behind_the_test_come_back(evolve: Evolve) -> None:
    assert evolve("run", "bin_packing:or1", "--evals", 15, "--name", "mine").code == 0
    certificate = database(evolve).with_name("certificate.json")
    before = json.loads(certificate.read_text())
    certificate.unlink()
    assert evolve("resume", "mine").code == 0
    after = json.loads(certificate.read_text())
    assert after["artifact"] == before["artifact"]
    assert evolve("verify", certificate).code == 0


def test_the_stored_run_file_starts_the_same_run_again(evolve: Evolve, toy: Path) -> None:
    first = evolve(
        "run", f"{toy}:77", "--evals", 30, "--deterministic", "--name", "first", "--workers", 1
    )
    assert first.code == 0, first.err
    again = evolve("run", "--config", "runs/first/run.toml", "--name", "again")
    assert again.code == 0, again.err
    assert fingerprint(database(evolve, "first")) == fingerprint(database(evolve, "again"))


@pytest.mark.slow
def test_a_wall_clock_limit_ends_the_deterministic_mode_loudly(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    seed = "# EVOLVE-BLOCK-START\nn = 4\ndef answer():\n    while n < 4:\n        pass\n"
    seed += "    return 3 * 7 + n\n# EVOLVE-BLOCK-END\n"
    folder = variant(
        "toy", ("timeout_s=2.0, memory_mb=256)\ndef close", "timeout_s=0.2)\ndef close"), seed=seed
    )
    ended = evolve("run", folder, "--evals", 60, "--deterministic", "--seed", 1, "--name", "mine")
    assert ended.code == 0
    assert "deterministic mode ends here" in ended.err
    assert ended.err.count("deterministic mode ends here") == 1
    with Reader(database(evolve)) as reader:
        assert len(reader.events("deterministic_mode_ended")) == 1


def test_unsafe_runs_say_so_everywhere(evolve: Evolve, toy: Path) -> None:
    ended = evolve("run", toy, "--evals", 5, "--unsafe-no-sandbox", "--name", "mine")
    assert "NO SANDBOX" in ended.err
    assert "every verdict is marked" in ended.out
    shown = evolve("show", "mine:best", "--json").data
    assert {verdict["tier"] for verdict in shown["verdicts"]} == {"none"}  # type: ignore[index, union-attr]
    assert "NO SANDBOX" in evolve("ls").out
    assert [run["unsafe"] for run in evolve("ls", "--json").data] == [True]  # type: ignore[index]
    for command in (("best",), ("best", "--top", 2), ("show",), ("lineage",)):
        ended = evolve(*command)
        assert (ended.code, "NO SANDBOX: mine" in ended.one_line) == (0, True)
    assert evolve("best", "--json").data["unsafe"] is True


def test_json_is_json_on_every_reading_command(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 20, "--name", "mine").code == 0
    for command in (
        ("ls",),
        ("best", "mine"),
        ("best", "mine", "--top", 3),
        ("show", "mine"),
        ("lineage", "mine"),
        ("problems",),
        ("doctor",),
        ("check", toy),
        ("evaluate", toy, toy / "seed.py"),
    ):
        json.loads(evolve(*command, "--json").out)


def descendants(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, waiting = set(), [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children.get(pid, [])
    return found


def environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""  # a candidate that has ended meanwhile


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
