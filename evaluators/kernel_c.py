"""A subset of C for kernels, parsed by pycparser and checked: nothing in it can go wrong.

What is accepted: functions defined in the text and called after their definition, constant tables,
integers of 32 and 64 bits, float and double; declarations, assignments, `if`, `for` with constant
bounds, one `return` at the end of a function; the operators of C but address, cast of pointers and
comma. What is accepted reads and writes its own variables and the arguments' elements only:

- every index lies within its array, shown by intervals: a loop's variable within its bounds, other
  variables by what was assigned to them;
- every variable is set before it is read; shifts are shorter than their operand; no integer is
  divided by what could be below 1; no float becomes an integer. Integers wrap (-fwrapv);
- loops end: their bounds are constants, their variables are changed by nothing else, and all of
  them together make at most `MOST_STEPS` steps.

With `moved=True` what comes from the arguments may only be moved and compared with its like, so
that a kernel does the same on inputs of one weak order.

A refusal names line, column and reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from pycparser import c_ast, c_generator, c_parser

from evaluators.results import Invalid

MOST_BYTES = 1 << 16
MOST_STEPS = 1 << 22
_MOST_ELEMENTS = 1 << 16
_DEEPEST = 60
_TYPES = {
    "int": "int32_t", "signed": "int32_t", "int signed": "int32_t", "int32_t": "int32_t",
    "unsigned": "uint32_t", "int unsigned": "uint32_t", "uint32_t": "uint32_t",
    "long": "int64_t", "int long": "int64_t", "long long": "int64_t", "int64_t": "int64_t",
    "int long long": "int64_t", "long unsigned": "uint64_t", "int long unsigned": "uint64_t",
    "long long unsigned": "uint64_t", "int long long unsigned": "uint64_t",
    "uint64_t": "uint64_t", "float": "float", "double": "double", "void": "void",
}  # fmt: skip
_NAMED = ("int32_t", "uint32_t", "int64_t", "uint64_t")
_PRELUDE = "".join(f"typedef int {name};" for name in _NAMED) + "\n"
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_FORBIDDEN = re.compile(r"[#\\\"'`@$?]{2}|[#\\\"'`@$]|[^\x00-\x7f]")
_ASSIGNMENTS = {f"{op}=": op for op in ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")}
_COMPARISONS = ("<", ">", "<=", ">=", "==", "!=")
_KEYWORDS = re.compile(r"\b(asm|__\w+|_[A-Z]\w*|goto|typedef|struct|union|enum|extern|volatile"
                       r"|register|sizeof|while|do|switch|break|continue|auto)\b")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of the kernel: a scalar, or `elements` of a type, written only if `output`."""

    type: str
    elements: int = 0
    output: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a kernel is called with, and what it returns."""

    parameters: tuple[Parameter, ...]
    result: str = "void"

    @property
    def prototype(self) -> str:
        """The declaration that puts the function on a line of the cache of its own."""
        parameters = ", ".join(
            ("" if p.output or not p.elements else "const ") + p.type + (" *" if p.elements else "")
            for p in self.parameters
        )
        return f"__attribute__((aligned(64), noinline)) {self.result} kernel({parameters});"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A checked kernel: its tree, and the text made from it that may be compiled."""

    tree: c_ast.FileAST
    signature: Signature
    text: str

    @property
    def source(self) -> str:
        """What a compiler takes: types, the prototype, and the checked text alone."""
        return f"#include <stdint.h>\n{self.signature.prototype}\n{self.text}"


class _Refused(Exception):
    def __init__(self, node: object, reason: str) -> None:
        super().__init__(reason)
        self.coord = getattr(node, "coord", None)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Value:
    """A type, bounds of an integer, and whether it is a value that may only be moved."""

    type: str
    low: int = 0
    high: int = 0
    data: bool = False


@dataclass(frozen=True, slots=True)
class _Array:
    type: str
    elements: int
    writable: bool
    data: bool


