"""The HTML report: one file without scripts that asks nobody for anything.

The page's own policy forbids all but its one style sheet and pictures held in the page. Whatever
is put into the template goes through `inert_html` and then through escaping, so nobody can forget
to do it; the exceptions are the plots and the picture of what was found, which are ours or checked.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evolve.lineage import Step
from evolve.report.drawing import svg
from evolve.report.facts import Facts
from evolve.report.plots import plots
from evolve.report.words import (
    DIFFS_SHOWN,
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
from evolve.terminal import duration, inert, number, shortened, signed


def html(facts: Facts) -> str:
    """The report as the text of one HTML file."""
    style = files("evolve.report").joinpath("report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = _environment().get_template("report.html.jinja")
    return template.render(
        facts=facts,
        style=Markup(style),  # noqa: S704  ours
        policy=Markup(  # noqa: S704  ours
            f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'"
        ),
        plots=[(plot, Markup(svg(plot))) for plot in plots(facts)],  # noqa: S704  see drawing.py
        picture=base64.b64encode(facts.picture.encode()).decode(),
        headline=headline(facts),
        story=story(facts),
        compared=compared(facts),
        waste=waste(facts),
        commands=commands(facts),
        settings=settings(facts),
        diffs=_diffs(facts.path),
        steps_shown=STEPS_SHOWN,
        edits_shown=EDITS_SHOWN,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("evolve", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=inert_html,
    )
    environment.filters.update(number=number, signed=signed, duration=duration)
    return environment


def inert_html(value: object) -> object:
    """What a template prints: text with everything visible that would be obeyed, and not endless.

    Escaping of <, >, & and quotes follows; only `Markup` is left as it is.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return inert(shortened(value, TEXT_SHOWN), lines=True)


def _diffs(path: Sequence[Step]) -> dict[int, list[tuple[str, str]]]:
    """Each step's diff as (kind, line), kind one of add, cut, at and same; within a budget."""
    left = DIFFS_SHOWN
    found: dict[int, list[tuple[str, str]]] = {}
    # the steps that gained most come first, should the budget run out
    for step in sorted(path, key=lambda s: -(s.training_gain or 0.0)):
        text = shortened(step.diff, min(TEXT_SHOWN, left))
        left = max(0, left - len(text))
        kinds = {"+": "add", "-": "cut", "@": "at"}
        lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
        if lines[:1] and lines[0].startswith("--- a/"):
            lines = lines[2:]
        found[step.program.id] = [(kinds.get(line[:1], "same"), line) for line in lines]
    return found
