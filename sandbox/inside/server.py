"""The launcher and the warm fork server: started once per worker, single-threaded, trusted.

The launcher moves into the outer namespaces, forks the server, and watches: when the worker's end
of the control socket closes, or the worker dies, it kills the server, and with the server's pid
namespace everything in it. The server imports what is preloaded, and forks children that isolate
themselves and wait for their source.
"""

from __future__ import annotations

import _socket as socket  # the public module loads four more libraries, for every child to copy
import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from sandbox.inside import candidate, kernel, landlock, root, seccomp, wire
from sandbox.inside.heap import collapse
from sandbox.inside.imports import AllowedPackages, preload
from sandbox.inside.mapping import share_code
from sandbox.records import explained, one_line

_ENDS = (wire.REQUESTS, wire.ANSWERS, wire.LENDING, 1)
_FREE = max(_ENDS) + 1
_LANDLOCK_FOR_B = 3
_INODES = 1024
_OPEN_FILES = 64
_THREADS = 64
_REAL_UIDS = 0x70000000  # above what systems and containers give out
_FIXED_LIMITS = (
    (kernel.RLIMIT_NOFILE, _OPEN_FILES),
    (kernel.RLIMIT_CORE, 0),
    (kernel.RLIMIT_MEMLOCK, 0),
    (kernel.RLIMIT_MSGQUEUE, 0),
    (kernel.RLIMIT_SIGPENDING, 64),
)


