"""From within its own process: objects that lie, the code that answers calls, memory to be left."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.attacks.attack import Attack, Group, limits_for, nothing
from sandbox.records import FailureKind


def _attack(
    name: str,
    body: str,
    *fails: str,
    held: Callable[[object], bool] = lambda value: False,
    calls: int = 1,
    needs: tuple[str, ...] = (),
) -> Attack:
    return Attack(
        name=name,
        group=Group.FORGE,
        source="from kit import *\n" + body,
        held=held,
        fails=frozenset(FailureKind(kind) for kind in fails),
        calls=calls,
        limits=limits_for(fails),
        needs=needs,
    )


def _returns(name: str, setup: str, expression: str, *fails: str, **more: object) -> Attack:
    body = f"{setup}\ndef attack(world):\n    return {expression}\n"
    return _attack(name, body, *fails, **more)  # type: ignore[arg-type]


def _array(name: str, expression: str, *fails: str) -> Attack:
    return _returns(name, "import numpy as np", expression, *fails, needs=("numpy",))


def _left(name: str, plant: str, look: str, *, needs: tuple[str, ...] = ()) -> Attack:
    """What one candidate plants, the next one of the same server must not find."""
    head = "from kit import *\ndef attack(world):\n"
    return Attack(
        name=name,
        group=Group.PERSIST,
        before=head + plant,
        source=head + look,
        held=nothing,
        fails=frozenset({FailureKind.VIOLATION}),
        needs=needs,
    )


def _is(expected: object) -> Callable[[object], bool]:
    return lambda value: type(value) is type(expected) and value == expected


ATTACKS = (
    _returns(
        "an object that claims another class",
        "class Lie:\n    __class__ = int\n    def __int__(self): return 5\n",
        "Lie()",
        "violation",
    ),
    _returns(
        "an object with a recipe to rebuild it",
        "class Boom:\n    def __reduce__(self): return (os.system, ('true',))\n"
        "    __getstate__ = __reduce_ex__ = __reduce__\n",
        "[Boom()]",
        "violation",
    ),
    _returns(
        "a dict that lies about what it holds",
        "class Lie(dict):\n    def items(self): return [(1, 2)] * 10**7\n"
        "    def __iter__(self): raise SystemExit\n    def __len__(self): return -1\n",
        "Lie(a=1)",
        "violation",
        "crash",
        held=_is({"a": 1}),
    ),
    _returns(
        "a fraction that lies about its parts",
        "from fractions import Fraction\nclass Lie(Fraction):\n"
        "    numerator = property(lambda self: 10**9)\n"
        "    denominator = property(lambda self: 0)\n",
        "Lie(1, 3)",
        "violation",
        "crash",
        held=lambda value: str(value) in ("1/3", "1000000000"),
    ),
    _returns(
        "a tuple that changes while it is read",
        "class Lie(tuple):\n    def __iter__(self):\n        while True: yield 1\n",
        "Lie((1, 2))",
        "violation",
        "memory",
        "timeout",
        held=_is((1, 2)),
    ),
    _returns(
        "bytes that lie about their length",
        "class Lie(bytes):\n    def __len__(self): return 1 << 40\n"
        "    def __buffer__(self, flags): return memoryview(b'other')\n",
        "Lie(b'x')",
        "violation",
        "crash",
        "memory",
        held=_is(b"x"),
    ),
    _returns("half a character", "", "chr(0xd800)", "violation", "crash"),
    _returns("a proxy for a dict", "", "type(sys).__dict__", "violation"),
    _returns("a range without end", "", "range(1 << 62)", "violation"),
    _array("an array of records", "np.zeros(2, [('a', 'i4'), ('b', 'O')])", "violation"),
    _array("an array of dates", "np.zeros(2, 'M8[s]')", "violation"),
    _array("an array of long doubles", "np.zeros(2, np.longdouble)", "violation"),
    _array("an empty array with gigantic sides", "np.zeros((0, 1 << 50))", "violation"),
    _array(
        "an array spread over memory that is not its own",
        "np.lib.stride_tricks.as_strided(np.zeros(1), (1 << 20,), (1 << 20,))",
        "violation",
        "crash",
        "memory",
    ),
    _array(
        "one element seen a billion times", "np.broadcast_to(np.zeros(1), (1 << 30,))",
        "violation", "memory", "timeout",
    ),
    _attack(
        "a key twice, as True and 1",
        "def attack(world):\n"
        "    send(loop()[1], b'R', struct.pack('<I', 14) + b'[2,1,0,true,0]')\n",
        "violation",
    ),
    _attack(
        "a class whose name is no text",
        """
class Meta(type):
    __name__ = property(lambda cls: 1 / 0)
class Odd(Exception, metaclass=Meta): pass
def attack(world): raise Odd
""",
        "crash",
        "violation",
    ),
    _attack(
        "a syntax error with a hostile file name",
        """
class Name:
    def __hash__(self): os._exit(0)
    def __eq__(self, other): return True
def attack(world):
    error = SyntaxError()
    error.filename, error.msg, error.lineno = Name(), Name(), Name()
    raise error
""",
        "crash",
        "violation",
    ),
    _attack(
        "a traceback through files with hostile names",
        """