@dataclass(slots=True)
class _Scope:
    """Variables of a function: None while declared and not set."""

    values: dict[str, _Value | None] = field(default_factory=dict)
    arrays: dict[str, _Array] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    data: dict[str, bool] = field(default_factory=dict)
    loops: set[str] = field(default_factory=set)
    outer: _Scope | None = None


def parse(source: object, signature: Signature, *, moved: bool = False) -> Kernel | Invalid:
    """Reads and checks a kernel: text, not trusted, that defines `kernel` with this signature."""
    if not isinstance(source, str):
        return Invalid(f"the kernel is {type(source).__name__}, expected C as text")
    if len(source) > MOST_BYTES:
        return Invalid(f"{len(source)} characters of C, at most {MOST_BYTES}")
    plain = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source)
    for pattern, reason in (
        (_FORBIDDEN, "{!r} is outside the subset: no preprocessor, text or escapes"),
        (_KEYWORDS, "{!r} is outside the subset"),
    ):
        match = pattern.search(plain)
        if match:
            before = plain[: match.start()]
            line, column = before.count("\n") + 1, match.start() - before.rfind("\n")
            return Invalid(f"line {line}, column {column}: {reason.format(match[0])}")
    try:
        given = _tree(plain)
        _Checker(signature, moved).file(given)
        # compiled is this text, so this text is what is checked and run
        text = c_generator.CGenerator().visit(given)
        tree = _tree(text)
        _Checker(signature, moved).file(tree)
    except _Refused as refused:
        return Invalid(f"{_place(str(refused.coord or ''))}{refused.reason}")
    except RecursionError:
        return Invalid("the C is nested too deeply")
    except (c_parser.ParseError, AssertionError, AttributeError, ValueError) as error:
        return Invalid(f"{_place(str(error))}it does not parse as C")
    return Kernel(tree, signature, text)


def _tree(text: str) -> c_ast.FileAST:
    tree = c_parser.CParser().parse(_PRELUDE + text)
    tree.ext = tree.ext[len(_NAMED) :]
    return tree


def _place(text: str) -> str:
    match = re.search(r":(\d+)(?::(\d+))?", text)
    if match is None:
        return ""
    column = f", column {match[2]}" if match[2] else ""
    return f"line {int(match[1]) - 1}{column}: "


def limits(type_name: str) -> tuple[int, int]:
    """Least and greatest value of an integer type."""
    bits = 64 if "64" in type_name else 32
    least = 0 if type_name.startswith("u") else -(1 << bits - 1)
    return least, least + (1 << bits) - 1


def common(one: str, other: str) -> str:
    """The type in which C computes with operands of these types."""
    for real in ("double", "float"):
        if real in (one, other):
            return real
    for name in ("uint64_t", "int64_t", "uint32_t"):
        if name in (one, other):
            return name
    return "int32_t"


def is_real(type_name: str) -> bool:
    return type_name in ("float", "double")


def type_of(node: object) -> str:
    """The type a declaration names, as one of ours; "" if it is none."""
    if isinstance(node, c_ast.TypeDecl) and isinstance(node.type, c_ast.IdentifierType):
        return _TYPES.get(" ".join(sorted(node.type.names)), "")
    return ""


def constant(node: c_ast.Constant) -> tuple[str, int | float]:
    """Type and value of a number.

    Raises:
        ValueError: it is none of the subset.
    """
    text = node.value.lower()
    if node.type in ("float", "double", "long double"):
        if text.endswith("l"):
            raise ValueError("no long double")
        return ("float" if text.endswith("f") else "double"), float(text.rstrip("f"))
    digits = text.rstrip("ul")
    value = int(digits, 8 if re.fullmatch(r"0[0-7]+", digits) else 0)
    suffix = text[len(digits) :]
    for name in _NAMED:
        unsigned = name.startswith("u")
        if ("u" in suffix and not unsigned) or ("l" in suffix and "64" not in name):
            continue
        if unsigned and "u" not in suffix and digits.isdigit():
            continue  # only octal and hexadecimal numbers become unsigned by themselves
        if limits(name)[0] <= value <= limits(name)[1]:
            return name, value
    raise ValueError("a number too large")