class _Server:
    def __init__(self, control: socket.socket, tier: str, config: Mapping[str, object]) -> None:
        self.control = control
        self.tier = tier
        self.config = config
        self.myself = kernel.pidfd_open(os.getpid())
        self.filter = seccomp.Filter(1 if tier == "A" else None)
        self.base_memory_bytes = 0
        self.rules = -1
        self.threads = _THREADS
        self.limits: list[tuple[int, tuple[int, int]]] = []
        self.isolation = kernel.Calls()
        self.isolation_tmp_bytes = -1

    def prepare(self, paths: Sequence[str], process: int) -> None:
        """Preloads, measures itself, and gives up what it will not need."""
        preload(self.config["preload"], self.config["library"])  # type: ignore[arg-type]
        # what started it is no candidate's to know, and no argument of its program
        del sys.argv[1:], sys.orig_argv[1:]
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
            self.base_memory_bytes = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        if self.tier == "B":
            if os.getuid() == 0:
                _take_real_uid()
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
            made = landlock.ruleset([*readable, ("/dev/null", landlock.WRITE)])
            # out of the way of what a child puts into the lowest numbers
            self.rules = kernel.duplicate_above(made, _FREE)
            os.close(made)
        code, memory = (
            os.open("self/maps", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process) for _ in range(2)
        )
        os.close(process)
        with open(code, errors="replace") as maps:
            share_code(maps.read())
        limits = dict(_FIXED_LIMITS)
        if self.tier != "none":
            limits[kernel.RLIMIT_NPROC] = self.threads
        self.limits = [(which, _lowered(which, value)) for which, value in limits.items()]
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, 0)
        # a child's descriptors go to numbers that no received one can have here
        while null < _FREE:
            null = os.dup(null)
        os.close(null)
        # a candidate that is killed has its last lines outside already
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        kernel.set_no_new_privileges()
        kernel.drop_bounding_set()
        kernel.set_dumpable(False)
        harmless = kernel.Calls()
        harmless.add("getpid", 39)
        for _ in range(20):
            harmless.make()
        candidate.rehearse()
        gc.collect()
        gc.freeze()
        with open(memory, errors="replace") as maps:
            collapse(maps.read())
        gc.disable()  # until a candidate enables it for itself

    def run(self) -> NoReturn:
        """Answers the worker until it is gone.

        Every page this loop touches was shared with the child forked before, and is copied: so it
        calls little, and what a process costs elsewhere (its socket, its pipe) the worker makes.
        """
        control, size, room = self.control, wire.REQUEST.size, socket.CMSG_SPACE(wire.ENDS.size)
        while True:
            message, ancillary, _, _ = control.recvmsg(size, room)
            if not message:
                os._exit(0)
            reaped, tmp_bytes = wire.REQUEST.unpack(message)
            if reaped:
                _, status, usage = os.wait4(reaped, 0)
                status = os.waitstatus_to_exitcode(status)
                cpu_s = usage.ru_utime + usage.ru_stime
                control.send(wire.EXIT.pack(wire.EXITED, status, cpu_s, usage.ru_maxrss * 1024))
            else:
                self._spawn(tmp_bytes, wire.ENDS.unpack(ancillary[0][2]))

    def _spawn(self, tmp_bytes: int, ends: tuple[int, ...]) -> None:
        if tmp_bytes != self.isolation_tmp_bytes:
            self._prepare_isolation(tmp_bytes)
        try:
            if self.tier == "A":
                kernel.unshare(kernel.CLONE_NEWPID)
            server = os.getpid()
            pid = kernel.fork()
            if pid == 0:
                self._become_candidate(server, ends)
        except OSError as error:
            self.control.send(
                wire.FAILED + f"cannot start a candidate: {explained(error)}".encode()
            )
            return
        finally:
            if self.tier == "A":
                kernel.setns(self.myself, kernel.CLONE_NEWPID)
            for end in ends:
                os.close(end)
        pidfd = kernel.pidfd_open(pid)
        self.control.sendmsg(
            [wire.CHILD.pack(wire.STARTED, pid)],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, wire.DESCRIPTOR.pack(pidfd))],
        )
        os.close(pidfd)

    def _become_candidate(self, server: int, ends: tuple[int, ...]) -> NoReturn:
        try:
            for end, number in zip(ends, _ENDS, strict=True):
                os.dup2(end, number)
            os.dup2(1, 2)
            self.isolation.make()
            if self.tier != "A" and os.getppid() != server:
                os._exit(70)  # it died before this process had asked to die with it
            if self.tier == "B":
                self.filter.install()
            gc.enable()
            candidate.serve(self.base_memory_bytes)
        except BaseException as error:  # noqa: BLE001  nothing may return into the server's loop
            with contextlib.suppress(OSError):
                os.write(wire.ANSWERS, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(70)

    def _prepare_isolation(self, tmp_bytes: int) -> None:
        """What a child does before it takes its source, in this order."""
        calls = kernel.Calls()
        size = max(tmp_bytes, 4096)
        # one of its own: flags of an open file are kept with it, for all who share it
        calls.reopen(0, "/dev/null")
        if self.tier == "A":
            # no need to ask for the parent's death: with the server its pid namespace ends
            calls.new_namespaces(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
            calls.new_tmpfs(root.SCRATCH, size=size, inodes=_INODES)
        else:
            calls.die_with_parent(signal.SIGKILL)
        # the hard limit on files is lowered when it is known how large an answer may be
        most = kernel.limits(kernel.RLIMIT_FSIZE)[1]
        for which, (soft, hard) in [*self.limits, (kernel.RLIMIT_FSIZE, (min(size, most), most))]:
            calls.limit(which, soft, hard)
        calls.drop_capabilities()
        if self.rules >= 0:
            landlock.add_to(calls, self.rules)
        calls.close_from(_FREE)
        if self.tier == "A":
            self.filter.add_to(calls)
        self.isolation, self.isolation_tmp_bytes = calls, tmp_bytes


def _lowered(which: int, value: int) -> tuple[int, int]:
    value = min(value, kernel.limits(which)[1])
    return value, value


def _take_real_uid() -> None:
    """Limits on threads hold for a real uid other than 0, and count all that this uid has.

    So each server takes one that nobody else has: the threads of a candidate beside it would use up
    its own. The effective uid stays, by which files are readable.
    """
    for uid in (_REAL_UIDS + os.getpid(), root.NOBODY):  # a container may map few
        with contextlib.suppress(OSError):
            os.setresuid(uid, 0, 0)
            return


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
    try:
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        config = json.load(sys.stdin)
        process = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _enter(config)
        kernel.die_with_parent(signal.SIGKILL)  # a change of user had cleared it
        launcher = os.getpid()
        pid = kernel.fork()  # whose error has a name
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
        try:
            server.run()
        except OSError as error:
            control.send(wire.FAILED + f"the fork server failed: {explained(error)}".encode())
    except ImportError as error:
        # in one packet, whatever a module has to say
        control.send(json.dumps({"error": one_line(str(error)), "preload": True}).encode())
    except OSError as error:
        control.send(json.dumps({"error": explained(error)}).encode())
    except MemoryError:
        control.send(json.dumps({"error": "memory is short: see `ulimit -v`"}).encode())
    finally:
        os._exit(1)


def _watch(control: socket.socket, server: int) -> NoReturn:
    """Ends the server with the worker, and itself with the server."""
    pidfd = kernel.pidfd_open(server)
    import select  # this process alone needs it

    waiter = select.poll()
    waiter.register(control, 0)  # only that the other end is gone
    waiter.register(pidfd, select.POLLIN)
    waiter.poll()
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.waitpid(server, 0)
    os._exit(0)
