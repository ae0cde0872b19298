"""What a small function of numbers says at many arguments at once: worked out here, never run.

Many changes to such a function change nothing it is ever asked for: a bound moves between two
values that do not occur, a guard never holds. An evaluation would tell, at several times the price.
So the arithmetic of the language is followed here over whole columns of arguments, in 64-bit
floats. It is a model: it tells functions apart, and never says what one is worth. Whatever lies
outside of it (endless loops, containers, attributes) gives None, and nothing is concluded.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evolve import syntax
from evolve.probes import Probe
from evolve.tree.columns import (
    BINARY,
    COMPARISONS,
    CONSTANTS,
    FUNCTIONS,
    Column,
    Columns,
    Mask,
    any_of,
    powers_beyond,
    refused,
)

_MOST_STEPS = 400
"""Nodes that are followed, loops and calls unrolled; as many columns are computed."""
_DEEPEST = 3
"""Calls of the program's own functions within each other."""
_MOST_TOLD = 4096
"""Texts whose behaviour is remembered: parents come again and again."""

_KNOWN = {name for name in FUNCTIONS if "." not in name} | {"min", "max", "range", "bool"}


class _Outside(Exception):
    """Something that is not followed here."""


@dataclass(slots=True)
class _Run:
    """What the calls of one run share."""

    module: _Module
    columns: Columns
    raised: Mask
    """Where Python would have raised an exception: those columns say nothing."""
    constants: dict[str, Column] = field(default_factory=dict)
    steps: int = 0


@dataclass(slots=True)
class _Call:
    """A call under way: its names, who of the columns is still in it, and what it has returned."""

    run: _Run
    names: dict[str, Column]
    live: Mask
    said: Column
    depth: int = 0

    @property
    def of(self) -> Callable[..., Any]:
        return self.run.columns.of


