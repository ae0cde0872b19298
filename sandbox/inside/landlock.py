"""Landlock: what a process may open, and that it may not use TCP, abstract sockets or signals.

A ruleset is built once by the server; taking it on is one call per candidate. Rights that an older
kernel does not know are left out (`missing` names them).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from sandbox.inside.kernel import Calls, syscall

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_NOT_LOGGED, _KNOWS_NOT_LOGGED = 1, 7
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG = (1 << bit for bit in range(4, 9))
_MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = (1 << bit for bit in range(9, 13))
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

EXECUTE = _EXECUTE | _READ_FILE
LIST = _READ_DIR
READ = _READ_FILE | _READ_DIR
WRITE = (
    READ
    | _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
)
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_NEW_IN = {2: "moving between folders", 3: "truncate", 4: "TCP", 5: "device ioctl", 6: "scopes"}


def abi() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    try:
        return syscall(_CREATE, 0, 0, _GET_VERSION, what="landlock")
    except OSError:
        return 0


def missing(version: int) -> list[str]:
    """What this version cannot restrict."""
    return [what for new_in, what in _NEW_IN.items() if version < new_in]


def ruleset(rules: Iterable[tuple[str, int]]) -> int:
    """A descriptor of rules that forbid all but these rights below these paths."""
    version = abi()
    rights = (1 << 13) - 1
    for new_in, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        if version >= new_in:
            rights |= right
    attributes = struct.pack("Q", rights)
    if version >= 4:
        attributes += struct.pack("Q", 3)  # TCP bind and connect
    if version >= 6:
        attributes += struct.pack("Q", 3)  # abstract unix sockets, signals
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    made = syscall(_CREATE, ctypes.addressof(buffer), len(attributes), what="landlock ruleset")
    for path, allowed in rules:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                allowed &= _FILE_RIGHTS
            rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed & rights, descriptor), 12)
            syscall(_ADD_RULE, made, _PATH_BENEATH, ctypes.addressof(rule), what=f"landlock {path}")
        finally:
            os.close(descriptor)
    return made


def restrict(made: int) -> None:
    """Takes the rules on, for good; needs no-new-privileges."""
    syscall(_RESTRICT_SELF, made, _flags(), what="landlock restrict")


def add_to(calls: Calls, made: int) -> None:
    """Adds the call that takes the rules on to those of a child."""
    calls.add("landlock restrict", _RESTRICT_SELF, made, _flags())


def _flags() -> int:
    # a kernel that audits writes a record for each refusal: a million a second, if one likes
    return _NOT_LOGGED if abi() >= _KNOWS_NOT_LOGGED else 0
