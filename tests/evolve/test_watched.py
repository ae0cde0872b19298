"""What is followed of a run from outside agrees with what the run says of itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from benchmarks import big_run
from evolve.runs import RunFolder
from evolve.ui.population import Query, population
from evolve.watched import Watched
from islands_db import Reader, Status, Store, Verdict


def test_who_fell_behind_on_the_first_draw_is_no_champion(tmp_path: Path) -> None:
    big_run.write(tmp_path / "run", 1000, seed=1)
    run = Watched(RunFolder(tmp_path / "run"))
    with run.reading() as reader:
        ahead, lucky = [program.id for program in reader.top(2, "validation")]
        seen = dict(run.validated)
    with closing(Store.open(tmp_path / "run" / "run.db")) as store:
        for program, fitness in ((ahead, -9.0), (ahead, -9.5)):
            store.add_verdicts(
                program,
                [
                    Verdict(
                        stage="fresh",
                        split="validation",
                        status=Status.OK,
                        fitness=fitness,
                        seed=abs(int(fitness * 2)),
                    )
                ],
            )
    with run.reading(), Reader(tmp_path / "run" / "run.db") as reader:
        assert run.validated[ahead] > seen[lucky], "its mean is worse than one lucky draw"
        assert run.champion() == reader.find("champion") == ahead
    shown = population(run, Query(sort="validation", count=2))["programs"]
    assert isinstance(shown, list)
    assert [(one["id"], one["fell_behind"]) for one in shown] == [(ahead, False), (lucky, True)]
