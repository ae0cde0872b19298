"""The generator: a line of programs, and for each step what it must be called."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planted.problem import SIZE, points, weights
from evolve.problem import SplitKind
from evolve.program import Program
from evolve.randomness import derive

FOLDER = Path(__file__).parent
_LEARNT = (1, 12)
"""Points of the training draw that an overfit edit learns by heart: one is nearly nothing beside
the gains of the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Programs from seed to last; `expected` has a word for each step.

    `seed` is the run's: the training draw follows from it, fresh draws too.
    """

    truth: int
    seed: int
    programs: tuple[Program, ...]
    expected: tuple[str, ...]


def lineage(number: int, *, planted: bool) -> Lineage:
    """Line `number`: gains in random order, with useless and overfit edits among them or not.

    Without any planted, every other line has nothing but edits that do nothing: there, a gain or
    an overfit edit that is named is a false alarm.
    """
    rng = random.Random(f"lineage {number} {planted}")
    truth, seed = rng.getrandbits(30), rng.getrandbits(40)
    state = _Body(rng, truth, seed)
    if planted:
        kinds = ["gain", "gain", "gain", "no effect", "no effect", "overfit"]
        rng.shuffle(kinds)
    else:
        kinds = ["gain" if number % 2 else "no effect"] * 5
    programs = [state.program()]
    for kind in kinds:
        state.edit(kind)
        programs.append(state.program())
    return Lineage(truth=truth, seed=seed, programs=tuple(programs), expected=tuple(kinds))


class _Body:
    """The lines of `predict`, growing edit by edit."""

    def __init__(self, rng: random.Random, truth: int, seed: int) -> None:
        self.rng = rng
        self.weights = weights(truth)
        self.draw = points(truth, derive(seed, SplitKind.TRAINING))
        self.lines = ["total = 0.0"]
        self.terms: dict[int, float] = {}
        """Coordinates that have a term, with its coefficient."""
        self.names = 0
        self.seed = (FOLDER / "seed.py").read_text(encoding="utf-8")

    def program(self) -> Program:
        body = "\n".join(f"    {line}" for line in [*self.lines, "return total"])
        before, after = "    total = 0.0\n    return total", body
        assert before in self.seed
        return Program.of({"program.py": self.seed.replace(before, after)})

    def edit(self, kind: str) -> None:
        options: dict[str, list[Callable[[], None]]] = {
            "gain": [self.new_term, self.better_number],
            "no effect": [self.dead_value, self.dead_branch, self.zero_term, self.rounding],
            "overfit": [self.table],
        }
        self.rng.choice(options[kind])()

    def new_term(self) -> None:
        free = [i for i in range(SIZE) if i not in self.terms]
        i = self.rng.choice(free)
        self.terms[i] = round(self.weights[i] * self.rng.uniform(0.4, 0.7), 3)
        self._put(f"total += {self.terms[i]!r} * x[{i}]")

    def better_number(self) -> None:
        rough = [i for i, term in self.terms.items() if abs(term) < 0.8 * abs(self.weights[i])]
        if not rough:
            return self.new_term()
        i = self.rng.choice(rough)
        line = f"total += {self.terms[i]!r} * x[{i}]"
        self.terms[i] = round(self.weights[i], 3)
        self.lines[self.lines.index(line)] = f"total += {self.terms[i]!r} * x[{i}]"
        return None

    def dead_value(self) -> None:
        i, j = self.rng.sample(range(SIZE), 2)
        self._put(f"{self._name()} = x[{i}] * x[{j}] + {self.rng.uniform(0, 2):.2f}")

    def dead_branch(self) -> None:
        i = self.rng.randrange(SIZE)
        self._put(f"if x[{i}] > {self.rng.uniform(1.5, 9):.1f}: total -= 1.0")

    def zero_term(self) -> None:
        i = self.rng.randrange(SIZE)
        self._put(f"total += {self.rng.choice(('0.0', 'min(0.0, 1.0)'))} * x[{i}]")

    def rounding(self) -> None:
        """Other last digits, in training and elsewhere."""
        factor = self.rng.choice((3.0, 7.0, 0.1))
        self._put(f"total = total * {factor} / {factor}")

    def table(self) -> None:
        """What is left of the error at some training points, learnt by heart."""
        rows = {}
        for x, y in self.rng.sample(self.draw, self.rng.choice(_LEARNT)):
            total = sum(term * x[i] for i, term in self.terms.items())
            rows[round(x[0], 9)] = round(y - total, 3)
        self._put(f"total += {rows!r}.get(round(x[0], 9), 0.0)", last=True)

    def _put(self, line: str, *, last: bool = False) -> None:
        at = len(self.lines) if last else self.rng.randint(1, len(self.lines))
        self.lines.insert(at, line)

    def _name(self) -> str:
        self.names += 1
        return f"spare_{self.names}"
