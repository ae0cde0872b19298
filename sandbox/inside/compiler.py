"""The far side of the toolchain profile: one compiler run in namespaces of its own, then the end.

The first process of the new pid namespace writes the source into a fresh tmpfs, takes on every
layer, starts the compiler as its child, waits, and hands over one file. With it everything ends
that a compiler left behind.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import stat
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from sandbox.inside import kernel, landlock, root, seccomp
from sandbox.records import explained

SOURCE, OBJECT = "program.c", "program.so"
_PROCESSES = 16
_OPEN_FILES = 256
_INODES = 64
_PIECE = 1 << 16


def main(parent: int) -> NoReturn:
    """Runs in a fresh interpreter: configuration on standard input, the answer on output.

    The answer is a line of JSON, with `error` where a layer is missing, and else with the
    compiler's wait `status`, the `cpu_s` of all it started, and the `size` of the file behind it.
    """
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    config = json.load(sys.stdin)
    try:
        root.enter(system=config["system"], packages=[], links=config["links"], masks=[])
        kernel.die_with_parent(signal.SIGKILL)  # a change of user had cleared it
        pid = os.fork()
        if pid == 0:
            _compile(config)
        kernel.set_dumpable(False)
        os.waitpid(pid, 0)
    except OSError as error:
        _answer({"error": explained(error)})
    os._exit(0)


def _compile(config: Mapping[str, object]) -> NoReturn:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        _end_after(float(config["wall_s"]) + 1)  # type: ignore[arg-type]
        _isolate(config)
        with open(SOURCE, "w", encoding="utf-8") as file:
            file.write(str(config["source"]))
        status = _run(config["command"], str(config["path"]))  # type: ignore[arg-type]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = {"status": status, "cpu_s": used.ru_utime + used.ru_stime, "size": 0}
        made = _open_object() if status == 0 else -1
        if made >= 0:
            answer["size"] = os.fstat(made).st_size
        _answer(answer)
        if 0 < answer["size"] <= int(config["output_bytes"]):  # type: ignore[call-overload]
            _send(os.pread(made, int(answer["size"]), 0))
    except OSError as error:
        _answer({"error": explained(error)})
    finally:
        os._exit(0)


def _end_after(seconds: float) -> None:
    """Should the launcher be killed before it could ask to be followed, this ends it all."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(math.ceil(seconds))


def _isolate(config: Mapping[str, object]) -> None:
    memory_bytes, tmp_bytes, cpu_s = (
        int(config[name])  # type: ignore[call-overload]
        for name in ("memory_bytes", "tmp_bytes", "cpu_s")
    )
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
    kernel.mount(
        "tmpfs",
        root.SCRATCH,
        "tmpfs",
        kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC,
        f"size={tmp_bytes},nr_inodes={_INODES},mode=700",
    )
    os.chdir(root.SCRATCH)
    for which, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, tmp_bytes),
        (resource.RLIMIT_NPROC, _PROCESSES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))
    kernel.set_no_new_privileges()
    kernel.drop_bounding_set()
    kernel.drop_capabilities()
    kernel.set_dumpable(False)
    if landlock.abi():
        programs: Sequence[str] = config["programs"]  # type: ignore[assignment]
        rules = [(path, landlock.EXECUTE) for path in programs]
        rules += [("/", landlock.READ), ("/dev/null", landlock.WRITE)]
        landlock.restrict(landlock.ruleset([*rules, (root.SCRATCH, landlock.WRITE)]))
    kernel.close_from(3)
    seccomp.Filter(None, seccomp.COMPILER).install()


def _run(command: Sequence[str], path: str) -> int:
    """The exit code of the compiler, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)  # an assembler prints there what a program tells it to
            environment = {"PATH": path, "TMPDIR": root.SCRATCH, "LC_ALL": "C"}
            os.execve(command[0], [*command], environment)  # noqa: S606  no shell is wanted
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)
    while True:
        ended, status = os.wait()  # orphans come here too
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def _open_object() -> int:
    """The object file; -1 where there is none, or where it is no plain file."""
    try:
        made = os.open(OBJECT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return -1
    return made if stat.S_ISREG(os.fstat(made).st_mode) else -1


def _answer(answer: Mapping[str, object]) -> None:
    _send(json.dumps(answer).encode() + b"\n")


def _send(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left[:_PIECE]) :]
