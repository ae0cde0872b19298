"""The candidate's process: takes its source over one descriptor, then answers calls on it.

Everything in here may be rewritten by the candidate, whose process this is. Nothing outside
believes more of it than that some bytes arrived.
"""

from __future__ import annotations

import _socket as socket
import marshal
import mmap
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType

from sandbox import shared
from sandbox.codec import CodecError, CodecLimits, decode, encode_parts
from sandbox.inside import kernel
from sandbox.inside.wire import (
    ANSWERS,
    DESCRIPTOR,
    FILLED,
    FORBIDDEN,
    FRAME,
    HEAD,
    LENDING,
    LENT,
    MARSHALLED,
    OUT_OF_MEMORY,
    RAISED,
    READY,
    REQUESTS,
    RETURNED,
    SHARED,
    SHARED_BYTES,
    SIZE,
    WANTED,
)
from sandbox.wire import DEFAULT_LIMITS

_Start = tuple[dict[str, str], str, str | None, int, int, int]
_Request = tuple[bool, str, tuple[object, ...]]
_TRUSTED = CodecLimits(total_bytes=1 << 30)
_REASON_LENGTH = 2000
_REHEARSALS = 20
_RESERVE_BYTES = 4 << 20  # more than the interpreter maps at once for small objects
_UNREADABLE = b"a numpy array was handed over, but numpy is not required (requires=['numpy']): "
_PIECE = 1 << 14  # larger ones are mapped anew for each read