def loop_parts(node: c_ast.For) -> tuple[str, c_ast.Node, str, c_ast.Node, int] | None:
    """Variable, start, comparison, bound and step of a loop of the subset's form."""
    match node.init:
        case c_ast.DeclList(decls=[c_ast.Decl(name=name, init=start) as declared]) if (
            start is not None and type_of(declared.type) == "int32_t"
        ):
            pass
        case _:
            return None
    match node.cond:
        case c_ast.BinaryOp(
            op=("<" | "<=" | ">" | ">=") as op, left=c_ast.ID(name=n), right=bound
        ) if n == name:
            pass
        case _:
            return None
    match node.next:
        case c_ast.UnaryOp(op=("++" | "p++"), expr=c_ast.ID(name=n)) if n == name:
            step = 1
        case c_ast.UnaryOp(op=("--" | "p--"), expr=c_ast.ID(name=n)) if n == name:
            step = -1
        case c_ast.Assignment(
            op=("+=" | "-=") as sign, lvalue=c_ast.ID(name=n), rvalue=c_ast.Constant() as by
        ) if n == name:
            value = constant(by)[1]
            if not isinstance(value, int) or not value:
                return None
            step = value if sign == "+=" else -value
        case _:
            return None
    return name, start, op, bound, step


def loop_range(start: int, op: str, bound: int, step: int) -> range | None:
    """The values a loop's variable takes; None if it runs away from its bound."""
    if (op in ("<", "<=")) != (step > 0):
        return None
    return range(start, bound + {"<": 0, "<=": 1, ">": 0, ">=": -1}[op], step)


