"""The end of a run: the test, made once on a draw that nothing knew, and the files it fills.

Verdicts and event of a test are one transaction. A run that is cut off behind it has the files
written on resume, from the same draw; a champion is never tested a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

import msgspec

from evaluators import Invalid
from evolve import certificate, objects
from evolve.champion import Standing
from evolve.drafting import SEED
from evolve.errors import FaultError
from evolve.evaluation import drawn
from evolve.judging import Judge
from evolve.loading import ENTRY, Task
from evolve.messages import BaselineValue, Judged
from evolve.problem import Objective, SplitKind
from evolve.randomness import derive
from evolve.runs import RunFolder
from islands_db import Reader, Status, Store, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """The only figures that are published, all on one draw."""

    seed: int
    champion: Verdict
    seed_program: Verdict | None
    baselines: tuple[BaselineValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What closes a run, on what it has to hand."""

    folder: RunFolder
    task: Task
    store: Store
    reader: Reader
    judge: Judge
    tell: Callable[[str], None]

    def tested(self, program: int) -> bool:
        """Whether the program has been tested in this run."""
        return self._stored(program) is not None

    def next_draw(self, program: int, seed: int) -> int:
        """The test draw of a deterministic run: another one for each champion it tests."""
        used = {  # of a salvaged run it may be verdicts only that tell of a test
            verdict.seed
            for one in (program, self._seed_program(program))
            for verdict in self.reader.verdicts(one)
            if verdict.split == SplitKind.TEST
        }
        draws = (derive(seed, SplitKind.TEST, n) for n in count(len(self.reader.events("test"))))
        return next(draw for draw in draws if draw not in used)

    async def test(self, standing: Standing, *, seed: int) -> TestResult | None:
        """Tests the champion, or reads what its test gave; None where the problem has no test."""
        program = standing.program
        if self.task.problem.test_stage is None:
            return None
        result, judged = self._stored(program), None
        if result is None:
            result, judged = await self._tested_now(program, seed)
        if self.task.problem.certify == "best":
            if judged is None and objects.kept(self.store) is None:
                self._keep(program, await self._judged(program, result.seed))
            self._certify_best()
        if not result.champion.values:
            self.tell(f"the champion fails on the test draw: {result.champion.reason}")
            return result
        if self.task.problem.certify == "best":
            return result
        if judged is None and self.task.problem.verifier and not self._certified(program):
            judged = await self._judged(program, result.seed)
        if judged is not None:
            self._write_picture(judged.picture, judged.picture_fault)
            if self.task.problem.verifier is not None:
                value = result.champion.exact[self._objective.name]
                self._certify(program, value, judged.artifact)
        return result

    @property
    def _objective(self) -> Objective:
        return self.task.problem.objectives[0]

    def _certify_best(self) -> None:
        """Certifies the best object of the run, whichever program found it, on whichever draw."""
        found = objects.kept(self.store)
        program = None if found is None else self.store.known(found.program, found.program)
        if found is None or program is None:
            # they are of a program that was banned
            self.folder.certificate.unlink(missing_ok=True)
            self._write_picture("", "")
            self.tell("no certificate: no evaluation handed out an object")
            return
        verifier = certificate.registered().get(self.task.problem.verifier or "")
        if verifier is not None:
            # the verifier may be another than that of the day it was found
            result = verifier.check(msgspec.json.decode(found.artifact))
            if isinstance(result, Invalid) or str(result.value) != found.value:
                reason = result.reason if isinstance(result, Invalid) else f"it is {result.value}"
                self.tell(f"no certificate: the best object is no longer {found.value}: {reason}")
                return
        if self.task.problem.verifier is not None:
            self._certify(program, found.value, found.artifact)
        picture, fault = drawn(self.task, found.artifact)
        self._write_picture(picture, fault)

    def write_program(self, program: int) -> None:
        """Puts the champion's files into the run's folder: best.py, or best/ for several."""
        files = self.store.files(program)
        if list(files) == [ENTRY]:
            (self.folder.path / "best.py").write_text(files[ENTRY], encoding="utf-8")
            return
        for path, text in files.items():
            file = self.folder.path / "best" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    async def _tested_now(self, program: int, seed: int) -> tuple[TestResult, Judged]:
        origin = self._seed_program(program)
        judged = await self._judged(program, seed)
        verdicts = judged.verdicts
        if verdicts[-1].status is Status.EVALUATOR_ERROR:
            raise FaultError(f"test: {verdicts[-1].reason}; the search is stored")
        alone = judged if origin == program else await self._judged(origin, seed)
        baselines = await self.judge.baselines(SplitKind.TEST, seed)
        with self.store.atomic():
            self.store.add_verdicts(program, verdicts)
            if origin != program:
                self.store.add_verdicts(origin, alone.verdicts)
            if self.task.problem.certify == "best":
                self._keep(program, judged)
                self._keep(origin, alone)
            self.store.event(
                "test",
                {
                    "program": program,
                    "seed": seed,
                    "seed_program": origin,
                    "baselines": msgspec.to_builtins(baselines),
                },
            )
        result = TestResult(
            seed=seed, champion=verdicts[-1], seed_program=alone.verdicts[-1], baselines=baselines
        )
        return result, judged

    def _keep(self, program: int, judged: Judged) -> None:
        with self.store.atomic():
            finder = self.reader.program(program).hash
            last = judged.verdicts[-1]
            objects.keep(self.store, self._objective, finder, last, judged.artifact)

    def _seed_program(self, program: int) -> int:
        """The seed that the lineage began with, or the first seed if a person's program did."""
        first = self.reader.lineage(program)[0]
        return first.id if first.proposer == SEED else self.reader.program(1).id

    async def _judged(self, program: int, seed: int) -> Judged:
        return await self.judge.judge(
            self.store.files(program), split=SplitKind.TEST, seed=seed, artifact=True
        )

    def _stored(self, program: int) -> TestResult | None:
        for event in reversed(self.reader.events("test")):
            data = msgspec.convert(event.data, _TestEvent)
            if data.program == program:
                champion = self._verdict(program, data.seed)
                if champion is not None:
                    return TestResult(
                        seed=data.seed,
                        champion=champion,
                        seed_program=self._verdict(data.seed_program, data.seed),
                        baselines=data.baselines,
                    )
        return None

    def _verdict(self, program: int, seed: int) -> Verdict | None:
        found = [
            verdict
            for verdict in self.reader.verdicts(program)
            if verdict.split == SplitKind.TEST and verdict.seed == seed
        ]
        return found[-1] if found else None

    def _certified(self, program: int) -> bool:
        if not self.folder.certificate.exists():
            return False
        held = certificate.read(self.folder.certificate)
        return held.program == self.reader.program(program).hash

    def _write_picture(self, picture: str, fault: str) -> None:
        if picture:
            self.folder.picture.write_text(picture, encoding="utf-8")
            return
        self.folder.picture.unlink(missing_ok=True)  # one of a champion before this one
        if fault:
            self.tell(f"no picture: {fault}")

    def _certify(self, program: int, value: str, artifact: str) -> None:
        name = self.task.problem.verifier
        verifier = certificate.registered().get(name or "")
        if verifier is None or not artifact:
            missing = "the test handed out no artifact" if verifier else f"no verifier {name!r}"
            self.tell(f"no certificate: {missing}")
            return
        lineage = self.reader.lineage(program)
        certificate.write(
            self.folder.certificate,
            problem=self.task.problem.name,
            parameters=self.task.parameters,
            verifier=verifier,
            claim=certificate.Claim(
                objective=self._objective.name,
                direction=self._objective.direction,
                value=value,
            ),
            artifact=artifact,
            program=lineage[-1].hash,
            lineage=[ancestor.hash for ancestor in lineage],
            tier=self.judge.tier,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )


class _TestEvent(msgspec.Struct, frozen=True):
    program: int
    seed: int
    seed_program: int
    baselines: tuple[BaselineValue, ...]
