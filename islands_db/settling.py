"""How an attempt ends: the outcome is checked, written, and let into the islands."""

from __future__ import annotations

import sqlite3

from islands_db import lookups, maps, rows, writing
from islands_db.island import Changes
from islands_db.maps import Features
from islands_db.pool import FAILED, NO_CELL, NO_PARENT, NO_SIGNATURE, Entrant
from islands_db.records import Cells, Fate, Outcome, Placement, ProgramText, Sample, Verdict
from islands_db.state import State
from islands_db.texts import Texts

_JUDGED = (Fate.SEED, Fate.EVALUATED)


class Settling:
    """Settles attempts on a store's connection, memory and texts."""

    def __init__(self, connection: sqlite3.Connection, state: State, texts: Texts) -> None:
        self._connection = connection
        self._state = state
        self._texts = texts

    def check(self, attempt: int, outcome: Outcome) -> None:
        """Refuses an outcome that contradicts itself or what is stored.

        Raises:
            ValueError: naming the attempt and what is wrong.
        """
        check_verdicts(outcome.verdicts)
        rows.finite(outcome.fitness)
        self._check_objectives(attempt, outcome)
        rows.check_cases(outcome.cases)
        rows.json_text(dict(outcome.features))
        self._state.require_program(outcome.duplicate_of)
        if outcome.fate is Fate.TWIN and not (outcome.program and outcome.duplicate_of):
            raise ValueError(f"attempt {attempt}: a twin without its program or whose it is")
        if outcome.fate not in _JUDGED:
            if outcome.verdicts or outcome.fitness is not None:
                raise ValueError(f"attempt {attempt}: {outcome.fate} has verdicts or a fitness")
            return
        if outcome.program is None:
            raise ValueError(f"attempt {attempt}: {outcome.fate} without a program")
        twin = lookups.known_by_hash(self._connection, outcome.program.hash)
        if twin is not None:
            raise ValueError(
                f"attempt {attempt}: its program is stored as {twin}; settle it as a duplicate"
            )

    def settle(self, sample: Sample, outcome: Outcome) -> Placement:
        """Writes a checked outcome and all that changes by it, inside the open transaction."""
        program = None
        if outcome.fate is Fate.TWIN and outcome.program and outcome.duplicate_of:
            writing.add_twin(
                self._connection, sample.attempt, outcome.program, outcome.duplicate_of
            )
        elif outcome.program is not None:
            program = self._add_program(sample, outcome, outcome.program)
        writing.settle_attempt(self._connection, sample.attempt, outcome, program)
        self._forget(sample.attempt)
        tally = self._state.count(sample.proposer, outcome, program)
        writing.put_tally(self._connection, sample.proposer, outcome.fate, tally)
        placement = self._place(sample, outcome, program)
        for changes in self._state.islands.epoch(
            now=self._state.settled, last_attempt=self._state.last_attempt
        ):
            self.write(changes)
        return placement

    def _check_objectives(self, attempt: int, outcome: Outcome) -> None:
        expected = self._state.settings.objectives if outcome.fitness is not None else 1
        given = tuple(rows.finite(value) for value in outcome.objectives)
        if expected > 1 and len(given) != expected:
            raise ValueError(
                f"attempt {attempt}: {len(given)} objectives, the settings say {expected}"
            )
        if given and given[0] != rows.finite(outcome.fitness):
            raise ValueError(f"attempt {attempt}: the first objective is not the fitness")

    def _add_program(self, sample: Sample, outcome: Outcome, program: ProgramText) -> int:
        number = self._state.next_program
        self._state.next_program += 1
        writing.add_program(
            self._connection,
            number,
            sample,
            program,
            cell=None if (place := self._cell(outcome)) == NO_CELL else place,
            rung=outcome.rung if outcome.fate in _JUDGED else None,
            fitness=rows.finite(outcome.fitness),
            signature=outcome.signature,
            behaviour=outcome.behaviour,
            objectives=rows.numbers_text(self._objectives(outcome)),
            features=rows.numbers_text(self._features(outcome)),
        )
        if outcome.cases:
            writing.put_cases(self._connection, number, outcome.cases)
        self._texts.add(number, program.files, parent=sample.parent)
        writing.add_verdicts(self._connection, number, outcome.verdicts, position=0)
        return number

    def _forget(self, attempt: int) -> None:
        del self._state.pending[attempt]
        self._state.answered.pop(attempt, None)
        if attempt in self._state.held:
            writing.drop_held(self._connection, attempt)
            self._state.held.remove(attempt)

    def _place(self, sample: Sample, outcome: Outcome, program: int | None) -> Placement:
        if program is None or outcome.program is None or outcome.fate not in _JUDGED:
            return Placement(program=program)
        fitness = rows.finite(outcome.fitness)
        if sample.parent in self._state.banned:
            self._state.banned.add(program)
            if fitness is not None:
                self._see(self._features(outcome))
            return Placement(program=program)
        entrant = Entrant(
            program=program,
            rung=outcome.rung,
            fitness=FAILED if fitness is None else fitness,
            length=outcome.program.length,
            cell=self._cell(outcome),
            signature=outcome.signature or NO_SIGNATURE,
            parent=sample.parent or NO_PARENT,
            objectives=self._objectives(outcome),
            features=self._features(outcome),
            cases=outcome.cases,
        )
        taken = self._state.islands.enter(
            entrant,
            attempt=sample.attempt,
            island=sample.island,
            fate=outcome.fate,
            now=self._state.settled,
        )
        self.write(taken)
        if fitness is not None:
            self._see(entrant.features)
        return Placement(
            program=program,
            joined=bool(taken.members),
            elite=bool(taken.elites),
            best=fitness is not None and self._state.improve(entrant),
        )

    def _see(self, features: Features) -> None:
        if (remapped := self._state.see(features)) is not None:
            changes, edges = remapped
            self.write(changes)
            writing.put_map(self._connection, rows.json_text(edges), settled=self._state.settled)

    def _cell(self, outcome: Outcome) -> int:
        assert outcome.program is not None
        features = maps.features_of(outcome.features, self._state.settings.axes)
        return self._state.cells.cell(features, outcome.program.length)

    def _objectives(self, outcome: Outcome) -> tuple[float, ...]:
        if self._state.settings.objectives == 1:
            return ()
        return tuple(value + 0.0 for value in outcome.objectives)

    def _features(self, outcome: Outcome) -> Features:
        """Kept where the archive's cells move, so that programs can move with them."""
        if self._state.settings.cells is not Cells.ADAPTIVE:
            return ()
        return maps.features_of(outcome.features, self._state.settings.axes)

    def write(self, changes: Changes) -> None:
        """Writes what has changed on the islands, inside the open transaction."""
        writing.put_changes(self._connection, changes, settled=self._state.settled)


def verdict_key(verdict: Verdict) -> tuple[str, str, int]:
    """A program has one verdict of each stage, split and seed."""
    return verdict.stage, verdict.split, verdict.seed


def check_verdicts(verdicts: tuple[Verdict, ...]) -> None:
    """Refuses verdicts that could not be stored, or not beside each other."""
    for verdict in verdicts:
        rows.check_verdict(verdict)
    if len({verdict_key(verdict) for verdict in verdicts}) < len(verdicts):
        raise ValueError("two verdicts of the same stage, split and seed")
