"""Runs that ask models, as their user sees them; a loopback server stands in for the vendors."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from benchmarks.loopback import EVOLVE, Loopback, compare, loopback, models
from benchmarks.vendor import KEYS
from evolve.prompts.stored import prompts_of
from islands_db import Fate, Reader, fingerprint

from ..warm import warm

BOTH = models("openai/loopback", "anthropic/loopback-small")


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Loopback]:
    with loopback(tmp_path / "ledger", "--latency", "0.05") as running:
        yield running


def evolve(
    vendor: Loopback | None, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    base = vendor.environment if vendor is not None else {"PATH": "/usr/bin:/bin"}
    command = [*EVOLVE, *arguments]
    ended = warm().run(["evolve", *arguments], folder, {**base, **environment}, timeout_s=400)
    return subprocess.CompletedProcess(command, *ended)


def one_line(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 2, ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


@pytest.mark.slow
def test_a_run_pays_for_what_it_says_and_stays_below_its_cap(
    vendor: Loopback, tmp_path: Path
) -> None:
    ended = evolve(vendor, tmp_path, "run", "bin_packing:or1", *BOTH, "--usd", "0.6", "--name", "a")
    assert ended.returncode == 0, ended.stderr
    assert "$0.6 used" in ended.stdout
    found = compare(vendor, tmp_path / "runs" / "a" / "run.db")
    assert found.ledger_usd == pytest.approx(found.settled_usd)
    assert 0 < found.ledger_usd <= 0.6
    assert found.unsettled_usd == 0


@pytest.mark.slow
def test_models_that_give_no_program_at_all_end_the_run(tmp_path: Path) -> None:
    options = ("--latency", "0", "--faults", "1", "--kinds", "refusal")
    with loopback(tmp_path / "ledger", *options) as refusing:
        one = models("openai/loopback")
        ended = evolve(refusing, tmp_path, "run", "bin_packing:or1", *one, "--name", "a",
                       "--evals", "50")  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert "no program to evaluate in 300 attempts in a row" in ended.stdout + ended.stderr
        assert 300 <= len(refusing.entries()) <= 700
        # who goes on may have changed something
        ended = evolve(refusing, tmp_path, "resume", "a", "--evals", "60")
        assert ended.returncode == 0, ended.stderr
        assert len(refusing.entries()) > 1100


@pytest.mark.slow
def test_a_killed_run_asks_nothing_twice_and_loses_no_answer(
    vendor: Loopback, tmp_path: Path
) -> None:
    command = [*EVOLVE, "run", "bin_packing:or1", *BOTH, "--name", "a"]
    for kill in range(3):
        process = subprocess.Popen(
            command, cwd=tmp_path, env=vendor.environment, stdout=subprocess.DEVNULL
        )
        enough = len(vendor.entries()) + 40 + 13 * kill
        end = time.monotonic() + 100
        while len(vendor.entries()) < enough:
            assert time.monotonic() < end
            time.sleep(0.005)
        process.kill()
        process.wait()
        command = [*EVOLVE, "resume", "a"]
    database = tmp_path / "runs" / "a" / "run.db"
    with closing(sqlite3.connect(database)) as connection:
        programs = connection.execute(
            "SELECT count(*) FROM attempts WHERE fate IN ('seed', 'evaluated', 'twin')"
        ).fetchone()[0]
    ended = evolve(vendor, tmp_path, "resume", "a", "--evals", str(programs + 10))
    assert ended.returncode == 0, ended.stderr
    found = compare(vendor, database)
    assert (found.lost, found.strange, found.again, found.outside_usd) == (0, 0, 0, 0.0)


@pytest.mark.slow
def test_a_replay_needs_no_network_and_ends_the_same(vendor: Loopback, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[notes]\nevery = 5\n")
    options = ("--deterministic", "--seed", "3", "--evals", "25", "--lag", "6",
               "--config", "run.toml")  # fmt: skip
    ended = evolve(vendor, tmp_path, "run", "bin_packing:or1", *BOTH, *options, "--name", "a")
    assert ended.returncode == 0, ended.stderr
    with Reader(tmp_path / "runs" / "a" / "run.db") as reader:
        assert reader.counts().fates[Fate.NOTES] >= 1
    before = len(vendor.entries())
    ended = evolve(None, tmp_path, "replay", "a")
    assert ended.returncode == 0, ended.stderr
    runs = tmp_path / "runs"
    assert fingerprint(runs / "a" / "run.db") == fingerprint(runs / "a-replay" / "run.db")
    assert len(vendor.entries()) == before


@pytest.mark.slow
def test_prompts_of_merged_runs_are_read_where_they_were_sent(
    vendor: Loopback, tmp_path: Path
) -> None:
    for name in "ab":
        ended = evolve(vendor, tmp_path, "run", "bin_packing:or1", *BOTH, "--evals", "12",
                       "--seed", str(ord(name)), "--name", name)  # fmt: skip
        assert ended.returncode == 0, ended.stderr
    ended = evolve(None, tmp_path, "merge", "a", "b", "-o", "both")
    assert ended.returncode == 0, ended.stderr
    faults = {name: list[str]() for name in ("a", "both")}
    for name, found in faults.items():
        with Reader(tmp_path / "runs" / name / "run.db") as reader:
            for proposal in reader.proposals():
                found += [prompt["fault"] for prompt in prompts_of(reader, proposal)]
    assert set(faults["a"]) == {""}
    assert any(faults["both"])
    assert all("merged from others" in fault for fault in faults["both"] if fault)


@pytest.mark.slow
def test_a_replay_says_where_it_leaves_its_recording_and_can_go_on_live(
    vendor: Loopback, toy: Path
) -> None:
    options = ("--deterministic", "--seed", "3", "--evals", "16", "--lag", "2", "--usd", "1")
    ended = evolve(vendor, toy.parent, "run", "./toy", *BOTH, *options, "--name", "a")
    assert ended.returncode == 0, ended.stderr
    (toy / "prompts").mkdir()
    (toy / "prompts" / "hints_rewrite.txt").write_text("Think of it anew.\n")
    before = len(vendor.entries())
    line = one_line(evolve(None, toy.parent, "replay", "a"))
    assert "turn 0: the prompt is not the one that was recorded (templates changed)" in line
    assert "--live" in line
    assert len(vendor.entries()) == before
    ended = evolve(vendor, toy.parent, "replay", "a", "--live", "--name", "b")
    assert ended.returncode == 0, ended.stderr
    assert (ended.stdout + ended.stderr).count("leaves its recording here") == 1
    asked = len([entry for entry in vendor.entries()[before:] if entry["state"] == "taken"])
    with Reader(toy.parent / "runs" / "b" / "run.db") as reader:
        calls = reader.calls()
        assert reader.counts().ran == 16
    assert 0 < asked < len(calls)  # what had not changed was not paid again


@pytest.mark.slow
def test_a_replay_that_is_resumed_asks_no_model(vendor: Loopback, tmp_path: Path) -> None:
    options = ("--deterministic", "--seed", "5", "--evals", "12", "--workers", "1")
    ended = evolve(vendor, tmp_path, "run", "bin_packing:or1", *BOTH, *options, "--name", "a")
    assert ended.returncode == 0, ended.stderr
    before = len(vendor.entries())
    replay = subprocess.Popen(
        [*EVOLVE, "replay", "a"], cwd=tmp_path, env=vendor.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    again = tmp_path / "runs" / "a-replay" / "run.db"
    end = time.monotonic() + 100
    while not again.exists():
        assert time.monotonic() < end
        time.sleep(0.002)
    replay.kill()
    replay.wait()
    ended = evolve(vendor, tmp_path, "resume", "a-replay")
    assert ended.returncode == 0, ended.stderr
    assert len(vendor.entries()) == before
    recorded = tmp_path / "runs" / "a" / "run.db"
    assert fingerprint(recorded) == fingerprint(again)
    # more evaluations than there are answers for
    ended = evolve(vendor, tmp_path, "resume", "a-replay", "--evals", "30")
    assert ended.returncode == 0, ended.stderr
    assert "the recording ends here" in ended.stdout
    assert len(vendor.entries()) == before
    (tmp_path / "runs" / "a").rename(tmp_path / "elsewhere")
    assert "which is gone" in one_line(evolve(vendor, tmp_path, "resume", "a-replay"))


@pytest.mark.slow
def test_a_run_from_another_is_replayed(vendor: Loopback, tmp_path: Path) -> None:
    options = ("--deterministic", "--evals", "8", "--workers", "1")
    for arguments in (("--name", "a"), ("--name", "b", "--from", "a:3")):
        ended = evolve(vendor, tmp_path, "run", "bin_packing:or1", *BOTH, *options, *arguments)
        assert ended.returncode == 0, ended.stderr
    ended = evolve(None, tmp_path, "replay", "b")
    assert ended.returncode == 0, ended.stderr
    runs = tmp_path / "runs"
    assert fingerprint(runs / "b" / "run.db") == fingerprint(runs / "b-replay" / "run.db")


@pytest.mark.slow
def test_a_replay_of_a_killed_run_has_all_that_was_settled(
    vendor: Loopback, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*EVOLVE, "run", "bin_packing:or1", *BOTH, "--deterministic", "--lag", "8", "--seed", "3",
         "--workers", "1", "--name", "a"],
        cwd=tmp_path, env=vendor.environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 100
    while len(vendor.entries()) < 50:
        assert time.monotonic() < end
        time.sleep(0.005)
    process.kill()
    process.wait()
    ended = evolve(None, tmp_path, "replay", "a")
    assert ended.returncode == 0, ended.stderr
    counts = []
    for name in ("a", "a-replay"):
        with Reader(tmp_path / "runs" / name / "run.db") as reader:
            counts.append(reader.counts().attempts)
    assert counts[1] >= counts[0] > 1


@pytest.mark.slow
def test_a_live_replay_counts_what_the_recording_cost(vendor: Loopback, tmp_path: Path) -> None:
    options = ("--deterministic", "--seed", "1", "--workers", "1", "--lag", "2", "--usd", "0.4")
    ended = evolve(vendor, tmp_path, "run", "bin_packing:or1", *BOTH, *options, "--name", "a")
    assert ended.returncode == 0, ended.stderr
    ended = evolve(vendor, tmp_path, "replay", "a", "--live", "--name", "b")
    assert ended.returncode == 0, ended.stderr
    with Reader(tmp_path / "runs" / "b" / "run.db") as reader:
        spent = sum(one.settled_usd + one.unsettled_usd for one in reader.spending().values())
    assert 0 < spent <= 0.4


def environments(of: int) -> dict[int, bytes]:
    """The environments of all processes that descend from one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = {}
    for pid in parents:
        above = pid
        while above in parents and above != of:
            above = parents[above]
        if above == of and pid != of:
            with suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/environ").read_bytes()
    return found


