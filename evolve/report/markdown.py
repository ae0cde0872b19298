"""The report as Markdown with PNG plots, for places that show no HTML file."""

from __future__ import annotations

import re
from pathlib import Path

from evolve.report.drawing import png
from evolve.report.facts import Facts
from evolve.report.plots import plots
from evolve.report.words import (
    EDITS_SHOWN,
    STEPS_SHOWN,
    TEXT_SHOWN,
    commands,
    compared,
    headline,
    settings,
    story,
    waste,
)
from evolve.terminal import inert, number, shortened, signed

_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")


def write_markdown(facts: Facts, file: Path) -> list[Path]:
    """Writes `file` and its plots into a folder beside it; gives back all that was written."""
    folder = file.with_name(f"{file.stem}-plots")
    folder.mkdir(exist_ok=True)
    pictures = []
    written = [file]
    for plot in plots(facts):
        target = folder / f"{plot.name}.png"
        target.write_bytes(png(plot))
        written.append(target)
        pictures.append((plot, f"{folder.name}/{target.name}"))
    lines = [f"# {plain(facts.run)}", "", f"**{plain(headline(facts))}**", "", plain(story(facts))]
    lines += ["", f"{plain(facts.objective.name)}: {_goal(facts)} is better.", ""]
    lines += _table(
        ["who", "value", "measured"], [[w, number(v), how] for w, v, how in compared(facts)]
    )
    for plot, name in pictures:
        target_name = name.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
        lines += [
            "",
            f"## {plot.title}",
            "",
            f"![{plot.title}]({target_name})",
            "",
            plain(plot.about),
        ]
    if facts.path:
        lines += ["", "## Lineage", ""]
        lines += _table(
            ["program", "by", "lines", "training", "gain", "validation", "gain"],
            [
                [
                    str(step.program.id),
                    step.by,
                    f"+{step.added} -{step.removed}" if step.before else "",
                    number(step.training),
                    signed(step.training_gain),
                    "" if step.validation is None else number(step.validation),
                    signed(step.validation_gain),
                ]
                for step in facts.path[-STEPS_SHOWN:]
            ],
        )
        leap = facts.leap
        if leap is not None:
            lines += [
                "",
                f"What program {leap.step.program.id}, to which it owes most, changed:",
                "",
            ]
            lines += fenced(leap.step.diff, "diff")
        for path, text in facts.files.items():
            lines += ["", f"## Program: {plain(path)}", "", *fenced(text)]
    lines += ["", "## Proposers and waste", ""]
    lines += _table(
        ["proposer", "attempts", "programs", "new bests", "gain", "dollars"],
        [
            [s.name, str(s.attempts), str(s.programs), str(s.bests), number(s.gain),
             number(s.cost_usd)]
            for s in facts.proposers
        ],
    )  # fmt: skip
    lines.append("")
    lines += _table(
        ["edit", "chance now", "attempts", "programs", "new bests", "gain"],
        [
            [s.name or "(none named)", "" if s.now is None else f"{100 * s.now:.1f} %",
             str(s.attempts), str(s.programs), str(s.bests), number(s.gain)]
            for s in facts.operators[:EDITS_SHOWN]
        ],
    )  # fmt: skip
    if waste(facts):
        lines.append("")
        lines += _table(
            ["came to", "attempts", "share"],
            [[fate, str(count), f"{100 * share:.1f} %"] for fate, count, share in waste(facts)],
        )
    lines += ["", "## Proof", "", _proof(facts), ""]
    for what, command in commands(facts):
        lines += fenced(f"{command}    # {what}")
    lines += ["", "## Run", "", *_table(["", ""], [list(row) for row in settings(facts)]), ""]
    file.write_text("\n".join(lines), encoding="utf-8")
    return written


def plain(text: str) -> str:
    """Text of strangers in one line, of which Markdown makes nothing: no link, picture or HTML."""
    line = " ".join(inert(shortened(text, 2000), lines=True).split())
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[1], "\\" + found[1]), line)


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", ".": ".", ",": ",", "-": "-", "%": "%"}


def fenced(text: str, language: str = "") -> list[str]:
    """A code block whose fence is longer than any in the text."""
    shown = inert(shortened(text, TEXT_SHOWN), lines=True)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *shown.rstrip("\n").split("\n"), fence]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(plain(cell) for cell in row)} |" for row in rows),
    ]


def _goal(facts: Facts) -> str:
    return "lower" if facts.objective.direction == "min" else "higher"


def _proof(facts: Facts) -> str:
    if facts.checked is None:
        fault = facts.certificate_fault
        return f"Not checked: {plain(fault)}" if fault else "This run has no certificate."
    if not facts.checked.holds:
        return f"**The certificate does not hold**: {plain(facts.checked.reason)}"
    return (
        f"**The certificate holds**: checked again for this report; "
        f"{plain(facts.objective.name)} {plain(str(facts.checked.value))} exactly as claimed."
    )
