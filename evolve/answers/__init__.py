"""From the raw text of an answer to a program: whatever form it has, wholly or not at all.

    answer ─► thinking cut off ─► SEARCH/REPLACE blocks │ unified diff │ complete file ─► placed
              (reading)           (blocks)              (hunks)        (whole)           (placing)
           ─► checked: outside of the blocks untouched, parses, differs from its parent

Covered: a change is found exactly or by white space only, at one place only, with all others of
its answer; what is truncated, declined, or mere prose is no program. Time grows about linearly
with answer and program, and no answer raises. Not covered: whether the change is what its author
meant, and what the program does.
"""

from __future__ import annotations

from evolve.answers.reading import MAX_ANSWER_CHARS, apply_answer
from evolve.answers.records import Applied, Edit, Expect, Form, Kind, Refused
from evolve.answers.thinking import spoken

__all__ = [
    "MAX_ANSWER_CHARS",
    "Applied",
    "Edit",
    "Expect",
    "Form",
    "Kind",
    "Refused",
    "apply_answer",
    "spoken",
]