@pytest.mark.slow
def test_no_key_is_in_anything_a_run_wrote_or_started(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "key").write_text(KEYS["openai"] + "\n")
    seen: dict[int, bytes] = {}
    faults = ("--faults", "0.5", "--kinds", "500-echo,bad-json")
    with loopback(tmp_path / "ledger", "--latency", "0.1", *faults) as vendor:
        environment = {**vendor.environment, "OPENAI_API_KEY_FILE": str(tmp_path / "key")}
        del environment["OPENAI_API_KEY"]
        process = subprocess.Popen(
            [*EVOLVE, "run", "bin_packing:or1", *BOTH, "--evals", "12", "--name", "a"],
            cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        while process.poll() is None:
            seen |= environments(process.pid)
            time.sleep(0.1)
        said = process.communicate()[0]
        assert process.returncode == 0, said
        for command in (("report", "a"), ("show", "a", "1"), ("best", "a"), ("ls",)):
            ended = evolve(vendor, work, *command)
            said += ended.stdout + ended.stderr
        wrong = evolve(vendor, work, "run", "bin_packing:or1", *BOTH, ANTHROPIC_API_KEY="sk-ant-no")
        assert "sk-ant-no" not in one_line(wrong)
        assert "500-echo" in {entry["fault"] for entry in vendor.entries()}
    assert len(seen) >= 3
    written = [file for file in work.rglob("*") if file.is_file()]
    assert len(written) >= 4
    for key in KEYS.values():
        assert key not in said
        assert not [file for file in written if key.encode() in file.read_bytes()]
        assert not [pid for pid, held in seen.items() if key.encode() in held]
    with Reader(work / "runs" / "a" / "run.db") as reader:
        calls = repr(reader.calls())
    assert "no luck with [key]" in calls  # texts are packed in the file
    assert not [key for key in KEYS.values() if key in calls]


@pytest.mark.slow
def test_a_limit_per_minute_is_kept_and_no_reason_to_wait_when_the_run_is_stopped(
    vendor: Loopback, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text(
        '[[llm]]\nmodel = "openai/loopback"\nrequests_per_minute = 3\n'
    )
    process = subprocess.Popen(
        [*EVOLVE, "run", "bin_packing:or1", "--config", "run.toml", "--name", "a"],
        cwd=tmp_path, env=vendor.environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not any(entry["state"] == "sent" for entry in vendor.entries()):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    # 31 calls wait for their minutes, which would take ten
    assert process.wait(60) == 130
    assert len([entry for entry in vendor.entries() if entry["state"] == "taken"]) <= 3


def test_bad_input_is_refused_in_one_line_before_anything_is_spent(
    vendor: Loopback, tmp_path: Path
) -> None:
    run = ("run", "bin_packing:or1", "--name", "a")
    cases = [
        (("--llm", "loopback"), {}, "VENDOR/MODEL"),
        (("--llm", "openai/loopback:-1"), {}, "weight -1"),
        (("--llm", "openai/loopback", "--usd", "1"), {}, "has no price"),
        (("--llm", "openai/lopback"), {}, "loopback"),
        (("--llm", "openai/loopback"), {"OPENAI_API_KEY": "sk-wrong"}, "OPENAI_API_KEY"),
        (("--llm", "openai/x"), {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, "no key"),
        (("--llm", "openai/x"), {"OPENAI_BASE_URL": "ftp://x"}, "base URL"),
        (("--llm", "openai/x", "--base-url", "openai=http://me:pw@host/v1"), {}, "user"),
        (("--llm", "openai/x"), {"ALL_PROXY": "://"}, "look at ALL_PROXY"),
        (("--llm", "openai/x"), {"SSL_CERT_FILE": "none.pem"}, "look at SSL_CERT_FILE"),
    ]
    for arguments, environment, said in cases:
        line = one_line(evolve(vendor, tmp_path, *run, *arguments, **environment))
        assert said in line, line
        assert "sk-wrong" not in line
    assert not (tmp_path / "runs" / "a" / "run.db").exists()
    assert vendor.entries() == []


def test_a_key_does_not_belong_into_a_run_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('[[llm]]\nmodel = "openai/x"\napi_key = "sk-secret"\n')
    ended = evolve(None, tmp_path, "run", "bin_packing:or1", "--config", str(file))
    assert "key_env" in one_line(ended)
    assert "sk-secret" not in ended.stderr


def test_the_doctor_asks_each_model_for_one_word(vendor: Loopback, tmp_path: Path) -> None:
    ended = evolve(vendor, tmp_path, "doctor", *BOTH)
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("works") == 2
    ended = evolve(vendor, tmp_path, "doctor", *BOTH, OPENAI_API_KEY="sk-wrong-key")
    assert ended.returncode == 3
    assert "OPENAI_API_KEY" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "under_way"), [((), 5), (("--deterministic",), 2)])
def test_calls_do_not_wait_for_evaluations(
    vendor: Loopback,
    variant: Callable[..., Path],
    mode: tuple[str, ...],
    under_way: int,
) -> None:
    """Three calls at once, two attempts: the answers of three more may wait for a core."""
    held = (
        "    while found != 21 and not Path(__file__).with_name('go').exists(): time.sleep(0.02)\n"
    )
    toy = variant(
        "toy",
        ("from evaluators", "import time\nfrom pathlib import Path\nfrom evaluators"),
        ("    if type(found)", held + "    if type(found)"),
        ("timeout_s=2.0", "timeout_s=200.0"),
    )
    (toy.parent / "run.toml").write_text(
        'lag = 2\n[[llm]]\nmodel = "openai/loopback"\nconcurrency = 3\n'
    )
    process = subprocess.Popen(
        [*EVOLVE, "run", "./toy", *mode, "--config", "run.toml", "--evals", "12", "--seed", "1",
         "--name", "a"],
        cwd=toy.parent, env=vendor.environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 200
        pending = 0
        while pending < under_way:
            assert time.monotonic() < end
            time.sleep(0.1)
            answered = sum(entry["state"] == "sent" for entry in vendor.entries())
            pending = _pending(toy.parent / "runs" / "a" / "run.db") if answered else 0
        time.sleep(0.3)
        assert _pending(toy.parent / "runs" / "a" / "run.db") == under_way
        (toy / "go").touch()
        assert process.wait(200) == 0
    finally:
        process.kill()
        process.wait()


def _pending(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        row = connection.execute("SELECT count(*) FROM attempts WHERE fate IS NULL").fetchone()
    return int(row[0])
