"""The live view of a run: a panel in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from evolve.status import Status
from evolve.terminal import clipped, duration, inert, number
from islands_db import Fate

_PLAIN_EVERY_S = 5.0
_NO_WASTE = (Fate.SEED, Fate.EVALUATED, Fate.EVALUATOR_ERROR, Fate.NOTES)
_WASTE = tuple(fate.value for fate in Fate if fate not in _NO_WASTE)


class View(Protocol):
    """Shows a run while it goes."""

    @property
    def watch(self) -> Callable[[Status], None] | None:
        """Takes a new status; called a few times a second. None where it shows none."""

    def tell(self, line: str) -> None:
        """Shows a line that stays."""

    def close(self) -> None:
        """Leaves the last state standing."""


class Silent:
    """Shows warnings on standard error only; for --json."""

    watch = None

    def tell(self, line: str) -> None:
        print(f"evolve: {inert(line)}", file=sys.stderr)

    def close(self) -> None:
        return


class Lines:
    """A line every few seconds and at each new champion; for pipes and logs."""

    def __init__(self) -> None:
        self._next = 0.0
        self._champion: float | None = None

    def watch(self, status: Status) -> None:
        now = time.monotonic()
        if status.champion_value == self._champion and now < self._next:
            return
        self._next = now + _PLAIN_EVERY_S
        self._champion = status.champion_value
        print(one_line(status), flush=True)

    def tell(self, line: str) -> None:
        print(f"evolve: {inert(line)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        return


class Panel:
    """The view for a terminal, redrawn in place."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._live.start()

    def watch(self, status: Status) -> None:
        self._live.update(panel(status), refresh=True)

    def tell(self, line: str) -> None:
        self._console.print(Text(inert(line), style="yellow"))

    def close(self) -> None:
        self._live.stop()


def one_line(status: Status) -> str:
    """A status in one line of plain text."""
    left = _left(status)
    # the best in training is the champion where nothing else is measured
    apart = status.champion_split != "training"
    champion = f"{status.champion_split} {number(status.champion_value)}" if apart else ""
    return (
        f"{duration(status.elapsed_s):>8} {status.phase:<10} "
        f"{status.evaluated} programs at {pace(status)}  training {number(status.best_training)}"
        f"{'  ' + champion if champion else ''}"
        f"{f'  wasted {status.wasted_evaluations / status.ran:.0%}' if status.ran else ''}"
        f"{f'  ${spent_usd(status):.4f}' if status.models else ''}"
        f"{'  left ' + left if left else ''}"
        f"{'  ALARM: ' + inert(status.alarm) if status.alarm else ''}"
    )


def panel(status: Status) -> Group:
    """A status as a panel of at most 80 columns."""
    title = Text()
    title.append(f"{inert(status.run)}  ", style="bold")
    title.append(f"{inert(status.problem)}  {status.phase}", style="cyan")
    title.append(f"  {duration(status.elapsed_s)}")
    left = _left(status)
    if left:
        title.append(f"  left: {left}", style="dim")
    if status.tier == "none":
        title.append("  NO SANDBOX", style="bold red")
    elif status.tier == "B":
        title.append("  sandbox tier B", style="yellow")

    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="left", min_width=34)
    grid.add_column(justify="right", min_width=10)
    grid.add_column(justify="left")
    goal = "lower" if status.direction == "min" else "higher"
    grid.add_row(
        Text(f"champion, {status.champion_split} {inert(status.objective)}", style="bold green"),
        Text(number(status.champion_value), style="bold green"),
        Text(f"program {status.champion}" if status.champion else f"{goal} is better", style="dim"),
    )
    grid.add_row(
        "best in training",
        number(status.best_training),
        Text(inert(status.last), style="dim"),
    )
    for reference in status.references:
        grid.add_row(
            Text(f"  {inert(reference.name)}"),
            number(reference.value),
            Text(inert(reference.kind), style="dim"),
        )
    lines: list[Text | Table] = [title, grid]
    lines.append(
        Text(
            f"evaluated {status.evaluated} at {pace(status)}   programs {status.programs}   "
            f"attempts {status.attempts}   cells {status.elites}"
        )
    )
    islands = "   ".join(f"{i.size}: {number(i.best)}" for i in status.islands[:6])
    more = f"   and {len(status.islands) - 6} more" if len(status.islands) > 6 else ""
    lines.append(Text(f"islands (size: best)  {islands}{more}"))
    refused = "   ".join(
        f"{fate.replace('_', ' ')} {status.fates[fate]}"
        for fate in (*_WASTE, "evaluator_error")
        if status.fates.get(fate)
    )
    lines.append(Text(f"not evaluated  {refused or 'none'}", style="dim"))
    if spilt := waste(status):
        lines.append(Text(f"wasted  {spilt}", style="dim"))
    if status.alarm:
        lines.append(Text(f"ALARM  {inert(status.alarm)}", style="bold yellow"))
    lines += [Text(inert(line)) for line in [*market(status), *money(status)]]
    return Group(*lines)


