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
from collections.abc import Iterator, Sequence

from pycparser import c_ast, c_generator, c_parser

from evaluators.kernel_c_expressions import DEEPEST, Expressions
from evaluators.kernel_c_types import (
    NAMED,
    Kernel,
    Parameter,
    Signature,
    limits,
    loop_parts,
    loop_range,
    type_of,
)
from evaluators.kernel_c_values import (
    Array,
    Refused,
    Scope,
    Value,
    any_of,
    arithmetic,
    converted,
    hull,
    refuse,
    require_convertible,
)
from evaluators.results import Invalid

MOST_BYTES = 1 << 16
MOST_STEPS = 1 << 22
_MOST_ELEMENTS = 1 << 16
_NARROW = ("int8_t", "uint8_t", "int16_t", "uint16_t", "size_t", "ptrdiff_t")
"""Known to the parser, so that their refusal can say what is wrong."""
_PRELUDE = "".join(f"typedef int {name};" for name in (*NAMED, *_NARROW)) + "\n"
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_FORBIDDEN = re.compile(r"[#\\\"'`@$?]{2}|[#\\\"'`@$]|[^\x00-\x7f]")
_EMITTED = ("main", "memcpy", "memmove", "memset", "memcmp")
"""Names no function may have: a compiler calls some of them unasked."""
_ASSIGNMENTS = {f"{op}=": op for op in ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")}
_KEYWORDS = re.compile(r"\b(asm|__\w+|_[A-Z]\w*|goto|typedef|struct|union|enum|extern|volatile"
                       r"|register|sizeof|while|do|switch|break|continue|auto)\b")  # fmt: skip


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
        for item in given.ext:
            # what only this file sees is never taken for the compiler's own function of that name
            if isinstance(item, c_ast.FuncDef) and item.decl.name != "kernel":
                item.decl.storage = ["static"]
        # compiled is this text, so this text is what is checked and run
        text = c_generator.CGenerator().visit(given)
        tree = _tree(text)
        _Checker(signature, moved).file(tree)
    except Refused as refused:
        return Invalid(f"{_place(str(refused.coord or ''))}{refused.reason}")
    except RecursionError:
        return Invalid("the C is nested too deeply")
    except (c_parser.ParseError, AssertionError, AttributeError, ValueError) as error:
        found = re.search(r"before: (.{1,20})", str(error))
        where = f" before {found[1]!r}" if found else ""
        return Invalid(f"{_place(str(error)) or 'at its end: '}it does not parse as C{where}")
    return Kernel(tree, signature, text)


def _tree(text: str) -> c_ast.FileAST:
    tree = c_parser.CParser().parse(_PRELUDE + text)
    tree.ext = tree.ext[len(NAMED) + len(_NARROW) :]
    return tree


def _place(text: str) -> str:
    match = re.search(r":(\d+)(?::(\d+))?", text)
    if match is None:
        return ""
    column = f", column {match[2]}" if match[2] else ""
    return f"line {int(match[1]) - 1}{column}: "


class _Checker(Expressions):
    """Definitions and statements."""

    def __init__(self, signature: Signature, moved: bool) -> None:
        super().__init__(moved)
        self.signature = signature
        self.tables = Scope()
        self.result = "void"

    # definitions

    def file(self, tree: c_ast.FileAST) -> None:
        for item in tree.ext:
            if isinstance(item, c_ast.FuncDef):
                self.function(item)
            elif isinstance(item, c_ast.Decl):
                self.table(item)
            else:
                refuse(item, "only functions and constant tables may stand here")
        if "kernel" not in self.functions:
            refuse(None, "it defines no function `kernel`")
        if self.costs["kernel"] > MOST_STEPS:
            refuse(
                self.functions["kernel"][0].decl,
                f"its loops make {self.costs['kernel']} steps, at most {MOST_STEPS}",
            )

    def table(self, item: c_ast.Decl) -> None:
        if not isinstance(item.type, c_ast.ArrayDecl) or "const" not in item.quals:
            refuse(item, f"{item.name}: outside functions there are constant tables only")
        self.fresh(item, item.name)
        self.tables.arrays[item.name] = self.array(item, self.tables, writable=False)

    def fresh(self, node: c_ast.Node, name: str) -> None:
        if name in self.functions or name in self.tables.arrays or name in _EMITTED:
            refuse(node, f"{name} is defined twice, or not free")

    def function(self, item: c_ast.FuncDef) -> None:
        declared, name = item.decl, item.decl.name
        self.fresh(declared, name)
        if item.param_decls or set(declared.storage) - {"static"}:
            refuse(declared, f"{name}: only `static` functions in the usual form")
        result = type_of(declared.type.type)
        if not result:
            refuse(declared, f"{name}: its result is none of the subset's types")
        scope = Scope(outer=self.tables)
        expected: Sequence[Parameter] | None = None
        if name == "kernel":
            expected = self.signature.parameters
            if result != self.signature.result or "static" in declared.storage:
                refuse(declared, f"expected `{self.signature.result} kernel`, not static")
        given = declared.type.args.params if declared.type.args else []
        if len(given) == 1 and type_of(getattr(given[0], "type", None)) == "void":
            given = []
        if expected is not None and len(given) != len(expected):
            refuse(declared, f"kernel takes {len(expected)} arguments, not {len(given)}")
        shapes: list[Value | Array] = []
        for number, parameter in enumerate(given):
            if not isinstance(parameter, c_ast.Decl) or parameter.name is None:
                refuse(declared, f"{name}: an argument without a name")
            shapes.append(
                self.parameter(parameter, scope, expected[number] if expected is not None else None)
            )
        self.result, self.times, self.steps, self.depth = result, 1, 0, 0
        items = item.body.block_items or []
        last = items[-1] if items else None
        if (result != "void") != (isinstance(last, c_ast.Return) and last.expr is not None):
            refuse(declared, f"{name}: expected one return at its end, with its value")
        self.body(items, scope, at_end=True)
        self.costs[name] = self.steps
        self.functions[name] = item, shapes, result

    def parameter(
        self, node: c_ast.Decl, scope: Scope, expected: Parameter | None
    ) -> Value | Array:
        inner = node.type
        if scope.finds(node.name) or node.name in self.functions:
            refuse(node, f"{node.name} is defined already")
        if isinstance(inner, c_ast.PtrDecl | c_ast.ArrayDecl):
            # C computes the size of an argument: anything could stand there
            if isinstance(inner, c_ast.ArrayDecl) and (
                inner.dim_quals or not isinstance(inner.dim, c_ast.Constant | None)
            ):
                refuse(node, f"{node.name}: the size of an argument is a number, or not given")
            if expected is None:
                refuse(node, "functions of one's own take numbers, not arrays")
            found = type_of(inner.type)
            if found != expected.type or not expected.elements:
                refuse(node, f"{node.name}: expected {self.signature.prototype.split(') ', 1)[1]}")
            array = Array(found, expected.elements, expected.output, self.moved)
            scope.arrays[node.name] = array
            return array
        found = type_of(inner)
        if (
            not found
            or found == "void"
            or (expected is not None and (expected.elements or found != expected.type))
        ):
            refuse(node, f"{node.name}: its type is not the one expected")
        value = any_of(found)
        scope.types[node.name] = found
        scope.values[node.name] = value
        return value

    def array(self, item: c_ast.Decl, scope: Scope, *, writable: bool) -> Array:
        found = type_of(item.type.type)
        if (
            not found
            or found == "void"
            or item.type.dim is None
            or item.storage not in ([], ["static"])
        ):
            refuse(item, f"{item.name}: expected TYPE {item.name}[NUMBER] = {{...}}")
        if writable and item.storage:
            refuse(item, f"{item.name}: nothing may last from one call to the next")
        elements = self.fixed(item.type.dim, scope)
        if not 1 <= elements <= _MOST_ELEMENTS:
            refuse(item, f"{item.name}: {elements} elements")
        if not isinstance(item.init, c_ast.InitList) or not 1 <= len(item.init.exprs) <= elements:
            refuse(item, f"{item.name}: an array starts with values in braces, e.g. {{0}}")
        data = None
        for expression in item.init.exprs:
            value = self.expression(expression, scope)
            require_convertible(expression, value, found)
            data = value.data if data is None else data
            if data != value.data or (data and len(item.init.exprs) < elements):
                refuse(expression, "an array of values that are moved holds those only")
        return Array(found, elements, writable, bool(data))

    # statements

    def body(self, items: Sequence[c_ast.Node], scope: Scope, *, at_end: bool = False) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            refuse(items[0] if items else None, f"nested more than {DEEPEST} deep")
        for number, item in enumerate(items):
            self.steps += self.times
            try:
                self.statement(item, scope, at_end and number == len(items) - 1)
            except Refused as refused:
                refused.coord = refused.coord or item.coord  # some nodes have no place
                raise
        self.depth -= 1

    def statement(self, node: c_ast.Node, scope: Scope, at_end: bool) -> None:
        match node:
            case c_ast.Decl():
                self.declare(node, scope)
            case c_ast.DeclList():
                for part in node.decls:
                    self.declare(part, scope)
            case c_ast.Assignment():
                self.assign(node, scope)
            case c_ast.UnaryOp(op=("++" | "--" | "p++" | "p--"), expr=c_ast.ID()):
                one = Value("int32_t", 1, 1)
                sign = "+" if "++" in node.op else "-"
                value = arithmetic(sign, self.expression(node.expr, scope), one, node)
                self.store(node, node.expr, value, scope)
            case c_ast.If():
                self.branch(node, scope)
            case c_ast.For():
                self.loop(node, scope)
            case c_ast.Compound():
                inner = Scope(outer=scope)
                self.body(node.block_items or [], inner, at_end=False)
            case c_ast.Return():
                if not at_end:
                    refuse(node, "a return stands at the end of its function only")
                if node.expr is not None:
                    require_convertible(node, self.expression(node.expr, scope), self.result)
            case c_ast.EmptyStatement():
                pass
            case c_ast.FuncCall():
                self.expression(node, scope)
            case _:
                refuse(node, f"{type(node).__name__} is outside the subset")

    def declare(self, item: c_ast.Decl, scope: Scope) -> None:
        name = item.name
        if name is None or scope.finds(name) or name in self.functions or item.bitsize:
            refuse(item, f"{name} is defined already")
        if isinstance(item.type, c_ast.ArrayDecl):
            scope.arrays[name] = self.array(item, scope, writable="const" not in item.quals)
            return
        found = type_of(item.type)
        if not found or found == "void" or item.storage:
            refuse(item, f"{name}: its type is outside the subset")
        value = None
        if item.init is not None:
            value = self.expression(item.init, scope)
            require_convertible(item, value, found)
            value = converted(value, found)
            scope.data[name] = value.data
        scope.types[name] = found
        scope.values[name] = value

    def assign(self, node: c_ast.Assignment, scope: Scope) -> None:
        value = self.expression(node.rvalue, scope)
        if node.op != "=":
            if node.op not in _ASSIGNMENTS:
                refuse(node, f"{node.op} is outside the subset")
            value = arithmetic(
                _ASSIGNMENTS[node.op], self.expression(node.lvalue, scope), value, node
            )
        self.store(node, node.lvalue, value, scope)

    def store(self, node: c_ast.Node, target: c_ast.Node, value: Value, scope: Scope) -> None:
        if isinstance(target, c_ast.ArrayRef):
            array = self.element(target, scope)
            if not array.writable:
                refuse(node, "it writes to what may only be read")
            require_convertible(node, value, array.type)
            if array.data != value.data:
                refuse(node, "only values that came from the arguments may be put there")
            return
        if not isinstance(target, c_ast.ID):
            refuse(node, "only variables and elements of arrays can be set")
        owner = scope.owner(target.name)
        if owner is None or target.name not in owner.types:
            refuse(node, f"{target.name} is no variable")
        if scope.is_loop(target.name):
            refuse(node, f"{target.name} is changed by its loop only")
        require_convertible(node, value, owner.types[target.name])
        if owner.data.setdefault(target.name, value.data) != value.data:
            refuse(node, f"{target.name} holds values that are moved, or others, not both")
        owner.values[target.name] = converted(value, owner.types[target.name])

    def branch(self, node: c_ast.If, scope: Scope) -> None:
        self.truth(node.cond, scope)
        before = self.snapshot(scope)
        self.body(_items(node.iftrue), Scope(outer=scope))
        after = self.snapshot(scope)
        self.restore(before)
        if node.iffalse is not None:
            self.body(_items(node.iffalse), Scope(outer=scope))
        for (owner, name), value in after.items():
            owner_scope = self.scopes[owner]
            owner_scope.values[name] = hull(value, owner_scope.values[name])

    def loop(self, node: c_ast.For, scope: Scope) -> None:
        parts = loop_parts(node)
        if parts is None:
            refuse(node, "expected for (int i = A; i < B; i++), or >, +=, --")
        name, start, op, bound, step = parts
        if scope.finds(name):
            refuse(node, f"{name} is defined already")
        changing = _assigned(node.stmt) & _named(bound)
        if changing:
            # C looks at the bound before each step, this check and the run do so once
            refuse(node, f"its bound changes with {min(changing)}, which is set in the loop")
        values = loop_range(self.fixed(start, scope), op, self.fixed(bound, scope), step)
        if values is None or not len(values):
            refuse(node, "a loop that makes no step, or does not end")
        if not all(
            limits("int32_t")[0] < v < limits("int32_t")[1] for v in (values[0], values[-1])
        ):
            refuse(node, "a loop beyond the integers")
        inner = Scope(outer=scope)
        inner.types[name] = "int32_t"
        inner.values[name] = Value(
            "int32_t", min(values[0], values[-1]), max(values[0], values[-1])
        )
        inner.loops.add(name)
        for changed in _assigned(node.stmt):
            owner = scope.owner(changed)
            if owner is not None:
                known = owner.values.get(changed)
                if known is not None:
                    owner.values[changed] = any_of(known.type, known.data)
        before = self.times
        self.times = min(self.times * len(values), 1 << 62)
        if self.times > MOST_STEPS:
            refuse(node, f"loops of {self.times} steps together, at most {MOST_STEPS}")
        self.body(_items(node.stmt), inner)
        self.times = before

    # scopes

    def snapshot(self, scope: Scope) -> dict[tuple[int, str], Value | None]:
        self.scopes: dict[int, Scope] = {}
        found: dict[tuple[int, str], Value | None] = {}
        owner: Scope | None = scope
        while owner is not None:
            self.scopes[id(owner)] = owner
            found.update({(id(owner), name): value for name, value in owner.values.items()})
            owner = owner.outer
        return found

    def restore(self, values: dict[tuple[int, str], Value | None]) -> None:
        for (owner, name), value in values.items():
            self.scopes[owner].values[name] = value


def _items(node: c_ast.Node | None) -> list[c_ast.Node]:
    if isinstance(node, c_ast.Compound):
        return list(node.block_items or [])
    return [] if node is None else [node]


def _below(node: c_ast.Node) -> Iterator[c_ast.Node]:
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting += [child for _, child in here.children()]


def _named(node: c_ast.Node) -> set[str]:
    """Names that are read somewhere below."""
    return {here.name for here in _below(node) if isinstance(here, c_ast.ID)}


def _assigned(node: c_ast.Node) -> set[str]:
    """Names that are set somewhere below."""
    found = set()
    for here in _below(node):
        if isinstance(here, c_ast.Assignment) and isinstance(here.lvalue, c_ast.ID):
            found.add(here.lvalue.name)
        if isinstance(here, c_ast.UnaryOp) and isinstance(here.expr, c_ast.ID) and here.op not in (
            "-", "~", "+", "!",
        ):  # fmt: skip
            found.add(here.expr.name)
    return found
