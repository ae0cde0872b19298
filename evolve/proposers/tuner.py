"""The tuner: new values for the numbers of a program, its structure left alone.

Each attempt tries one set of values, so that it is screened, judged, paid for and stored like any
other; bad ones end at the first stage they miss. Where a probe foretells that values would do what
others did, nothing is run, and the search learns that. Attempts belong to sessions: a session has a
base program, and what its attempts came to is what the next values follow from. It ends when it has
not gained for a while. A structure that was tuned is not tuned again until a better program has it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from evolve.answers import Refused, apply_answer
from evolve.loading import Task
from evolve.messages import Listen, Mutated, Tune, texts
from evolve.processes import HelperDied, Pool
from evolve.program import Program
from evolve.proposers.base import MEMORY, Answer, NoAnswer, Programs, Request, Settled
from evolve.tuning import Kind, Parameter, TuneError, parameters, skeleton, values_in
from evolve.tuning.search import WORST, Rank, generation_of
from islands_db import Fate, Sample

MOST_PARAMETERS = 24
"""So many numbers are tuned at once; of more, others are drawn for each session."""
PATIENCE = 3
"""Generations without a gain after which a session ends."""
_LIMIT_S = 60.0


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored with an attempt: the session it belongs to, and how much that had been told.

    A session bears the number of the attempt that opened it.
    """

    session: int = -1
    told: int = 0
    operator: str = "cma"
    refused: str = ""
    """Why there is nothing to tune."""


@dataclass(slots=True, kw_only=True)
class _Session:
    """Values tried around one base program."""

    number: int
    base: int
    program: Program
    structure: str
    operator: str
    chosen: tuple[Parameter, ...]
    best: Rank
    best_program: int
    told: list[tuple[tuple[float, ...], Rank]] = field(default_factory=list)
    in_vain: int = 0
    """Attempts since the last gain."""

    @property
    def over(self) -> bool:
        return self.in_vain >= PATIENCE * generation_of(len(self.chosen))


