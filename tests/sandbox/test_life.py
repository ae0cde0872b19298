"""Processes begin and end as they should: nothing outlives its owner, nothing is lost."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Candidate, CandidateFailure, FailureKind, Limits, Sandbox, SandboxError, Tier
from sandbox.fork_server import ForkServer, Process

HANG = {"program.py": "def f():\n    while True: pass\n"}
QUICK = {"program.py": "def f(x=1):\n    return x\n"}


@pytest.fixture(params=[Tier.A, Tier.B])
def own(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox that the test may break."""
    try:
        made = Sandbox(tier=request.param)
    except SandboxError as error:
        pytest.skip(f"no tier {request.param} here: {error}")
    with made:
        yield made


def children(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def tree(pid: int) -> list[int]:
    below = [pid]
    for child in children(pid):
        below += tree(child)
    return below


def launchers() -> list[int]:
    return [pid for pid in children(os.getpid()) if b"sandbox" in command(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def all_gone(pids: list[int], seconds: float = 5.0) -> bool:
    """Waits until none of these processes lives."""
    end = time.monotonic() + seconds
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            left = max(0.0, end - time.monotonic())
            if not select.select([descriptor], [], [], left)[0] and alive(pid):
                return False
        finally:
            os.close(descriptor)
    return True


_WORKER = """
import sys
from sandbox import Limits, Sandbox, Tier
sandbox = Sandbox(tier=Tier(sys.argv[1]))
candidate = sandbox.open(
    {"program.py": "def f():\\n  while True: pass\\ndef g(): pass"}, entry="program.py",
    limits=Limits(wall_s=60),
)
candidate.call("g")
print("ready", flush=True)
if sys.argv[2] == "busy":
    candidate.call("f")
sys.stdin.read()
"""


@pytest.mark.parametrize("tier", [Tier.A, Tier.B, Tier.NONE])
@pytest.mark.parametrize("state", ["busy", "idle"])
def test_kill_9_of_the_worker_ends_everything_at_once(tier: Tier, state: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, tier, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        pids = tree(worker.pid)[1:]
        assert len(pids) >= 3
        worker.kill()
        worker.wait()
        assert all_gone(pids, 30.0)


_NICE = """
import os, sys
from sandbox import Sandbox
os.nice(7)
with Sandbox(tier=sys.argv[1]):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_sandbox_has_its_owners_niceness_among_sessions(own: Sandbox) -> None:
    if not Path("/proc/self/autogroup").exists():
        pytest.skip("this kernel does not share cores among sessions")
    with subprocess.Popen(
        [sys.executable, "-c", _NICE, own.tier], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        launcher = next(pid for pid in children(owner.pid) if b"sandbox" in command(pid))
        niceness = min(os.getpriority(os.PRIO_PROCESS, 0) + 7, 19)
        assert Path(f"/proc/{launcher}/autogroup").read_text().split()[-1] == str(niceness)
        owner.communicate()


@pytest.mark.parametrize("position", [0, 1], ids=["launcher", "server"])
def test_a_killed_launcher_or_server_takes_all_candidates_along(
    own: Sandbox, position: int
) -> None:
    with own.open(QUICK, entry="program.py") as candidate:
        candidate.call("f")
        pids = tree(launchers()[-1])
        os.kill(pids[position], signal.SIGKILL)
        assert all_gone(pids[1:], 10.0)


def test_closing_leaves_no_process_and_no_descriptor() -> None:
    gc.collect()
    before = os.listdir("/proc/self/fd"), children(os.getpid())
    with Sandbox() as sandbox:
        for _ in range(3):
            with sandbox.open(QUICK, entry="program.py") as candidate:
                candidate.call("f")
            candidate = sandbox.open(HANG, entry="program.py", limits=Limits(wall_s=0.1))
            with candidate, pytest.raises(CandidateFailure):
                candidate.call("f")
        pids = tree(launchers()[-1])
    assert not any(alive(pid) for pid in pids)
    assert (os.listdir("/proc/self/fd"), children(os.getpid())) == before


@pytest.mark.parametrize("tier", [Tier.A, Tier.B])
def test_many_evaluations_leave_nothing_in_the_server(tier: Tier) -> None:
    # only root can look into a server, so it gets too few descriptors to lose one each time
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = max(map(int, os.listdir("/proc/self/fd"))) + 40
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    try:
        own = Sandbox(tier=tier)
    except SandboxError as error:
        pytest.skip(f"no tier {tier} here: {error}")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with own:
        server = tree(launchers()[-1])[1]
        for number in range(few + 20):
            with own.open(QUICK, entry="program.py") as candidate:
                assert candidate.call("f", number) == number
        assert server == tree(launchers()[-1])[1]
        assert len(children(server)) == 1  # the next one


def test_a_spare_that_is_killed_while_it_waits_is_replaced_without_a_verdict(
    own: Sandbox,
) -> None:
    for number in range(5):
        with own.open(QUICK, entry="program.py") as candidate:
            assert candidate.call("f", number) == number
        server = tree(launchers()[-1])[1]
        (spare,) = children(server)
        os.kill(spare, signal.SIGKILL)
        assert all_gone([spare])
    for _ in range(3):  # and with a program that does not fit into a pipe
        files = {"program.py": QUICK["program.py"] + "#" * (1 << 20)}
        with own.open(files, entry="program.py") as candidate:
            assert candidate.call("f", 5) == 5
        (spare,) = children(tree(launchers()[-1])[1])
        os.kill(spare, signal.SIGKILL)


def test_where_every_process_is_killed_before_it_begins_the_sandbox_says_so(
    own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = ForkServer.spawn

    def spawn_and_kill(server: ForkServer, tmp_bytes: int) -> Process:
        process = spawn(server, tmp_bytes)
        select.select([process.answers], [], [], 10)
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        select.select([process.pidfd], [], [], 10)
        return process

    with monkeypatch.context() as patched:
        patched.setattr(ForkServer, "spawn", spawn_and_kill)
        with (
            own.open(QUICK, entry="program.py") as candidate,
            pytest.raises(SandboxError, match="killed before they had taken their program"),
        ):
            candidate.call("f")
    with own.open(QUICK, entry="program.py") as candidate:
        assert candidate.call("f", 5) == 5


def test_a_dead_server_is_replaced_without_losing_the_evaluation(own: Sandbox) -> None:
    os.kill(tree(launchers()[-1])[1], signal.SIGKILL)
    with own.open(QUICK, entry="program.py") as candidate:
        assert candidate.call("f", 5) == 5


def test_what_a_dead_server_had_prepared_is_closed(own: Sandbox) -> None:
    def evaluated() -> int:
        with own.open(QUICK, entry="program.py") as candidate:
            candidate.call("f")
        end = time.monotonic() + 60
        while len(tree(launchers()[-1])) < 3:  # until the next is prepared
            assert time.monotonic() < end
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    held = evaluated()
    pids = tree(launchers()[-1])
    os.kill(pids[1], signal.SIGKILL)
    assert all_gone(pids[1:], 30.0)
    assert evaluated() == held


def test_a_server_that_dies_during_the_first_call_is_replaced(own: Sandbox) -> None:
    source = {"program.py": "import time\ndef f():\n    time.sleep(0.3)\n    return 7\n"}
    server = tree(launchers()[-1])[1]
    killer = threading.Timer(0.1, os.kill, (server, signal.SIGKILL))
    killer.start()
    with own.open(source, entry="program.py") as candidate:
        assert candidate.call("f") == 7
    killer.join()
    assert not alive(server)


def test_a_wedged_server_is_replaced(own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.fork_server._ANSWER_S", 0.5)
    with own.open(QUICK, entry="program.py") as candidate:
        candidate.call("f")
    own._restart(own._server)  # one that waits as short as that
    server = tree(launchers()[-1])[1]
    os.kill(server, signal.SIGSTOP)
    with own.open(QUICK, entry="program.py") as candidate:
        assert candidate.call("f", 5) == 5
    assert not alive(server)


def test_signals_do_not_lengthen_the_wait_for_a_wedged_server(
    own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.fork_server._ANSWER_S", 0.5)
    own._restart(own._server)
    os.kill(tree(launchers()[-1])[1], signal.SIGSTOP)
    rung: list[int] = []
    old = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    signals_end = threading.Timer(5.0, signal.setitimer, (signal.ITIMER_REAL, 0.0))
    signals_end.start()
    try:
        begin = time.monotonic()
        with own.open(QUICK, entry="program.py") as candidate:
            assert candidate.call("f", 5) == 5
        assert rung
        assert time.monotonic() - begin < 4.0
    finally:
        signals_end.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, old)


def test_a_server_lost_between_two_calls_is_the_sandboxs_fault(own: Sandbox) -> None:
    with own.open(QUICK, entry="program.py") as candidate:
        candidate.call("f")
        pids = tree(launchers()[-1])[1:]
        os.kill(pids[0], signal.SIGKILL)
        assert all_gone(pids)
        with pytest.raises(SandboxError, match="lost between two calls"):
            candidate.call("f")
    with own.open(QUICK, entry="program.py") as candidate:
        assert candidate.call("f", 5) == 5


# an exception between the system call that receives a socket and the name it is given leaves it
# to the garbage collector, which says so
@pytest.mark.filterwarnings("ignore:.*unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*<socket:pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_wait_does_not_mix_up_answers(own: Sandbox) -> None:
    class Alarm(BaseException):
        pass

    def ring(number: int, frame: object) -> None:
        raise Alarm

    old = signal.signal(signal.SIGALRM, ring)
    try:
        for delay in (0.001, 0.002, 0.003, 0.005, 0.008, 0.02):
            candidate = own.open(HANG, entry="program.py")
            signal.setitimer(signal.ITIMER_REAL, delay)
            with pytest.raises(Alarm):
                candidate.call("f")
            candidate.close()
            with own.open(QUICK, entry="program.py") as honest:
                assert honest.call("f", 5) == 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_several_candidates_of_one_sandbox_live_side_by_side(own: Sandbox) -> None:
    opened = [own.open(QUICK, entry="program.py") for _ in range(4)]
    assert [candidate.call("f", k) for k, candidate in enumerate(opened)] == [0, 1, 2, 3]
    for candidate in opened[::-1]:
        candidate.close()


def test_a_spare_with_another_scratch_size_is_not_used_and_not_left(own: Sandbox) -> None:
    server = tree(launchers()[-1])[1]
    for size in (1 << 20, 2 << 20, 2 << 20, 1 << 20):
        with own.open(QUICK, entry="program.py", limits=Limits(tmp_bytes=size)) as candidate:
            assert candidate.call("f", size) == size
    assert len(children(server)) == 1  # the next one


def test_a_server_that_dies_while_it_prepares_a_spare_is_replaced(own: Sandbox) -> None:
    for _ in range(5):
        with own.open(QUICK, entry="program.py") as candidate:
            assert candidate.call("f", 5) == 5  # asks for the next one just before
            os.kill(tree(launchers()[-1])[1], signal.SIGKILL)
    with own.open(QUICK, entry="program.py") as candidate:
        assert candidate.call("f", 5) == 5


def test_time_between_two_calls_counts(own: Sandbox) -> None:
    with own.open(QUICK, entry="program.py", limits=Limits(wall_s=0.2)) as candidate:
        candidate.call("f")
        time.sleep(0.3)
        with pytest.raises(CandidateFailure) as caught:
            candidate.call("f")
        assert caught.value.kind is FailureKind.TIMEOUT


def test_thousands_of_calls_to_one_candidate(own: Sandbox) -> None:
    with own.open(QUICK, entry="program.py") as candidate:
        assert sum(candidate.call("f", k) for k in range(2000)) == 1999000  # type: ignore[misc]


def test_the_wall_limit_is_met_closely(own: Sandbox) -> None:
    over = []
    for _ in range(5):
        with own.open(HANG, entry="program.py", limits=Limits(wall_s=0.1)) as candidate:
            start = time.perf_counter()
            with pytest.raises(CandidateFailure):
                candidate.call("f")
            over.append(time.perf_counter() - start - 0.1)
    assert sorted(over)[2] < 0.05


def test_a_preload_that_fails_is_named() -> None:
    with pytest.raises(SandboxError, match="preload 'nowhere': ModuleNotFoundError"):
        Sandbox(preload=["nowhere"])


def test_a_preload_that_is_not_allowed_is_named() -> None:
    with pytest.raises(SandboxError, match="preload 'hypothesis'"):
        Sandbox(preload=["hypothesis"])


def test_a_library_is_run_once_and_every_candidate_starts_from_it() -> None:
    library = {"counter": "import math\nruns = [math.pi]\n"}
    source = "import counter\n\ndef seen():\n    counter.runs.append(1)\n    return counter.runs"
    with Sandbox(library=library) as sandbox:
        for _ in range(2):
            with sandbox.open({"program.py": source}, entry="program.py") as candidate:
                assert candidate.call("seen") == [math.pi, 1]


def test_a_program_cannot_put_its_own_file_in_the_place_of_a_library() -> None:
    files = {
        "program.py": "import counter\n\ndef seen():\n    return counter.own",
        "counter.py": "",
    }
    with (
        Sandbox(library={"counter": "own = 7"}) as sandbox,
        sandbox.open(files, entry="program.py") as candidate,
    ):
        assert candidate.call("seen") == 7


def test_a_library_that_fails_is_named() -> None:
    with pytest.raises(SandboxError, match=r"preload 'broken\.py': ZeroDivisionError"):
        Sandbox(library={"broken": "1 / 0"})


def test_without_layers_too_no_folder_is_left_however_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = {
        "program.py": "import os\ndef f():\n    for _ in range(3000):\n"
        "        os.mkdir('x')\n        os.chdir('x')\n"
    }
    with Sandbox(tier=Tier.NONE) as sandbox, sandbox.open(source, entry="program.py") as candidate:
        candidate.call("f")
        assert os.listdir(tmp_path)
    assert not os.listdir(tmp_path)


def test_a_closed_sandbox_says_so() -> None:
    sandbox = Sandbox()
    sandbox.close()
    sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.open(QUICK, entry="program.py").call("f")


_MANY_THREADS = """
import threading, time
def attack(world):
    threading.stack_size(65536)
    made = 0
    try:
        while True:
            threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
            made += 1
    except RuntimeError:
        return made
"""


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user has one number for all")
@pytest.mark.parametrize("tier", [Tier.A, Tier.B])
def test_threads_of_one_candidate_do_not_use_up_those_of_another(tier: Tier) -> None:
    with Sandbox(tier=tier) as one, Sandbox(tier=tier) as other:
        files = {"program.py": _MANY_THREADS}
        with (
            one.open(files, entry="program.py") as first,
            other.open(files, entry="program.py") as second,
        ):
            made = first.call("attack", {}), second.call("attack", {})
    assert min(made) > 50, made


_LARGE = """
import os
def f(n):
    global kept
    kept = bytearray(n)
    for at in range(0, n, 4096): kept[at] = 1

def cheat():
    os.write(4, bytes(100))
    while True: pass
"""


def cheat(candidate: Candidate, size: int) -> None:
    """Has one fail while it holds that many bytes."""
    with candidate:
        candidate.call("f", size)
        with pytest.raises(CandidateFailure) as caught:
            candidate.call("cheat")
    assert caught.value.kind is FailureKind.VIOLATION


def test_a_verdict_does_not_wait_until_memory_is_freed(
    own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # no time at all, so that each of them is still there
    monkeypatch.setattr("sandbox.candidate._CLOSING_S", 0.0)
    server = tree(launchers()[-1])[1]
    for _ in range(6):  # more than may be dying at a time
        candidate = own.open({"program.py": _LARGE}, entry="program.py")
        cheat(candidate, 64 << 20)
        assert candidate.usage.memory_bytes > 64 << 20
        assert candidate.usage.cpu_s > 0
    left = children(server)
    with own.open(QUICK, entry="program.py") as candidate:
        assert candidate.call("f", 5) == 5
    assert server == tree(launchers()[-1])[1]
    assert all_gone(left[:-1], 60.0)  # the last one was waiting for its program
    with own.open(QUICK, entry="program.py") as candidate:
        candidate.call("f")
    assert len(children(server)) == 1


def test_closing_waits_for_what_is_still_dying(
    own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.candidate._CLOSING_S", 0.0)
    pids = tree(launchers()[-1])
    cheat(own.open({"program.py": _LARGE}, entry="program.py"), 128 << 20)
    own.close()
    assert not any(alive(pid) for pid in pids)


def test_threads_that_are_left_behind_an_answer_end_with_the_cpu_of_the_wall_limit(
    own: Sandbox,
) -> None:
    source = (
        "import threading\ndef spin():\n    while True: pass\n"
        "def f():\n    for _ in range(4): threading.Thread(target=spin, daemon=True).start()\n"
    )
    limits = Limits(wall_s=0.5)
    with own.open({"program.py": source}, entry="program.py", limits=limits) as candidate:
        with contextlib.suppress(CandidateFailure):  # where the machine is busy
            candidate.call("f")
            busy = children(tree(launchers()[-1])[1])[0]
            # the stage works on the answer, and nobody looks after the candidate
            assert all_gone([busy], 120.0)
        with pytest.raises(CandidateFailure) as caught:
            candidate.call("f")
    assert caught.value.kind is FailureKind.TIMEOUT
