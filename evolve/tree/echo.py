"""What a small function of numbers says at many arguments at once: worked out here, never run.

Many changes to such a function change nothing it is ever asked for: a bound moves between two
values that do not occur, a guard never holds. An evaluation would tell, at several times the price.
So the arithmetic of the language is followed here over whole columns of arguments, in 64-bit
floats. It is a model: it tells functions apart, and never says what one is worth. Whatever lies
outside of it (endless loops, containers, attributes) gives None, and nothing is concluded.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from evolve import syntax
from evolve.probes import Probe, behaviour_number

Column: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_MOST_STEPS = 400
"""Nodes that are followed, loops and calls unrolled; as many columns are computed."""
_DEEPEST = 3
"""Calls of the program's own functions within each other."""

_BINARY: Mapping[type[ast.operator], Callable[[Column, Column], Column]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Column, Column], Mask]] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_FUNCTIONS: Mapping[str, Callable[[Column], Column]] = {
    "float": np.positive,
    "int": np.trunc,
    "abs": np.abs,
    "round": np.round,
    "math.fabs": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.sqrt": np.sqrt,
    "math.cbrt": np.cbrt,
    "math.exp": np.exp,
    "math.expm1": np.expm1,
    "math.log": np.log,
    "math.log2": np.log2,
    "math.log10": np.log10,
    "math.log1p": np.log1p,
    "math.sin": np.sin,
    "math.cos": np.cos,
    "math.tan": np.tan,
    "math.atan": np.arctan,
    "math.sinh": np.sinh,
    "math.cosh": np.cosh,
    "math.tanh": np.tanh,
}
_KNOWN = {name for name in _FUNCTIONS if "." not in name} | {"min", "max", "range", "bool"}
_CONSTANTS = {"math.pi": math.pi, "math.e": math.e, "math.tau": math.tau, "math.inf": math.inf}


class _Outside(Exception):
    """Something that is not followed here."""


@dataclass(slots=True)
class _Call:
    """A call under way: its names, who of the columns is still in it, and what it has returned."""

    names: dict[str, Column]
    live: Mask
    said: Column
    raised: Mask
    """Where Python would have raised an exception: those columns say nothing."""
    steps: list[int] = field(default_factory=lambda: [0])
    depth: int = 0


