"""Reads the pickles that numpy writes for arrays of objects, without unpickling.

Published factor matrices of different sizes are often stacked as objects, which an npz keeps as a
pickle: a program for a small stack machine, which may call anything. Here its instructions are
listed by `pickletools`, which runs nothing, and carried out on plain values only. What can come of
it: numbers, texts, bytes, tuples, lists, dicts, and numpy arrays of numbers. Every other name or
instruction is refused; no function is called because a pickle says so.

Source of the instructions: the documentation strings of `pickletools`; of the state of arrays and
dtypes: `ndarray.__reduce__` and `dtype.__reduce__` of numpy.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

MAX_INSTRUCTIONS = 400_000
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMBERS = re.compile(r"[<>|=]?([iuf][1248]|[c](8|16)|b1)")
_SIDES = 8


class NotPlain(ValueError):
    """It is no pickle of arrays of numbers; the message says why."""


@dataclass(slots=True)
class _Name:
    """A function or class of numpy that may be named."""

    name: str


@dataclass(slots=True)
class _Dtype:
    code: str


@dataclass(slots=True)
class _Array:
    """An array whose state has not come yet."""

    content: object = None


@dataclass(slots=True)
class _Mark:
    """Where on the stack a collection begins."""


_PUSHED = frozenset(
    {
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
        "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    }
)  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED = frozenset({"PROTO", "FRAME"})


@dataclass(slots=True)
class _Machine:
    stack: list[object] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)

    def pop(self) -> object:
        if not self.stack:
            raise NotPlain("the pickle takes more than it has put down")
        return self.stack.pop()

    def top(self) -> object:
        top = self.pop()
        self.stack.append(top)
        return top

    def popped(self) -> list[object]:
        """What lies above the last mark."""
        for at in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[at], _Mark):
                found = self.stack[at + 1 :]
                del self.stack[at:]
                return found
        raise NotPlain("the pickle closes what it has not opened")


def content_of(data: bytes) -> object:
    """What a pickle holds.

    Raises:
        NotPlain: it holds more than arrays of numbers, is cut off, or is too long.
    """
    machine = _Machine()
    for name, argument in _instructions(data):
        if name == "STOP":
            return _finished(machine.pop())
        _step(machine, name, argument)
    raise NotPlain("the pickle is cut off")


def _instructions(data: bytes) -> Iterator[tuple[str, object]]:
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            if count >= MAX_INSTRUCTIONS:
                raise NotPlain(f"a pickle of over {MAX_INSTRUCTIONS} instructions")
            yield instruction.name, argument
    except NotPlain:
        raise
    except (ValueError, OverflowError, MemoryError, RecursionError):
        raise NotPlain("the pickle is damaged") from None


def _step(machine: _Machine, name: str, argument: object) -> None:
    stack, memo = machine.stack, machine.memo
    if name in _PUSHED:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name == "MARK":
        stack.append(_Mark())
    elif name == "MEMOIZE":
        memo[len(memo)] = machine.top()
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        assert isinstance(argument, int)
        memo[argument] = machine.top()
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        if argument not in memo:
            raise NotPlain("the pickle refers to what it has not kept")
        assert isinstance(argument, int)
        stack.append(memo[argument])
    elif name == "GLOBAL":
        stack.append(_named(*str(argument).rpartition(" ")[::2]))
    elif name == "STACK_GLOBAL":
        last, first = machine.pop(), machine.pop()
        stack.append(_named(str(first), str(last)))
    elif name == "REDUCE":
        arguments, function = machine.pop(), machine.pop()
        stack.append(_called(function, arguments))
    elif name == "BUILD":
        state = machine.pop()
        _build(machine.top(), state)
    elif name not in _IGNORED:
        _collect(machine, name)


def _collect(machine: _Machine, name: str) -> None:
    """The instructions for tuples, lists and dicts."""
    stack = machine.stack
    if name == "EMPTY_TUPLE":
        stack.append(())
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        items = [machine.pop() for _ in range(int(name[-1]))]
        stack.append(tuple(reversed(items)))
    elif name == "TUPLE":
        stack.append(tuple(machine.popped()))
    elif name == "EMPTY_LIST":
        stack.append([])
    elif name == "LIST":
        stack.append(machine.popped())
    elif name in ("APPEND", "APPENDS"):
        items = machine.popped() if name == "APPENDS" else [machine.pop()]
        target = machine.top()
        if not isinstance(target, list):
            raise NotPlain("the pickle appends to what is no list")
        target.extend(items)
    elif name == "EMPTY_DICT":
        stack.append({})
    elif name in ("SETITEM", "SETITEMS"):
        items = machine.popped() if name == "SETITEMS" else [machine.pop(), machine.pop()][::-1]
        target = machine.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise NotPlain("the pickle adds an item to what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value
    else:
        raise NotPlain(f"a pickle with the instruction {name}, which arrays do not need")


def _key(key: object) -> str:
    if isinstance(key, tuple) and all(type(x) is int for x in key) and len(key) <= _SIDES:
        return ",".join(map(str, key))
    if type(key) is not str:
        raise NotPlain("a dict whose keys are neither texts nor sizes")
    return key


def _named(module: str, name: str) -> _Name:
    if (
        (module in _MULTIARRAY and name in ("_reconstruct", "scalar"))
        or (module == "numpy" and name in ("ndarray", "dtype"))
        or (module, name) == ("_codecs", "encode")
    ):
        return _Name(name)
    raise NotPlain(f"a pickle that calls {module[:40]}.{name[:40]}: it could run code")


def _called(function: object, arguments: object) -> object:
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise NotPlain("a pickle that calls what is no function")
    if function.name == "_reconstruct":
        return _Array()
    if function.name == "dtype" and arguments and isinstance(arguments[0], str):
        return _Dtype(arguments[0])
    if function.name == "encode" and arguments and isinstance(arguments[0], str):
        try:
            return arguments[0].encode("latin1")
        except UnicodeEncodeError:
            raise NotPlain("bytes that are none") from None
    if function.name == "scalar" and len(arguments) == 2:
        return _numbers(arguments[0], arguments[1], ()).item()
    raise NotPlain(f"a pickle that calls {function.name} in a way that numpy does not")


def _build(target: object, state: object) -> None:
    """Gives an array or a dtype its state."""
    if isinstance(target, _Dtype) and isinstance(state, tuple) and len(state) >= 2:
        if state[1] in ("<", ">") and target.code[:1] not in "<>":
            target.code = f"{state[1]}{target.code}"
        return
    if not isinstance(target, _Array) or not isinstance(state, tuple) or len(state) != 5:
        raise NotPlain("a state that is none of an array")
    _, shape, dtype, by_columns, content = state
    if isinstance(dtype, _Dtype) and dtype.code.lstrip("|<>") in ("O", "O8", "O4"):
        target.content = _objects(shape, content)
        return
    numbers = _numbers(dtype, content, shape, by_columns)
    target.content = numbers


def _numbers(
    dtype: object, content: object, shape: object, by_columns: object = False
) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or _NUMBERS.fullmatch(dtype.code) is None:
        raise NotPlain(f"an array of {str(getattr(dtype, 'code', dtype))[:40]}, expected numbers")
    sides = _sides(shape)
    kind = np.dtype(dtype.code)
    if not isinstance(content, bytes | bytearray):
        raise NotPlain("an array without its bytes")
    if len(content) != math.prod(sides) * kind.itemsize:
        raise NotPlain(f"an array of shape {sides} in {len(content)} bytes")
    return np.frombuffer(content, dtype=kind).reshape(sides, order="F" if by_columns else "C")


def _objects(shape: object, content: object) -> object:
    """An array of objects: integers as an array, arrays as a list of them.

    numpy lists objects row by row, also those of arrays that it holds by columns.
    """
    sides = _sides(shape)
    if not isinstance(content, list) or len(content) != math.prod(sides):
        raise NotPlain(f"{sides} objects claimed, others are there")
    items = [_finished(item) for item in content]
    if sides == ():
        return items[0]
    if all(type(item) is int for item in items):
        found = np.empty(len(items), dtype=np.object_)
        found[:] = items
        return found.reshape(sides)
    if len(sides) != 1:
        raise NotPlain(f"an array of objects of shape {sides}")
    return items


def _sides(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or len(shape) > _SIDES:
        raise NotPlain("no shape of an array")
    if any(type(side) is not int or not 0 <= side < 2**40 for side in shape):
        raise NotPlain("no shape of an array")
    return shape


def _finished(value: object) -> object:
    """An array's content in its place; two levels down, as a list of arrays needs."""
    if isinstance(value, _Array):
        if value.content is None:
            raise NotPlain("an array without content")
        return value.content
    if isinstance(value, list | tuple):
        return [x.content if isinstance(x, _Array) else x for x in value]
    if isinstance(value, dict):
        return {key: _finished(x) for key, x in value.items() if not isinstance(x, dict)}
    if isinstance(value, _Name | _Dtype | _Mark):
        raise NotPlain("a pickle of no array")
    return value
