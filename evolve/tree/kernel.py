"""Changes inside kernels that a program holds as text: listings of instructions, and C.

A string in an EVOLVE-BLOCK is one of the two if it reads as one. The change is textual and small;
whether the kernel is still right is for the problem's stages to say.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Sequence
from functools import lru_cache

from evaluators import Invalid
from evolve import syntax
from evolve.program import Program, blocks
from evolve.tree.text import Lines, Splice
from evolve.tree.work import Work

_REGISTER = re.compile(r"\br\d{1,2}\b")
_CONDITIONAL = re.compile(r"\b(cmov|j)([a-z]{1,2})\b")
_C = re.compile(r"\bkernel\s*\(")
_TOKEN = re.compile(r"<<|>>|<=|>=|==|!=|[-+*^|&<>](?![=\-+*&|<>])|\b\d+\b|\b[a-z]\w*\b")
_GROUPS = (("<", ">", "<=", ">="), ("==", "!="), ("+", "-", "^"), ("&", "|"), ("<<", ">>"))
_WORDS = frozenset(
    {"int", "unsigned", "long", "float", "double", "const", "static", "void", "for", "if", "else"}
    | {"return", "kernel"}
)


def applies(program: Program) -> bool:
    """Whether a block of the program holds a kernel."""
    return bool(_texts(program))


def kernel(work: Work) -> list[Splice] | None:
    """Changes a line of a listing, or a token or statement of C, in one string of a block."""
    found = _texts(work.source.program)
    if not found:
        return None
    file, start, end, text = work.rng.choice(found)
    child = _line_changed(text, work.rng) if _is_listing(text) else _c_changed(text, work.rng)
    if child is None or child == text:
        return None
    return [Splice(file, start, end, child)]


@lru_cache(maxsize=1024)
def _texts(program: Program) -> tuple[tuple[str, int, int, str], ...]:
    """Kernels as (file, start, end, text) of what stands between triple quotes."""
    found = []
    for path in dict.fromkeys(block.file for block in blocks(program)):
        whole = program.files[path]
        pieces = syntax.pieces(whole) if path.endswith(".py") and '"""' in whole else None
        own = [block for block in blocks(program) if block.file == path]
        for piece in pieces or ():
            for first, last, start, text in _texts_of(piece.text):
                first, last = first + piece.above, last + piece.above
                if any(block.first <= first and last <= block.last for block in own):
                    start += Lines(whole).start_of(piece.above + 1)
                    found.append((path, start, start + len(text), text))
    return tuple(found)


@lru_cache(maxsize=4096)
def _texts_of(text: str) -> tuple[tuple[int, int, int, str], ...]:
    """Kernels in a piece of a module: first and last line, offset, text."""
    if '"""' not in text:
        return ()
    lines = Lines(text)
    found = []
    for node in syntax.piece_nodes(text):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        last = node.end_lineno or node.lineno
        start = lines.offset(node.lineno, node.col_offset) + 3
        end = lines.offset(last, node.end_col_offset or 0) - 3
        # what is escaped would not be where it stands in the text
        if text[start:end] == node.value and _is_kernel(node.value):
            found.append((node.lineno, last, start, node.value))
    return tuple(found)


def _is_kernel(text: str) -> bool:
    return _is_listing(text) or _C.search(text) is not None


def _is_listing(text: str) -> bool:
    # brings numpy, which commands that read a few rows do without
    from evaluators.kernel_listings import parse

    found = parse(text)
    return not isinstance(found, Invalid) and bool(found)


def _line_changed(text: str, rng: random.Random) -> str | None:
    lines = [line for line in text.strip("\n").split("\n") if line.strip()]
    registers = sorted(set(_REGISTER.findall(text))) or ["r0"]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines.pop(at))
        case 2:
            places = list(_REGISTER.finditer(lines[at]))
            if not places:
                return None
            lines[at] = _put(lines[at], rng.choice(places), rng.choice(registers))
        case 3:
            from evaluators.kernel_listings import CONDITIONS

            place = _CONDITIONAL.search(lines[at])
            if place is None or place[2] not in CONDITIONS:
                return None
            lines[at] = _put(lines[at], place, place[1] + rng.choice(CONDITIONS))
        case _:
            name = rng.choice(("mov", "cmp", "cmovl", "cmovg"))
            lines.insert(at, f"{name} {rng.choice(registers)} {rng.choice(registers)}")
    return "\n" + "\n".join(lines) + "\n"


def _c_changed(text: str, rng: random.Random) -> str | None:
    lines = text.split("\n")
    statements = [i for i, line in enumerate(lines) if line.rstrip().endswith(";")]
    choice = rng.randrange(4)
    if choice == 0 and statements:
        del lines[rng.choice(statements)]
        return "\n".join(lines)
    if choice == 1 and len(statements) > 1:
        one, other = rng.sample(statements, 2)
        lines[one], lines[other] = lines[other], lines[one]
        return "\n".join(lines)
    tokens = [found for found in _TOKEN.finditer(text) if found[0] not in _WORDS]
    if not tokens:
        return None
    place = rng.choice(tokens)
    return _put(text, place, _another(place[0], tokens, rng))


def _another(token: str, tokens: Sequence[re.Match[str]], rng: random.Random) -> str:
    for group in _GROUPS:
        if token in group:
            return rng.choice(group)
    if token.isdigit():
        return str(max(0, int(token) + rng.choice((-8, -1, 1, 8))))
    names = sorted({found[0] for found in tokens if found[0].isidentifier()})
    return rng.choice(names) if token in names else token


def _put(text: str, place: re.Match[str], new: str) -> str:
    return text[: place.start()] + new + text[place.end() :]
