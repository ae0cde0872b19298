"""Forging answers: bytes on the channel, lying objects, exceptions, output that looks like data."""

from __future__ import annotations

import math
from collections.abc import Callable

from sandbox.attacks.attack import Attack, Group, limits_for, nothing
from sandbox.records import FailureKind, Limits


def _attack(
    name: str,
    body: str,
    *fails: str,
    held: Callable[[object], bool] = nothing,
    calls: int = 1,
    limits: Limits | None = None,
    needs: tuple[str, ...] = (),
) -> Attack:
    return Attack(
        name=name,
        group=Group.FORGE,
        source="from kit import *\n" + body,
        held=held,
        fails=frozenset(FailureKind(kind) for kind in fails),
        calls=calls,
        limits=limits or limits_for(fails),
        needs=needs,
    )


def _never(value: object) -> bool:
    """It had to fail."""
    return False


def _returning(name: str, expression: str, *fails: str, held: Callable[[object], bool]) -> Attack:
    return _attack(name, f"def attack(world):\n    return {expression}\n", *fails, held=held)


def _plain(expected: object) -> Callable[[object], bool]:
    return lambda value: type(value) is type(expected) and value == expected


ATTACKS = (
    _attack(
        "an answer on standard output",
        """
def attack(world):
    os.write(1, struct.pack("<QI", loop()[1], 5) + b"R" + b"1234")
    os.write(2, struct.pack("<QI", loop()[1], 5) + b"R" + b"1234")
    return 0
""",
    ),
    _attack(
        "an answer of its own before the real one",
        """
def attack(world):
    send(loop()[1], b"R", struct.pack("<I", 1) + b"1")
    return 0
""",
        "violation",
        held=lambda value: value == 1,
        calls=2,
    ),
    _attack(
        "an answer to another call",
        "def attack(world):\n    send(12345, b'R', struct.pack('<I', 1) + b'1')\n",
        "violation",
        held=_never,
    ),
    _attack(
        "an answer in advance, from a thread",
        """
import threading, time
def later():
    time.sleep(0.02)
    send(7, b"R", struct.pack("<I", 1) + b"1")
def attack(world):
    threading.Thread(target=later, daemon=True).start()
    time.sleep(0.05 if world["call"] else 0)
    return 0
""",
        "violation",
        held=_never,
        calls=2,
    ),
    _attack(
        "an answer that claims gigabytes",
        "def attack(world):\n    send(loop()[1], b'R', b'', 0xFFFFFFFF)\n",
        "violation",
        held=_never,
    ),
    _attack(
        "an empty answer",
        "def attack(world):\n    os.write(ANSWERS, struct.pack('<QI', loop()[1], 0))\n",
        "violation",
        held=_never,
    ),
    _attack(
        "an answer that never ends",
        """
import time
def attack(world):
    send(loop()[1], b"R", b"", 1000)
    time.sleep(60)
""",
        "timeout",
        held=_never,
    ),
    _attack(
        "an answer that trickles",
        """
import time
def attack(world):
    os.write(ANSWERS, struct.pack("<QI", loop()[1], 10000))
    while True:
        os.write(ANSWERS, b"R")
        time.sleep(0.01)
""",
        "timeout",
        held=_never,
    ),
    _attack(
        "an unknown status",
        "def attack(world):\n    send(loop()[1], b'?', b'')\n",
        "violation",
        held=_never,
    ),
    _attack(
        "noise on the channel",
        "def attack(world):\n    os.write(ANSWERS, os.urandom(100000))\n",
        "violation",
        held=_never,
    ),
    _attack(
        "a closed channel",
        "def attack(world):\n    os.close(ANSWERS)\n",
        "violation",
        "crash",
        held=_never,
    ),
    _attack(
        "a channel shut for writing",
        "def attack(world):\n    libc.shutdown(ANSWERS, 1)\n    os.close(ANSWERS)\n",
        "violation",
        "crash",
        held=_never,
    ),
    *(
        _attack(
            f"undecodable: {name}",
            f"def attack(world):\n    send(loop()[1], b'R', {payload})\n",
            "violation",
            held=_never,
        )
        for name, payload in (
            ("nothing", "b''"),
            ("a skeleton longer than the bytes", "struct.pack('<I', 1 << 31)"),
            ("a blob longer than the bytes", "struct.pack('<I', 7) + b'[6,999]'"),
            ("a negative blob", "struct.pack('<I', 6) + b'[6,-1]'"),
            ("a JSON object", "struct.pack('<I', 2) + b'{}'"),
            ("a pickle", "struct.pack('<I', 4) + b'\\x80\\x04N.'"),
            ("nesting", "struct.pack('<I', 200000) + b'[0,' * 50000 + b']' * 50000"),
            ("digits", "struct.pack('<I', 100000) + b'1' * 100000"),
            ("nodes", "struct.pack('<I', 9000001) + b'[' + b'[],' * 3000000"),
        )
    ),
    _attack(
        "keys that all share a hash",
        """
def attack(world):
    prime = (1 << 61) - 1
    return {prime * k << 64: 0 for k in range(1, 2500)}
""",
        "violation",
        held=_never,
    ),
    _returning("NaN", "float('nan')", held=lambda v: type(v) is float and math.isnan(v)),
    _returning("infinity", "float('inf')", held=_plain(math.inf)),
    _returning(
        "an int with its own arithmetic",
        "type('Best', (int,), {'__gt__': lambda *_: True, '__eq__': lambda *_: True})(5)",
        held=_plain(5),
    ),
    _returning(
        "a float that compares as it likes",
        "type('Best', (float,), {'__lt__': lambda *_: False, '__hash__': lambda s: 0})(1.5)",
        held=_plain(1.5),
    ),
    _returning(
        "a text that equals everything",
        "type('Any', (str,), {'__eq__': lambda *_: True, '__hash__': lambda s: 0})('x')",
        held=_plain("x"),
    ),
    _returning(
        "a list that lies about its length",
        "type('Long', (list,), {'__len__': lambda s: 10**9, '__getitem__': lambda *_: 1})([1, 2])",
        "violation",
        "crash",
        "memory",
        held=_plain([1, 2]),
    ),
    _returning(
        "a dict that grows while it is read",
        "type('Odd', (dict,), {'items': lambda s: ((i, i) for i in range(10**9))})({1: 2})",
        "violation",
        "crash",
        "timeout",
        "memory",
        held=_plain({1: 2}),
    ),
    _returning(
        "a property for a class",
        "type('Fake', (), {'__class__': property(lambda s: int)})()",
        "violation",
        held=_never,
    ),
    _returning("a function", "attack", "violation", held=_never),
    _returning("a class", "int", "violation", held=_never),
    _returning("a module", "os", "violation", held=_never),
    _returning("a generator", "(i for i in range(3))", "violation", held=_never),
    _returning("an endless iterator", "__import__('itertools').count()", "violation", held=_never),
    _returning("a set", "{1, 2}", "violation", held=_never),
    _returning("an exception", "ValueError('x')", "violation", held=_never),
    _returning("a lone surrogate", "chr(0xD800)", "violation", held=_never),
    _returning("a mutable key in a tuple", "{(1, (2, 3)): 4}", held=_plain({(1, (2, 3)): 4})),
    _returning("too many bytes", "bytes(64 << 20)", "violation", "memory", held=_never),
    _returning("too large an integer", "1 << (8 << 20)", "violation", held=_never),
    _attack(
        "a list that holds itself",
        "def attack(world):\n    x = []\n    x.append(x)\n    return x\n",
        "violation",
        held=_never,
    ),
    _attack(
        "arrays of objects",
        "import numpy\ndef attack(world):\n    return numpy.array([attack], dtype=object)\n",
        "violation",
        held=_never,
        needs=("numpy",),
    ),
    _attack(
        "an array that lies about its memory",
        """
import numpy
class Liar:
    __array_interface__ = {"shape": (1 << 40,), "typestr": "<f8", "version": 3, "data": (8, True)}
class Wide(numpy.ndarray):
    nbytes = 8
    shape = (1 << 40,)
    def tobytes(self, order=None): return b"12345678"
def attack(world):
    try:
        return numpy.asarray(Liar())[:1]
    except Exception:
        return numpy.zeros(1).view(Wide)
""",
        "violation",
        "crash",
        "memory",
        held=_never,
        needs=("numpy",),
    ),
    _attack(
        "an array of booleans that are neither",
        """
import numpy
def attack(world):
    return numpy.array([2, 3], dtype=numpy.uint8).view(bool)
""",
        "violation",
        held=_never,
        needs=("numpy",),
    ),
    _attack(
        "an exception with a hostile text",
        """
class Loud(Exception):
    def __str__(self): return "\\x1b[2J\\r\\n" * 100000
def attack(world): raise Loud
""",
        "crash",
        held=_never,
    ),
    _attack(
        "an exception that cannot be printed",
        """
class Mute(BaseException):
    def __str__(self): raise self
def attack(world): raise Mute
""",
        "crash",
        held=_never,
    ),
    _attack(
        "an exception that is printed for ever",
        """
class Slow(Exception):
    def __str__(self):
        while True: pass
def attack(world): raise Slow
""",
        "timeout",
        held=_never,
    ),
    _attack(
        "an exit that claims success", "def attack(world):\n    sys.exit(0)\n", "crash", held=_never
    ),
    _attack("a real exit", "def attack(world):\n    os._exit(0)\n", "crash", held=_never),
    _attack(
        "answers by exit handlers and finalisers",
        """
import atexit
class Last:
    def __del__(self): send(0, b"R", b"")
keep = Last()
atexit.register(send, 0, b"R", b"")
def attack(world): sys.exit(0)
""",
        "crash",
        "violation",
        held=_never,
    ),
    _attack(
        "a replaced encoder",
        """
def attack(world):
    frame, nonce = loop()
    frame.f_globals["encode_parts"] = lambda *_: [b"nonsense"]
    return 0
""",
        "violation",
        held=_never,
        calls=2,
    ),
    _attack(
        "replaced builtins",
        """
import builtins
def attack(world):
    builtins.isinstance = lambda *_: True
    builtins.len = lambda *_: 0
    builtins.type = lambda *_: int
    return 0
""",
        "violation",
        "crash",
        "timeout",
        held=nothing,
    ),
)