class _Program:
    """The candidate's modules, imported from memory when first called."""

    def __init__(self, files: Mapping[str, str], entry: str, driver: str | None) -> None:
        self.files = files
        self.paths: dict[str, str] = {}
        self.entry = entry
        self.driver_source = driver
        self.module: ModuleType | None = None
        self.driver: ModuleType | None = None

    def call(self, driven: bool, name: str, arguments: Sequence[object]) -> object:
        module = self.module or self._import_entry()
        if not driven:
            return _function(module, name, self.entry)(*arguments)
        if self.driver is None:
            self.driver = ModuleType("driver")
            code = compile(self.driver_source or "", "driver", "exec", dont_inherit=True)
            exec(code, self.driver.__dict__)  # noqa: S102
        return _function(self.driver, name, "the driver")(module, *arguments)

    def _import_entry(self) -> ModuleType:
        for path in self.files:
            if path.endswith(".py"):
                self.paths[path[:-3].replace("/", ".").removesuffix(".__init__")] = path
        sys.meta_path.insert(0, self)
        # by hand: the import machinery's way copied another thirty pages
        name = self.entry[:-3].replace("/", ".").removesuffix(".__init__")
        module = sys.modules[name] = ModuleType(name)
        module.__file__ = self.entry
        module.__loader__ = self  # type: ignore[assignment]
        module.__package__ = name.rpartition(".")[0]
        if self.entry.endswith("/__init__.py"):
            module.__package__, module.__path__ = name, []
        self.exec_module(module)
        self.module = module
        return module

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        where = self.paths.get(name)
        if where is None:
            return None
        spec = ModuleSpec(name, self, origin=where, is_package=where.endswith("/__init__.py"))  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual module object."""

    def exec_module(self, module: ModuleType) -> None:
        path = self.paths[module.__name__]
        exec(compile(self.files[path], path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:
        return self.files[self.paths[name]]


def _function(module: ModuleType, name: str, where: str) -> Callable[..., object]:
    found = getattr(module, name, None)
    if not callable(found):
        raise AttributeError(f"{where} defines no function {name!r}")
    made: Callable[..., object] = found
    return made


def _where(error: BaseException, files: Mapping[str, str]) -> str:
    found = ""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if path in files or path == "driver":
            found = f" ({path}:{trace.tb_lineno})"
        trace = trace.tb_next
    if not found and isinstance(error, SyntaxError) and error.filename in files:
        found = f" ({error.filename}:{error.lineno})"
    return found


def _describe(error: BaseException, files: Mapping[str, str]) -> bytes:
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException as second:  # noqa: BLE001  hostile __str__
        message = f"<{type(second).__name__} while printing it>"
    text = type(error).__name__ + (f": {message[:_REASON_LENGTH]}" if message else "")
    return (text + _where(error, files)).encode(errors="backslashreplace")


class _Channel:
    """Requests in, answers out; the worker sends the next request when it has the answer."""

    def __init__(self, requests: int, answers: int) -> None:
        self.requests = requests
        self.answers = answers
        self.rest = b""

    def message(self) -> tuple[int, bytes | bytearray]:
        """A nonce, and the content it came with."""
        data = self.rest or os.read(self.requests, _PIECE)
        while len(data) < HEAD.size:
            data += self._more()
        nonce, length = HEAD.unpack_from(data)
        end = HEAD.size + length
        if len(data) < end:
            self.rest = b""
            return nonce, self._whole(data[HEAD.size :], length)
        self.rest = data[end:]
        return nonce, data[HEAD.size : end]

    def request(self) -> tuple[int, _Request | ImportError]:
        """A nonce, and what is asked; an array cannot be read where numpy is not bound."""
        nonce, content = self.message()
        try:
            return nonce, self._read(content)
        except ImportError as error:
            return nonce, error

    def _read(self, content: bytes | bytearray) -> _Request:
        kind = content[0]
        if kind == MARSHALLED:
            return marshal.loads(content[1:])  # type: ignore[no-any-return]  # noqa: S302  ours
        if kind == SHARED:
            (size,) = SIZE.unpack_from(content, 1)
            memory = _borrowed()
            try:
                message = shared.mapped(memory, size)
            finally:
                os.close(memory)
            return decode(message, _TRUSTED, in_place=True)  # type: ignore[return-value]
        return decode(memoryview(content)[1:], _TRUSTED)  # type: ignore[return-value]

    def answer(self, nonce: int, kind: int, parts: Sequence[bytes | memoryview]) -> None:
        size = sum(map(len, parts))
        if size >= SHARED_BYTES and kind == RETURNED and self._share(nonce, size, parts):
            kind, parts, size = FILLED, (), 0
        head = FRAME.pack(nonce, 1 + size, kind)
        self._write(b"".join((head, *parts)) if size < _PIECE else head)
        if size >= _PIECE:
            for part in parts:
                self._write(part)

    def _share(self, nonce: int, size: int, parts: Sequence[bytes | memoryview]) -> bool:
        """Puts an answer into memory of the worker's, where that lends some."""
        self._write(FRAME.pack(nonce, 1 + SIZE.size, WANTED) + SIZE.pack(size))
        if self.message()[1][0] != LENT:
            return False
        memory = _borrowed()
        soft, hard = kernel.limits(kernel.RLIMIT_FSIZE)
        try:
            # the limit on files of its own; an answer is one too, and has its own limit
            kernel.set_limits(kernel.RLIMIT_FSIZE, hard, hard)
            shared.fill(memory, parts)
        except OSError:
            return False
        finally:
            kernel.set_limits(kernel.RLIMIT_FSIZE, soft, hard)
            os.close(memory)
        return True

    def _write(self, data: bytes | memoryview) -> None:
        sent = os.write(self.answers, data)
        if sent < len(data):
            left = memoryview(data)[sent:]
            while left:
                left = left[os.write(self.answers, left) :]

    def _whole(self, begun: bytes, length: int) -> bytearray:
        """A content that has begun; the worker sends nothing behind it."""
        whole = bytearray(length)
        whole[: len(begun)] = begun
        left = memoryview(whole)[len(begun) :]
        while left:
            count = os.readv(self.requests, (left,))
            if not count:
                os._exit(0)
            left = left[count:]
        return whole

    def _more(self) -> bytes:
        piece = os.read(self.requests, _PIECE)
        if not piece:
            os._exit(0)
        return piece


def _borrowed() -> int:
    """The memory the worker lends for this message."""
    lending = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, LENDING)
    try:
        _, ancillary, _, _ = lending.recvmsg(1, socket.CMSG_SPACE(DESCRIPTOR.size))
        (descriptor,) = DESCRIPTOR.unpack(ancillary[0][2])
        return int(descriptor)
    finally:
        lending.detach()


