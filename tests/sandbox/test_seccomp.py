"""The filter as the kernel runs it, beside what each call's own check says."""

from __future__ import annotations

import struct

import pytest

from sandbox.inside import seccomp
from sandbox.inside.wire import LENDING

X86_64, I386, X32 = 0xC000003E, 0x40000003, 0x40000000
ALLOW, KILL, EPERM, ENOSYS, DONE = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026, 0x00050000
OWN = 77

Instruction = tuple[int, int, int, int]


def verdict(
    program: list[Instruction], number: int, arguments: tuple[int, ...], machine: int = X86_64
) -> int:
    """What a program of classic BPF returns, by the seven instructions that this one is made of."""
    data = struct.pack("IIQ6Q", number, machine, 0, *arguments)
    at, accumulator = 0, 0
    while True:
        code, if_so, if_not, value = program[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("I", data, value)
            case 0x05:
                at += value
            case 0x15:
                at += if_so if accumulator == value else if_not
            case 0x35:
                at += if_so if accumulator >= value else if_not
            case 0x54:
                accumulator &= value
            case 0x45:
                at += if_so if accumulator & value else if_not
            case _:
                assert code == 0x06
                return value


@pytest.fixture(scope="module", params=[{}, seccomp.COMPILER], ids=["candidate", "compiler"])
def found(request: pytest.FixtureRequest) -> tuple[list[Instruction], dict[int, seccomp._Leaf]]:
    ready = seccomp.Filter(OWN, request.param)._ready
    assert ready is not None
    program = [
        struct.unpack("HBBI", ready[1].raw[at : at + 8]) for at in range(0, len(ready[1]), 8)
    ]
    more = frozenset(n for text in request.param.values() for n in seccomp._numbers(text))
    return program, seccomp._leaves(more)


def test_the_tree_decides_about_every_number_as_its_own_leaf_does(
    found: tuple[list[Instruction], dict[int, seccomp._Leaf]],
) -> None:
    program, leaves = found
    plain = (0, 1, 2, LENDING, 9, 12, 15, OWN, 0x88, 0x189, 1030, 0x5401, 0x10F00, 0x40022)
    values = (*plain, 1 << 31, 1 << 32)
    for number in range(700):
        leaf = [
            (code, so, no, OWN if value == seccomp._OWN_ID else value)
            for code, so, no, value in leaves.get(number, seccomp._returning(EPERM))
        ]
        for value in values:
            for other in (0, OWN, 9):
                arguments = (value, other, value, value, other, other)
                expected = verdict(leaf, number, arguments)
                assert verdict(program, number, arguments) == expected, (number, arguments)


def test_calls_of_other_kinds_end_the_process(
    found: tuple[list[Instruction], dict[int, seccomp._Leaf]],
) -> None:
    program, _ = found
    for number in range(700):
        assert verdict(program, number, (0,) * 6, I386) == KILL
        assert verdict(program, X32 + number, (0,) * 6) == KILL


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        (0, (0, 0, 0, 0, 0, 0), ALLOW),  # read
        (41, (0, 0, 0, 0, 0, 0), EPERM),  # socket
        (101, (0, 0, 0, 0, 0, 0), KILL),  # ptrace
        (435, (0, 0, 0, 0, 0, 0), ENOSYS),  # clone3
        (74, (3, 0, 0, 0, 0, 0), DONE),  # fsync
        (47, (LENDING, 0, 0, 0, 0, 0), ALLOW),  # recvmsg
        (47, (LENDING + 1, 0, 0, 0, 0, 0), EPERM),
        (234, (OWN, OWN, 15, 0, 0, 0), ALLOW),  # tgkill
        (234, (OWN, OWN, 9, 0, 0, 0), EPERM),
        (234, (OWN + 1, OWN, 15, 0, 0, 0), EPERM),
        (302, (OWN, 7, 0, 0, 0, 0), ALLOW),  # prlimit64
        (302, (1, 7, 0, 0, 0, 0), EPERM),
        (56, (0x3D0F00, 0, 0, 0, 0, 0), ALLOW),  # clone of a thread
        (56, (0x1200011, 0, 0, 0, 0, 0), EPERM),  # fork
        (9, (0, 4096, 3, 0x22, 0, 0), ALLOW),  # mmap
        (9, (0, 4096, 3, 0x40022, 0, 0), EPERM),
        (28, (0, 4096, 4, 0, 0, 0), ALLOW),  # madvise
        (28, (0, 4096, 12, 0, 0, 0), EPERM),
        (202, (0, 0x189, 1, 0, 0, 0), ALLOW),  # futex: a private wait by the clock of the wall
        (202, (0, 0x86, 1, 0, 0, 0), EPERM),  # one that lends its priority
        (202, (0, 0x200, 1, 0, 0, 0), EPERM),
        (327, (3, 0, 1, 0, 0, 0), ALLOW),  # preadv2
        (327, (3, 0, 1, 0, 0, 8), EPERM),
        (600, (0, 0, 0, 0, 0, 0), EPERM),
    ],
)
def test_what_a_candidate_may(number: int, arguments: tuple[int, ...], expected: int) -> None:
    ready = seccomp.Filter(OWN)._ready
    assert ready is not None
    program = [
        struct.unpack("HBBI", ready[1].raw[at : at + 8]) for at in range(0, len(ready[1]), 8)
    ]
    assert verdict(program, number, arguments) == expected
