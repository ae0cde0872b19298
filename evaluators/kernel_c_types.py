"""The types, numbers and loops of the C subset, as its check and its run both read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pycparser import c_ast

_TYPES = {
    "int": "int32_t", "signed": "int32_t", "int signed": "int32_t", "int32_t": "int32_t",
    "unsigned": "uint32_t", "int unsigned": "uint32_t", "uint32_t": "uint32_t",
    "long": "int64_t", "int long": "int64_t", "long long": "int64_t", "int64_t": "int64_t",
    "int long long": "int64_t", "long unsigned": "uint64_t", "int long unsigned": "uint64_t",
    "long long unsigned": "uint64_t", "int long long unsigned": "uint64_t",
    "uint64_t": "uint64_t", "float": "float", "double": "double", "void": "void",
}  # fmt: skip
NAMED = ("int32_t", "uint32_t", "int64_t", "uint64_t")


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
    for name in NAMED:
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
            start is not None
            and type_of(declared.type) == "int32_t"
            and not (declared.storage or declared.quals)
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