class Echo:
    """Foretells the behaviour of programs at a probe, and about how good they are.

    That is by the model above: where it and Python differ in the last bit of a float, another
    behaviour may be foretold than the stage will say. Both raise `ProbeError`.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._columns = Columns([np.asarray(column, np.float64) for column in probe.columns])
        self._told = lru_cache(maxsize=64)(self._tell)
        self._answers = lru_cache(maxsize=8)(self._said)
        self.behaviour = lru_cache(maxsize=_MOST_TOLD)(self._behaviour)
        self.weighs = probe.worth is not None

    def _said(self, text: str) -> NDArray[np.float64] | None:
        return _said(text, self._probe.function, self._columns)

    def _behaviour(self, text: str) -> int | None:
        """As a number that stands for it; None where it is unknown, or a call would raise."""
        answers = self._answers(text)
        return None if answers is None else self._told(answers.tobytes())

    def worth(self, text: str, number: int) -> float | None:
        """About how good a program is, as the probe weighs it; None where that is unknown."""
        answers = self._answers(text)
        if answers is None or np.isnan(answers).any():
            return None
        return self._probe.weighed(answers, number)

    def _tell(self, content: bytes) -> int | None:
        answers = np.frombuffer(content, np.float64)
        if np.isnan(answers).any():
            return None
        return self._probe.told(answers)


def said(
    text: str, function: str, arguments: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """What a function says at columns of arguments; None if that is unknown.

    Args:
        text: The source of the module.
        arguments: A column for each positional parameter, all of one length.

    Returns:
        A column of answers, NaN where Python would raise an exception.
    """
    return _said(text, function, Columns(arguments))


def _said(text: str, function: str, columns: Columns) -> NDArray[np.float64] | None:
    module = _parsed(text)
    if module is None:
        return None
    run = _Run(module, columns, columns.nowhere)
    outside = _Call(run, run.constants, columns.everywhere, columns.unknown)
    try:
        with np.errstate(all="ignore"):
            for name, value in module.constants.items():
                with suppress(_Outside):  # it counts only where it is read
                    run.constants[name] = _value(value, outside)
            answer = _called(module.functions.get(function), columns.arguments, outside)
    except (_Outside, RecursionError):
        return None
    return np.where(run.raised, np.nan, answer + 0.0)  # -0.0 is 0.0


@dataclass(frozen=True, slots=True)
class _Module:
    functions: Mapping[str, ast.FunctionDef]
    constants: Mapping[str, ast.expr]


@lru_cache(maxsize=64)
def _parsed(text: str) -> _Module | None:
    """Functions and constants of a module that holds nothing else; None of any other."""
    tree = syntax.parse(text)
    if tree is None:
        return None
    functions, constants = dict[str, ast.FunctionDef](), dict[str, ast.expr]()
    imported = set[str]()
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name, decorator_list=[]) if name not in functions:
                functions[name] = statement
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name not in constants:
                constants[name] = value
            case ast.Import(names=names) if all(a.name == (a.asname or a.name) for a in names):
                imported |= {alias.name for alias in names}
            case ast.ImportFrom(module="__future__"):
                continue
            case ast.Expr(value=ast.Constant()):
                continue
            case _:
                return None
    named = (functions.keys(), constants.keys(), imported, _KNOWN)
    if sum(map(len, named)) > len(set().union(*named)):
        return None  # one hides another
    return _Module(functions, constants)


def _called(function: ast.FunctionDef | None, arguments: Sequence[Column], caller: _Call) -> Column:
    if function is None or caller.depth > _DEEPEST:
        raise _Outside
    given = function.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.defaults:
        raise _Outside
    parameters = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    if len(parameters) != len(arguments):
        raise _Outside
    run = caller.run
    names = {**run.constants, **dict(zip(parameters, arguments, strict=True))}
    call = _Call(run, names, caller.live, run.columns.unknown, caller.depth + 1)
    _follow(function.body, call)
    if (call.live & ~run.raised).any():
        raise _Outside  # it may return None
    return call.said


def _follow(body: Sequence[ast.stmt], call: _Call) -> None:
    """Does statements for the columns that are live in the call."""
    for statement in body:
        _count(call)
        match statement:
            case ast.Return(value=ast.expr() as value):
                call.said = call.of(np.where, call.live, _value(value, call), call.said)
                call.live = call.run.columns.nowhere
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                _assign(name, _value(value, call), call)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                _assign(name, _value(value, call), call)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                right = _value(value, call)
                _assign(name, _binary(op, _name(name, call), right, call), call)
            case ast.If(test=test, body=then, orelse=otherwise):
                _branches(then, otherwise, _test(test, call), call)
            case ast.For(target=ast.Name(id=name), iter=iterable, body=inner, orelse=[]):
                for number in _numbers(iterable):
                    _assign(name, call.run.columns.number(float(number)), call)
                    _follow(inner, call)
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case _:
                raise _Outside


def _branches(
    then: Sequence[ast.stmt], otherwise: Sequence[ast.stmt], holds: Mask, call: _Call
) -> None:
    before = call.live
    left = call.run.columns.nowhere
    for body, mask in ((then, holds), (otherwise, call.of(np.logical_not, holds))):
        call.live = before
        call.live = _narrowed(call, mask)
        if body and call.of(any_of, call.live):
            _follow(body, call)
        left = call.of(np.logical_or, left, call.live)
    call.live = left


def _assign(name: str, value: Column, call: _Call) -> None:
    before = call.names.get(name)
    if before is None and not call.of(np.all, call.live):
        before = call.run.columns.unknown
    call.names[name] = value if before is None else call.of(np.where, call.live, value, before)


def _numbers(iterable: ast.expr) -> range:
    match iterable:
        case ast.Call(func=ast.Name(id="range"), args=[*ends], keywords=[]) if 1 <= len(ends) <= 3:
            given = [_whole(end) for end in ends]
            if len(given) < 3 or given[2] != 0:
                return range(*given)
    raise _Outside


def _whole(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int() as value) if abs(value) <= _MOST_STEPS:
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_whole(operand)
    raise _Outside


def _name(name: str, call: _Call) -> Column:
    try:
        return call.names[name]
    except KeyError:
        raise _Outside from None


def _holds(value: Column, call: _Call) -> Mask:
    mask: Mask = call.of(np.not_equal, value, call.run.columns.number(0.0))
    return mask  # NaN is true, as in Python


def _count(call: _Call) -> None:
    call.run.steps += 1
    if call.run.steps > _MOST_STEPS:
        raise _Outside


def _value(node: ast.expr, call: _Call) -> Column:
    """An expression for all columns; what it says where the call is not live means nothing."""
    _count(call)
    of = call.of
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            try:
                return call.run.columns.number(float(value))
            except OverflowError:
                raise _Outside from None
        case ast.Name(id=name):
            return _name(name, call)
        case ast.Attribute(value=ast.Name(id="math"), attr=name) if f"math.{name}" in CONSTANTS:
            return call.run.columns.number(CONSTANTS[f"math.{name}"])
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _value(left, call), _value(right, call)
            return _binary(op, one, other, call)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            negative: Column = of(np.negative, _value(operand, call))
            return negative
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, call)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _number(of(np.logical_not, _test(operand, call)), call)
        case ast.Compare():
            return _number(_comparison(node, call), call)
        case ast.BoolOp(op=op, values=values):
            return _junction(isinstance(op, ast.And), values, call)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            holds = _test(test, call)
            one = _within(holds, body, call)
            other = _within(of(np.logical_not, holds), orelse, call)
            chosen: Column = of(np.where, holds, one, other)
            return chosen
        case ast.Call(func=func, args=[*args], keywords=[]):
            return _application(func, args, call)
    raise _Outside


def _number(mask: Mask, call: _Call) -> Column:
    numbers: Column = call.of(np.float64, mask)
    return numbers


def _test(node: ast.expr, call: _Call) -> Mask:
    """Where an expression is true, without the numbers that it would be."""
    match node:
        case ast.Compare():
            _count(call)
            return _comparison(node, call)
        case ast.BoolOp(op=op, values=values):
            _count(call)
            holds = _test(values[0], call)
            for value in values[1:]:
                if isinstance(op, ast.And):
                    holds = call.of(np.logical_and, holds, _within(holds, value, call, _test))
                else:
                    others = call.of(np.logical_not, holds)
                    holds = call.of(np.logical_or, holds, _within(others, value, call, _test))
            return holds
    return _holds(_value(node, call), call)


def _within(
    mask: Mask, node: ast.expr, call: _Call, read: Callable[[ast.expr, _Call], Any] = _value
) -> Any:
    """An expression that only some of the live columns come to."""
    before = call.live
    call.live = _narrowed(call, mask)
    try:
        return read(node, call)
    finally:
        call.live = before


def _narrowed(call: _Call, mask: Mask) -> Mask:
    """Those of the live columns for which it holds."""
    if call.live is call.run.columns.everywhere:
        return mask
    narrowed: Mask = call.of(np.logical_and, call.live, mask)
    return narrowed


def _raise_where(wrong: Mask, call: _Call) -> None:
    """Those columns end here."""
    hit = _narrowed(call, wrong)
    if call.of(any_of, hit):
        call.run.raised = call.of(np.logical_or, call.run.raised, hit)


def _binary(op: ast.operator, left: Column, right: Column, call: _Call) -> Column:
    work = BINARY.get(type(op))
    if work is None:
        raise _Outside
    answer: Column = call.of(work, left, right)
    if isinstance(op, ast.Div | ast.FloorDiv | ast.Mod):
        _raise_where(call.of(np.equal, right, call.run.columns.number(0.0)), call)
    elif isinstance(op, ast.Pow):
        beyond, whole = call.of(powers_beyond, left, right, answer)
        if call.of(any_of, _narrowed(call, whole)):
            raise _Outside  # whole numbers have no limit
        _raise_where(beyond, call)
    return answer


def _comparison(node: ast.Compare, call: _Call) -> Mask:
    one = _value(node.left, call)
    holds: Mask | None = None
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        compare = COMPARISONS.get(type(op))
        if compare is None:
            raise _Outside
        other = _value(comparator, call) if holds is None else _within(holds, comparator, call)
        held = call.of(compare, one, other)
        holds = held if holds is None else call.of(np.logical_and, holds, held)
        one = other
    assert holds is not None
    return holds


def _junction(every: bool, values: Sequence[ast.expr], call: _Call) -> Column:
    answer = _value(values[0], call)
    for node in values[1:]:
        holds = _holds(answer, call)
        goes_on = holds if every else call.of(np.logical_not, holds)
        answer = call.of(np.where, goes_on, _within(goes_on, node, call), answer)
    return answer


def _application(func: ast.expr, args: Sequence[ast.expr], call: _Call) -> Column:
    match func:
        case ast.Name(id=name):
            pass
        case ast.Attribute(value=ast.Name(id="math"), attr=attribute):
            name = f"math.{attribute}"
        case _:
            raise _Outside
    if name in call.names:
        raise _Outside
    given = [_value(arg, call) for arg in args]
    if name in call.run.module.functions:
        return _called(call.run.module.functions[name], given, call)
    if name in ("min", "max") and len(given) > 1:
        return _extreme(given, call, np.less if name == "min" else np.greater)
    if name == "bool" and len(given) == 1:
        return _number(_holds(given[0], call), call)
    if name in ("math.hypot", "math.atan2", "math.pow") and len(given) == 2:
        if name == "math.pow":
            return _binary(ast.Pow(), given[0], given[1], call)
        joined: Column = call.of(np.hypot if name == "math.hypot" else np.arctan2, *given)
        return joined
    work = FUNCTIONS.get(name)
    if work is None or len(given) != 1:
        raise _Outside
    answer: Column = call.of(work, given[0])
    if name not in ("float", "abs", "math.fabs"):
        # a domain error or an overflow; int and floor of what is no number too
        whole = name in ("int", "round", "math.floor", "math.ceil", "math.trunc")
        _raise_where(call.of(refused, given[0], answer, whole), call)
    return answer


def _extreme(
    given: Sequence[Column], call: _Call, beyond: Callable[[Column, Column], Mask]
) -> Column:
    """As Python's `min` and `max`: the first one unless a later one is truly beyond it."""
    answer = given[0]
    for other in given[1:]:
        answer = call.of(np.where, call.of(beyond, other, answer), other, answer)
    return answer
