"""A C compiler in a sandbox of its own: hostile source in, one shared object out.

Covered:
- what a source may reach: the compiler's own headers and libraries, and nothing else of the
  machine, by `#include`, `.incbin` or any other way; no network, no environment, no other process;
- what may run: the compiler and its parts, by Landlock where the kernel has it and by what can be
  seen at all; files it makes cannot be executed, and plugins, specs and response files are named by
  flags only, which come from a list;
- time, memory, processes, disk, length of messages; all of it ends with the call, and with us.

Not covered:
- the object: it is as hostile as its source. Load it in a sandbox only;
- which way of failing it is: a source can have the compiler print lines as the compiler does;
- faults of the compiler: one that takes it over has what the list above leaves.

Needs user namespaces (tier A): without them a compiler's processes could not be ended for certain.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from sandbox.cgroups import Group
from sandbox.inside.compiler import OBJECT, SOURCE
from sandbox.machine import refuse_other_machines
from sandbox.records import (
    CandidateFailure,
    FailureKind,
    SandboxError,
    explained,
    one_line,
    printable,
)
from sandbox.view import View, plan_paths

_BOOT = """
import sys, types
package = types.ModuleType("sandbox")
package.__path__ = [sys.argv[1]]
sys.modules["sandbox"] = package
from sandbox.inside.compiler import main
main(int(sys.argv[2]))
"""
_ASK_S = 10.0
_ENDING_S = 5.0
_PIECE = 1 << 16
_HEAD_BYTES = 1 << 12
_PARTS = ("cc1", "collect2", "as", "ld")
_HEADERS = "/usr/include"
_FIXED = ("-x", "c", "-shared", "-fPIC", "-fno-use-linker-plugin", "-fmax-errors=5")
_F_FLAGS = (
    "associative-math fast-math finite-math-only inline-functions math-errno omit-frame-pointer "
    "peel-loops prefetch-loop-arrays reciprocal-math rounding-math signed-zeros strict-aliasing "
    "strict-overflow trapping-math tree-vectorize unroll-all-loops unroll-loops unsafe-math-"
    "optimizations wrapv"
)
_FLAG = re.compile(
    r"-O([0-3sg]|fast)?"
    r"|-std=(c|gnu)(89|90|99|11|17|18|2x|23)"
    r"|-m(arch|tune)=[a-z0-9-]+"
    r"|-m(no-)?(avx|avx2|avx512[a-z0-9]+|bmi|bmi2|f16c|fma|lzcnt|popcnt|sse[0-9a-z.]*)"
    r"|-mprefer-vector-width=(128|256|512|none)"
    rf"|-f(no-)?({'|'.join(_F_FLAGS.split())})"
    r"|-D[A-Za-z_][A-Za-z0-9_]*(=-?[A-Za-z0-9_.]+)?"
    r"|-W(no-)?(all|extra|error|pedantic)|-w"
)
# A diagnostic has its place in front and its text behind, so that none that a source asks for is
# one of these, unless the source also has it broken into lines.
_PART = r"(\S*/)?(gcc|cc|cc1|collect2|as|ld)"
_SIGNAL = r"signal terminated program \w+"
_OUT_OF_MEMORY = re.compile(
    r"virtual memory exhausted: Cannot allocate memory"
    rf"|{_PART}: (fatal error: )?out of memory( allocating \d+ bytes[\w ]*)?"
)
_KILLED = re.compile(
    rf"{_PART}: (internal compiler error|fatal error): "
    rf"(Killed ({_SIGNAL}|\(program \w+\))|\w+ terminated with signal 9 \[Killed\].*)"
)
_NO_SPACE = re.compile(
    r"\S+: ([Ff]atal error: |final link failed: )[^\"]*"
    rf"(No space left on device|File too large'?|File size limit exceeded( {_SIGNAL})?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileLimits:
    """What one compilation may use.

    Attributes:
        wall_s: From start to answer; the processor may be used as long.
        memory_bytes: Address space of each process and, with a control group, of all together.
        source_bytes: The source, as UTF-8.
        output_bytes: The shared object.
        tmp_bytes: Everything it writes, in memory.
        messages_bytes: What is kept of its messages, from the start.
    """

    wall_s: float = 20.0
    memory_bytes: int = 1 << 30
    source_bytes: int = 1 << 20
    output_bytes: int = 4 << 20
    tmp_bytes: int = 64 << 20
    messages_bytes: int = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """The compiler of this machine: its version, its parts by real path, and what it must see."""

    version: str
    command: str
    programs: tuple[str, ...]
    path: str
    view: View


@lru_cache(maxsize=1)
def compiler() -> Compiler:
    """Finds the machine's gcc and asks it for its parts.

    Raises:
        SandboxError: there is none, or it lacks a part.
    """
    refuse_other_machines()
    command = next(filter(None, map(shutil.which, ("gcc", "cc"))), None)
    if command is None or "clang" in _ask(command, "--version"):
        raise SandboxError(
            "no gcc on this machine; on Debian and Ubuntu: apt install gcc libc6-dev"
        )
    found = {"gcc": command}
    for part in _PARTS:
        path = shutil.which(_ask(command, f"-print-prog-name={part}"))
        if path is None:
            raise SandboxError(f"{command} has no {part}; on Debian and Ubuntu: apt install gcc")
        found[part] = path
    if not os.path.exists(f"{_HEADERS}/stdio.h"):
        raise SandboxError(
            "no C headers on this machine; on Debian and Ubuntu: apt install libc6-dev"
        )
    own = os.path.dirname(_ask(command, "-print-libgcc-file-name"))
    loader = "/lib64/ld-linux-x86-64.so.2"
    view = plan_paths([own, _HEADERS, *found.values(), loader])
    return Compiler(
        version=_ask(command, "-dumpfullversion"),
        command=command,
        programs=tuple(os.path.realpath(path) for path in [*found.values(), loader]),
        path=":".join(dict.fromkeys(os.path.dirname(path) for path in found.values())),
        view=view,
    )


def compile_c(
    source: str,
    *,
    flags: Sequence[str] = ("-O2",),
    limits: CompileLimits = CompileLimits(),
) -> bytes:
    """Compiles one C source, linked with libc and libm, to a shared object.

    Args:
        source: The hostile text.
        flags: Options from trusted code, each of a list: optimisation, language standard, target
            processor, macros.

    Returns:
        The bytes of an ELF shared object, to be loaded in a sandbox only.

    Raises:
        ValueError: a flag that is not on the list.
        CandidateFailure: the source does not compile (`crash`, with the compiler's first error), or
            not within time, memory, or size (`violation`).
        SandboxError: no compiler, or no tier A, on this machine.
    """
    if not isinstance(source, str) or isinstance(flags, str):
        raise TypeError("compile_c takes a source as text and flags as a list of texts")
    for flag in flags:
        if not _FLAG.fullmatch(flag):
            raise ValueError(f"flag {flag!r} is not one that may be passed to the compiler")
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise CandidateFailure(FailureKind.CRASH, "the source is not UTF-8") from None
    if size > limits.source_bytes:
        reason = f"a source of {size} bytes, at most {limits.source_bytes} are compiled"
        raise CandidateFailure(FailureKind.VIOLATION, reason)
    found = compiler()
    config = {
        **asdict(found.view),
        **asdict(limits),
        "programs": found.programs,
        "path": found.path,
        "cpu_s": max(1, round(limits.wall_s)),
        "command": [found.command, *_FIXED, *flags, "-o", OBJECT, SOURCE, "-lm"],
        "source": source,
    }
    group = Group()
    try:
        group.measure()
        group.allow(limits.memory_bytes + limits.tmp_bytes, 1)
        answer, messages, in_time = _run(json.dumps(config).encode(), group, limits)
    except OSError as error:
        reason = f"the compiler's sandbox does not start: {explained(error)}"
        raise SandboxError(reason) from None
    finally:
        group.close()
    return _judge(answer, messages, in_time, limits)


def _ask(command: str, question: str) -> str:
    try:
        return subprocess.run(
            [command, question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"},
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"{command} {question}: {one_line(str(error))}") from None


def _run(config: bytes, group: Group, limits: CompileLimits) -> tuple[bytes, str, bool]:
    """What came back, what the compiler said, and whether it ended within its time."""
    deadline = time.monotonic() + limits.wall_s
    with subprocess.Popen(
        [
            os.path.realpath(sys.executable),
            *("-P", "-S", "-s", "-c", _BOOT, str(Path(__file__).parent), str(os.getpid())),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        start_new_session=True,
    ) as launcher:
        try:
            assert launcher.stdin is not None
            assert launcher.stdout is not None
            assert launcher.stderr is not None
            group.add(launcher.pid)
            with contextlib.suppress(BrokenPipeError), launcher.stdin as stdin:
                stdin.write(config)
            most = {
                launcher.stdout.fileno(): _HEAD_BYTES + limits.output_bytes,
                launcher.stderr.fileno(): limits.messages_bytes,
            }
            kept = {descriptor: bytearray() for descriptor in most}
            in_time = _collect(kept, most, deadline)
        finally:
            launcher.kill()
        if not in_time:
            # its processes are the kernel's to end now; what they hold open tells when
            _collect(kept, most, time.monotonic() + _ENDING_S)
        answer, messages = kept.values()
    return bytes(answer), messages.decode(errors="replace"), in_time


def _collect(kept: dict[int, bytearray], most: dict[int, int], deadline: float) -> bool:
    """Reads until every end is closed; beyond the most that is kept, bytes are dropped."""
    waiter = select.poll()
    for descriptor in kept:
        waiter.register(descriptor, select.POLLIN)
    open_ends = len(kept)
    while open_ends:
        left = deadline - time.monotonic()
        ready = waiter.poll(left * 1000) if left > 0 else []
        if not ready:
            return False
        for descriptor, _ in ready:
            piece = os.read(descriptor, _PIECE)
            if not piece:
                waiter.unregister(descriptor)
                open_ends -= 1
            kept[descriptor] += piece[: most[descriptor] - len(kept[descriptor])]
    return True


def _judge(answer: bytes, messages: str, in_time: bool, limits: CompileLimits) -> bytes:
    said = printable(messages)
    if not in_time:
        raise CandidateFailure(
            FailureKind.TIMEOUT, f"not compiled within {limits.wall_s:g} s", said
        )
    head, _, made = answer.partition(b"\n")
    try:
        fields = json.loads(head)
    except ValueError:
        reason = one_line(messages) or "it ended without a word"
        raise SandboxError(f"the compiler's sandbox does not start: {reason}") from None
    if "error" in fields:
        reason = one_line(str(fields["error"]))
        raise SandboxError(f"the compiler's sandbox does not start: {reason}")
    if fields["status"] != 0:
        kind, reason = _why(messages, fields["cpu_s"], limits)
        raise CandidateFailure(kind, reason, said)
    if fields["size"] > limits.output_bytes:
        reason = f"an object of {fields['size']} bytes, at most {limits.output_bytes} may be made"
        raise CandidateFailure(FailureKind.VIOLATION, reason, said)
    if len(made) != fields["size"] or not made.startswith(b"\x7fELF"):
        raise CandidateFailure(FailureKind.VIOLATION, "what was made is no object file", said)
    return made


def _why(messages: str, cpu_s: float, limits: CompileLimits) -> tuple[FailureKind, str]:
    """The kind of failure behind what a compiler said, by whole lines of its own."""
    lines = [line for line in messages.splitlines() if line]
    for line in lines:
        if _OUT_OF_MEMORY.fullmatch(line):
            return FailureKind.MEMORY, "the compiler ran out of memory"
        if _KILLED.fullmatch(line):
            if cpu_s >= limits.wall_s / 2:
                return FailureKind.TIMEOUT, f"the compiler used {cpu_s:.0f} s of CPU"
            return FailureKind.MEMORY, "killed by the kernel, for want of memory"
        if _NO_SPACE.fullmatch(line):
            return FailureKind.VIOLATION, f"more than {limits.tmp_bytes} bytes of files"
    error = next((line for line in lines if re.search(r"\berror: |\bError: ", line)), "")
    return FailureKind.CRASH, one_line(error or (lines[-1] if lines else "no message"))
