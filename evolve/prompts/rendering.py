"""From templates, facts and a context to a prompt: pure, and true of the programs shown.

What is said of a program or a step is remembered: the same are shown by many prompts.

Text that a candidate, a stage or a model wrote stands between code fences longer than any run of
backticks in it, or on one line, so that it cannot pass for a part of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from evolve import diff
from evolve.answers import Expect, Refused
from evolve.problem import Number, Objective
from evolve.program import Program, blocks, outside_changed
from evolve.prompts.records import Context, Facts, Operator, Prompt, Shown, Tried
from evolve.prompts.templates import Templates
from evolve.terminal import inert, number
from islands_db import Fate, Status, Verdict

_DIGITS = 6
_STDERR_CHARS = 2000
_FEEDBACK_CHARS = 4000
_REASON_CHARS = 400
_DIFF_LINES = 60
_BACKTICKS = re.compile(r"`+")
_LANGUAGES = {"py": "python", "c": "c", "h": "c", "md": "markdown", "js": "javascript"}


def render(
    templates: Templates, facts: Facts, context: Context, *, fixed: str | None = None
) -> Prompt:
    """The prompt of one attempt.

    Args:
        fixed: What `fixed_part` gives, from those who render many.

    Raises:
        ValueError: a crossover without any inspiration that has a score.
    """
    parent = context.parent
    others = _sound(context)
    if context.operator is Operator.CROSSOVER and not others:
        raise ValueError("a crossover needs an inspiration that has a score")
    text = templates.fill(
        context.operator.value,
        score=_score(facts),
        parent=_parent(templates, facts, parent),
        history=_section(templates, "history", steps=_changes(facts, context.history, past=True)),
        tried=_section(templates, "tried", attempts=_changes(facts, context.tried, past=False)),
        cycling=_section(templates, "cycling", lines=_quoted("\n".join(context.repeated))),
        inspirations=_inspirations(templates, facts, parent, others),
        notes=_notes(templates, context.notes, context.notes_from),
        stagnation=_section(
            templates,
            "stagnation",
            attempts=f"{context.stagnant_for:,}" * bool(context.stagnant_for),
        ),
        hint=_section(templates, "hint", hint=context.hint),
        format=_format(templates, parent.program, context.operator.expect),
    )
    if fixed is None:
        fixed = fixed_part(templates, facts)
    return Prompt(fixed=fixed, text=text, templates=templates.hash)


def render_summary(
    templates: Templates,
    facts: Facts,
    attempts: Sequence[Tried],
    *,
    notes: str = "",
    count: int = 0,
) -> Prompt:
    """The prompt that asks for notes on what worked.

    Args:
        notes: The last ones, written when there were `count` programs.
    """
    text = templates.fill(
        "summary",
        score=_score(facts),
        notes=_notes(templates, notes, count),
        attempts=_changes(facts, attempts, past=True),
    )
    return Prompt(fixed=fixed_part(templates, facts), text=text, templates=templates.hash)


def render_retry(templates: Templates, refused: Refused, expect: Expect) -> str:
    """What is sent back, once, behind an answer that could not be used."""
    again = (
        "Give the complete answer again, with all of its blocks, also those that were right."
        if expect is Expect.EDITS
        else "Give the complete program again."
    )
    nearest = f"The program's text nearest to it:\n\n{fenced(refused.nearest)}"
    return templates.fill(
        "retry",
        reason=inert(refused.reason),
        nearest=nearest if refused.nearest else "",
        again=again,
    )


def fenced(text: str, language: str = "") -> str:
    """The text between fences that nothing in it can close."""
    fence = fence_for(text)
    end = "" if text.endswith("\n") or not text else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"


def fence_for(*texts: str) -> str:
    """A run of backticks longer than any in the texts, and at least three."""
    longest = max((len(run) for text in texts for run in _BACKTICKS.findall(text)), default=0)
    return "`" * max(3, longest + 1)


def line_of(text: str, length: int = _REASON_CHARS) -> str:
    """The text in one line, controls shown, cut in the middle when long."""
    line = inert(" ".join(text.split()))
    if len(line) <= length:
        return line
    half = (length - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


# --- what is the same for a run -------------------------------------------------------------------


def fixed_part(templates: Templates, facts: Facts) -> str:
    """What is the same in all prompts of a run."""
    return templates.fill(
        "fixed",
        name=facts.name,
        statement=facts.statement,
        parameters=_parameters(facts),
        contract=_section(templates, "contract", contract=facts.contract),
        limits=_limits(facts),
        score=_scoring(facts),
        measurement=facts.measurement,
    )


def _parameters(facts: Facts) -> str:
    if not facts.parameters:
        return ""
    chosen = ", ".join(f"`{name}` = {value}" for name, value in facts.parameters)
    return f"Parameters of this search: {chosen}."


def _limits(facts: Facts) -> str:
    limits = [f"{step.timeout_s:g} s and {step.memory_mb} MB" for step in facts.stages]
    if len(set(limits)) == 1:
        what = f"{limits[0]} for {'each stage of ' * (len(limits) > 1)}an evaluation"
    else:
        what = "; ".join(
            f"{limit} in stage `{step.name}`"
            for limit, step in zip(limits, facts.stages, strict=True)
        )
    libraries = ", ".join(["the standard library", *facts.requires[:-1]])
    libraries += f" and {facts.requires[-1]}" if facts.requires else ""
    return (
        f"- Time and memory, import of the module included: {what}. Every process that runs the "
        "program imports it anew.\n"
        f"- {libraries[0].upper()}{libraries[1:]} can be imported; there is no network, and there "
        "are no files to read or write."
    )


@lru_cache(maxsize=4)
def _score(facts: Facts) -> str:
    objective = facts.objectives[0]
    return f"The score is `{objective.name}`; {_direction(objective)} is better."


def _direction(objective: Objective) -> str:
    return "higher" if objective.direction == "max" else "lower"


def _scoring(facts: Facts) -> str:
    said = [_score(facts)]
    if len(facts.objectives) > 1:
        others = ", ".join(f"`{o.name}` ({_direction(o)} is better)" for o in facts.objectives[1:])
        said.append(f"It alone says which program is the best. Measured as well: {others}.")
    if len(facts.stages) > 1:
        steps = []
        for step in facts.stages:
            mark = step.pass_mark
            needed = "" if mark is None else f" (to go on: {_reaching(facts, mark)})"
            steps.append(f"`{step.name}`{needed}")
        said.append(
            f"An evaluation has the stages {', '.join(steps)}, in this order. A program that "
            "passes more of them is the better one; among equals the score at the last one decides."
        )
    if facts.other_draws and not facts.drawn:
        said.append(f"Afterwards {' and '.join(facts.other_draws)} in evaluations of their own.")
    elif facts.other_draws:
        said.append(
            "What depends on a seed has one training seed in the scores you see, the same for all "
            f"programs; {' and '.join(facts.other_draws)} with other seeds, so what fits this one "
            "alone is worth nothing."
        )
    return " ".join(said)


def _reaching(facts: Facts, mark: Number) -> str:
    least = "at least" if facts.objectives[0].direction == "max" else "at most"
    return f"{least} {number(float(mark), _DIGITS)}"


# --- programs -------------------------------------------------------------------------------------


def _section(templates: Templates, name: str, /, **fields: str) -> str:
    """The template where all of its fields hold something; else nothing."""
    return templates.fill(name, **fields) if all(fields.values()) else ""


@lru_cache(maxsize=256)
def _parent(templates: Templates, facts: Facts, parent: Shown) -> str:
    stderr = next((v.stderr for v in reversed(parent.verdicts) if v.stderr.strip()), "")
    feedback = "\n".join(v.feedback.strip() for v in parent.verdicts if v.feedback.strip())
    return templates.fill(
        "parent",
        id=str(parent.id),
        standing=_standing(facts, parent),
        code=_code(parent.program),
        feedback=_section(templates, "feedback", feedback=_quoted(feedback, _FEEDBACK_CHARS)),
        stderr=_section(templates, "stderr", stderr=_quoted(stderr[-_STDERR_CHARS:])),
    )


def _quoted(text: str, length: int = _STDERR_CHARS) -> str:
    text = inert(text.strip("\n")[:length], lines=True)
    return fenced(text, "text") if text.strip() else ""


def _standing(facts: Facts, shown: Shown) -> str:
    """How the program did, beside what else is known; a failure is called one."""
    lines = []
    if shown.failed and shown.verdicts:
        lines.append("**This program fails and has no score; mend that first.**")
    marks = {step.name: step.pass_mark for step in facts.stages}
    objective = facts.objectives[0]
    for verdict in shown.verdicts:
        where = f"stage `{verdict.stage}`: " if len(facts.stages) > 1 else ""
        lines.append(f"- {where}{_verdict(verdict, objective)}")
        mark = marks.get(verdict.stage)
        value = verdict.values.get(objective.name)
        if mark is not None and value is not None and not objective.reaches(value, mark):
            lines[-1] += (
                f"; {_reaching(facts, mark)} was needed to go on, so no later stage was run"
            )
    if references := _references(facts):
        lines.append(f"- for comparison: {references}")
    return "\n".join(lines)


def _verdict(verdict: Verdict, objective: Objective) -> str:
    if verdict.status is not Status.OK:
        reason = line_of(verdict.reason)
        return f"FAILED ({verdict.status})" + (f": {reason}" if reason else "")
    value = number(verdict.values[objective.name], _DIGITS)
    others = ", ".join(
        f"{name} {number(other, _DIGITS)}"
        for name, other in verdict.values.items()
        if name != objective.name
    )
    return f"`{objective.name}` {value}" + (f" ({others})" if others else "")


@lru_cache(maxsize=4)
def _references(facts: Facts) -> str:
    same = " on the same draw" if facts.drawn else ", judged in the same way"
    said = [f"{name}: {number(value, _DIGITS)}{same}" for name, value in facts.baselines]
    for record in facts.records:
        measured = f": {record.split}" if record.split else ""
        value = number(float(record.value), _DIGITS)
        said.append(f"{record.who}: {value} (published{measured})")
    return "; ".join(said)


def _code(program: Program) -> str:
    parts = []
    for path, text in program.files.items():
        name = f"{path}\n" if len(program.files) > 1 else ""
        parts.append(name + fenced(text, _language(path)))
    return "\n\n".join(parts)


def _language(path: str) -> str:
    return _LANGUAGES.get(path.rpartition(".")[2], "")


def _sound(context: Context) -> list[Shown]:
    """The inspirations that have a score and are not the parent, each once."""
    seen = {context.parent.program.hash}
    found = []
    for other in context.inspirations:
        if not other.failed and other.program.hash not in seen:
            seen.add(other.program.hash)
            found.append(other)
    return found


def _inspirations(
    templates: Templates, facts: Facts, parent: Shown, others: Sequence[Shown]
) -> str:
    if not others:
        return ""
    shown, shortened = [], False
    for other in others:
        same_around = outside_changed(parent.program, other.program) is None
        shortened |= same_around
        by_case = _by_case(parent, other)
        shown.append(_inspiration(facts, other, by_case, only_blocks=same_around))
    remark = (
        f"Of those that differ from program {parent.id} only inside their EVOLVE-BLOCKs, just "
        "these blocks are shown."
    )
    return templates.fill(
        "inspirations", programs="\n\n".join(shown), only_blocks=remark if shortened else ""
    )


@lru_cache(maxsize=256)
def _inspiration(facts: Facts, shown: Shown, by_case: str, *, only_blocks: bool) -> str:
    code = _blocks(shown.program) if only_blocks else _code(shown.program)
    return f"### Program {shown.id}\n\n- {_last_result(facts, shown)}\n{by_case}\n{code}"


def _by_case(parent: Shown, other: Shown) -> str:
    """In how many test cases the other program is ahead, where both were measured in the same."""
    if not parent.cases or len(parent.cases) != len(other.cases):
        return ""
    if parent.verdicts[-1].stage != other.verdicts[-1].stage:
        return ""
    pairs = list(zip(other.cases, parent.cases, strict=True))
    better, worse = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    return (
        f"- In {better} of {len(pairs)} test cases it is better than program {parent.id}, in "
        f"{worse} it is worse.\n"
    )


def _last_result(facts: Facts, shown: Shown) -> str:
    last = shown.verdicts[-1]
    where = f"stage `{last.stage}`: " if len(facts.stages) > 1 else ""
    return where + _verdict(last, facts.objectives[0])


def _blocks(program: Program) -> str:
    own = blocks(program)
    parts = []
    for order, block in enumerate(own, 1):
        name = f"Block {order}, in {block.file}:\n" if len(own) > 1 else ""
        parts.append(name + fenced(block.text.strip("\r\n") + "\n", _language(block.file)))
    return "\n\n".join(parts)


def _notes(templates: Templates, notes: str, count: int) -> str:
    return _section(templates, "notes", notes=_quoted(notes, _FEEDBACK_CHARS), count=f"{count:,}")


# --- attempts -------------------------------------------------------------------------------------


def _changes(facts: Facts, attempts: Sequence[Tried], *, past: bool) -> str:
    """Each attempt with its result and its change, or the reason why there is none."""
    return "\n\n".join(_change(facts, tried, past=past) for tried in attempts)


@lru_cache(maxsize=1024)
def _change(facts: Facts, tried: Tried, *, past: bool) -> str:
    if tried.child is None:
        return f"- Refused ({tried.fate.replace('_', ' ')}): {line_of(tried.reason)}"
    if past:
        start = f"- Program {tried.parent.id} became program {tried.child.id}: "
    elif tried.fate is Fate.DUPLICATE:
        start = f"- It gave program {tried.child.id} again: "
    else:
        start = f"- It gave program {tried.child.id}: "
    difference = _difference(tried.parent.program, tried.child.program)
    return f"{start}{_compared(facts, tried.parent, tried.child)}\n\n{difference}"


def _difference(before: Program, after: Program) -> str:
    lines = diff.unified(before, after).split("\n")[:-1]
    if len(before.files) == 1:
        lines = lines[2:]
    more = len(lines) - _DIFF_LINES
    shown = fenced("\n".join(lines[:_DIFF_LINES]), "diff")
    rest = f"\n\n({more} more lines of this change are not shown.)" if more > 0 else ""
    return f"{shown}{rest}"


def _compared(facts: Facts, before: Shown, after: Shown) -> str:
    """What a change did to the score."""
    objective = facts.objectives[0]
    if after.failed:
        return _last_result(facts, after) if after.verdicts else "it was not judged."
    result = _last_result(facts, after)
    if before.failed:
        return f"{result}; before, it failed."
    old, new = before.verdicts[-1], after.verdicts[-1]
    was = number(old.values[objective.name], _DIGITS)
    if old.stage != new.stage:
        return f"{result}; before, it came to stage `{old.stage}` with {was}."
    a, b = old.values[objective.name], new.values[objective.name]
    if a == b:
        return f"`{objective.name}` {was}, as before."
    word = "better" if objective.better(b, a) else "worse"
    return f"{word}, `{objective.name}` {number(b, _DIGITS)} instead of {was}."


# --- the form of the answer -----------------------------------------------------------------------


def _format(templates: Templates, program: Program, expect: Expect) -> str:
    several = len(program.files) > 1
    if expect is Expect.EDITS:
        signs = diff.marker_signs(program)
        return templates.fill(
            "format_edits",
            start=f"{'<' * signs} SEARCH",
            divider="=" * signs,
            end=f"{'>' * signs} REPLACE",
            files="- Put the path of its file on a line of its own before each block." * several,
        )
    languages = {_language(path) for path in program.files}
    return templates.fill(
        "format_whole",
        fence=fence_for(*program.files.values()),
        language=languages.pop() if len(languages) == 1 else "",
        files=(
            "- The program has several files: give each file that changes in a code block of its "
            "own, its path on the line before." * several
        ),
    )
