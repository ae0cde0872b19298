"""Answers in the forms that models write, each with the program or the refusal it must give.

The texts are files of `tests/evolve/answers/corpus`, written for this purpose; no model wrote them.
A case begins with a line

    @@@@ name; parent; edits or whole; gives CHILD, or refused KIND[; flags]

where parent and child are files of the folders `parents` and `children` there (or folders, for
programs of several files), and flags are `cut`, `declined` (what the vendor said), `crlf`,
`crlf block` (line ends of the answer) and `bom`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evolve.answers import Applied, Expect, Refused, apply_answer
from evolve.program import Program

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "evolve" / "answers" / "corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One answer, and what must come of it: a child, or the kind of its refusal."""

    name: str
    parent: Program
    text: str
    expect: Expect
    cut: bool
    declined: bool
    child: Program | None
    kind: str

    def read(self) -> Applied | Refused:
        return apply_answer(
            self.parent, self.text, expect=self.expect, cut=self.cut, declined=self.declined
        )

    def wrong(self) -> str:
        """What came of it instead of what should; "" where it is right."""
        result = self.read()
        if isinstance(result, Refused):
            found = f"refused {result.kind}: {result.reason}"
            return "" if result.kind == self.kind else found
        if self.child is None:
            return f"applied, but {self.kind} was expected"
        return "" if result.program == self.child else "applied, but gives another program"


def cases() -> Iterator[Case]:
    """All cases, file by file."""
    for path in sorted(CORPUS.glob("*.txt")):
        with path.open(encoding="utf-8", newline="") as file:
            parts = ("\n" + file.read()).split("\n@@@@ ")[1:]
        for part in parts:
            head, _, text = part.partition("\n")
            yield _case(path.stem, head, text.removesuffix("\n"))


def _case(file: str, head: str, text: str) -> Case:
    name, parent, expect, result, *flags = (field.strip() for field in head.split(";"))
    verb, _, what = result.partition(" ")
    if "crlf" in flags:
        text = text.replace("\n", "\r\n")
    if "crlf block" in flags:
        before, marker, block = text.partition("<<<<<<<")
        text = before + marker + block.replace("\n", "\r\n")
    if "bom" in flags:
        text = "\ufeff" + text
    return Case(
        name=f"{file}: {name}",
        parent=_program("parents", parent),
        text=text,
        expect=Expect(expect),
        cut="cut" in flags,
        declined="declined" in flags,
        child=_program("children", what) if verb == "gives" else None,
        kind=what if verb == "refused" else "",
    )


def _program(folder: str, name: str) -> Program:
    path = CORPUS / folder / name
    if path.is_dir():
        return Program.of({file.name: _text(file) for file in sorted(path.iterdir())})
    return Program.of({f"program{path.suffix}": _text(path)})


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:  # line ends as they are
        return file.read()


def right_and_wrong() -> tuple[int, list[str]]:
    """How many cases there are, and each that goes wrong with what came of it."""
    total, wrong = 0, []
    for case in cases():
        total += 1
        if fault := case.wrong():
            wrong.append(f"{case.name}: {fault}")
    return total, wrong
