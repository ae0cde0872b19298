"""Commands that work on a run: run, resume, control."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from evolve import config as configuration
from evolve import origins, runs
from evolve.cli.models import choice, llm_options, tokens_option, usd_option
from evolve.cli.options import (
    MINUTES,
    Finite,
    json_option,
    print_json,
    runs_option,
    set_option,
    settings_of,
    unsafe_option,
)
from evolve.commands import INTERRUPTED
from evolve.config import Budget, RunFile
from evolve.errors import UsageError
from evolve.live import can_redraw, choose
from evolve.loading import Task
from evolve.recording import Recording
from evolve.runs import RunFolder
from evolve.session import Ended
from evolve.starting import execute, prepared
from evolve.summary import plain_summary, print_summary

_UNSAFE = (
    "NO SANDBOX: candidates run with your rights. They can read your files and keys, use the "
    "network, outlive the run and forge what they hand over. Every verdict is marked 'none'."
)


@click.command()
@click.argument("problem", required=False)
@set_option
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML run file.")
@click.option("--evals", type=click.IntRange(min=1), help="Stop after so many evaluations.")
@click.option("--minutes", type=MINUTES, help="Stop after so many minutes.")
@click.option(
    "--target", type=Finite(), help="Stop when the champion's validation value reaches this."
)
@usd_option
@tokens_option
@llm_options
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Worker processes; one per core by default."
)
@click.option("--islands", type=click.IntRange(1, 1024), help="Number of islands.")
@click.option(
    "--proposer",
    "proposers",
    multiple=True,
    metavar="NAME[:WEIGHT]",
    help="tree, tuner; several share the attempts. Without any: tree, unless models are given.",
)
@click.option(
    "--search",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of [islands] in the run file, e.g. policy=funsearch or reset_every=2000.",
)
@click.option(
    "--deterministic", is_flag=True, help="Same seed, same database, for any number of workers."
)
@click.option("--lag", type=click.IntRange(1, 4096), help="Attempts under way at once.")
@click.option(
    "--dry-run", is_flag=True, help="Print the first prompt and what calls may cost; asks nobody."
)
@click.option(
    "--from",
    "start",
    multiple=True,
    metavar="RUN:ID",
    help="Start from this program of another run too; may be given several times.",
)
@click.option("--name", help="Name of the run; a nickname by default.")
@click.option("--replace", is_flag=True, help="Delete a run of that name first.")
@runs_option
@unsafe_option
@json_option
def run(
    problem: str | None,
    settings: tuple[str, ...],
    config_file: Path | None,
    evals: int | None,
    minutes: float | None,
    target: float | None,
    usd: float | None,
    tokens: int | None,
    llm: tuple[str, ...],
    base_urls: tuple[str, ...],
    prices: tuple[str, ...],
    policy: str | None,
    seed: int | None,
    workers: int | None,
    islands: int | None,
    proposers: tuple[str, ...],
    search: tuple[str, ...],
    deterministic: bool,
    lag: int | None,
    dry_run: bool,
    start: tuple[str, ...],
    name: str | None,
    replace: bool,
    root: Path,
    unsafe: bool,
    as_json: bool,
) -> int:
    """Evolve a program for PROBLEM: a name, NAME:SHORTHAND, or the path of your own folder.

    Without --evals, --minutes or --target it runs until Ctrl-C, which loses nothing.
    """
    config = configuration.read(config_file) if config_file else RunFile()
    given = {
        "problem": problem, "seed": seed, "workers": workers, "lag": lag,
        "deterministic": deterministic or None,
    }  # fmt: skip
    config = msgspec.structs.replace(config, **{k: v for k, v in given.items() if v is not None})
    if islands is not None:
        config = msgspec.structs.replace(
            config, islands=msgspec.structs.replace(config.islands, count=islands)
        )
    config = configuration.with_search(config, settings_of(search, option="--search"))
    budget = _budget(config.budget, evals, minutes, target, usd, tokens)
    models = choice(config.llm, llm, base_urls, prices)
    config = msgspec.structs.replace(
        config, budget=budget, llm=models, policy=policy or config.policy
    )
    if proposers:
        config = msgspec.structs.replace(config, proposers=_weighted(proposers))
    if not config.problem:
        raise UsageError("no problem: `evolve run PROBLEM`, or problem = ... in the run file")
    task, config = prepared(config, settings_of(settings))
    if dry_run:
        from evolve.cli.prompting import show
        from evolve.prompts import Operator

        if not config.llm:
            raise UsageError("--dry-run shows what models would be sent; name one with --llm")
        show(task, config, Operator.DIFF, unsafe=unsafe, as_json=as_json)
        return 0
    started_from = _origins(start, root, task)
    folder = runs.create(root, name, replace=replace)
    with folder.lock():
        ended = _execute(
            folder, task, config, config.budget, unsafe, as_json, new=True,
            started_from=started_from,
        )  # fmt: skip
    return _report(folder, task, ended, as_json, root)


@click.command()
@click.argument("name", required=False)
@click.option("--evals", type=click.IntRange(min=1), help="New total of evaluations.")
@click.option("--minutes", type=MINUTES, help="New total of minutes.")
@usd_option
@tokens_option
@click.option("--target", type=Finite(), help="New target.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes.")
@runs_option
@json_option
def resume(
    name: str | None,
    evals: int | None,
    minutes: float | None,
    usd: float | None,
    tokens: int | None,
    target: float | None,
    workers: int | None,
    root: Path,
    as_json: bool,
) -> int:
    """Go on with run NAME (default: the latest), wherever it was cut off.

    Budgets are totals of the run: a run of 1000 evaluations goes on with --evals 2000.
    """
    from evolve.cli.stored import stored_run

    folder = runs.find(root, name)
    with folder.lock():
        stored = stored_run(folder)
        config = configuration.parse(
            stored.config, where=f"the stored configuration of {folder.name}"
        )
        if workers is not None:
            config = msgspec.structs.replace(config, workers=workers)
        if stored.mixed:
            raise UsageError(
                f"{folder.name} holds scores from different draws, as the runs merged in it had "
                f"different seeds; `evolve rescore {folder.name}` first"
            )
        task = stored.unchanged_task()
        budget = _budget(stored.budget, evals, minutes, target, usd, tokens)
        recording = stored.replay and stored.replay.found(folder.name, beside=folder.path.parent)
        ended = _execute(
            folder, task, config, budget, stored.without_sandbox, as_json, new=False,
            recording=recording,
        )  # fmt: skip
    return _report(folder, task, ended, as_json, root)


@click.command()
@click.argument("name", required=False)
@click.option("--name", "new_name", help="Name of the new run; by default NAME-replay.")
@click.option("--live", is_flag=True, help="Where it leaves the recording, go on with the models.")
@click.option("--replace", is_flag=True, help="Delete a run of the new name first.")
@runs_option
@json_option
def replay(
    name: str | None, new_name: str | None, live: bool, replace: bool, root: Path, as_json: bool
) -> int:
    """Run a recorded search again, with its stored answers in the place of the models.

    Needs no network and no key. Only runs with --deterministic can be replayed: for others the
    order of results is not recorded.
    """
    from evolve.cli.stored import stored_run

    recorded = runs.find(root, name)
    stored = stored_run(recorded)
    config = configuration.parse(
        stored.config, where=f"the stored configuration of {recorded.name}"
    )
    if not config.llm:
        raise UsageError(f"{recorded.name} asked no models, so there are no answers to replay")
    if not config.deterministic:
        raise UsageError(
            f"{recorded.name} was not run with --deterministic, so the order of its results is "
            "not recorded and it cannot be replayed"
        )
    task = stored.unchanged_task()
    folder = runs.create(root, new_name or f"{recorded.name}-replay", replace=replace)
    limits = stored.budget if live else Budget(evals=stored.budget.evals)
    with folder.lock():
        ended = _execute(
            folder, task, config, limits, stored.without_sandbox, as_json, new=True,
            recording=Recording(database=str(recorded.database.absolute()), live=live),
            started_from=stored.origins,
        )  # fmt: skip
    return _report(folder, task, ended, as_json, root)


def _origins(start: tuple[str, ...], root: Path, task: Task) -> origins.Origins:
    """The files of the programs named by --from."""
    from evolve.cli.opening import opened_program

    found = {}
    for target in start:
        with opened_program(target, root) as (folder, reader, _, program):
            found[f"{folder.name}:{program.id}"] = reader.files(program.id)
    return origins.checked(found, task)


def _execute(
    folder: RunFolder,
    task: Task,
    config: RunFile,
    budget: Budget,
    unsafe: bool,
    as_json: bool,
    *,
    new: bool,
    recording: Recording | None = None,
    started_from: Mapping[str, Mapping[str, str]] | None = None,
) -> Ended:
    if unsafe:
        print(f"evolve: {_UNSAFE}", file=sys.stderr)
    view = choose(as_json=as_json)
    try:
        return execute(
            folder, task, config, budget, unsafe=unsafe, new=new, watch=view.watch, tell=view.tell,
            recording=recording, started_from=started_from,
        )  # fmt: skip
    finally:
        view.close()


def _report(folder: RunFolder, task: Task, ended: Ended, as_json: bool, root: Path) -> int:
    if as_json:
        print_json(plain_summary(folder, ended))
    else:
        print_summary(folder, task, ended, root, below_panel=can_redraw())
    return 130 if ended.reason == INTERRUPTED else 0


def _budget(
    base: Budget,
    evals: int | None,
    minutes: float | None,
    target: float | None,
    usd: float | None,
    tokens: int | None,
) -> Budget:
    given = {"evals": evals, "minutes": minutes, "target": target, "usd": usd, "tokens": tokens}
    return msgspec.structs.replace(base, **{k: v for k, v in given.items() if v is not None})


def _weighted(given: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in given:
        name, colon, weight = text.partition(":")
        try:
            found[name] = float(weight) if colon else 1.0
        except ValueError:
            found[name] = -1.0
        if not 0 <= found[name] < float("inf"):
            raise UsageError(
                f"--proposer {text}: expected NAME or NAME:WEIGHT, a weight of 0 or more"
            )
    return found