def _limit(memory_bytes: int, cpu_s: int, output_bytes: int) -> None:
    kernel.set_limits(kernel.RLIMIT_AS, memory_bytes, memory_bytes)
    # soft = hard: the first process of a pid namespace ignores SIGXCPU
    kernel.set_limits(kernel.RLIMIT_CPU, cpu_s, cpu_s)
    soft, hard = kernel.limits(kernel.RLIMIT_FSIZE)
    kernel.set_limits(kernel.RLIMIT_FSIZE, soft, min(max(soft, output_bytes), hard))


def serve(base_memory_bytes: int) -> None:
    """Says that isolation is complete, takes the source, answers until the other end closes."""
    channel = _Channel(REQUESTS, ANSWERS)
    os.write(ANSWERS, READY)
    # marshal reads only what the worker wrote, and wakes less of the interpreter than the codec
    start: _Start = marshal.loads(channel.message()[1])  # noqa: S302
    files, entry, driver, memory_bytes, cpu_s, output_bytes = start
    limits = DEFAULT_LIMITS
    if output_bytes != limits.total_bytes:
        limits = CodecLimits(total_bytes=output_bytes)
    program = _Program(files, entry, driver)
    # given back to the kernel where it is given up, unlike what the C library hands out
    reserve = [mmap.mmap(-1, _RESERVE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)]
    _limit(base_memory_bytes + memory_bytes + _RESERVE_BYTES, cpu_s, output_bytes)
    while True:
        try:
            nonce, request = channel.request()
        except MemoryError:
            reserve.clear()  # room for that; nothing of the request was read yet
            nonce, request = channel.request()
        if isinstance(request, ImportError):
            channel.answer(nonce, RAISED, (_UNREADABLE + str(request).encode(),))
            continue
        try:
            kind, parts = _outcome(program, request, limits)
            channel.answer(nonce, kind, parts)
        except MemoryError:
            reserve.clear()  # room for saying so
            channel.answer(nonce, OUT_OF_MEMORY, ())


def _outcome(
    program: _Program, request: _Request, limits: CodecLimits
) -> tuple[int, Sequence[bytes | memoryview]]:
    """An answer's kind and content."""
    try:
        return RETURNED, encode_parts(program.call(*request), limits)
    except MemoryError:
        raise
    except CodecError as error:
        return FORBIDDEN, (str(error).encode(errors="backslashreplace"),)
    except BaseException as error:  # noqa: BLE001  whatever a candidate raises
        return RAISED, (_describe(error, program.files),)


def rehearse() -> None:
    """Lets the interpreter fill its caches before the fork, so that children need not.

    A code path's first runs write to it: look-ups of attributes, specialised instructions. Done
    here they are done once, and a child copies sixty pages less.
    """
    source = "def run(n):\n    return [i for i in range(n)]\n"
    start = marshal.dumps(({"rehearsal.py": source}, "rehearsal.py", None, 1, 1, 1))
    request = marshal.dumps((False, "run", (10,)))
    ours, theirs = os.pipe()
    channel = _Channel(ours, theirs)
    for _ in range(_REHEARSALS):
        for which in (kernel.RLIMIT_AS, kernel.RLIMIT_CPU, kernel.RLIMIT_FSIZE):
            kernel.set_limits(which, *kernel.limits(which))  # as they are
        os.write(
            theirs,
            HEAD.pack(0, len(start))
            + start
            + FRAME.pack(0, 1 + len(request), MARSHALLED)
            + request,
        )
        files, entry, driver, *_ = marshal.loads(channel.message()[1])  # noqa: S302
        program = _Program(files, entry, driver)
        nonce, asked = channel.request()
        assert not isinstance(asked, ImportError)
        driven, name, arguments = asked
        for value in (program.call(driven, name, arguments), 1, 0.5, (1, 0.5, "text")):
            channel.answer(nonce, RETURNED, encode_parts(value, DEFAULT_LIMITS))
            channel.message()
        sys.meta_path.remove(program)
        del sys.modules["rehearsal"]
    os.close(ours)
    os.close(theirs)
