"""Takes an answer apart, hands its parts to the form they have, and checks the child."""

from __future__ import annotations

import ast
import html
import re
import warnings

from evolve.answers.blocks import MAX_EDITS, parse_blocks, unnumbered
from evolve.answers.fences import fences, in_fence
from evolve.answers.hunks import parse_diff
from evolve.answers.placing import place_edits
from evolve.answers.records import AnswerError, Applied, Edit, Expect, Form, Kind, Refused
from evolve.answers.thinking import declines, spoken
from evolve.answers.whole import parse_whole
from evolve.answers.wrapped import from_json, headed_edits, tagged_edits, unescaped
from evolve.program import Program, blocks, excerpt, syntax_hash
from evolve.syntax import normal_form

MAX_ANSWER_CHARS = 8_000_000
"""Several times the largest program; more is not looked at."""

_HARD_BLANK = "\u00a0"
_HARD_INDENT = re.compile(rf"^[ \t]*{_HARD_BLANK}[ \t{_HARD_BLANK}]*(?=\S|$)")
_OPENS = re.compile(r"\n[ \t]*(?:```+|~~~+)\w+\s*\Z")
_ELLIPSIS = re.compile(
    r"(?:#|//|/\*|--)\s*[\[(<]?\s*(?:"
    r"(?:\.{3}|…)\W*$"
    r"|(?:\.{3}|…).{0,80}(?:\.{3}|…|\b(?:rest|existing|remain\w*|unchanged|same|previous|original)\b)"
    r"|(?:the\s+)?(?:rest|remainder)\s+of\s.{0,80}\b(?:unchanged|as before|the same|omitted)\W*$"
    r"|(?:the\s+)?(?:existing|previous|original|other)\s+(?:code|implementation|functions?|logic)\b"
    r".{0,40}(?:\.{3}|…|\bunchanged|\bas before|\bhere|\bremains?)\W*$"
    r"|(?:the\s+)?(?:code|rest|body)\s+(?:is\s+|remains\s+|stays\s+)?"
    r"(?:unchanged|omitted|the same|as before)\W*$"
    r")",
    re.IGNORECASE,
)
"""Comments that stand for code which was left out."""


def apply_answer(
    parent: Program,
    text: str,
    *,
    expect: Expect = Expect.EDITS,
    cut: bool = False,
    declined: bool = False,
) -> Applied | Refused:
    """The child that an answer makes of the parent, or why there is none.

    Pure; for any text it ends with one of the two, in time about linear in answer and program.

    Args:
        text: As the model wrote it; without a reasoning that the vendor hands over apart.
        expect: What the prompt asked for. Every form is read in any case, except code without
            any marker, which is a program only where one was expected.
        cut: The vendor says that the answer reached its limit of tokens.
        declined: The vendor says that the model refused, or that a filter stopped it.
    """
    try:
        return _applied(parent, text, expect, cut=cut, declined=declined)
    except AnswerError as error:
        return error.refused


def _applied(parent: Program, text: str, expect: Expect, *, cut: bool, declined: bool) -> Applied:
    if declined:
        raise AnswerError(Kind.DECLINED, f"the model declined: {excerpt(text, 200)}")
    if len(text) > MAX_ANSWER_CHARS:
        raise AnswerError(
            Kind.UNPARSABLE,
            f"an answer of {len(text)} characters; at most {MAX_ANSWER_CHARS} are read",
        )
    said, unfinished = spoken(text.removeprefix("\ufeff"))
    if cut:
        raise AnswerError(Kind.TRUNCATED, "the answer reached its limit of tokens")
    if unfinished:
        raise AnswerError(Kind.TRUNCATED, "the answer ends within its thinking")
    if not said.strip():
        raise AnswerError(Kind.EMPTY, "the answer is empty")
    program, form, exact = _read(parent, said, expect)
    _check(parent, program)
    return Applied(program=program, form=form, exact=exact)


