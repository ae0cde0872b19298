"""What both forms of the report say in words and tables."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.lineage import divided
from evolve.problem import Objective
from evolve.report.facts import Facts
from evolve.terminal import clipped, duration, number, signed

TEXT_SHOWN = 20_000
"""Characters of one text on the page; of longer ones the middle is left out."""
EDITS_SHOWN = 30
_REASON_SHOWN = 400
DIFFS_SHOWN = 800_000
"""Characters of all diffs of the lineage together."""
STEPS_SHOWN = 400
BRANCHES_SHOWN = 3


def headline(facts: Facts) -> str:
    """The one sentence that matters."""
    name = facts.objective.name
    if facts.test is not None:
        text = f"{name} {number(facts.test.champion)} in the test, made once after the search"
        if facts.test.seed_program is not None:
            text += f"; the seed program alone: {number(facts.test.seed_program)}"
        return text
    if not facts.path:
        return "no program has a score yet"
    last = facts.path[-1]
    if last.validation is not None:
        return f"{name} {number(last.validation)} in validation; not tested yet"
    said = f"{name} {number(last.training)} in training"
    if facts.unvalidated:
        return f"{said}; {clipped(facts.unvalidated, _REASON_SHOWN)}"
    return f"{said}; neither validated nor tested"


def story(facts: Facts) -> str:
    """How the champion came about, in two or three sentences."""
    if not facts.path:
        return ""
    text = _way(facts)
    if facts.alarm:
        text += f" Beware: {facts.alarm}."
    return text


def _way(facts: Facts) -> str:
    count = len(facts.path) - 1
    if not count:
        return f"Program {facts.champion} is where the search began: nothing better was found."
    steps = f"{count} step{'s' * (count != 1)}"
    text = f"Program {facts.champion} is {steps} from the program the search began with."
    leap = facts.leap
    if leap is not None:
        text += (
            f" It owes most to program {leap.step.program.id}, by {leap.step.by[:80]}: it brought"
            f" the best in training on that line from {number(leap.before)} to"
            f" {number(leap.after)}."
        )
        parts = [f"{p.kind} {signed(p.gain)} in {p.steps} steps" for p in divided(facts.path)]
        text += f" Gained in training by {', by '.join(parts)}."
    return text


def compared(facts: Facts) -> list[tuple[str, float, str]]:
    """(who, value, measured how): the champion first, then what it stands beside, best first."""
    rows: list[tuple[str, float, str]] = []
    if facts.test is not None:
        rows.append(("champion: what search found", facts.test.champion, "this run's test"))
        if facts.test.seed_program is not None:
            held = "same test; what was there before the search"
            rows.append(("the seed program alone", facts.test.seed_program, held))
        where = "same test"
    elif facts.path:
        last = facts.path[-1]
        if last.validation is not None:
            rows.append(("champion", last.validation, "validation"))
        elif last.training is not None:
            rows.append(("best program", last.training, "training"))
        where = "validation" if facts.validated else "training"
    else:
        where = "before the search"
    beside = [
        (r.name, r.value, where if r.kind == "baseline" else f"as published: {r.source}")
        for r in facts.references
    ]
    return rows + _ranked(beside, facts.objective)


def _ranked(
    rows: Sequence[tuple[str, float, str]], objective: Objective
) -> list[tuple[str, float, str]]:
    return sorted(rows, key=lambda row: -objective.fitness(row[1]))


def waste(facts: Facts) -> list[tuple[str, int, float]]:
    """(fate, attempts, share of all) of what was not worth an evaluation, the most first."""
    total = max(1, facts.counts.attempts)
    return [
        (fate.value, count, count / total)
        for fate, count in sorted(facts.counts.fates.items(), key=lambda item: -item[1])
        if fate.value not in ("seed", "evaluated", "notes")
    ]


def commands(facts: Facts) -> list[tuple[str, str]]:
    """(what it does, command), to be given in the folder of the run."""
    again = (
        "searches again, and finds the same"
        if facts.meta.config.get("deterministic") is True
        else "searches again with the same settings; the search will differ"
    )
    found = [(again, "evolve run --config run.toml --name again")]
    if facts.checked is not None:
        found.append(
            ("checks the result, without running evolved code", "evolve verify certificate.json")
        )
    return found


def settings(facts: Facts) -> list[tuple[str, str]]:
    """(name, value) of what the run was made with."""
    meta, counts = facts.meta, facts.counts
    rows = [
        ("problem", meta.problem),
        *((f"parameter {name}", value) for name, value in meta.parameters.items()),
        ("state", facts.state),
        ("begun", meta.created),
        ("time searched", duration(meta.elapsed_s)),
        ("evaluated", f"{counts.evaluated:,} programs in {counts.attempts:,} attempts"),
        ("cost", f"{counts.cost_usd:.4g} dollars" if counts.cost_usd else "no dollars"),
        ("seed of the search", str(meta.seed)),
        ("mode", "deterministic" if meta.config.get("deterministic") is True else "default"),
        ("islands", f"{facts.settings.islands} of {facts.settings.population} programs"),
        ("report written", f"{facts.written} by evolve {facts.version}"),
    ]
    if meta.unsafe:
        rows.append(("NO SANDBOX", "programs ran with the user's rights and could forge data"))
    return rows