def attack(world):
    code = attack.__code__.replace(co_filename="\\x1b]0;x\\x07\\r\\n" * 1000)
    exec(compile("1/0", "\\x1b[2Jprogram.py\\n", "exec"))
""",
        "crash",
    ),
    _attack(
        "a group of a million exceptions",
        """
def attack(world):
    error = ValueError("x" * 10000)
    for _ in range(500): error = ExceptionGroup("y" * 10000, [error] * 5)
    raise error
""",
        "crash",
        "memory",
        "timeout",
        "violation",
    ),
    _attack(
        "requests stolen by a thread",
        """
import threading
def steal():
    while True: os.read(REQUESTS, 1 << 16)
def attack(world):
    threading.Thread(target=steal, daemon=True).start()
    return 0
""",
        "crash",
        "violation",
        "timeout",
        held=_is(0),
        calls=3,
    ),
    _attack(
        "an answer to every later call, beforehand",
        """
def attack(world):
    frame, nonce = loop()
    payload = struct.pack("<I", 1) + b"9"
    for step in range(1, 50): send((nonce + step) % (1 << 64), b"R", payload)
    return 0
""",
        "violation",
        calls=3,
    ),
    _attack(
        "the end of the channel on another number",
        """
def attack(world):
    kept = os.dup(ANSWERS)
    os.dup2(os.open("/dev/null", os.O_RDWR), ANSWERS)
    import time
    time.sleep(60)
""",
        "timeout",
    ),
    _attack(
        "a writer that writes nothing",
        "def attack(world):\n    os.write = os.writev = lambda *_: 0\n    return bytes(1 << 20)\n",
        "timeout",
    ),
    _attack(
        "a loop that answers for itself from then on",
        """
def attack(world):
    frame, nonce = loop()
    while True:
        send(nonce, b"R", struct.pack("<I", 1) + b"7")
        nonce, length = struct.unpack("<QI", os.read(REQUESTS, 12))
        os.read(REQUESTS, length)
""",
        "violation",  # where what it reads is not yet whole, it loses count
        "crash",
        held=_is(7),
        calls=3,
    ),
    _attack(
        "a profile function that rewrites what is answered",
        """
def attack(world):
    def rewrite(frame, event, argument):
        if "parts" in frame.f_locals: os.write(ANSWERS, b"y" * 100)
    sys.setprofile(rewrite)
    return 0
""",
        "violation",
        "crash",
    ),
    _left(
        "a changed small integer",
        "    # the digits of an int lie behind its count, type and size\n"
        "    ctypes.memset(id(57) + 24, 58, 1)\n",
        "    return int('57') != 50 + 7\n",
    ),
    _left(
        "a constant of a type",
        "    import gc\n    gc.get_referents(float.__dict__)[0]['mark'] = 1\n",
        "    return hasattr(float, 'mark')\n",
    ),
    _left(
        "code patched in a library",
        "    address = ctypes.cast(libc.labs, ctypes.c_void_p).value\n"
        "    if syscall(10, address & -4096, 8192, 7) == 0:\n"
        "        ctypes.memmove(address, bytes.fromhex('b82a000000c3'), 6)\n",
        "    return libc.labs(-5) != 5\n",
    ),
    _left("numpy's treatment of errors", "    import numpy\n    numpy.seterr(all='raise')\n",
          "    import numpy\n    return numpy.geterr()['divide'] == 'raise'\n", needs=("numpy",)),
    _left("numpy's generator", "    import numpy\n    numpy.random.seed(99)\n",
          "    import numpy\n    return int(numpy.random.get_state()[1][0]) == 99\n",
          needs=("numpy",)),
    _left("a constant of numpy's", "    import numpy\n    numpy.pi = 3\n",
          "    import numpy\n    return numpy.pi == 3\n", needs=("numpy",)),
    _left("a codec", "    import codecs\n    codecs.register(lambda n: codecs.lookup('utf-8')"
          " if n == 'mark' else None)\n",
          "    try:\n        return bool('x'.encode('mark'))\n    except LookupError:\n"
          "        return False\n"),
    _left("a context of decimals", "    import decimal\n    decimal.DefaultContext.prec = 3\n"
          "    decimal.getcontext().prec = 3\n",
          "    import decimal\n    return decimal.getcontext().prec == 3\n"),
    _left("an environment variable of C's", "    libc.setenv(b'MARK', b'x', 1)\n",
          "    libc.getenv.restype = ctypes.c_char_p\n    return libc.getenv(b'MARK')\n"),
    _left("C's random numbers and locale", "    libc.srand(77)\n    libc.setlocale(6, b'tr_TR')\n",
          "    first = libc.rand()\n    libc.srand(77)\n    return first == libc.rand()\n"),
    _left("shared memory by name, of the candidate before",
          "    from multiprocessing import shared_memory\n"
          "    worked(lambda: shared_memory.SharedMemory('mark', create=True, size=4096))\n",
          "    from multiprocessing import shared_memory\n"
          "    return worked(lambda: shared_memory.SharedMemory('mark'))\n"),
    _left("a queue of messages", "    syscall(240, b'mark', 0o102, 0o600, 0)\n",
          "    return syscall(240, b'mark', 0, 0, 0) >= 0\n"),
)  # fmt: skip