class TunerProposer:
    """Tunes reals by CMA-ES; then, where there are integers and choices, all together by TPE."""

    name = "tuner"
    operators = None

    def __init__(self, task: Task, log: Path | None = None) -> None:
        self._pool = Pool("evolve.proposers.tuning", 1, log=log)
        self.doubts = _doubts(task)
        self._probed: Listen | None = None
        if task.problem.probe is not None:
            reference = str(task.problem.folder)
            self._probed = Listen(reference=reference, parameters=texts(task.parameters))
        self._sessions: dict[int, _Session] = {}
        self._on_island: dict[int, int] = {}

    def plan(self, sample: Sample, rng: random.Random, programs: Programs) -> Sample:
        session = self._sessions.get(self._on_island.get(sample.island, -1))
        if session is None or session.over or session.number < sample.attempt - MEMORY:
            assert sample.parent is not None
            # the best of what was drawn: constants of poor programs are not worth the evaluations
            base = max((sample.parent, *sample.inspirations), key=programs.rank)
            try:
                session = self._next(base, sample.attempt, programs)
            except TuneError as error:
                return replace(sample, note=_plain(Note(refused=str(error))))
        note = Note(session=session.number, told=len(session.told), operator=session.operator)
        return replace(sample, parent=session.base, inspirations=(), note=_plain(note))

    def begun(self, sample: Sample, programs: Programs) -> None:
        note = _note(sample)
        if note.refused:
            return
        self._on_island[sample.island] = note.session
        base = sample.parent
        if note.session == sample.attempt and base is not None and programs.has_text(base):
            # attempts under way may belong to sessions that no new attempt joins
            for old in [n for n in self._sessions if n < sample.attempt - 2 * MEMORY]:
                del self._sessions[old]
            self._sessions[note.session] = _opened(base, note.session, note.operator, programs)

    def to_beat(self, sample: Sample, programs: Programs) -> Rank | None:
        # all of a session have one parent: once it is passed, every one of them would gain
        session = self._sessions.get(_note(sample).session)
        return None if session is None else session.best

    def settled(self, settled: Settled, programs: Programs) -> None:
        session = self._sessions.get(_note(settled.sample).session)
        if session is None or settled.fate is Fate.EVALUATOR_ERROR:
            return
        session.in_vain += 1
        child = apply_answer(session.program, settled.diff) if settled.diff else None
        if child is None or isinstance(child, Refused):
            return
        values = values_in(session.program, session.chosen, child.program)
        if values is None:
            return
        rank = WORST if settled.program is None else programs.rank(settled.program)
        session.told.append((values, rank))
        if settled.program is not None and rank > session.best:
            session.best, session.best_program = rank, settled.program
            session.in_vain = 0

    async def start(self) -> None:
        await self._pool.start()

    async def propose(self, request: Request) -> Answer:
        note = msgspec.json.decode(request.note, type=Note)
        if note.refused:
            raise NoAnswer(note.refused)
        session = self._sessions.get(note.session)
        if session is None:
            raise NoAnswer("its session was forgotten meanwhile", operator=note.operator)
        question = Tune(
            session=note.session,
            base=dict(session.program.files),
            literals=frozenset(parameter.index for parameter in session.chosen),
            told=tuple(session.told[: note.told]),
            seed=request.seed,
            operator=note.operator,
            problem=self._probed,
        )
        try:
            tuned = await self._pool.ask(question, Mutated, limit_s=_LIMIT_S)
        except HelperDied as error:
            raise NoAnswer(f"the tuner failed: {error}", operator=note.operator) from None
        if tuned.reason:
            raise NoAnswer(tuned.reason, operator=note.operator)
        return Answer(
            text=tuned.answer,
            operator=tuned.operator,
            program=tuned.program,
            behaviour=tuned.behaviour,
        )

    async def stop(self) -> None:
        await self._pool.stop()

    def _next(self, base: int, attempt: int, programs: Programs) -> _Session:
        """The session to go on with: one of the same structure, or a new one.

        Raises:
            TuneError: the program has no number to tune, or it was tuned in vain.
        """
        program = programs.program(base)
        every = parameters(program)
        structure = skeleton(program)
        known = [
            session
            for session in self._sessions.values()
            if session.structure == structure and session.number >= attempt - MEMORY
        ]
        for session in known:
            if not session.over:
                return session
        kinds = {parameter.kind for parameter in every}
        operators = ["cma"] * (Kind.REAL in kinds) + ["tpe"] * (kinds != {Kind.REAL})
        if not known or programs.rank(base) > max(session.best for session in known):
            return _opened(base, attempt, operators[0], programs)
        left = [one for one in operators if one not in {s.operator for s in known}]
        if not left:
            raise TuneError("its numbers have been tuned, and nothing better has its structure")
        # from the best values that are known and whose text has not been dropped
        known.sort(key=lambda session: (session.best, -session.number), reverse=True)
        found = [one.best_program for one in known if programs.has_text(one.best_program)]
        return _opened([*found, base][0], attempt, left[0], programs)


def _doubts(task: Task) -> list[str]:
    found = []
    for name, seed in task.seeds().items():
        try:
            parameters(seed)
        except TuneError as error:
            found.append(f"{name}: {error}")
    return found


def _opened(base: int, number: int, operator: str, programs: Programs) -> _Session:
    program = programs.program(base)
    chosen = [p for p in parameters(program) if operator == "tpe" or p.kind is Kind.REAL]
    if len(chosen) > MOST_PARAMETERS:
        drawn = random.Random(number).sample(range(len(chosen)), MOST_PARAMETERS)
        chosen = [chosen[i] for i in sorted(drawn)]
    return _Session(
        number=number,
        base=base,
        program=program,
        structure=skeleton(program),
        operator=operator,
        chosen=tuple(chosen),
        best=programs.rank(base),
        best_program=base,
    )


def _note(sample: Sample) -> Note:
    # runs that were merged or imported may have no notes
    return msgspec.json.decode(sample.note or "{}", type=Note)


def _plain(note: Note) -> str:
    return msgspec.json.encode(note).decode()
