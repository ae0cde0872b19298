"""The plots of a run, each on matplotlib axes that are handed in; the same for page and PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evolve.report.facts import Facts
from evolve.terminal import clipped, duration, inert, number
from islands_db.grid import LENGTH_CELLS

INK = "#010101"
"""Stands for the page's own text colour."""
BLUE, ORANGE, GREEN, PINK = "#3a86c8", "#d9822b", "#2a9d72", "#c2659e"
"""Legible on white and on black, and told apart by those who do not tell red from green."""
_ISLAND_COLOURS = (BLUE, ORANGE, GREEN, PINK, "#8a7fd1", "#9a8c2e", "#5aa9b8", "#b3624a")
_PAUSE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One plot: its file name, what it shows in words, its size in inches, and how to draw it."""

    name: str
    title: str
    about: str
    draw: Callable[[Axes], None]
    size: tuple[float, float] = (7.2, 3.2)


def plots(facts: Facts) -> list[Plot]:
    """The plots that this run has something for."""
    found: list[Plot] = []
    if facts.bests:
        value = number(facts.bests[-1][1])
        for name, title, unit, at in _axes_of_progress(facts):
            found.append(
                Plot(
                    name=name,
                    title=title,
                    about=f"Best in training against {unit}; it ends at {value}. Dots are programs,"
                    " squares are validated ones, lines across are baselines and published values.",
                    draw=partial(progress, facts=facts, at=at, unit=unit),
                )
            )
    if len(facts.validated) > 1:
        found.append(
            Plot(
                name="validation",
                title="Training against validation",
                about=f"{len(facts.validated)} validated programs; on the line both are equal.",
                draw=partial(validation, facts=facts),
                size=(4.6, 4.0),
            )
        )
    if facts.bests and facts.settings.islands > 1:
        found.append(
            Plot(
                name="islands",
                title="Islands",
                about="Best program born on each island; vertical lines are migrations.",
                draw=partial(islands, facts=facts),
            )
        )
    if (facts.history.cell >= 0).any():
        found.append(
            Plot(
                name="archive",
                title="Archive",
                about="Best value found in each cell, over all islands and the other axes.",
                draw=partial(archive, facts=facts),
                size=(5.4, 3.8),
            )
        )
    return found


def _axes_of_progress(facts: Facts) -> list[tuple[str, str, str, NDArray[np.float64]]]:
    history = facts.history
    evaluated = np.cumsum(history.ran).astype(float)
    found = [("evaluations", "Progress by evaluations", "evaluations", evaluated)]
    steps = np.diff(history.settled, prepend=history.settled[:1])
    pauses = steps > _PAUSE_S
    seconds = np.cumsum(np.where(pauses, 0.0, np.maximum(steps, 0.0)))
    unit = "seconds"
    if pauses.any():
        unit += f" ({int(pauses.sum())} pauses of over {duration(_PAUSE_S)} left out)"
    found.append(("seconds", "Progress by time", unit, seconds))
    if history.cost_usd.sum() > 0:
        found.append(("dollars", "Progress by cost", "dollars", np.cumsum(history.cost_usd)))
    return found


def progress(ax: Axes, facts: Facts, at: NDArray[np.float64], unit: str) -> None:
    """Best so far in training along `at`, one value for each ended attempt."""
    history = facts.history
    sign = 1.0 if facts.objective.direction == "max" else -1.0
    scored = ~np.isnan(history.fitness)
    values = [value for _, value in facts.bests]
    xs = [float(at[row]) for row, _ in facts.bests]
    ax.plot(
        at[scored], sign * history.fitness[scored], ".", color=BLUE, alpha=0.3, markersize=4,
        markeredgewidth=0, rasterized=True,
    )  # fmt: skip
    ax.step(
        [*xs, float(at[-1])], [*values, values[-1]], where="post", color=BLUE, linewidth=1.8,
        label="best in training",
    )  # fmt: skip
    place = {int(program): row for row, program in enumerate(history.program) if program}
    shown = [(place[v.program], v.validation) for v in facts.validated if v.program in place]
    if shown:
        ax.plot(
            [at[row] for row, _ in shown], [value for _, value in shown], "s", color=ORANGE,
            markersize=3.5, label="validated",
        )  # fmt: skip
    counted = unit == "evaluations"
    ax.set_xlim(0, _end(at, least=2 if counted else 0))
    if counted:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _frame(ax, facts, values, unit)


def _end(at: NDArray[np.float64], *, least: float) -> float:
    """Where an axis from 0 ends: a little beyond what is shown."""
    return 1.02 * max(float(at[-1]), least) or 1.0


def _frame(ax: Axes, facts: Facts, values: Sequence[float], unit: str) -> None:
    """Sets what is in view, with the references that are near; the others are named."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    near = [r for r in facts.references if low - 1.5 * span <= r.value <= high + 1.5 * span]
    lowest = min([low, *(r.value for r in near)])
    highest = max([high, *(r.value for r in near)])
    margin = 0.08 * ((highest - lowest) or span)
    ax.set_ylim(lowest - margin, highest + margin)
    left, right = ax.get_xlim()
    near.sort(key=lambda r: r.value)
    room = 0.06 * (highest - lowest + 2 * margin)  # that a name takes
    for index, reference in enumerate(near):
        published = reference.kind == "published"
        colour = PINK if published else GREEN
        style = "--" if published else ":"
        ax.axhline(reference.value, color=colour, linewidth=1, linestyle=style)
        # where the next line is near, the name stands below, and every second one on the left
        crowded = index + 1 < len(near) and near[index + 1].value - reference.value < room
        ax.annotate(
            f"{clipped(inert(reference.name), 34)} {number(reference.value)}",
            (left if crowded and index % 2 else right, reference.value),
            ha="left" if crowded and index % 2 else "right",
            va="top" if crowded else "bottom", fontsize=7.5, color=colour,
        )  # fmt: skip
    ax.set_xlim(left, right)
    far = [r for r in facts.references if r not in near]
    if far:
        names = "; ".join(f"{clipped(inert(r.name), 24)} {number(r.value)}" for r in far[:3])
        unit = f"{unit}\nout of the picture: {names}"
    ax.set_xlabel(unit)
    ax.set_ylabel(facts.objective.name)
    ax.legend(loc="best")


