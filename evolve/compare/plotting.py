"""The anytime curves of a comparison, one plot for each problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evolve.compare.curves import Trace, value_at
from evolve.compare.plan import Comparison, Contest
from evolve.terminal import inert

_POINTS = 200
_COLUMNS = 3
_STYLES = ("-", "--", ":", "-.")


def drawn(comparison: Comparison, traces: Sequence[Trace]) -> Figure:
    """Medians over the seeds, with the middle half of the reference's runs shaded."""
    names = list(comparison.contests)
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows + 0.5), layout="constrained")
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        _curves(axes, comparison, comparison.contests[name], traces)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)))
    return figure


def _curves(axes: Axes, comparison: Comparison, contest: Contest, traces: Sequence[Trace]) -> None:
    grid = np.linspace(0, comparison.limit, _POINTS + 1)[1:]
    for number, method in enumerate(comparison.methods):
        runs = [t for t in traces if (t.problem, t.method) == (contest.name, method) and t.steps]
        leads = method == comparison.reference
        line = partial(
            axes.plot,
            label=inert(method),
            linestyle="-" if leads else _STYLES[number % 4],
            linewidth=2.2 if leads else 1.2,
            zorder=3 if leads else 2,
            color="black" if leads else f"C{number % 10}",
        )
        if not runs:
            line([], [])
            continue
        values = np.array(
            [[_or_nan(value_at(run.steps, at)) for at in grid] for run in runs], dtype=float
        )
        started = ~np.isnan(values).any(axis=0)
        low, middle, high = np.percentile(values[:, started], (25, 50, 75), axis=0)
        line(grid[started], middle)
        if leads:
            axes.fill_between(grid[started], low, high, color="black", alpha=0.12, linewidth=0)
    objective = contest.task.problem.objectives[0]
    axes.set_title(inert(contest.name), fontsize=10)
    axes.set_xlabel(comparison.unit)
    axes.set_ylabel(f"{inert(objective.name)} ({objective.direction}), training")


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