class _Checker:
    def __init__(self, signature: Signature, moved: bool) -> None:
        self.signature = signature
        self.moved = moved
        self.functions: dict[str, tuple[c_ast.FuncDef, list[_Value | _Array], str]] = {}
        self.tables = _Scope()
        self.result = "void"
        self.costs: dict[str, int] = {}
        self.steps = 0
        self.times = 1
        self.depth = 0

    # definitions

    def file(self, tree: c_ast.FileAST) -> None:
        for item in tree.ext:
            if isinstance(item, c_ast.FuncDef):
                self.function(item)
            elif isinstance(item, c_ast.Decl):
                self.table(item)
            else:
                self.refuse(item, "only functions and constant tables may stand here")
        if "kernel" not in self.functions:
            self.refuse(None, "it defines no function `kernel`")
        if self.costs["kernel"] > MOST_STEPS:
            self.refuse(
                self.functions["kernel"][0].decl,
                f"its loops make {self.costs['kernel']} steps, at most {MOST_STEPS}",
            )

    def table(self, item: c_ast.Decl) -> None:
        if not isinstance(item.type, c_ast.ArrayDecl) or "const" not in item.quals:
            self.refuse(item, f"{item.name}: outside functions there are constant tables only")
        self.fresh(item, item.name)
        self.tables.arrays[item.name] = self.array(item, self.tables, writable=False)

    def fresh(self, node: c_ast.Node, name: str) -> None:
        if name in self.functions or name in self.tables.arrays or name == "main":
            self.refuse(node, f"{name} is defined twice, or not free")

    def function(self, item: c_ast.FuncDef) -> None:
        declared, name = item.decl, item.decl.name
        self.fresh(declared, name)
        if item.param_decls or set(declared.storage) - {"static"}:
            self.refuse(declared, f"{name}: only `static` functions in the usual form")
        result = type_of(declared.type.type)
        if not result:
            self.refuse(declared, f"{name}: its result is none of the subset's types")
        scope = _Scope(outer=self.tables)
        expected: Sequence[Parameter] | None = None
        if name == "kernel":
            expected = self.signature.parameters
            if result != self.signature.result or "static" in declared.storage:
                self.refuse(declared, f"expected `{self.signature.result} kernel`, not static")
        given = declared.type.args.params if declared.type.args else []
        if len(given) == 1 and type_of(getattr(given[0], "type", None)) == "void":
            given = []
        if expected is not None and len(given) != len(expected):
            self.refuse(declared, f"kernel takes {len(expected)} arguments, not {len(given)}")
        shapes: list[_Value | _Array] = []
        for number, parameter in enumerate(given):
            if not isinstance(parameter, c_ast.Decl) or parameter.name is None:
                self.refuse(declared, f"{name}: an argument without a name")
            shapes.append(
                self.parameter(parameter, scope, expected[number] if expected is not None else None)
            )
        self.result, self.times, self.steps, self.depth = result, 1, 0, 0
        items = item.body.block_items or []
        last = items[-1] if items else None
        if (result != "void") != (isinstance(last, c_ast.Return) and last.expr is not None):
            self.refuse(declared, f"{name}: expected one return at its end, with its value")
        self.body(items, scope, at_end=True)
        self.costs[name] = self.steps
        self.functions[name] = item, shapes, result

    def parameter(
        self, node: c_ast.Decl, scope: _Scope, expected: Parameter | None
    ) -> _Value | _Array:
        inner = node.type
        if node.name in scope.types or node.name in scope.arrays:
            self.refuse(node, f"{node.name} stands twice")
        if isinstance(inner, c_ast.PtrDecl | c_ast.ArrayDecl):
            if expected is None:
                self.refuse(node, "functions of one's own take numbers, not arrays")
            found = type_of(inner.type)
            if found != expected.type or not expected.elements:
                self.refuse(
                    node, f"{node.name}: expected {self.signature.prototype.split(') ', 1)[1]}"
                )
            array = _Array(found, expected.elements, expected.output, self.moved)
            scope.arrays[node.name] = array
            return array
        found = type_of(inner)
        if (
            not found
            or found == "void"
            or (expected is not None and (expected.elements or found != expected.type))
        ):
            self.refuse(node, f"{node.name}: its type is not the one expected")
        value = self.any(found)
        scope.types[node.name] = found
        scope.values[node.name] = value
        return value

    def array(self, item: c_ast.Decl, scope: _Scope, *, writable: bool) -> _Array:
        found = type_of(item.type.type)
        if (
            not found
            or found == "void"
            or item.type.dim is None
            or item.storage not in ([], ["static"])
        ):
            self.refuse(item, f"{item.name}: expected TYPE {item.name}[NUMBER] = {{...}}")
        if writable and item.storage:
            self.refuse(item, f"{item.name}: nothing may last from one call to the next")
        elements = self.fixed(item.type.dim, scope)
        if not 1 <= elements <= _MOST_ELEMENTS:
            self.refuse(item, f"{item.name}: {elements} elements")
        if not isinstance(item.init, c_ast.InitList) or not 1 <= len(item.init.exprs) <= elements:
            self.refuse(item, f"{item.name}: an array starts with values in braces, e.g. {{0}}")
        data = None
        for expression in item.init.exprs:
            value = self.expression(expression, scope)
            self.convertible(expression, value, found)
            data = value.data if data is None else data
            if data != value.data or (data and len(item.init.exprs) < elements):
                self.refuse(expression, "an array of values that are moved holds those only")
        return _Array(found, elements, writable, bool(data))

    # statements

    def body(self, items: Sequence[c_ast.Node], scope: _Scope, *, at_end: bool = False) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.refuse(items[0] if items else None, f"nested more than {_DEEPEST} deep")
        for number, item in enumerate(items):
            self.steps += self.times
            self.statement(item, scope, at_end and number == len(items) - 1)
        self.depth -= 1

    def statement(self, node: c_ast.Node, scope: _Scope, at_end: bool) -> None:
        match node:
            case c_ast.Decl():
                self.declare(node, scope)
            case c_ast.DeclList():
                for part in node.decls:
                    self.declare(part, scope)
            case c_ast.Assignment():
                self.assign(node, scope)
            case c_ast.UnaryOp(op=("++" | "--" | "p++" | "p--"), expr=c_ast.ID()):
                one = _Value("int32_t", 1, 1)
                sign = "+" if "++" in node.op else "-"
                value = self.arithmetic(sign, self.expression(node.expr, scope), one, node)
                self.store(node, node.expr, value, scope)
            case c_ast.If():
                self.branch(node, scope)
            case c_ast.For():
                self.loop(node, scope)
            case c_ast.Compound():
                inner = _Scope(outer=scope)
                self.body(node.block_items or [], inner, at_end=False)
            case c_ast.Return():
                if not at_end:
                    self.refuse(node, "a return stands at the end of its function only")
                if node.expr is not None:
                    self.convertible(node, self.expression(node.expr, scope), self.result)
            case c_ast.EmptyStatement():
                pass
            case c_ast.FuncCall():
                self.expression(node, scope)
            case _:
                self.refuse(node, f"{type(node).__name__} is outside the subset")

    def declare(self, item: c_ast.Decl, scope: _Scope) -> None:
        name = item.name
        if name is None or self.find(name, scope) or name in self.functions or item.bitsize:
            self.refuse(item, f"{name} is defined already")
        if isinstance(item.type, c_ast.ArrayDecl):
            scope.arrays[name] = self.array(item, scope, writable="const" not in item.quals)
            return
        found = type_of(item.type)
        if not found or found == "void" or item.storage:
            self.refuse(item, f"{name}: its type is outside the subset")
        value = None
        if item.init is not None:
            value = self.expression(item.init, scope)
            self.convertible(item, value, found)
            value = self.converted(value, found)
            scope.data[name] = value.data
        scope.types[name] = found
        scope.values[name] = value

    def assign(self, node: c_ast.Assignment, scope: _Scope) -> None:
        value = self.expression(node.rvalue, scope)
        if node.op != "=":
            if node.op not in _ASSIGNMENTS:
                self.refuse(node, f"{node.op} is outside the subset")
            value = self.arithmetic(
                _ASSIGNMENTS[node.op], self.expression(node.lvalue, scope), value, node
            )
        self.store(node, node.lvalue, value, scope)

    def store(self, node: c_ast.Node, target: c_ast.Node, value: _Value, scope: _Scope) -> None:
        if isinstance(target, c_ast.ArrayRef):
            array = self.element(target, scope)
            if not array.writable:
                self.refuse(node, "it writes to what may only be read")
            self.convertible(node, value, array.type)
            if array.data != value.data:
                self.refuse(node, "only values that came from the arguments may be put there")
            return
        if not isinstance(target, c_ast.ID):
            self.refuse(node, "only variables and elements of arrays can be set")
        owner = self.owner(target.name, scope)
        if owner is None or target.name not in owner.types:
            self.refuse(node, f"{target.name} is no variable")
        if self.is_loop(target.name, scope):
            self.refuse(node, f"{target.name} is changed by its loop only")
        self.convertible(node, value, owner.types[target.name])
        if owner.data.setdefault(target.name, value.data) != value.data:
            self.refuse(node, f"{target.name} holds values that are moved, or others, not both")
        owner.values[target.name] = self.converted(value, owner.types[target.name])

    def branch(self, node: c_ast.If, scope: _Scope) -> None:
        self.truth(node.cond, scope)
        before = self.snapshot(scope)
        self.body(_items(node.iftrue), _Scope(outer=scope))
        after = self.snapshot(scope)
        self.restore(before)
        if node.iffalse is not None:
            self.body(_items(node.iffalse), _Scope(outer=scope))
        for (owner, name), value in after.items():
            owner_scope = self.scopes[owner]
            owner_scope.values[name] = self.hull(value, owner_scope.values[name])

    def loop(self, node: c_ast.For, scope: _Scope) -> None:
        parts = loop_parts(node)
        if parts is None:
            self.refuse(node, "expected for (int i = A; i < B; i++), or >, +=, --")
        name, start, op, bound, step = parts
        if self.find(name, scope):
            self.refuse(node, f"{name} is defined already")
        values = loop_range(self.fixed(start, scope), op, self.fixed(bound, scope), step)
        if values is None or not len(values):
            self.refuse(node, "a loop that makes no step, or does not end")
        if not all(
            limits("int32_t")[0] < v < limits("int32_t")[1] for v in (values[0], values[-1])
        ):
            self.refuse(node, "a loop beyond the integers")
        inner = _Scope(outer=scope)
        inner.types[name] = "int32_t"
        inner.values[name] = _Value(
            "int32_t", min(values[0], values[-1]), max(values[0], values[-1])
        )
        inner.loops.add(name)
        for changed in _assigned(node.stmt):
            owner = self.owner(changed, scope)
            if owner is not None:
                known = owner.values.get(changed)
                if known is not None:
                    owner.values[changed] = self.any(known.type, known.data)
        before = self.times
        self.times = min(self.times * len(values), 1 << 62)
        if self.times > MOST_STEPS:
            self.refuse(node, f"loops of {self.times} steps together, at most {MOST_STEPS}")
        self.body(_items(node.stmt), inner)
        self.times = before

    # expressions

    def expression(self, node: c_ast.Node, scope: _Scope) -> _Value:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.refuse(node, f"nested more than {_DEEPEST} deep")
        found = self._expression(node, scope)
        self.depth -= 1
        return found

    def _expression(self, node: c_ast.Node, scope: _Scope) -> _Value:
        match node:
            case c_ast.Constant():
                try:
                    name, number = constant(node)
                except ValueError:
                    self.refuse(node, f"{node.value[:30]} is no number of the subset")
                return _Value(name, number, number) if isinstance(number, int) else _Value(name)
            case c_ast.ID():
                owner = self.owner(node.name, scope)
                if owner is None or node.name not in owner.types:
                    self.refuse(node, f"{node.name} is no variable")
                held = owner.values[node.name]
                if held is None:
                    self.refuse(node, f"{node.name} is read before it is set on every way")
                return held
            case c_ast.ArrayRef():
                array = self.element(node, scope)
                return self.any(array.type, array.data)
            case c_ast.TernaryOp():
                self.truth(node.cond, scope)
                one, other = (
                    self.expression(node.iftrue, scope),
                    self.expression(node.iffalse, scope),
                )
                if one.data != other.data or (one.data and one.type != other.type):
                    self.refuse(node, "a choice between values that are moved and others")
                kind = common(one.type, other.type)
                return self.joined(self.converted(one, kind), self.converted(other, kind))
            case c_ast.Cast():
                kind = type_of(node.to_type.type)
                value = self.expression(node.expr, scope)
                if not kind or kind == "void":
                    self.refuse(node, "a cast to what is no type of the subset")
                self.convertible(node, value, kind)
                return self.converted(value, kind)
            case c_ast.UnaryOp(op=("-" | "~" | "+" | "!") as op):
                return self.unary(op, node, scope)
            case c_ast.BinaryOp(op=("&&" | "||")):
                self.truth(node.left, scope)
                self.truth(node.right, scope)
                return _Value("int32_t", 0, 1)
            case c_ast.BinaryOp():
                return self.binary(node, scope)
            case c_ast.FuncCall():
                return self.call(node, scope)
        self.refuse(node, f"{type(node).__name__} {getattr(node, 'op', '')} is outside the subset")

    def truth(self, node: c_ast.Node, scope: _Scope) -> None:
        self.no_data(node, self.expression(node, scope))

    def unary(self, op: str, node: c_ast.UnaryOp, scope: _Scope) -> _Value:
        value = self.expression(node.expr, scope)
        self.no_data(node, value)
        if op == "!":
            return _Value("int32_t", 0, 1)
        if is_real(value.type):
            if op == "~":
                self.refuse(node, "~ of a float")
            return value
        if op == "-":
            return self.within(value.type, -value.high, -value.low)
        if op == "~":
            return self.within(value.type, ~value.high, ~value.low)
        return value

    def binary(self, node: c_ast.BinaryOp, scope: _Scope) -> _Value:
        one, other = self.expression(node.left, scope), self.expression(node.right, scope)
        if node.op in _COMPARISONS:
            if one.data != other.data or (one.data and one.type != other.type):
                self.refuse(node, "values that are moved may be compared with their like only")
            return _Value("int32_t", 0, 1)
        return self.arithmetic(node.op, one, other, node)

    def arithmetic(self, op: str, one: _Value, other: _Value, node: c_ast.Node) -> _Value:
        self.no_data(node, one)
        self.no_data(node, other)
        kind = common(one.type, other.type)
        if is_real(kind):
            if op not in ("+", "-", "*", "/"):
                self.refuse(node, f"{op} of floats")
            return _Value(kind)
        if op in ("<<", ">>"):
            if not 0 <= other.low <= other.high < (64 if "64" in one.type else 32):
                self.refuse(node, f"a shift by {_bounds(other)} bits")
            if op == ">>":
                ends = [v >> s for v in (one.low, one.high) for s in (other.low, other.high)]
            else:
                ends = [v << s for v in (one.low, one.high) for s in (other.low, other.high)]
            return self.within(one.type, min(ends), max(ends))
        one, other = self.converted(one, kind), self.converted(other, kind)
        if op in ("/", "%"):
            if other.low < 1:
                self.refuse(node, f"a division by what may be {_bounds(other)}")
            if op == "%":
                most = other.high - 1
                return self.within(kind, 0 if one.low >= 0 else -most, min(most, max(one.high, 0)))
            ends = [abs(v) // d * (1 if v >= 0 else -1)
                    for v in (one.low, one.high) for d in (other.low, other.high)]  # fmt: skip
            return self.within(kind, min(ends), max(ends))
        if op in ("&", "|", "^"):
            if op == "&" and max(one.low, other.low) >= 0:
                return self.within(kind, 0, min(v.high for v in (one, other) if v.low >= 0))
            if min(one.low, other.low) >= 0:
                return self.within(kind, 0, (1 << max(one.high, other.high).bit_length()) - 1)
            return self.any(kind)
        if op not in ("+", "-", "*"):
            self.refuse(node, f"{op} is outside the subset")
        ends = [
            {"+": a + b, "-": a - b, "*": a * b}[op]
            for a in (one.low, one.high)
            for b in (other.low, other.high)
        ]
        return self.within(kind, min(ends), max(ends))

    def call(self, node: c_ast.FuncCall, scope: _Scope) -> _Value:
        name = getattr(node.name, "name", "")
        if name not in self.functions:
            self.refuse(node, f"{name} is no function defined above")
        _, shapes, result = self.functions[name]
        given = node.args.exprs if node.args else []
        if len(given) != len(shapes):
            self.refuse(node, f"{name} takes {len(shapes)} arguments")
        if self.moved:
            self.refuse(node, "functions cannot take values that are moved; write it out")
        for expression, shape in zip(given, shapes, strict=True):
            self.convertible(expression, self.expression(expression, scope), shape.type)
        self.steps += self.times * self.costs[name]
        return self.any(result) if result != "void" else _Value("void")

    def element(self, node: c_ast.ArrayRef, scope: _Scope) -> _Array:
        if not isinstance(node.name, c_ast.ID):
            self.refuse(node, "arrays have one index")
        owner: _Scope | None = scope
        while owner is not None and node.name.name not in owner.arrays:
            owner = owner.outer
        if owner is None:
            self.refuse(node, f"{node.name.name} is no array")
        array = owner.arrays[node.name.name]
        index = self.expression(node.subscript, scope)
        self.no_data(node, index)
        if is_real(index.type) or not 0 <= index.low <= index.high < array.elements:
            self.refuse(
                node,
                f"the index of {node.name.name} may be {_bounds(index)}, it has {array.elements} "
                "elements",
            )
        return array

    # values

    def fixed(self, node: c_ast.Node, scope: _Scope) -> int:
        value = self.expression(node, scope)
        if is_real(value.type) or value.low != value.high:
            self.refuse(node, "expected a constant")
        return value.low

    def any(self, type_name: str, data: bool = False) -> _Value:
        if is_real(type_name):
            return _Value(type_name, data=data)
        return _Value(type_name, *limits(type_name), data=data)

    def within(self, type_name: str, low: int, high: int) -> _Value:
        least, most = limits(type_name)
        return (
            _Value(type_name, low, high) if least <= low and high <= most else self.any(type_name)
        )

    def converted(self, value: _Value, type_name: str) -> _Value:
        if value.data or is_real(type_name):
            return _Value(type_name, value.low, value.high, value.data)
        if is_real(value.type):
            return self.any(type_name)
        return self.within(type_name, value.low, value.high)

    def convertible(self, node: c_ast.Node, value: _Value, type_name: str) -> None:
        if value.type == "void" or type_name == "void":
            self.refuse(node, "a value where there is none")
        if is_real(value.type) and not is_real(type_name):
            self.refuse(node, "a float becomes an integer")
        if value.data and value.type != type_name:
            self.refuse(node, "a value that is moved changes its type")

    def no_data(self, node: c_ast.Node, value: _Value) -> None:
        if value.data:
            self.refuse(node, "a value from the arguments may only be moved and compared")
        if value.type == "void":
            self.refuse(node, "a value where there is none")

    def joined(self, one: _Value, other: _Value) -> _Value:
        return _Value(one.type, min(one.low, other.low), max(one.high, other.high), one.data)

    def hull(self, one: _Value | None, other: _Value | None) -> _Value | None:
        return None if one is None or other is None else self.joined(one, other)

    # scopes

    def owner(self, name: str, scope: _Scope) -> _Scope | None:
        found: _Scope | None = scope
        while found is not None and name not in found.types:
            found = found.outer
        return found

    def find(self, name: str, scope: _Scope) -> bool:
        found: _Scope | None = scope
        while found is not None:
            if name in found.types or name in found.arrays:
                return True
            found = found.outer
        return False

    def is_loop(self, name: str, scope: _Scope) -> bool:
        owner = self.owner(name, scope)
        return owner is not None and name in owner.loops

    def snapshot(self, scope: _Scope) -> dict[tuple[int, str], _Value | None]:
        self.scopes: dict[int, _Scope] = {}
        found: dict[tuple[int, str], _Value | None] = {}
        owner: _Scope | None = scope
        while owner is not None:
            self.scopes[id(owner)] = owner
            found.update({(id(owner), name): value for name, value in owner.values.items()})
            owner = owner.outer
        return found

    def restore(self, values: dict[tuple[int, str], _Value | None]) -> None:
        for (owner, name), value in values.items():
            self.scopes[owner].values[name] = value

    def refuse(self, node: c_ast.Node | None, reason: str) -> NoReturn:
        raise _Refused(node, reason)


def _items(node: c_ast.Node | None) -> list[c_ast.Node]:
    if isinstance(node, c_ast.Compound):
        return list(node.block_items or [])
    return [] if node is None else [node]


def _assigned(node: c_ast.Node) -> set[str]:
    """Names that are set somewhere below."""
    found = set()
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, c_ast.Assignment) and isinstance(here.lvalue, c_ast.ID):
            found.add(here.lvalue.name)
        if isinstance(here, c_ast.UnaryOp) and isinstance(here.expr, c_ast.ID) and here.op not in (
            "-", "~", "+", "!",
        ):  # fmt: skip
            found.add(here.expr.name)
        waiting += [child for _, child in here.children()]
    return found


def _bounds(value: _Value) -> str:
    return str(value.low) if value.low == value.high else f"{value.low} to {value.high}"