def validation(ax: Axes, facts: Facts) -> None:
    """Training against validation values of the validated programs."""
    xs = [v.training for v in facts.validated]
    ys = [v.validation for v in facts.validated]
    low, high = min(*xs, *ys), max(*xs, *ys)
    ax.plot([low, high], [low, high], color=INK, alpha=0.4, linewidth=1, linestyle=":")
    ax.plot(xs, ys, "s", color=ORANGE, markersize=4, alpha=0.8, label="validated")
    best = next((v for v in facts.validated if v.program == facts.champion), None)
    if best is not None:
        ax.plot([best.training], [best.validation], "D", color=BLUE, markersize=7, label="champion")
    if facts.test is not None:
        ax.axhline(facts.test.champion, color=GREEN, linewidth=1.2, label="champion in the test")
    ax.set_xlabel(f"{facts.objective.name} in training")
    ax.set_ylabel("in validation")
    ax.legend(loc="best")


def islands(ax: Axes, facts: Facts) -> None:
    """Best of what was born on each island, against ended attempts, with migrations."""
    history = facts.history
    sign = 1.0 if facts.objective.direction == "max" else -1.0
    top = history.rung == history.rung.max()
    for island in range(facts.settings.islands):
        rows = np.flatnonzero((history.island == island) & top & ~np.isnan(history.fitness))
        if not len(rows):
            continue
        best = np.maximum.accumulate(history.fitness[rows])
        new = np.flatnonzero(np.diff(best, prepend=-np.inf) > 0)
        xs = [*rows[new].tolist(), len(history.attempt)]
        ys = [*(sign * best[new]).tolist(), sign * float(best[-1])]
        colour = _ISLAND_COLOURS[island % len(_ISLAND_COLOURS)]
        label = f"island {island}" if island < len(_ISLAND_COLOURS) else None
        ax.step(xs, ys, where="post", color=colour, linewidth=1.4, label=label)
    every = facts.settings.migration_every
    if every and len(history.attempt) // every <= 60:
        for mark in range(every, len(history.attempt), every):
            ax.axvline(mark, color=INK, alpha=0.2, linewidth=0.7)
    # what was worse than the seed need not be seen
    ours = [value for _, value in facts.bests]
    margin = 0.08 * ((max(ours) - min(ours)) or abs(max(ours)) or 1.0)
    ax.set_ylim(min(ours) - margin, max(ours) + margin)
    ax.set_xlim(0, 1.02 * len(history.attempt))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("attempts that ended")
    ax.set_ylabel(facts.objective.name)
    ax.legend(loc="best", ncols=2)


def archive(ax: Axes, facts: Facts) -> None:
    """Best value in each cell on the last two axes of the archive."""
    history, axes = facts.history, facts.settings.axes
    own_length = any(axis.name == "length" for axis in axes)
    names = ([] if own_length else ["length (half octaves)"]) + [axis.name for axis in axes]
    sizes = ([] if own_length else [LENGTH_CELLS]) + [axis.cells for axis in axes]
    rows = np.flatnonzero((history.cell >= 0) & ~np.isnan(history.fitness))
    cells = history.cell[rows]
    last = cells % sizes[-1]
    wide = len(sizes) > 1
    first = (cells // sizes[-1]) % sizes[-2] if wide else np.zeros_like(cells)
    grid = np.full((sizes[-2] if wide else 1, sizes[-1]), -np.inf)
    np.maximum.at(grid, (first, last), history.fitness[rows])
    sign = 1.0 if facts.objective.direction == "max" else -1.0
    shown = np.where(np.isinf(grid), np.nan, sign * grid)
    # an outlier would take the colours of all others
    low, high = np.nanpercentile(shown, [0, 90] if sign < 0 else [10, 100])
    mesh = ax.pcolormesh(
        shown, cmap="viridis_r" if sign < 0 else "viridis", vmin=low, vmax=high,
        edgecolors="face", linewidth=0, rasterized=True,
    )  # fmt: skip
    figure = ax.get_figure()
    assert figure is not None
    bar = figure.colorbar(mesh, ax=ax)
    bar.set_label(f"best {facts.objective.name}")
    filled = int(np.isfinite(grid).sum())
    ax.set_xlabel(f"{_edges(facts, len(sizes) - 1, names, own_length)}\n"
                  f"{filled} of {grid.size} cells hold a program")  # fmt: skip
    ax.set_ylabel(_edges(facts, len(sizes) - 2, names, own_length) if wide else "")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    if not wide:
        ax.set_yticks([])


def _edges(facts: Facts, index: int, names: Sequence[str], own_length: bool) -> str:
    """An axis's name with what its outer cells stand for."""
    place = index if own_length else index - 1
    if place < 0:
        return names[index]
    axis = facts.settings.axes[place]
    span = f"{number(axis.low)} to {number(axis.high)} in {axis.cells} cells"
    return f"{clipped(inert(axis.name), 28)}, {span}"
