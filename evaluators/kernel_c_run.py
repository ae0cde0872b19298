"""Runs checked C on many inputs at once, exactly as C defines it where integers wrap.

Every number is an array over lanes (or of one element, where all lanes agree), so that a program is
walked once for all inputs. A branch on which lanes differ is walked both ways under a mask.

`verify_sorting` runs a kernel that only moves and compares on one input of each weak order, which
is a proof that it sorts every input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycparser import c_ast

from evaluators.kernel_c import parse
from evaluators.kernel_c_types import (
    Kernel,
    Parameter,
    Signature,
    common,
    constant,
    is_real,
    loop_parts,
    loop_range,
    type_of,
)
from evaluators.results import Invalid, Valid
from evaluators.weak_orders import sorted_orders, weak_orders

Lanes = NDArray[Any]
_DTYPES: dict[str, np.dtype[Any]] = {
    "int32_t": np.dtype(np.int32), "uint32_t": np.dtype(np.uint32),
    "int64_t": np.dtype(np.int64), "uint64_t": np.dtype(np.uint64),
    "float": np.dtype(np.float32), "double": np.dtype(np.float64),
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Lanes, Lanes], Lanes]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "&": np.bitwise_and, "|": np.bitwise_or,
    "^": np.bitwise_xor, "<<": np.left_shift, ">>": np.right_shift,
}  # fmt: skip
_COMPARISON: dict[str, Callable[[Lanes, Lanes], Lanes]] = {
    "<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
_STEPS = 200_000


def sorting(n: int) -> Signature:
    """`void kernel(int32_t *values)`: sorts n values in place."""
    return Signature((Parameter("int32_t", n, output=True),))


def verify_sorting(source: object, n: int) -> Valid | Invalid:
    """Checks that a kernel sorts n values, 1 to 8, whatever they are; its value is n.

    Metric `operations`: comparisons, choices, loads and stores along the way.
    """
    kernel = parse(source, sorting(n), moved=True)
    if isinstance(kernel, Invalid):
        return kernel
    inputs = weak_orders(n)
    try:
        machine = _Machine(kernel)
        _, (made,) = machine.run([[row.copy() for row in inputs]])
    except _TooLong as error:
        return Invalid(str(error))
    wrong = np.zeros(inputs.shape[1], dtype=bool)
    for row, expected in zip(made, sorted_orders(n), strict=True):
        wrong |= row != expected
    if wrong.any():
        at = int(wrong.argmax())
        before = [int(v) for v in inputs[:, at]]
        after = [int(row[at if len(row) > 1 else 0]) for row in made]
        return Invalid(f"it takes {before} to {after}, which is not sorted")
    return Valid(n, {"operations": machine.steps}, facts={"values": str(n)})


def run(
    kernel: Kernel, arguments: Sequence[Lanes | Sequence[Lanes]]
) -> tuple[Lanes, list[list[Lanes]]]:
    """Calls a checked kernel on many inputs: its result, and its array arguments afterwards.

    Args:
        arguments: A scalar is one array over lanes; an array is a list of them, one an element.

    Raises:
        ValueError: it takes too many steps to be walked.
    """
    try:
        return _Machine(kernel).run(arguments)
    except _TooLong as error:
        raise ValueError(str(error)) from None


class _TooLong(Exception):
    pass


@dataclass(slots=True)
class _Frame:
    values: dict[str, Lanes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, list[Lanes]] = field(default_factory=dict)
    array_types: dict[str, str] = field(default_factory=dict)
    outer: _Frame | None = None


class _Machine:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.steps = 0
        self.mask: NDArray[np.bool_] | None = None
        self.functions: dict[str, c_ast.FuncDef] = {}
        self.tables = _Frame()
        for item in kernel.tree.ext:
            if isinstance(item, c_ast.FuncDef):
                self.functions[item.decl.name] = item
            else:
                self.array(item, self.tables)

    def run(self, arguments: Sequence[Lanes | Sequence[Lanes]]) -> tuple[Lanes, list[list[Lanes]]]:
        frame = _Frame(outer=self.tables)
        definition = self.functions["kernel"]
        held: list[list[Lanes]] = []
        given = definition.decl.type.args.params if arguments else []
        for node, expected, value in zip(
            given, self.kernel.signature.parameters, arguments, strict=True
        ):
            if expected.elements:
                frame.arrays[node.name] = list(value)
                frame.array_types[node.name] = expected.type
                held.append(frame.arrays[node.name])
            else:
                frame.values[node.name] = np.asarray(value, dtype=_DTYPES[expected.type])
                frame.types[node.name] = expected.type
        with np.errstate(all="ignore"):
            result = self.body(definition.body.block_items or [], frame)
        if result is None:
            result = np.zeros(1, dtype=np.int32)
        elif self.kernel.signature.result != "void":
            result = result.astype(_DTYPES[self.kernel.signature.result], copy=False)
        return result, held

    # statements

    def body(self, items: Sequence[c_ast.Node], frame: _Frame) -> Lanes | None:
        for item in items:
            self.steps += 1
            if self.steps > _STEPS:
                raise _TooLong(f"it takes more than {_STEPS} steps")
            if isinstance(item, c_ast.Return):
                return None if item.expr is None else self.value(item.expr, frame)[0]
            self.statement(item, frame)
        return None

    def statement(self, node: c_ast.Node, frame: _Frame) -> None:
        match node:
            case c_ast.Decl():
                self.declare(node, frame)
            case c_ast.DeclList():
                for part in node.decls:
                    self.declare(part, frame)
            case c_ast.Assignment():
                value, kind = self.value(node.rvalue, frame)
                if node.op != "=":
                    before, other = self.value(node.lvalue, frame)
                    value, kind = self.arithmetic(node.op[:-1], before, other, value, kind)
                self.store(node.lvalue, value, frame)
            case c_ast.UnaryOp():
                before, kind = self.value(node.expr, frame)
                op = "+" if "++" in node.op else "-"
                one = np.ones(1, dtype=np.int32)
                value, _ = self.arithmetic(op, before, kind, one, "int32_t")
                self.store(node.expr, value, frame)
            case c_ast.If():
                self.branch(node, frame)
            case c_ast.For():
                self.loop(node, frame)
            case c_ast.Compound():
                self.body(node.block_items or [], _Frame(outer=frame))
            case c_ast.FuncCall():
                self.value(node, frame)
            case _:
                pass  # an empty statement

    def declare(self, node: c_ast.Decl, frame: _Frame) -> None:
        if isinstance(node.type, c_ast.ArrayDecl):
            self.array(node, frame)
            return
        kind = type_of(node.type)
        frame.types[node.name] = kind
        if node.init is not None:
            frame.values[node.name] = self.cast(*self.value(node.init, frame), kind)
        else:
            # a checked program sets it before it is read
            frame.values[node.name] = np.zeros(1, dtype=_DTYPES[kind])

    def array(self, node: c_ast.Decl, frame: _Frame) -> None:
        kind = type_of(node.type.type)
        elements = int(self.value(node.type.dim, frame)[0][0])
        made = [self.cast(*self.value(expression, frame), kind) for expression in node.init.exprs]
        made += [np.zeros(1, dtype=_DTYPES[kind]) for _ in range(elements - len(made))]
        frame.arrays[node.name] = made
        frame.array_types[node.name] = kind

    def branch(self, node: c_ast.If, frame: _Frame) -> None:
        holds = self.truth(node.cond, frame)
        before = self.mask
        for side, lanes in ((node.iftrue, holds), (node.iffalse, ~holds)):
            if side is None:
                continue
            mask = lanes if before is None else before & lanes
            if not mask.any():
                continue
            self.mask = None if mask.all() else mask
            items = side.block_items or [] if isinstance(side, c_ast.Compound) else [side]
            self.body(items, _Frame(outer=frame))
            self.mask = before

    def loop(self, node: c_ast.For, frame: _Frame) -> None:
        parts = loop_parts(node)
        assert parts is not None
        name, start, op, bound, step = parts
        first, last = (int(self.value(part, frame)[0][0]) for part in (start, bound))
        values = loop_range(first, op, last, step)
        assert values is not None
        body = node.stmt
        items = body.block_items or [] if isinstance(body, c_ast.Compound) else [body]
        for value in values:
            inner = _Frame(outer=frame)
            inner.types[name] = "int32_t"
            inner.values[name] = np.full(1, value, dtype=np.int32)
            self.body(items, inner)

    def store(self, target: c_ast.Node, value: Lanes, frame: _Frame) -> None:
        if isinstance(target, c_ast.ID):
            owner = self.owner(target.name, frame)
            kind = owner.types[target.name]
            owner.values[target.name] = self.merged(owner.values[target.name], value, kind)
            return
        assert isinstance(target, c_ast.ArrayRef)
        cells, kind = self.cells(target, frame)
        index = self.value(target.subscript, frame)[0].astype(np.int64)
        if len(index) == 1:
            at = int(index[0])
            cells[at] = self.merged(cells[at], value, kind)
            return
        outside = self.mask
        for at in range(int(index.min()), int(index.max()) + 1):
            here = index == at
            self.mask = here if outside is None else outside & here
            cells[at] = self.merged(cells[at], value, kind)
        self.mask = outside

    def merged(self, before: Lanes, value: Lanes, kind: str) -> Lanes:
        # ranks stand for values of another type: they are moved as they are
        value = value if value.dtype == np.int8 else value.astype(_DTYPES[kind], copy=False)
        if self.mask is None:
            return value
        return np.where(self.mask, value, before).astype(value.dtype, copy=False)

    # expressions

    def value(self, node: c_ast.Node, frame: _Frame) -> tuple[Lanes, str]:
        self.steps += 1
        match node:
            case c_ast.Constant():
                kind, number = constant(node)
                return np.full(1, number, dtype=_DTYPES[kind]), kind
            case c_ast.ID():
                owner = self.owner(node.name, frame)
                return owner.values[node.name], owner.types[node.name]
            case c_ast.ArrayRef():
                cells, kind = self.cells(node, frame)
                index = self.value(node.subscript, frame)[0].astype(np.int64)
                if len(index) == 1:
                    return cells[int(index[0])], kind
                made = np.broadcast_to(cells[int(index.min())], index.shape)
                for at in range(int(index.min()) + 1, int(index.max()) + 1):
                    made = np.where(index == at, cells[at], made)
                return made, kind
            case c_ast.TernaryOp():
                holds = self.truth(node.cond, frame)
                one, kind = self.value(node.iftrue, frame)
                other, second = self.value(node.iffalse, frame)
                kind = common(kind, second)
                return np.where(holds, self.cast(one, "", kind), self.cast(other, "", kind)), kind
            case c_ast.Cast():
                kind = type_of(node.to_type.type)
                return self.cast(*self.value(node.expr, frame), kind), kind
            case c_ast.UnaryOp():
                return self.unary(node, frame)
            case c_ast.BinaryOp(op=("&&" | "||") as op):
                one, other = self.truth(node.left, frame), self.truth(node.right, frame)
                both = one & other if op == "&&" else one | other
                return both.astype(np.int32), "int32_t"
            case c_ast.BinaryOp():
                one, kind = self.value(node.left, frame)
                other, second = self.value(node.right, frame)
                if node.op in _COMPARISON:
                    shared = common(kind, second)
                    one, other = self.cast(one, kind, shared), self.cast(other, second, shared)
                    return _COMPARISON[node.op](one, other).astype(np.int32), "int32_t"
                return self.arithmetic(node.op, one, kind, other, second)
            case c_ast.FuncCall():
                return self.call(node, frame)
        raise TypeError(type(node).__name__)

    def truth(self, node: c_ast.Node, frame: _Frame) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.value(node, frame)[0] != 0
        return found

    def unary(self, node: c_ast.UnaryOp, frame: _Frame) -> tuple[Lanes, str]:
        value, kind = self.value(node.expr, frame)
        match node.op:
            case "!":
                return (value == 0).astype(np.int32), "int32_t"
            case "-":
                return np.negative(value), kind
            case "~":
                return np.invert(value), kind
        return value, kind

    def arithmetic(
        self, op: str, one: Lanes, kind: str, other: Lanes, second: str
    ) -> tuple[Lanes, str]:
        if op in ("<<", ">>"):
            return _ARITHMETIC[op](one, other.astype(one.dtype)), kind
        shared = common(kind, second)
        one, other = self.cast(one, kind, shared), self.cast(other, second, shared)
        if op in ("/", "%"):
            if is_real(shared):
                return np.divide(one, other), shared
            # checked to be at least 1 where it is read; elsewhere it is not looked at
            other = np.maximum(other, 1)
            remainder = np.fmod(one, other)
            return (remainder if op == "%" else (one - remainder) // other), shared
        return _ARITHMETIC[op](one, other), shared

    def call(self, node: c_ast.FuncCall, frame: _Frame) -> tuple[Lanes, str]:
        item = self.functions[node.name.name]
        inner = _Frame(outer=self.tables)
        given = node.args.exprs if node.args else []
        names = item.decl.type.args.params if given else []
        for parameter, expression in zip(names, given, strict=True):
            kind = type_of(parameter.type)
            inner.types[parameter.name] = kind
            inner.values[parameter.name] = self.cast(*self.value(expression, frame), kind)
        result = self.body(item.body.block_items or [], inner)
        kind = type_of(item.decl.type.type)
        if result is None:
            return np.zeros(1, dtype=np.int32), "int32_t"
        return self.cast(result, "", kind), kind

    def cast(self, value: Lanes, before: str, kind: str) -> Lanes:
        return value if value.dtype == np.int8 else value.astype(_DTYPES[kind], copy=False)

    def cells(self, node: c_ast.ArrayRef, frame: _Frame) -> tuple[list[Lanes], str]:
        found: _Frame | None = frame
        while found is not None and node.name.name not in found.arrays:
            found = found.outer
        assert found is not None
        return found.arrays[node.name.name], found.array_types[node.name.name]

    def owner(self, name: str, frame: _Frame) -> _Frame:
        found: _Frame | None = frame
        while found is not None and name not in found.types:
            found = found.outer
        assert found is not None
        return found
