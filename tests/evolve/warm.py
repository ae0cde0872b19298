"""Starts commands by a fork of a process that has imported them: half a second less for each.

Each is a process of its own all the same, with its own arguments, folder and standard streams.
What a test starts itself, to kill or to watch it, begins as a user's does.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_SERVER = """
import json, os, socket, sys
from importlib import import_module

from evolve import cli

for module in {f"evolve.cli.{name}" for name in cli._MODULES.values()} | {"evolve.report.drawing"}:
    import_module(module)
asked = socket.socket(fileno=int(sys.argv[1]))
while True:
    said, streams, _, _ = socket.recv_fds(asked, 1 << 20, 3)
    if not said:
        break
    command = json.loads(said)
    child = os.fork()
    if child == 0:
        asked.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(command["cwd"])
        os.environ.clear()
        os.environ.update(command["environment"])
        sys.argv = command["argv"]
        cli.main()
    for stream in streams:
        os.close(stream)
    asked.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
"""


_OF_THE_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP", "OPENBLAS", "NUMBA", "MPL")
"""Variables that are read by the interpreter or as something is imported begin so."""


class Warm:
    """A process that forks into commands, one at a time."""

    def __init__(self) -> None:
        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )

    def run(
        self, argv: list[str], cwd: Path, environment: Mapping[str, str], timeout_s: float
    ) -> tuple[int, str, str]:
        """Runs a command to its end: exit code, standard output, standard error.

        Raises:
            TimeoutError: it took longer.
        """
        for name, value in environment.items():
            if name.startswith(_OF_THE_START) and value != os.environ.get(name):
                raise ValueError(f"{name} is read before a fork could set it")
        with (
            open(os.devnull, "rb") as nothing,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as errors,
        ):
            command = {"argv": argv, "cwd": str(cwd), "environment": dict(environment)}
            said = json.dumps(command).encode()
            socket.send_fds(self._asked, [said], [nothing.fileno(), out.fileno(), errors.fileno()])
            self._asked.settimeout(timeout_s)
            try:
                code = int(self._asked.recv(100))
            except TimeoutError:
                warm.cache_clear()  # its late answer must not be taken for the next one's
                raise
            for stream in (out, errors):
                stream.seek(0)
            return code, out.read().decode(), errors.read().decode()


@cache
def warm() -> Warm:
    """The one of this process; it ends with it, as nobody holds the other end then."""
    return Warm()
