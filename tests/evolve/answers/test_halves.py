"""Two changes in every form, with one line lost, doubled or all behind it cut: both or none.

An answer that ends where a change ends cannot be told from one with a single change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from evolve.answers import Applied, apply_answer
from evolve.program import Program

BEFORE, AFTER = ("    a = 1", "    b = 2"), ("    a = x * 3", "    b = x * 5")
SOURCE = (
    "# EVOLVE-BLOCK-START\ndef f(x):\n{}\n    x = x\n{}\n    return a + b\n# EVOLVE-BLOCK-END\n"
)
PARENT = Program.of({"program.py": SOURCE.format(*BEFORE)})
HALVES = [
    Program.of({"program.py": SOURCE.format(AFTER[0], BEFORE[1])}),
    Program.of({"program.py": SOURCE.format(BEFORE[0], AFTER[1])}),
]
PAIRS = list(zip(BEFORE, AFTER, strict=True))


def each(form: str) -> str:
    return "".join(form.format(old=old, new=new) for old, new in PAIRS)


FORMS = {
    "blocks": each("<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"),
    "fenced": each("```python\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n```\n"),
    "tags": each("<search>\n{old}\n</search>\n<replace>\n{new}\n</replace>\n"),
    "headings": each("### Before\n```python\n{old}\n```\n### After\n```python\n{new}\n```\n"),
    "json": json.dumps([{"old_str": old, "new_str": new} for old, new in PAIRS], indent=1),
    "diff": "```diff\n--- a/program.py\n+++ b/program.py\n"
    + "".join(
        f"@@ -{line},1 +{line},1 @@\n-{old}\n+{new}\n"
        for line, (old, new) in zip((3, 5), PAIRS, strict=True)
    )
    + "```\n",
}


def spoilt(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for number in range(len(lines)):
        yield "\n".join([*lines[:number], *lines[number + 1 :]])
        yield "\n".join([*lines[: number + 1], *lines[number:]])
        whole = any(AFTER[0] in line for line in lines[:number])
        if not (whole and complete("\n".join(lines[:number]))):
            yield "\n".join(lines[:number])


def complete(text: str) -> bool:
    """Whether the text ends where the first change does, or in the fence around it."""
    said = text.rstrip("`\n ")
    return said.endswith((">>>>>>> REPLACE", "</replace>", AFTER[0])) and "b = 2" not in said


@pytest.mark.parametrize("form", FORMS)
def test_a_spoilt_answer_is_never_made_by_half(form: str) -> None:
    whole = apply_answer(PARENT, FORMS[form])
    assert isinstance(whole, Applied)
    assert whole.program.files["program.py"] == SOURCE.format(*AFTER)
    for text in spoilt(FORMS[form]):
        result = apply_answer(PARENT, text)
        assert not (isinstance(result, Applied) and result.program in HALVES), text
