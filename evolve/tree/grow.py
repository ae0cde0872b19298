"""Random expressions over what is known at one place, typed and mostly safe to run."""

from __future__ import annotations

import ast
import builtins
import random
from collections.abc import Iterable, Sequence

from evolve.tree import arrays, build, containers
from evolve.tree.kinds import ARRAYS, Kind, Primitive, primitive
from evolve.tree.places import Scope

_ALWAYS = ("abs", "min", "max")
_TRIES = 8
_TAKEN = 0.25
"""Share of the numbers in new expressions that are taken from what holds or has some."""


class Grower:
    """Draws expressions.

    Args:
        constants: Values seen in programs, near which new ones are drawn.
        indices: Names that stand in indices.
        letters: Texts of one character that are counted in others.
    """

    def __init__(
        self,
        rng: random.Random,
        primitives: Sequence[str],
        constants: Sequence[float],
        indices: Iterable[str] = (),
        letters: Iterable[str] = (),
    ) -> None:
        self.rng = rng
        self.primitives = tuple(dict.fromkeys((*_ALWAYS, *primitives)))
        self.constants = constants
        self.indices = sorted(indices)
        self.letters = sorted(letters)

    def callable_at(self, scope: Scope, arity: int) -> list[Primitive]:
        """Functions of so many numbers, whichever, that may be called there."""
        known = [
            primitive(name) for name in self.primitives if _is_defined(name.split(".")[0], scope)
        ]
        return [item for item in (*known, *scope.helpers) if item.arity == arity and not item.takes]

    def of_kind(self, kind: Kind, scope: Scope, depth: int) -> ast.expr | None:
        if kind is Kind.NUMBER:
            return self.number(scope, depth)
        if kind in ARRAYS:
            return arrays.array(self, kind, scope, depth)
        if kind is Kind.MASK:
            return arrays.mask(self, arrays.some_kind(self, scope), scope, depth)
        return self.boolean(scope, depth) if kind is Kind.BOOLEAN else None

    def constant(self) -> ast.expr:
        """A literal of some value."""
        return build.number(self.value())

    def value(self) -> float:
        """A value: small, of a random scale, or near one that was seen."""
        rng = self.rng
        choice = rng.random()
        value: float
        if self.constants and choice < 0.35:
            value = self.near(rng.choice(self.constants))
        elif choice < 0.6:
            value = rng.randint(1, 10)
        elif choice < 0.85:
            value = int(10 ** rng.uniform(0, 3))
        else:
            value = rng.choice((0.1, 0.2, 0.25, 0.5, 0.75, 0.9, 1.5, 10 ** rng.uniform(-3, 0)))
        return -value if rng.random() < 0.1 else value

    def near(self, value: float) -> float:
        """A value like this one."""
        rng = self.rng
        choice = rng.random()
        if isinstance(value, int) or value.is_integer():
            if choice < 0.55:
                return value + rng.choice((-3, -2, -1, -1, 1, 1, 2, 3))
            if choice < 0.9:
                return round(value * rng.lognormvariate(0, 0.4)) + rng.choice((-1, 0, 1))
            return value * rng.choice((0.1, 0.5, 2, 10))
        if choice < 0.7:
            return build.rounded(value * rng.lognormvariate(0, 0.3))
        if choice < 0.87:
            return build.rounded(value, rng.choice((1, 2)))
        if choice < 0.9:
            return 0
        return build.rounded(value + rng.gauss(0, 1))

    def name(self, scope: Scope, kind: Kind) -> ast.expr | None:
        known = scope.of_kind(kind)
        return build.name(self.rng.choice(known)) if known else None

    def terminal(self, scope: Scope) -> ast.expr:
        found = self.name(scope, Kind.NUMBER) if self.rng.random() < 0.65 else None
        if self.rng.random() < _TAKEN:
            found = containers.number(self, scope) or found
        return found or self.constant()

    def number(self, scope: Scope, depth: int) -> ast.expr:
        """A number from an expression at most this deep."""
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            return self.terminal(scope)
        if (measured := containers.measured(self, scope)) is not None:
            return measured
        for _ in range(_TRIES):
            choice = rng.random()
            made: ast.expr | None
            if choice < 0.62:
                made = self.arithmetic(self.number(scope, depth - 1), scope, depth)
            elif choice < 0.87:
                made = self.called(self.number(scope, depth - 1), scope, depth)
            else:
                made = build.conditional(
                    self.boolean(scope, depth - 1),
                    self.number(scope, depth - 1),
                    self.number(scope, depth - 1),
                )
            if made is not None:
                return made
        return self.terminal(scope)

    def arithmetic(self, left: ast.expr, scope: Scope, depth: int) -> ast.expr | None:
        """`left` joined to a new number."""
        rng = self.rng
        choice = rng.random()
        if choice < 0.7:
            op: ast.operator = rng.choice((ast.Add, ast.Sub, ast.Mult))()
            right = self.number(scope, depth - 1)
            if rng.random() < 0.3:
                left, right = right, left
            return build.binary(left, op, right)
        if choice < 0.95:
            op = rng.choice((ast.Div, ast.Div, ast.FloorDiv, ast.Mod))()
            return build.binary(left, op, self.divisor(scope, depth - 1))
        exponent = rng.choice((2, 2, 3, 0.5, 4))
        base = left if isinstance(exponent, int) else build.call("abs", [left])
        return base and build.binary(base, ast.Pow(), build.number(exponent))

    def divisor(self, scope: Scope, depth: int) -> ast.expr:
        """A number that is not zero, as far as can be seen."""
        rng = self.rng
        made = self.number(scope, depth)
        if isinstance(made, ast.Name):
            return made
        value = build.value_of(made)
        if value is not None:
            return made if value else build.number(2)
        if rng.random() < 0.5 or not _is_defined("max", scope):
            size = build.call("abs", [made]) or made
            return build.binary(size, ast.Add(), build.number(1)) or size
        return build.call("max", [made, build.number(1)]) or made

    def called(self, argument: ast.expr, scope: Scope, depth: int) -> ast.expr | None:
        """A function of `argument`, and of another new number where it takes two."""
        rng = self.rng
        arity = 2 if rng.random() < 0.5 else 1
        functions = self.callable_at(scope, arity)
        if not functions:
            return None
        function = rng.choice(functions)
        arguments = [argument]
        if arity == 2:
            arguments.append(self.number(scope, depth - 1))
            rng.shuffle(arguments)
        for index, guard in enumerate(function.guards):
            arguments[index] = self.guarded(guard, arguments[index])
        return build.call(function.name, arguments)

    def guarded(self, guard: str, argument: ast.expr) -> ast.expr:
        """The argument brought into a function's domain."""
        template = ast.parse(guard, mode="eval").body
        made = build.rebuilt(
            template, lambda n: argument if isinstance(n, ast.Name) and n.id == "_" else None
        )
        assert isinstance(made, ast.expr)
        return made

    def boolean(self, scope: Scope, depth: int) -> ast.expr:
        """A condition; only where nothing is known there it is a mere True or False."""
        rng = self.rng
        for _ in range(_TRIES):
            choice = rng.random()
            made: ast.expr | None
            if choice < 0.06:
                made = self.name(scope, Kind.BOOLEAN)
            elif choice < 0.2 and depth > 0:
                op = rng.choice((ast.And(), ast.Or()))
                made = build.junction(
                    self.boolean(scope, depth - 1), op, self.boolean(scope, depth - 1)
                )
            elif choice < 0.26 and depth > 0:
                made = self.between(scope, depth)
            elif choice < 0.32:
                made = containers.membership(self, scope)
            else:
                made = self.comparison(scope, depth)
            if made is not None:
                return made
        return ast.Constant(value=rng.random() < 0.5)

    def comparison(self, scope: Scope, depth: int) -> ast.expr | None:
        rng = self.rng
        left = self.measured(scope, depth)
        right = self.constant() if rng.random() < 0.6 else self.number(scope, depth - 1)
        op = rng.choice((ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Lt, ast.Gt, ast.Eq))()
        if isinstance(op, ast.Eq) and not _is_counted(left):
            op = ast.LtE()  # what is measured is hardly ever equal
        return build.compare(left, op, right)

    def between(self, scope: Scope, depth: int) -> ast.expr | None:
        """A chained comparison: low <= x < high."""
        rng = self.rng
        low, high = sorted(abs(self.value()) for _ in range(2))
        if low == high:
            return None
        return ast.Compare(
            left=build.number(low),
            ops=[rng.choice((ast.Lt, ast.LtE))(), rng.choice((ast.Lt, ast.LtE))()],
            comparators=[self.measured(scope, depth), build.number(high)],
        )

    def measured(self, scope: Scope, depth: int) -> ast.expr:
        """What a condition looks at: a name, or something made of names."""
        made = self.number(scope, depth - 1)
        for _ in range(3):
            if build.value_of(made) is None:
                return made
            made = self.number(scope, depth)
        return made


def _is_counted(node: ast.expr) -> bool:
    """Whether it may well be a whole number: a name, a length, a remainder."""
    match node:
        case ast.Name() | ast.Subscript() | ast.Call(func=ast.Name(id="len" | "round" | "int")):
            return True
        case ast.BinOp(op=ast.Mod() | ast.FloorDiv()):
            return True
    return False


def _is_defined(root: str, scope: Scope) -> bool:
    """Whether a primitive's first name means what it says there."""
    if root in scope.names:
        return False
    return root in scope.modules or (hasattr(builtins, root) and root not in scope.functions)
