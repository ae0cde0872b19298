"""The worker's end of one warm fork server: starts it, asks for candidates, has them reaped."""

from __future__ import annotations

import _socket
import contextlib
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import RLock

from sandbox.cgroups import Group
from sandbox.inside import wire
from sandbox.machine import refuse_other_machines
from sandbox.records import SandboxError, Tier, explained, one_line
from sandbox.view import View

_START_S = 100.0
_ANSWER_S = 15.0
_DYING = 4
"""Killed processes whose memory the kernel may still be freeing while the next candidate works."""
_MESSAGE_BYTES = 65536
_ONE_DESCRIPTOR = socket.CMSG_SPACE(wire.DESCRIPTOR.size)
_TIME = struct.Struct("@ll")
_BOOT = """
import sys, types
package = types.ModuleType("sandbox")
package.__path__ = [sys.argv[1]]
sys.modules["sandbox"] = package
from sandbox.inside.server import main
main(int(sys.argv[2]), int(sys.argv[3]))
"""
_NONE = -1
_SCRATCH = "/candidate/tmp"
_ENVIRONMENT = {
    "HOME": _SCRATCH,
    "LANG": "C.UTF-8",
    # functions of libraries are looked up once, and not by every child
    "LD_BIND_NOW": "1",
    "TMPDIR": _SCRATCH,
    "PYTHONDONTWRITEBYTECODE": "1",
    # the order of sets of text is the same in every server
    "PYTHONHASHSEED": "0",
    # one thread each: the server may not have threads when it forks
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_THREADING_LAYER": "workqueue",
    "NUMBA_CACHE_DIR": _SCRATCH,
}


class PreloadFailed(SandboxError):
    """A module that was to be preloaded cannot be imported; no other tier would help."""


class TooSlow(SandboxError):
    """Nothing was refused, and nothing came in time: that says nothing about what this machine
    allows, and another tier would be no faster."""


class ServerLost(Exception):
    """The fork server died or does not answer; a new one may do better."""


class _Silent(ServerLost):
    """It does not answer."""