def pace(status: Status) -> str:
    """Evaluations a second: over the last seconds, of an ended run over all its time."""
    ended = status.phase == "ended" and status.elapsed_s > 0
    rate = status.evaluated / status.elapsed_s if ended else status.rate
    return f"{rate:.0f}/s" if rate >= 9.5 or not rate else f"{rate:.1f}/s"


def market(status: Status) -> list[str]:
    """What each proposer has of the attempts and won with them; nothing where there is one only."""
    return [
        f"{clipped(one.name, 40)}  {one.share:.0%} of proposals, {one.attempts} so far: "
        f"{one.better} better than their parents, {one.best} new bests"
        for one in status.proposers
    ]


def waste(status: Status) -> str:
    """What of the budget bought nothing new: evaluations of twins, and calls; "" for nothing."""
    parts = []
    if status.wasted_evaluations:
        share = status.wasted_evaluations / status.ran
        parts.append(f"{status.wasted_evaluations} of {status.ran} evaluations, {share:.0%}")
    if status.wasted_usd:
        parts.append(f"${status.wasted_usd:.4f} of ${spent_usd(status):.4f}")
    return "; ".join(parts)


def money(status: Status) -> list[str]:
    """What each model was asked and what it cost; nothing where no model is asked."""
    lines = []
    for model in status.models:
        counts = f"{model.in_flight} in flight"
        if model.lost:
            counts += f", {model.lost} lost"
        if model.unpriced:
            counts += f", {model.unpriced} of unknown cost"
        cost = f"${model.settled_usd:.4f}"
        if model.unsettled_usd:
            cost += f" + at most ${model.unsettled_usd:.4f} unsettled"
        elif model.unpriced and not model.settled_usd:
            cost = "no price"
        lines.append(f"{clipped(model.name, 40)}  {model.calls} calls ({counts})  {cost}")
    return lines


def _left(status: Status) -> str:
    parts = []
    usd = status.budget.get("usd")
    if usd is not None:
        parts.append(f"${max(0.0, usd - spent_usd(status)):.2f}")
    minutes, evals = status.budget.get("minutes"), status.budget.get("evals")
    if minutes is not None:
        parts.append(duration(max(0.0, minutes * 60 - status.elapsed_s)))
    if evals is not None:
        parts.append(f"{max(0, int(evals) - status.ran)} evaluations")
    return ", ".join(parts)


def spent_usd(status: Status) -> float:
    """What the calls cost at most, lost ones at their reserve."""
    return sum(model.settled_usd + model.unsettled_usd for model in status.models)


def choose(*, as_json: bool) -> View:
    """The view that fits where standard output goes."""
    if as_json:
        return Silent()
    return Panel() if can_redraw() else Lines()


def can_redraw() -> bool:
    """Whether standard output is a terminal that takes back what it has shown."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