def _read(parent: Program, said: str, expect: Expect) -> tuple[Program, Form, bool]:
    if "<<<<<" not in said and "&lt;&lt;&lt;&lt;&lt;" in said:
        said = html.unescape(said)
    if "\n" not in said:
        said = said.replace("\r", "\n")
    lines = said.split("\n")
    if all(line.endswith("\r") for line in lines[:-1]) and len(lines) > 1:
        lines = [line.removesuffix("\r") for line in lines]
    if _HARD_BLANK in said:
        lines = [_HARD_INDENT.sub(lambda found: " " * len(found[0]), line) for line in lines]
    fenced_text = any("```" in content or "~~~" in content for content in parent.files.values())
    edits = parse_blocks(lines, fenced_text=fenced_text)
    if edits and _OPENS.search(said):
        raise AnswerError(Kind.TRUNCATED, "the answer ends where another code block begins")
    form = Form.BLOCKS
    if not edits:
        edits, form = parse_diff(lines), Form.DIFF
    if edits:
        program, exact = _placed(parent, edits, lines, form)
        return program, form, exact
    whole = parse_whole(parent, lines, expect=expect)
    if whole is not None:
        return whole, Form.WHOLE, True
    if edits := tagged_edits(said) or headed_edits(lines):
        program, exact = _placed_from_tags(parent, edits, lines)
        return program, Form.BLOCKS, exact
    inside = from_json(lines)
    if isinstance(inside, str):
        markers = any(sign in inside for sign in ("<<<<<", "@@", "```"))
        return _read(parent, inside if markers else in_fence(inside), expect)
    if inside:
        program, exact = _placed(parent, inside, lines, Form.BLOCKS)
        return program, Form.BLOCKS, exact
    raise _nothing(lines, said, expect)


def _placed(
    parent: Program, edits: list[Edit], lines: list[str], form: Form
) -> tuple[Program, bool]:
    if len(edits) > MAX_EDITS:
        raise AnswerError(Kind.UNPARSABLE, f"more than {MAX_EDITS} changes")
    try:
        return place_edits(parent, edits)
    except AnswerError as error:
        if error.refused.kind is not Kind.NOT_FOUND:
            raise
        other = parse_diff(lines, bare_context=True) if form is Form.DIFF else unnumbered(edits)
        if other == edits:
            raise
        try:
            return place_edits(parent, other)
        except AnswerError:
            raise error from None


def _placed_from_tags(parent: Program, edits: list[Edit], lines: list[str]) -> tuple[Program, bool]:
    """As `_placed`; where the old text is not found as it stands, it may be escaped as in XML."""
    try:
        return _placed(parent, edits, lines, Form.BLOCKS)
    except AnswerError as error:
        plain = unescaped(edits)
        if error.refused.kind is not Kind.NOT_FOUND or plain == edits:
            raise
        try:
            return _placed(parent, plain, lines, Form.BLOCKS)
        except AnswerError:
            raise error from None


def _nothing(lines: list[str], said: str, expect: Expect) -> AnswerError:
    parts = fences(lines)
    if any(not part.closed for part in parts):
        return AnswerError(Kind.TRUNCATED, "a code block is not closed: the answer was cut off")
    if parts:
        wanted = "a complete program" if expect is Expect.WHOLE else "SEARCH/REPLACE blocks"
        return AnswerError(
            Kind.UNPARSABLE,
            f"the answer has code, but not as {wanted}, so it cannot be said where it belongs",
        )
    if "SEARCH" in said and "REPLACE" in said:
        reason = "SEARCH and REPLACE markers must stand on lines of their own, with nothing before"
        return AnswerError(Kind.UNPARSABLE, reason)
    if declines(said):
        return AnswerError(Kind.DECLINED, f"the model declined: {excerpt(said, 200)}")
    return AnswerError(Kind.PROSE, f"the answer has no code: {excerpt(said.strip(), 120)}")


def _check(parent: Program, child: Program) -> None:
    if child == parent:
        raise AnswerError(Kind.NO_OP, "the answer changes nothing")
    _check_nothing_left_out(parent, child)
    for path, text in child.files.items():
        if not path.endswith(".py") or text == parent.files[path]:
            continue
        # the normal form is needed below anyway, and kept
        fault = "" if normal_form(text) is not None else _syntax_fault(text)
        if fault and not _syntax_fault(parent.files[path]):
            raise AnswerError(Kind.SYNTAX_ERROR, f"the changed program does not parse: {fault}")
    if syntax_hash(child) == syntax_hash(parent):
        raise AnswerError(Kind.NO_OP, "the answer changes layout, comments or names only")


def _check_nothing_left_out(parent: Program, child: Program) -> None:
    known = {line.strip() for text in parent.files.values() for line in text.split("\n")}
    for block in blocks(child):
        for line in block.text.split("\n"):
            if line.strip() not in known and _ELLIPSIS.search(line[:400]) is not None:
                raise AnswerError(
                    Kind.PARTIAL,
                    f"{excerpt(line.strip())} stands for code that is not there; write it out",
                )


def _syntax_fault(text: str) -> str:
    """What Python finds wrong, in one line; "" for nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is the candidate's affair
            ast.parse(text)
    except SyntaxError as error:
        line = (error.text or "").strip()
        where = f"line {error.lineno}" if error.lineno else "it"
        return f"{where}: {error.msg}" + (f", at {excerpt(line)}" if line else "")
    except (ValueError, RecursionError, MemoryError) as error:
        return f"it cannot be read ({type(error).__name__})"
    return ""
