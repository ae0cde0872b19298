"""The check of the C subset's expressions: each has a type, an interval, and a bounded depth."""

from __future__ import annotations

from pycparser import c_ast

from evaluators.kernel_c_types import common, constant, is_real, type_of
from evaluators.kernel_c_values import (
    Array,
    Scope,
    Value,
    any_of,
    arithmetic,
    bounds_of,
    converted,
    joined,
    refuse,
    require_convertible,
    require_no_data,
    within,
)

DEEPEST = 60
"""So deep may expressions and blocks be nested."""
_COMPARISONS = ("<", ">", "<=", ">=", "==", "!=")


class Expressions:
    """What an expression may be.

    Attributes:
        moved: Values from the arguments may be moved and compared, and nothing else.
        functions: Defined so far, with their arguments and result.
        costs: Steps of a call of each.
        steps: Of the function that is being checked, so far.
        times: How often what is being checked is done.
    """

    def __init__(self, moved: bool) -> None:
        self.moved = moved
        self.functions: dict[str, tuple[c_ast.FuncDef, list[Value | Array], str]] = {}
        self.costs: dict[str, int] = {}
        self.steps = 0
        self.times = 1
        self.depth = 0

    def expression(self, node: c_ast.Node, scope: Scope) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            refuse(node, f"nested more than {DEEPEST} deep")
        found = self._expression(node, scope)
        self.depth -= 1
        return found

    def _expression(self, node: c_ast.Node, scope: Scope) -> Value:
        match node:
            case c_ast.Constant():
                try:
                    name, number = constant(node)
                except ValueError:
                    refuse(node, f"{node.value[:30]} is no number of the subset")
                return Value(name, number, number) if isinstance(number, int) else Value(name)
            case c_ast.ID():
                owner = scope.owner(node.name)
                if owner is None or node.name not in owner.types:
                    refuse(node, f"{node.name} is no variable")
                held = owner.values[node.name]
                if held is None:
                    refuse(node, f"{node.name} is read before it is set on every way")
                return held
            case c_ast.ArrayRef():
                array = self.element(node, scope)
                return any_of(array.type, array.data)
            case c_ast.TernaryOp():
                self.truth(node.cond, scope)
                one, other = (
                    self.expression(node.iftrue, scope),
                    self.expression(node.iffalse, scope),
                )
                if one.data != other.data or (one.data and one.type != other.type):
                    refuse(node, "a choice between values that are moved and others")
                kind = common(one.type, other.type)
                return joined(converted(one, kind), converted(other, kind))
            case c_ast.Cast():
                kind = type_of(node.to_type.type)
                value = self.expression(node.expr, scope)
                if not kind or kind == "void":
                    refuse(node, "a cast to what is no type of the subset")
                require_convertible(node, value, kind)
                return converted(value, kind)
            case c_ast.UnaryOp(op=("-" | "~" | "+" | "!") as op):
                return self.unary(op, node, scope)
            case c_ast.BinaryOp(op=("&&" | "||")):
                self.truth(node.left, scope)
                self.truth(node.right, scope)
                return Value("int32_t", 0, 1)
            case c_ast.BinaryOp():
                return self.binary(node, scope)
            case c_ast.FuncCall():
                return self.call(node, scope)
        refuse(node, f"{type(node).__name__} {getattr(node, 'op', '')} is outside the subset")

    def truth(self, node: c_ast.Node, scope: Scope) -> None:
        require_no_data(node, self.expression(node, scope))

    def unary(self, op: str, node: c_ast.UnaryOp, scope: Scope) -> Value:
        value = self.expression(node.expr, scope)
        require_no_data(node, value)
        if op == "!":
            return Value("int32_t", 0, 1)
        if is_real(value.type):
            if op == "~":
                refuse(node, "~ of a float")
            return value
        if op == "-":
            return within(value.type, -value.high, -value.low)
        if op == "~":
            return within(value.type, ~value.high, ~value.low)
        return value

    def binary(self, node: c_ast.BinaryOp, scope: Scope) -> Value:
        one, other = self.expression(node.left, scope), self.expression(node.right, scope)
        if node.op in _COMPARISONS:
            if one.data != other.data or (one.data and one.type != other.type):
                refuse(node, "values that are moved may be compared with their like only")
            return Value("int32_t", 0, 1)
        return arithmetic(node.op, one, other, node)

    def call(self, node: c_ast.FuncCall, scope: Scope) -> Value:
        name = getattr(node.name, "name", "")
        if name not in self.functions:
            refuse(node, f"{name} is no function defined above")
        _, shapes, result = self.functions[name]
        given = node.args.exprs if node.args else []
        if len(given) != len(shapes):
            refuse(node, f"{name} takes {len(shapes)} arguments")
        if self.moved:
            refuse(node, "functions cannot take values that are moved; write it out")
        for expression, shape in zip(given, shapes, strict=True):
            require_convertible(expression, self.expression(expression, scope), shape.type)
        self.steps += self.times * self.costs[name]
        return any_of(result) if result != "void" else Value("void")

    def element(self, node: c_ast.ArrayRef, scope: Scope) -> Array:
        if not isinstance(node.name, c_ast.ID):
            refuse(node, "arrays have one index")
        owner: Scope | None = scope
        while owner is not None and node.name.name not in owner.arrays:
            owner = owner.outer
        if owner is None:
            refuse(node, f"{node.name.name} is no array")
        array = owner.arrays[node.name.name]
        index = self.expression(node.subscript, scope)
        require_no_data(node, index)
        if is_real(index.type) or not 0 <= index.low <= index.high < array.elements:
            refuse(
                node,
                f"the index of {node.name.name} may be {bounds_of(index)}, it has {array.elements} "
                "elements",
            )
        return array

    def fixed(self, node: c_ast.Node, scope: Scope) -> int:
        value = self.expression(node, scope)
        if is_real(value.type) or value.low != value.high:
            refuse(node, "expected a constant")
        return value.low
