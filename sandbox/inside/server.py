"""The launcher and the warm fork server: started once per worker, single-threaded, trusted.

The launcher moves into the outer namespaces, forks the server, and watches: when the worker's end
of the control socket closes, or the worker dies, it kills the server, and with the server's pid
namespace everything in it. The server imports what is preloaded, keeps one child that is already
isolated and waits for its source, and hands such children out.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from sandbox.inside import candidate, kernel, landlock, root, seccomp
from sandbox.inside.imports import AllowedPackages, preload
from sandbox.records import explained

_CHANNEL = 3
_REAP_MS = 5000
_LANDLOCK_FOR_B = 3
_INODES = 1024
_OPEN_FILES = 64
_THREADS = 64
_USUAL_TMP_BYTES = 16 << 20
_FIXED_LIMITS = (
    (resource.RLIMIT_NOFILE, _OPEN_FILES),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_MEMLOCK, 0),
    (resource.RLIMIT_MSGQUEUE, 0),
    (resource.RLIMIT_SIGPENDING, 64),
)


@dataclass(slots=True)
class _Child:
    pid: int
    tmp_bytes: int
    channel: int
    output: int
    pidfd: int

    def hand_over(self, control: socket.socket) -> None:
        """Gives the worker its ends; the pidfd stays open here too, until the child is reaped."""
        socket.send_fds(
            control,
            [json.dumps({"child": self.pid}).encode()],
            [self.channel, self.output, self.pidfd],
        )
        os.close(self.channel)
        os.close(self.output)


class _Server:
    def __init__(self, control: socket.socket, tier: str, config: Mapping[str, object]) -> None:
        self.control = control
        self.tier = tier
        self.config = config
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.myself = os.pidfd_open(os.getpid())
        self.filter = seccomp.Filter(1 if tier == "A" else None)
        self.pidfds: dict[int, int] = {}
        self.base_memory_bytes = 0
        self.rules = -1
        self.threads = _THREADS
        self.spare: _Child | None = None
        self.limits: list[tuple[int, tuple[int, int]]] = []

    def prepare(self, paths: Sequence[str], process: int) -> None:
        """Preloads, measures itself, and gives up what it will not need."""
        preload(self.config["preload"], self.config["library"])  # type: ignore[arg-type]
        tasks = os.open("self/task", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
        started = len(os.listdir(tasks)) - 1
        os.close(tasks)
        if started:
            raise OSError(f"a preload started {started} threads; a server that forks has one")
        for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox"]:
            del sys.modules[name]
        with open(
            os.open("self/statm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), encoding="ascii"
        ) as statm:
            self.base_memory_bytes = int(statm.read().split()[0]) * resource.getpagesize()
        if self.tier == "B":
            if os.getuid() == 0:
                # limits on threads do not hold for a real uid 0; files stay readable by the other
                with contextlib.suppress(OSError):  # root of a container, without right or `nobody`
                    os.setresuid(root.NOBODY, 0, 0)
            self.threads += _tasks_of_user(os.getuid(), process)
        readable = [(path, landlock.READ) for path in paths if os.path.exists(path)]
        if self.tier == "A":
            # imports list the folders that packages lie in; here these hold nothing else
            roots: list[str] = self.config["roots"]  # type: ignore[assignment]
            readable += [(path, landlock.LIST) for path in roots]
            readable.append((os.path.dirname(root.SCRATCH), landlock.WRITE))
        if self.tier == "B" and landlock.abi() < _LANDLOCK_FOR_B:
            # older ones let a file be emptied that may not be written
            raise OSError(f"tier B needs Landlock {_LANDLOCK_FOR_B} (Linux 6.2) or newer")
        if self.tier != "none" and landlock.abi():
            self.rules = landlock.ruleset([*readable, ("/dev/null", landlock.WRITE)])
        os.close(process)
        limits = dict(_FIXED_LIMITS)
        if self.tier != "none":
            limits[resource.RLIMIT_NPROC] = self.threads
        self.limits = [(which, _lowered(which, value)) for which, value in limits.items()]
        os.dup(self.null)  # takes the lowest free number: none of a child's ends can be _CHANNEL
        # a candidate that is killed has its last lines outside already
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        kernel.set_no_new_privileges()
        kernel.drop_bounding_set()
        kernel.set_dumpable(False)
        gc.collect()
        gc.freeze()
        gc.disable()  # until a candidate enables it for itself

    def run(self) -> NoReturn:
        """Answers the worker until it is gone."""
        self._refill(_USUAL_TMP_BYTES)
        while True:
            message = self.control.recv(4096)
            if not message:
                os._exit(0)
            request = json.loads(message)
            if "reap" in request:
                self._reap(request["reap"])
            else:
                self._hand_out(request["spawn"])

    def _hand_out(self, tmp_bytes: int) -> None:
        if self.spare is not None and self.spare.tmp_bytes != tmp_bytes:
            self._discard(self.spare)
            self.spare = None
        try:
            child = self.spare or self._spawn(tmp_bytes)
        except OSError as error:
            self._send({"error": f"cannot start a candidate: {explained(error)}"})
            return
        child.hand_over(self.control)
        self._refill(tmp_bytes)

    def _refill(self, tmp_bytes: int) -> None:
        self.spare = None
        with contextlib.suppress(OSError):  # told when one is asked for and still fails
            self.spare = self._spawn(tmp_bytes)

    def _send(self, message: Mapping[str, object]) -> None:
        self.control.send(json.dumps(message).encode())

    def _spawn(self, tmp_bytes: int) -> _Child:
        ours, theirs = socket.socketpair()
        output, printed = os.pipe()
        if self.tier == "A":
            kernel.unshare(kernel.CLONE_NEWPID)
        try:
            pid = kernel.fork()
            if pid == 0:
                self._become_candidate(theirs.detach(), printed, tmp_bytes)
        finally:
            if self.tier == "A":
                kernel.setns(self.myself, kernel.CLONE_NEWPID)
        theirs.close()
        os.close(printed)
        pidfd = os.pidfd_open(pid)
        self.pidfds[pid] = pidfd
        return _Child(pid, tmp_bytes, ours.detach(), output, pidfd)

    def _discard(self, child: _Child) -> None:
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        os.close(child.channel)
        os.close(child.output)
        os.close(self.pidfds.pop(child.pid))
        os.waitpid(child.pid, 0)

    def _reap(self, pid: int) -> None:
        """Waits for a killed child, with a bound: a process in the kernel's hands dies late."""
        pidfd = self.pidfds.pop(pid)
        waiter = select.poll()
        waiter.register(pidfd, select.POLLIN)
        if not waiter.poll(_REAP_MS):
            self._send({"error": f"process {pid} does not die"})
            return
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        self._send(
            {
                "status": os.waitstatus_to_exitcode(status),
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "memory_bytes": usage.ru_maxrss * 1024,
            }
        )

    def _become_candidate(self, channel: int, printed: int, tmp_bytes: int) -> NoReturn:
        try:
            self._isolate(channel, printed, tmp_bytes)
            candidate.serve(_CHANNEL, self.base_memory_bytes)
        except BaseException as error:  # noqa: BLE001  nothing may return into the server's loop
            for end in (channel, _CHANNEL):  # the first, until it was moved to the second
                with contextlib.suppress(OSError):
                    os.write(end, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(70)

    def _isolate(self, channel: int, printed: int, tmp_bytes: int) -> None:
        if self.tier == "A":
            # no need to ask for the parent's death: with the server its pid namespace ends
            kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
            kernel.mount(
                "tmpfs",
                root.SCRATCH,
                "tmpfs",
                kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC,
                f"size={max(tmp_bytes, 4096)},nr_inodes={_INODES},mode=700",
            )
            os.chdir(root.SCRATCH)
        else:
            kernel.die_with_parent(signal.SIGKILL)
        for which, pair in self.limits:
            resource.setrlimit(which, pair)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, _lowered(resource.RLIMIT_FSIZE, max(tmp_bytes, 4096))
        )
        kernel.drop_capabilities()
        if self.rules >= 0:
            landlock.restrict(self.rules)
        # `prepare` saw to it that no end of a child has one of these numbers
        os.dup2(self.null, 0)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        os.dup2(channel, _CHANNEL)
        kernel.close_from(_CHANNEL + 1)
        if self.tier != "none":
            self.filter.install()
        gc.enable()


