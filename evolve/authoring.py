"""Help for whoever writes a problem: a folder to start from, and a check of what was written."""

from __future__ import annotations

import keyword
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from string import Template

from evolve import hearing, tree
from evolve.certificate import registered
from evolve.errors import FaultError, MachineError, UsageError
from evolve.evaluation import compute_baselines, judge, stages_of
from evolve.loading import Task
from evolve.messages import Judged
from evolve.problem import SplitKind
from evolve.program import Program, ProgramError
from evolve.prompts import facts_of, load_templates
from evolve.terminal import number
from evolve.tuning import MarkError, TuneError, parameters
from evolve.worker import open_sandbox
from islands_db import Status, Verdict
from sandbox import Sandbox

TEMPLATES = Path(__file__).parent / "templates"
_REPEATS = 5
_NOISE_SEEDS = 4
_WITHOUT = {
    SplitKind.VALIDATION: "none; training values pick champions",
    SplitKind.TEST: "none; no test score at the end, and no certificate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `fine` is None where it is only worth knowing."""

    what: str
    fine: bool | None
    detail: str


def write_problem(name: str, into: Path) -> Path:
    """Writes a problem folder from the template.

    Raises:
        UsageError: no name for a problem, or the folder exists.
        MachineError: it cannot be written.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name!r}: a problem's name is an identifier, such as bin_packing")
    folder = into / name
    if folder.exists():
        raise UsageError(f"{folder} exists; choose another name")
    try:
        folder.mkdir(parents=True)
        for source in sorted(TEMPLATES.rglob("*.txt")):
            target = folder / source.relative_to(TEMPLATES).with_suffix("")
            target.parent.mkdir(parents=True, exist_ok=True)
            text = Template(source.read_text(encoding="utf-8")).safe_substitute(NAME=name)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MachineError(f"cannot write {folder}: {error.strerror}") from None
    return folder


def check_problem(task: Task, *, unsafe: bool = False) -> list[Finding]:
    """Looks at everything a run depends on: seeds, determinism, fixtures, baselines, cost, noise.

    Raises:
        FaultError: the seeds cannot be read, so nothing can be looked at.
    """
    findings = [Finding(what="module", fine=True, detail=f"{task.problem.folder}/problem.py loads")]
    findings += _check_prompts(task)
    if fault := hearing.probe_fault(task):
        findings.append(Finding(what="probe", fine=False, detail=fault))
    with open_sandbox(task, unsafe=unsafe) as sandbox:
        findings.append(
            Finding(
                what="sandbox", fine=True if not unsafe else None, detail=f"tier {sandbox.tier}"
            )
        )
        for name, program in task.seeds().items():
            findings += _check_seed(task, sandbox, name, program)
        findings += _check_known_bad(task, sandbox)
        findings += _check_splits(task, sandbox)
    findings += _check_verifier(task)
    findings += _check_baselines(task)
    findings += _check_records(task)
    return findings


def _check_prompts(task: Task) -> list[Finding]:
    """Whether a language model would be told what it needs."""
    findings = []
    try:
        load_templates(task.problem.folder)
        facts = facts_of(task)
    except FaultError as error:
        return [Finding(what="prompts", fine=False, detail=str(error))]
    if not task.problem.read(task.problem.statement).strip():
        detail = f"{task.problem.statement} is empty: say what is asked"
        findings.append(Finding(what="statement", fine=None, detail=detail))
    if not facts.contract:
        detail = (
            'none; a model is not told how its code is called: write contract="contract.md" with '
            "types, units, who calls it, how often, how ties break"
        )
        findings.append(Finding(what="contract", fine=None, detail=detail))
    if not facts.measurement:
        detail = (
            "not said; a model cannot tell a gain from noise: write measurement=... with the "
            "number and size of the instances"
        )
        findings.append(Finding(what="measurement", fine=None, detail=detail))
    return findings


def _check_seed(task: Task, sandbox: Sandbox, name: str, program: Program) -> list[Finding]:
    what = f"seed {name}"
    first = _training(task, sandbox, program, seed=0)
    last = first.verdicts[-1]
    if last.status is not Status.OK:
        return [Finding(what=what, fine=False, detail=_failure(last))]
    objective = task.problem.objectives[0].name
    value = last.values[objective]
    reached = "" if first.rung == len(task.problem.stages) else "; it misses a pass mark"
    findings = [Finding(what=what, fine=True, detail=f"{objective} {number(value, 6)}{reached}")]
    findings += [
        Finding(what=f"feature {feature.name}", fine=None, detail="no stage gave it for this seed")
        for feature in task.problem.features
        if feature.name not in first.features
    ]
    if why := tree.doubt(program, task.problem.primitives, hearing.listen(task)):
        findings.append(Finding(what="tree", fine=None, detail=f"cannot change it: {why}"))
    try:
        parameters(program)
    except MarkError as error:
        findings.append(Finding(what="tuner", fine=False, detail=str(error)))
    except TuneError:
        pass  # without a number to tune it is still a seed for the others
    again = (_training(task, sandbox, program, seed=0) for _ in range(_REPEATS - 1))
    judged = [first, *again]
    values = {j.verdicts[-1].exact.get(objective) for j in judged}
    if len(values) == 1:
        detail = f"the same score {_REPEATS} times"
        findings.append(Finding(what="determinism", fine=True, detail=detail))
    else:
        detail = f"{len(values)} different scores in {_REPEATS} runs: the score is noisy"
        findings.append(Finding(what="determinism", fine=None, detail=detail))
    walls = [sum(v.wall_s for v in j.verdicts) for j in judged]
    typical = statistics.median(walls)
    per_hour = 3600 / max(typical, 1e-6)
    findings.append(
        Finding(
            what="cost",
            fine=None,
            detail=f"{typical * 1000:.1f} ms an evaluation and core, about {_rounded(per_hour):,} "
            "an hour and core; no model is asked, so nothing is paid",
        )
    )
    fresh = [
        j.verdicts[-1].values[objective]
        for j in (_training(task, sandbox, program, seed=s) for s in range(1, _NOISE_SEEDS + 1))
        if j.verdicts[-1].status is Status.OK
    ]
    if len(fresh) > 1 and len(set(fresh)) > 1:
        spread = statistics.stdev(fresh)
        detail = f"standard deviation {number(spread, 2)} of {objective} between draws"
        findings.append(Finding(what="noise", fine=None, detail=detail))
    return findings


def _failure(verdict: Verdict) -> str:
    if verdict.status is Status.EVALUATOR_ERROR:
        return verdict.reason  # it names the stage
    return f"{verdict.status} at stage {verdict.stage!r}: {verdict.reason}"


def _rounded(value: float) -> int:
    """Two digits of it, for people."""
    return int(float(f"{value:.2g}"))


def _check_known_bad(task: Task, sandbox: Sandbox) -> list[Finding]:
    files = task.problem.known_bad_files()
    if not task.problem.known_bad:
        detail = "no known_bad programs: write some that must be rejected, and name them"
        return [Finding(what="known-bad", fine=None, detail=detail)]
    findings = [
        Finding(what="known-bad", fine=False, detail=f"{pattern} is no file of the folder")
        for pattern in task.problem.known_bad
        if not any(task.problem.folder.glob(pattern))
    ]
    for path in files:
        name = str(path.relative_to(task.problem.folder))
        try:
            program = task.program(name)
        except (ProgramError, FaultError) as error:
            findings.append(Finding(what=name, fine=False, detail=str(error)))
            continue
        last = _training(task, sandbox, program, seed=0).verdicts[-1]
        rejected = last.status not in (Status.OK, Status.EVALUATOR_ERROR)
        detail = f"{last.status}: {last.reason}" if last.status is not Status.OK else "ACCEPTED"
        findings.append(Finding(what=name, fine=rejected, detail=detail))
    return findings


def _check_splits(task: Task, sandbox: Sandbox) -> list[Finding]:
    findings = []
    program = next(iter(task.seeds().values()))
    for split in (SplitKind.VALIDATION, SplitKind.TEST):
        if not stages_of(task, split):
            findings.append(Finding(what=split.value, fine=None, detail=_WITHOUT[split]))
            continue
        judged = judge(task, sandbox, dict(program.files), split=split, seed=1, artifact=True)
        last = judged.verdicts[-1]
        good = last.status is Status.OK
        detail = f"{last.wall_s:.2f} s" if good else _failure(last)
        findings.append(Finding(what=split.value, fine=good, detail=detail))
        if good and split is SplitKind.TEST and task.problem.verifier in registered():
            findings.append(_check_artifact(task, judged))
        if good and split is SplitKind.TEST and task.problem.drawing:
            findings.append(_check_picture(judged))
    return findings


def _check_picture(judged: Judged) -> Finding:
    if judged.picture:
        detail = f"{len(judged.picture.encode()):,} bytes"
        return Finding(what="picture", fine=True, detail=detail)
    detail = judged.picture_fault or "the test's Score has no artifact, so there is nothing to draw"
    return Finding(what="picture", fine=False, detail=detail)


def _check_verifier(task: Task) -> list[Finding]:
    name = task.problem.verifier
    if name is None or name in registered():
        return []
    detail = f"{name!r} is not registered in the entry-point group evolve.verifiers"
    return [Finding(what="certificate", fine=False, detail=detail)]


def _check_artifact(task: Task, judged: Judged) -> Finding:
    from fractions import Fraction

    import msgspec

    from evaluators import Invalid

    name = task.problem.verifier or ""
    verifier = registered()[name]
    if not judged.artifact:
        detail = "the test's Score has no artifact, so there is nothing to certify"
        return Finding(what="certificate", fine=False, detail=detail)
    result = verifier.check(msgspec.json.decode(judged.artifact))
    if isinstance(result, Invalid):
        return Finding(what="certificate", fine=False, detail=result.reason)
    claimed = Fraction(judged.verdicts[-1].exact[task.problem.objectives[0].name])
    same = Fraction(result.value) == claimed
    detail = f"{name} version {verifier.version} gives {'the same value' if same else result.value}"
    return Finding(what="certificate", fine=same, detail=detail)


def _check_baselines(task: Task) -> list[Finding]:
    objective = task.problem.objectives[0].name
    findings = []
    for baseline in compute_baselines(task, split=SplitKind.TRAINING, seed=0):
        value = baseline.values.get(objective)
        if baseline.fault or value is None:
            detail = baseline.fault or f"its Score has no {objective!r}"
            findings.append(Finding(what=f"baseline {baseline.name}", fine=False, detail=detail))
        else:
            detail = f"{objective} {number(value, 6)}"
            findings.append(Finding(what=f"baseline {baseline.name}", fine=True, detail=detail))
    return findings


def _check_records(task: Task) -> list[Finding]:
    names = {objective.name for objective in task.problem.objectives}
    findings = []
    for record in task.problem.records:
        known = record.objective is None or record.objective in names
        sourced = bool(record.source)
        if known and sourced and math.isfinite(float(record.value)):
            continue
        detail = "names no source" if not sourced else f"of objective {record.objective!r}"
        findings.append(Finding(what=f"record of {record.who}", fine=False, detail=detail))
    return findings


def _training(task: Task, sandbox: Sandbox, program: Program, *, seed: int) -> Judged:
    return judge(task, sandbox, dict(program.files), split=SplitKind.TRAINING, seed=seed)
