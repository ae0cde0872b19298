"""What every prompt of a run says of its problem, gathered from the problem itself."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.loading import Task
from evolve.messages import BaselineValue
from evolve.prompts.records import Facts, Step


def facts_of(task: Task, baselines: Sequence[BaselineValue] = ()) -> Facts:
    """The facts of a loaded problem.

    Args:
        baselines: As computed on the training draw of the run, where parents have their scores;
            those that failed are left out.

    Raises:
        ProblemError: a file that the problem names cannot be read.
    """
    problem, parameters = task.problem, task.parameters
    leading = problem.objectives[0].name
    other_draws = []
    if problem.validation_stage is not None:
        other_draws.append("the best program is picked")
    if problem.test_stage is not None:
        other_draws.append("the result is measured")
    return Facts(
        name=problem.name,
        statement=problem.read(problem.statement).strip(),
        contract=problem.contract_text(parameters).strip(),
        measurement=problem.measurement_text(parameters).strip(),
        parameters=tuple((name, str(value) or '""') for name, value in parameters.items()),
        objectives=problem.objectives,
        stages=tuple(
            Step(
                name=stage.name,
                timeout_s=stage.timeout_s,
                memory_mb=stage.memory_mb,
                pass_mark=stage.pass_mark,
            )
            for stage in problem.stages
        ),
        requires=(*problem.required_distributions, *(f"`{name}`" for name in problem.library)),
        records=tuple(
            record
            for record in problem.known_records(parameters)
            if record.objective in (None, leading)
        ),
        baselines=tuple((b.name, b.values[leading]) for b in baselines if leading in b.values),
        other_draws=tuple(other_draws),
        drawn=any(stage.takes("seed") for stage in problem.stages),
    )
