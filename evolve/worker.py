"""The worker process: loads the problem, holds a sandbox, judges programs one after another.

Started by the engine as `python -P -m evolve.worker FD PARENT`. It dies with the engine: the kernel
kills it when its parent goes, and it leaves when its socket closes.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import partial

import msgspec

from evolve import messages
from evolve.errors import EvolveError
from evolve.evaluation import compute_baselines, judge
from evolve.lifeline import attend
from evolve.loading import Task, load
from evolve.problem import SplitKind
from sandbox import Sandbox, SandboxError, Tier


def main(fd: int, parent: int) -> None:
    attend(parent)
    sock = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    first = messages.receive(sock)
    if first is None:
        return
    setup = msgspec.msgpack.decode(first, type=messages.Setup)
    try:
        task = load(setup.reference, setup.parameters)
        sandbox = open_sandbox(task, unsafe=setup.unsafe)
    except EvolveError as error:
        messages.send(sock, messages.Ready(fault=str(error), exit_code=error.exit_code))
        return
    except SandboxError as error:
        messages.send(sock, messages.Ready(fault=str(error), exit_code=3))
        return
    with sandbox:
        messages.send(sock, messages.Ready(tier=sandbox.tier.value))
        serve(sock, task, sandbox)
    os._exit(0)  # whatever threads a problem's module may have started


def open_sandbox(task: Task, *, unsafe: bool = False) -> Sandbox:
    """The sandbox a problem's candidates need."""
    problem = task.problem
    # stages print what candidates answer; the codec bounds how long that can be
    sys.set_int_max_str_digits(0)
    return Sandbox(
        requires=problem.required_distributions,
        preload=problem.preloaded_modules,
        library=problem.library,
        tier=Tier.NONE if unsafe else None,
    )


def serve(sock: socket.socket, task: Task, sandbox: Sandbox) -> None:
    """Answers requests until the engine goes."""
    requests = msgspec.msgpack.Decoder(messages.Evaluate | messages.Baselines)
    while (body := messages.receive(sock)) is not None:
        request = requests.decode(body)
        match request:
            case messages.Evaluate():
                reply: messages.Judged | messages.Computed = judge(
                    task,
                    sandbox,
                    request.files,
                    split=SplitKind(request.split),
                    seed=request.seed,
                    first=request.first,
                    last=request.last,
                    artifact=request.artifact,
                    known=partial(ask_known, sock) if request.probing else None,
                    mark=request.mark,
                    mark_at=request.mark_at,
                )
            case messages.Baselines():
                reply = messages.Computed(
                    baselines=compute_baselines(
                        task, split=SplitKind(request.split), seed=request.seed
                    )
                )
        messages.send(sock, reply)


def ask_known(sock: socket.socket, behaviour: int) -> int | None:
    """The program of the run that has shown a behaviour before, as the engine knows it."""
    messages.send(sock, messages.Behaves(behaviour=behaviour))
    body = messages.receive(sock)
    if body is None:
        os._exit(0)  # the engine has gone
    return msgspec.msgpack.decode(body, type=messages.Known).program


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
