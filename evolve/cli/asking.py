"""Commands around prompts and recorded answers: prompt, replay; and the dry run."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import click

from evolve.cli.models import choice, llm_options
from evolve.cli.options import json_option, print_json, runs_option, set_option, settings_of
from evolve.config import RunFile
from evolve.errors import UsageError
from evolve.loading import Task, load


@click.command()
@click.argument("problem")
@set_option
@llm_options
@json_option
def prompt(
    problem: str,
    settings: tuple[str, ...],
    llm: tuple[str, ...],
    base_urls: tuple[str, ...],
    prices: tuple[str, ...],
    policy: str | None,
    as_json: bool,
) -> int:
    """Print what a model would be sent for PROBLEM first; asks nobody.

    The seed program is judged, so that the prompt holds its verdicts.
    """
    config = RunFile(llm=choice((), llm, base_urls, prices))
    task = load(problem, settings_of(settings))
    return _print(task, config, as_json=as_json)


def print_dry_run(task: Task, config: RunFile) -> int:
    """The first prompt of a run, and what its calls may cost."""
    if not config.llm:
        raise UsageError("--dry-run shows what models would be sent; name one with --llm")
    return _print(task, config, as_json=False)
