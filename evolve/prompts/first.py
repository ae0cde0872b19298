"""The first prompt of a run, without a run: for a look before anything is paid."""

from __future__ import annotations

import random

from evolve.errors import FaultError
from evolve.evaluation import compute_baselines, judge
from evolve.loading import Task
from evolve.problem import SplitKind
from evolve.prompts.facts import facts_of
from evolve.prompts.recipes import draw
from evolve.prompts.records import Context, Operator, Prompt, Shown
from evolve.prompts.rendering import render
from evolve.prompts.templates import load_templates
from evolve.worker import open_sandbox
from islands_db import Status


def first_prompt(task: Task, operator: Operator, *, unsafe: bool = False) -> Prompt:
    """What a model would be asked about the first seed program, on a training draw of seed 0.

    Raises:
        FaultError: a template cannot be used, or the seed program fails.
        MachineError: there is no sandbox here.
    """
    templates = load_templates(task.problem.folder)
    name, program = next(iter(task.seeds().items()))
    baselines = compute_baselines(task, split=SplitKind.TRAINING, seed=0)
    with open_sandbox(task, unsafe=unsafe) as sandbox:
        judged = judge(task, sandbox, dict(program.files), split=SplitKind.TRAINING, seed=0)
    last = judged.verdicts[-1]
    if last.status is not Status.OK:
        raise FaultError(f"seed {name} fails: {last.status} at stage {last.stage!r}: {last.reason}")
    recipe = draw(random.Random(0), templates, attempt=0, parent=1, weights={operator: 1.0})
    context = Context(
        operator=recipe.operator,
        parent=Shown(id=1, program=program, verdicts=judged.verdicts),
        hint=recipe.hint,
    )
    return render(templates, facts_of(task, baselines), context)
