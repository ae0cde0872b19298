"""What reading an answer ends with: a program, or a refusal that its author can act on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from evolve.program import Program


class Expect(StrEnum):
    """What the prompt asked for."""

    EDITS = "edits"
    """SEARCH/REPLACE blocks."""
    WHOLE = "whole"
    """One complete program; only then may a lone code block without markers be one."""


class Form(StrEnum):
    """How a change was written."""

    BLOCKS = "blocks"
    DIFF = "diff"
    WHOLE = "whole"


class Kind(StrEnum):
    """Why an answer gives no child. Each is also an `islands_db.Fate` of that value."""

    EMPTY = "empty"
    """Nothing but white space and thinking."""
    TRUNCATED = "truncated"
    """It ends before it is complete."""
    DECLINED = "declined"
    """The model, or its vendor, would not answer."""
    PROSE = "prose"
    """Text without any program, edit or diff."""
    UNPARSABLE = "unparsable"
    """Code or edits that cannot be read."""
    PARTIAL = "partial"
    """Code left out behind a comment such as "rest unchanged"."""
    NOT_FOUND = "not_found"
    """A SEARCH text that is not in the program."""
    AMBIGUOUS = "ambiguous"
    """More than one meaning: several places, edits that contradict, several programs."""
    OUTSIDE_BLOCK = "outside_block"
    """It would change text outside of the EVOLVE-BLOCKs."""
    NO_OP = "no_op"
    """The child is the parent, or differs in layout, comments and names of locals only."""
    SYNTAX_ERROR = "syntax_error"
    """A file that parsed as Python would no longer do so."""


_CAN_BE_MENDED = frozenset(
    {
        Kind.UNPARSABLE, Kind.PARTIAL, Kind.NOT_FOUND, Kind.AMBIGUOUS, Kind.OUTSIDE_BLOCK,
        Kind.SYNTAX_ERROR,
    }
)  # fmt: skip


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A child of the parent: sound outside of its blocks, different in its syntax tree.

    Attributes:
        exact: Every text quoted stood in the parent character by character.
    """

    program: Program
    form: Form
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No child, and why.

    Attributes:
        reason: One line for the author of the answer.
        block: Number of the edit at fault, from 1; 0 where it is the answer as a whole.
        nearest: For `NOT_FOUND`: the lines of the program most like the text that was looked for.
    """

    kind: Kind
    reason: str
    block: int = 0
    nearest: str = ""

    @property
    def worth_sending_back(self) -> bool:
        """Whether the author, told the reason, can be expected to mend it."""
        return self.kind in _CAN_BE_MENDED


class AnswerError(ValueError):
    """A `Refused` on its way out of this package; never leaves `apply_answer`."""

    def __init__(self, kind: Kind, reason: str, *, block: int = 0, nearest: str = "") -> None:
        super().__init__(reason)
        self.refused = Refused(kind=kind, reason=reason, block=block, nearest=nearest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Lines that give way to others; lines without their LF (a CR stays).

    Attributes:
        file: Path of the file, where the answer names one.
        line: Line (from 1) at which `search` is said to stand; decides between equal places.
    """

    search: tuple[str, ...]
    replace: tuple[str, ...]
    file: str | None = None
    line: int | None = None