class Echo:
    """Foretells the behaviour of programs at a probe.

    That is by the model above: where it and Python differ in the last bit of a float, another
    behaviour may be foretold than the stage will say.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._columns = [np.asarray(column, np.float64) for column in probe.columns]
        self.behaviour = lru_cache(maxsize=64)(self._behaviour)

    def _behaviour(self, text: str) -> int | None:
        """As a number that stands for it; None where it is unknown, or a call would raise."""
        answers = said(text, self._probe.function, self._columns)
        if answers is None or np.isnan(answers).any():
            return None
        told = self._probe.behaviour(answers)
        return None if told is None else behaviour_number(self._probe.stage, told)


def said(text: str, function: str, arguments: Sequence[Column]) -> Column | None:
    """What a function says at columns of arguments; None if that is unknown.

    Args:
        text: The source of the module.
        arguments: A column for each positional parameter, all of one length.

    Returns:
        A column of answers, NaN where Python would raise an exception.
    """
    module = _parsed(text)
    if module is None:
        return None
    length = len(arguments[0])
    call = _Call({}, np.ones(length, bool), np.full(length, np.nan), np.zeros(length, bool))
    try:
        with np.errstate(all="ignore"):
            for name, value in module.constants.items():
                with suppress(_Outside):  # it counts only where it is read
                    call.names[name] = _value(value, call, module)
            answer = _called(module.functions.get(function), arguments, call, module)
    except (_Outside, RecursionError):
        return None
    return np.where(call.raised, np.nan, answer + 0.0)  # -0.0 is 0.0


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


def _called(
    function: ast.FunctionDef | None, arguments: Sequence[Column], caller: _Call, module: _Module
) -> Column:
    if function is None or caller.depth > _DEEPEST:
        raise _Outside
    given = function.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.defaults:
        raise _Outside
    parameters = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    if len(parameters) != len(arguments):
        raise _Outside
    call = _Call(
        {name: caller.names[name] for name in module.constants if name in caller.names}
        | dict(zip(parameters, arguments, strict=True)),
        caller.live.copy(),
        np.full(len(caller.live), np.nan),
        caller.raised,
        caller.steps,
        caller.depth + 1,
    )
    _follow(function.body, call, module)
    if (call.live & ~call.raised).any():
        raise _Outside  # it may return None
    return call.said


def _follow(body: Sequence[ast.stmt], call: _Call, module: _Module) -> None:
    """Does statements for the columns that are live in the call."""
    for statement in body:
        _count(call)
        match statement:
            case ast.Return(value=ast.expr() as value):
                answer = _value(value, call, module)
                call.said = np.where(call.live, answer, call.said)
                call.live = np.zeros_like(call.live)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                _assign(name, _value(value, call, module), call)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                _assign(name, _value(value, call, module), call)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                right = _value(value, call, module)
                _assign(name, _binary(op, _name(name, call), right, call), call)
            case ast.If(test=test, body=then, orelse=otherwise):
                holds = _holds(_value(test, call, module))
                _branches(then, otherwise, holds, call, module)
            case ast.For(target=ast.Name(id=name), iter=iterable, body=inner, orelse=[]):
                for number in _numbers(iterable):
                    _assign(name, np.full(len(call.live), float(number)), call)
                    _follow(inner, call, module)
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case _:
                raise _Outside


def _branches(
    then: Sequence[ast.stmt],
    otherwise: Sequence[ast.stmt],
    holds: Mask,
    call: _Call,
    module: _Module,
) -> None:
    before = call.live
    left = np.zeros_like(before)
    for body, mask in ((then, holds), (otherwise, ~holds)):
        call.live = before & mask
        if body and call.live.any():
            _follow(body, call, module)
        left |= call.live
    call.live = left


def _assign(name: str, value: Column, call: _Call) -> None:
    before = call.names.get(name)
    if before is None and not call.live.all():
        before = np.full(len(call.live), np.nan)
    call.names[name] = value if before is None else np.where(call.live, value, before)


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


def _holds(value: Column) -> Mask:
    return np.not_equal(value, 0.0)  # NaN is true, as in Python


def _count(call: _Call) -> None:
    call.steps[0] += 1
    if call.steps[0] > _MOST_STEPS:
        raise _Outside


def _value(node: ast.expr, call: _Call, module: _Module) -> Column:
    """An expression for all columns; what it says where the call is not live means nothing."""
    _count(call)
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            try:
                return np.full(len(call.live), float(value))
            except OverflowError:
                raise _Outside from None
        case ast.Name(id=name):
            return _name(name, call)
        case ast.Attribute(value=ast.Name(id="math"), attr=name) if f"math.{name}" in _CONSTANTS:
            return np.full(len(call.live), _CONSTANTS[f"math.{name}"])
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _value(left, call, module), _value(right, call, module)
            return _binary(op, one, other, call)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, call, module)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, call, module)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return (~_holds(_value(operand, call, module))).astype(np.float64)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _comparison(left, ops, comparators, call, module)
        case ast.BoolOp(op=op, values=values):
            return _junction(isinstance(op, ast.And), values, call, module)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            holds = _holds(_value(test, call, module))
            one = _within(holds, body, call, module)
            return np.where(holds, one, _within(~holds, orelse, call, module))
        case ast.Call(func=func, args=[*args], keywords=[]):
            return _application(func, args, call, module)
    raise _Outside


def _within(mask: Mask, node: ast.expr, call: _Call, module: _Module) -> Column:
    """An expression that only some of the live columns come to."""
    before = call.live
    call.live = before & mask
    try:
        return _value(node, call, module)
    finally:
        call.live = before


def _raise_where(wrong: Mask, call: _Call) -> None:
    """Those columns end here."""
    hit = wrong & call.live
    if hit.any():
        call.raised |= hit


def _binary(op: ast.operator, left: Column, right: Column, call: _Call) -> Column:
    work = _BINARY.get(type(op))
    if work is None:
        raise _Outside
    answer = work(left, right)
    if isinstance(op, ast.Div | ast.FloorDiv | ast.Mod):
        _raise_where(right == 0, call)
    elif isinstance(op, ast.Pow):
        beyond = np.isfinite(left) & np.isfinite(right) & ~np.isfinite(answer) & call.live
        if (beyond & (left == np.trunc(left)) & (right == np.trunc(right)) & (left != 0)).any():
            raise _Outside  # whole numbers have no limit
        _raise_where(beyond, call)
    return answer


def _comparison(
    left: ast.expr,
    ops: Sequence[ast.cmpop],
    comparators: Sequence[ast.expr],
    call: _Call,
    module: _Module,
) -> Column:
    one = _value(left, call, module)
    holds = np.ones(len(call.live), bool)
    for op, comparator in zip(ops, comparators, strict=True):
        compare = _COMPARISONS.get(type(op))
        if compare is None:
            raise _Outside
        other = _within(holds, comparator, call, module)
        holds = holds & compare(one, other)
        one = other
    return holds.astype(np.float64)


def _junction(every: bool, values: Sequence[ast.expr], call: _Call, module: _Module) -> Column:
    answer = _value(values[0], call, module)
    for node in values[1:]:
        goes_on = _holds(answer) if every else ~_holds(answer)
        answer = np.where(goes_on, _within(goes_on, node, call, module), answer)
    return answer


def _application(func: ast.expr, args: Sequence[ast.expr], call: _Call, module: _Module) -> Column:
    match func:
        case ast.Name(id=name):
            pass
        case ast.Attribute(value=ast.Name(id="math"), attr=attribute):
            name = f"math.{attribute}"
        case _:
            raise _Outside
    if name in call.names:
        raise _Outside
    given = [_value(arg, call, module) for arg in args]
    if name in module.functions:
        return _called(module.functions[name], given, call, module)
    if name in ("min", "max") and len(given) > 1:
        return _extreme(given, smallest=name == "min")
    if name == "bool" and len(given) == 1:
        return _holds(given[0]).astype(np.float64)
    if name in ("math.hypot", "math.atan2", "math.pow") and len(given) == 2:
        if name == "math.pow":
            return _binary(ast.Pow(), given[0], given[1], call)
        return (np.hypot if name == "math.hypot" else np.arctan2)(*given)
    work = _FUNCTIONS.get(name)
    if work is None or len(given) != 1:
        raise _Outside
    answer = work(given[0])
    if name not in ("float", "abs", "math.fabs"):
        # a domain error or an overflow; int and floor of what is no number too
        whole = name in ("int", "round", "math.floor", "math.ceil", "math.trunc")
        _raise_where(~np.isfinite(answer) & (whole | np.isfinite(given[0])), call)
    return answer


def _extreme(given: Sequence[Column], *, smallest: bool) -> Column:
    """As Python's `min` and `max`: the first one unless a later one is truly beyond it."""
    answer = given[0]
    for other in given[1:]:
        answer = np.where(other < answer if smallest else other > answer, other, answer)
    return answer