@dataclass(frozen=True, slots=True)
class Process:
    """The worker's ends of one isolated process that waits for a program, or will."""

    pid: int
    pidfd: int
    requests: int
    answers: int
    lending: _socket.socket
    output: int
    tmp_bytes: int

    def started(self, pid: int, pidfd: int) -> Process:
        """The same, now that it has a number."""
        return Process(
            pid, pidfd, self.requests, self.answers, self.lending, self.output, self.tmp_bytes
        )

    def kill(self) -> None:
        """Ends it; its server still has to reap it."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except OSError as error:
            raise SandboxError(
                f"candidates cannot be ended here: pidfd_send_signal: {error.strerror}; "
                "in a container: a seccomp profile that allows it"
            ) from None

    def ended(self, within_s: float) -> bool:
        """Whether it is dead and its memory is free, or is so before that many seconds are over."""
        ending = select.poll()
        ending.register(self.pidfd, select.POLLIN)
        return bool(ending.poll(within_s * 1000))

    def hang_up(self) -> Process:
        """Closes the worker's ends of its channels; what is left is a way to know its end."""
        self._close_channels()
        return replace(self, requests=_NONE, answers=_NONE, output=_NONE)

    def close(self) -> None:
        """Closes the worker's ends; the process is to be reaped by its server."""
        self._close_channels()
        if self.pidfd != _NONE:
            os.close(self.pidfd)

    def _close_channels(self) -> None:
        self.lending.close()
        for descriptor in (self.requests, self.answers, self.output):
            if descriptor != _NONE:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: its exit code, or minus the signal that ended it."""

    status: int
    cpu_s: float
    memory_bytes: int


class ForkServer:
    """A launcher with its server. It ends when this object is closed, or with the process.

    The kernel ends the launcher when the thread that made it ends, so make it in one that lasts.

    Attributes:
        base_memory_bytes: Address space of the warm interpreter.

    Raises:
        SandboxError: it does not come up; the message has the step that failed. TooSlow: none did.
    """

    def __init__(
        self,
        view: View,
        *,
        tier: Tier,
        preload: Sequence[str],
        library: Mapping[str, str],
        group: Group,
    ) -> None:
        refuse_other_machines()
        config = {**asdict(view), "tier": tier, "preload": list(preload), "library": dict(library)}
        # what is masked is empty in tier A; fewer rules cost a candidate less
        masks = view.masks if tier is Tier.B else ()
        config["readable"] = list(_without(view.system, masks))
        # without layers the working folder is all that keeps stray files together
        self._folder = tempfile.mkdtemp() if tier is Tier.NONE else None
        what = "socketpair"
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            what = "a new process in a session of its own"
            with theirs:
                self._launcher = self._launch(theirs.fileno())
        except OSError as error:
            raise SandboxError(f"the sandbox does not start: {what}: {explained(error)}") from None
        self._control = ours
        self._waiter = select.poll()
        self._waiter.register(ours, select.POLLIN)
        self._owner = os.getpid()
        self._turn = RLock()
        self._asked = False
        self._coming: Process | None = None
        self._spare: Process | None = None
        self._dying: dict[Process, int] = {}
        self._refusal = ""
        # before it has its configuration, and so before it starts anything
        group.add(self._launcher.pid)
        try:
            assert self._launcher.stdin is not None
            with contextlib.suppress(BrokenPipeError), self._launcher.stdin as stdin:
                stdin.write(json.dumps(config).encode())
            self._patience_s = _START_S
            answer = json.loads(self._receive()[0])
        except ServerLost as error:
            self.close()
            if isinstance(error, _Silent):
                raise TooSlow(
                    f"the sandbox did not start within {_START_S:g} s: what is preloaded "
                    f"({', '.join(preload) or 'nothing'}) hangs, or this machine is too busy"
                ) from None
            most = resource.getrlimit(resource.RLIMIT_AS)[0]
            bound = f"; `ulimit -v` leaves it {most >> 20} MiB" if most >= 0 else ""
            raise SandboxError(
                f"the sandbox does not start: {error}{self._killed()}{bound}"
            ) from None
        except BaseException:
            self.close()
            raise
        if "error" in answer:
            self.close()
            reason = one_line(str(answer["error"]))
            if "preload" in answer:
                raise PreloadFailed(reason)
            raise SandboxError(f"the sandbox does not start: {reason}")
        self.base_memory_bytes = int(str(answer["base_memory_bytes"]))
        self._patience_s = _ANSWER_S
        _send_within(ours, _ANSWER_S)

    def spawn(self, tmp_bytes: int) -> Process:
        """An isolated process, usually one that was ready; the next is prepared meanwhile.

        Raises:
            SandboxError: none can be started.
            ServerLost: the server is gone, or was left in the middle of an answer.
        """
        with self._turn:
            if os.getpid() != self._owner:
                raise SandboxError(
                    "this sandbox belongs to the process that made it; make one in each process"
                )
            self._begin()
            process = self._spawn(tmp_bytes)
            self._asked = False
        if process is None:
            raise SandboxError(self._refusal)
        return process

    def _spawn(self, tmp_bytes: int) -> Process | None:
        self._settle()
        self._bury()
        # until all is done the spare stays where `close` finds it, should the server be lost
        if self._spare is not None and self._spare.tmp_bytes != tmp_bytes:
            self._spare.kill()
            self._reap(self._spare.pid)
            self._spare.close()
            self._spare = None
        if self._spare is None:  # also where the last one could not be started
            self._ask_for(tmp_bytes)
            self._settle()
        if self._spare is not None:
            self._ask_for(tmp_bytes)
        process, self._spare = self._spare, None
        return process

    def end(self, process: Process, *, within_s: float | None, held_bytes: int) -> Exit | None:
        """Kills a process and waits, with a bound, until it and all it held is gone.

        Args:
            within_s: Where the kernel takes longer than that to free its memory (a quarter of a
                second for a gigabyte), None is given back, and it is reaped before a later spawn.
            held_bytes: What it may take until then.

        Raises:
            ServerLost: the server is gone, and the process with it.
        """
        if os.getpid() != self._owner:
            process.close()
            raise ServerLost("it is another process's")
        with self._turn:
            self._dying[process] = held_bytes  # also where this is interrupted
            try:
                process.kill()
            except SandboxError:
                self._forget(process)
                raise
            return self._ended(process, within_s)

    def ended(self, pid: int, within_s: float) -> Exit | None:
        """How a process ended whose end was not waited for, where it is gone by then.

        Raises:
            ServerLost: the server is gone, and the process with it.
        """
        with self._turn:
            for process in self._dying:
                if process.pid == pid:
                    return self._ended(process, within_s)
            return None

    @property
    def dying_bytes(self) -> list[int]:
        """What each process may still take that was killed and is not reaped yet."""
        return list(self._dying.values())

    def close(self) -> None:
        """Ends the server and everything in it, and waits for that."""
        self._control.close()
        for left in (self._spare, self._coming):
            if left is not None:
                left.close()
        self._spare = self._coming = None
        try:
            self._launcher.wait(_ANSWER_S)
        except subprocess.TimeoutExpired:
            self._launcher.kill()
            self._launcher.wait()
        for dying in self._dying:
            dying.ended(_ANSWER_S)
            dying.close()
        self._dying = {}
        if self._folder is not None:
            # folders in folders without end are beyond shutil.rmtree, which recurses
            subprocess.run(["/bin/rm", "-rf", "--", self._folder], check=False)
            self._folder = None

    def _killed(self) -> str:
        """By what the launcher was ended; a filter on system calls may do that too."""
        match -self._launcher.returncode:
            case signal.SIGSYS:
                return ": this machine ends who makes a system call that is not on its list"
            case number if number > 0:
                return f": killed by signal {number}"
        return ""

    def _launch(self, control: int) -> subprocess.Popen[bytes]:
        launcher = subprocess.Popen(
            [
                os.path.realpath(sys.executable),
                *("-P", "-S", "-s", "-c", _BOOT),
                *(str(Path(__file__).parent), str(control), str(os.getpid())),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT | ({"TMPDIR": self._folder} if self._folder else {}),
            cwd=self._folder or "/",
            pass_fds=[control],
            start_new_session=True,
        )
        # the kernel shares cores among sessions first, so in one of its own our niceness is lost
        with contextlib.suppress(OSError):
            niceness = os.getpriority(os.PRIO_PROCESS, 0)
            Path(f"/proc/{launcher.pid}/autogroup").write_text(str(niceness), encoding="ascii")
        return launcher

    def _begin(self) -> None:
        if self._asked:
            # an interrupted wait: the answer that comes next is not to this request
            raise ServerLost("the answer to an earlier request was not waited for")
        self._asked = True

    def _ask_for(self, tmp_bytes: int) -> None:
        try:
            coming, theirs = _ends(tmp_bytes)
        except OSError as error:
            self._refusal = f"cannot start a candidate: {explained(error)}"
            return
        self._coming = coming
        try:
            self._control.sendmsg(
                [wire.REQUEST.pack(0, tmp_bytes)],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, wire.ENDS.pack(*theirs))],
            )
        except OSError as error:
            raise ServerLost(f"the fork server is gone: {error}") from None
        finally:
            for end in theirs:
                os.close(end)

    def _settle(self) -> None:
        """Takes the answer about the process that was asked for last, where it is due."""
        coming = self._coming
        if coming is None:
            return
        message, descriptors = self._receive()
        self._coming = None
        if message[:1] == wire.STARTED:
            pid = wire.CHILD.unpack(message)[1]
            self._spare = coming.started(pid, descriptors[0])
        else:
            coming.close()
            self._refusal = one_line(message[1:].decode())

    def _ended(self, process: Process, within_s: float | None) -> Exit | None:
        try:
            if within_s is not None and not process.ended(within_s):
                held_bytes = self._dying.pop(process)
                self._dying[process.hang_up()] = held_bytes
                return None
            self._begin()
            end = self._reap(process.pid)
            self._asked = False
        except ServerLost:
            self._forget(process)
            raise
        self._forget(process)
        return end

    def _bury(self) -> None:
        """Reaps who has died since; waits, with a bound, for the first where there are many."""
        for number, process in enumerate(list(self._dying)):
            must = number == 0 and len(self._dying) >= _DYING
            if process.ended(_ANSWER_S if must else 0.0):
                self._reap(process.pid)
                self._forget(process)
            elif must:
                raise ServerLost("a process that was killed does not end")

    def _forget(self, process: Process) -> None:
        del self._dying[process]
        process.close()

    def _reap(self, pid: int) -> Exit:
        try:
            self._control.send(wire.REQUEST.pack(pid, 0))
        except OSError as error:
            raise ServerLost(f"the fork server is gone: {error}") from None
        self._settle()
        message, _ = self._receive()
        return Exit(*wire.EXIT.unpack(message)[1:])

    def _receive(self) -> tuple[bytes, list[int]]:
        # SO_RCVTIMEO begins anew after each signal; poll goes on with what is left
        if not self._waiter.poll(self._patience_s * 1000):
            raise _Silent("the fork server does not answer")
        try:
            message, sent, _, _ = self._control.recvmsg(
                _MESSAGE_BYTES, _ONE_DESCRIPTOR, socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            raise ServerLost(f"the fork server is gone: {error}") from None
        if not message:
            raise ServerLost("the fork server ended without a word")
        return message, [wire.DESCRIPTOR.unpack(content)[0] for _, _, content in sent]


def _send_within(control: socket.socket, seconds: float) -> None:
    """Bounds sending, by the kernel's clock: it blocks only where the server reads nothing."""
    limit = _TIME.pack(int(seconds), int(seconds % 1 * 1e6))
    control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _ends(tmp_bytes: int) -> tuple[Process, list[int]]:
    """The worker's ends of a process to come, and the ends it gets itself, in its own order."""
    made: list[int] = []
    sockets: tuple[_socket.socket, ...] = ()
    try:
        for _ in range(3):
            made += os.pipe2(os.O_CLOEXEC)
        to_read, requests, answers, to_write, output, printed = made
        # a candidate may not read
        os.set_blocking(requests, False)
        # the public function asks the kernel what it has just told it
        lending, theirs = sockets = _socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        coming = Process(_NONE, _NONE, requests, answers, lending, output, tmp_bytes)
        return coming, [to_read, to_write, theirs.detach(), printed]
    except BaseException:
        for descriptor in made:
            os.close(descriptor)
        for end in sockets:
            end.close()
        raise


def _without(paths: Sequence[str], masks: Sequence[str]) -> list[str]:
    """The paths with every masked folder cut out: Landlock can only add rights."""
    found: list[str] = []
    for path in paths:
        if path in masks:
            continue
        if any(mask.startswith(f"{path}/") for mask in masks):
            found += _without([entry.path for entry in os.scandir(path)], masks)
        else:
            found.append(path)
    return found