def _lowered(which: int, value: int) -> tuple[int, int]:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return value, value


def _tasks_of_user(uid: int, process: int) -> int:
    """Threads of this user on the whole machine: without a namespace the limit counts them all."""
    tasks = 0
    for name in os.listdir(process):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(name, dir_fd=process).st_uid == uid:
                tasks += os.stat(f"{name}/task", dir_fd=process).st_nlink - 2
    return tasks


def _enter(config: Mapping[str, object]) -> None:
    tier = config["tier"]
    packages: list[str] = config["packages"]  # type: ignore[assignment]
    roots: list[str] = config["roots"]  # type: ignore[assignment]
    if tier == "A":
        root.enter(
            system=config["system"],  # type: ignore[arg-type]
            packages=packages,
            links=config["links"],  # type: ignore[arg-type]
            masks=config["masks"],  # type: ignore[arg-type]
        )
        sys.path += roots
    else:
        sys.meta_path.append(AllowedPackages(roots, packages))


def main(descriptor: int, parent: int) -> NoReturn:
    """Runs in a fresh interpreter: the configuration is on standard input."""
    control = socket.socket(fileno=descriptor)
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    config = json.load(sys.stdin)
    try:
        process = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _enter(config)
        kernel.die_with_parent(signal.SIGKILL)  # a change of user had cleared it
        launcher = os.getpid()
        pid = os.fork()
        if pid == 0:
            _serve(control, config, launcher, process)
    except OSError as error:
        control.send(json.dumps({"error": explained(error)}).encode())
        os._exit(1)
    os.close(process)
    kernel.set_dumpable(False)
    _watch(control, pid)


def _serve(
    control: socket.socket, config: Mapping[str, object], launcher: int, process: int
) -> NoReturn:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        # in a new pid namespace the parent has no number
        if os.getppid() not in (launcher, 0):
            os._exit(1)
        server = _Server(control, str(config["tier"]), config)
        server.prepare([*config["readable"], *config["packages"]], process)  # type: ignore[misc]
        ready = {"ready": config["tier"], "base_memory_bytes": server.base_memory_bytes}
        control.send(json.dumps(ready).encode())
        server.run()
    except ImportError as error:
        control.send(json.dumps({"error": str(error), "preload": True}).encode())
    except OSError as error:
        control.send(json.dumps({"error": explained(error)}).encode())
    except MemoryError:
        control.send(json.dumps({"error": "memory is short: see `ulimit -v`"}).encode())
    finally:
        os._exit(1)


def _watch(control: socket.socket, server: int) -> NoReturn:
    """Ends the server with the worker, and itself with the server."""
    pidfd = os.pidfd_open(server)
    waiter = select.poll()
    waiter.register(control, 0)  # only that the other end is gone
    waiter.register(pidfd, select.POLLIN)
    waiter.poll()
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.waitpid(server, 0)
    os._exit(0)
