"""Commands about what language models are asked: prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evolve.cli.models import choice, llm_options
from evolve.cli.options import json_option, print_json, set_option, settings_of, unsafe_option
from evolve.config import RunFile
from evolve.terminal import inert

if TYPE_CHECKING:
    from evolve.loading import Task
    from evolve.prompts import Operator

_OPERATORS = ("diff", "rewrite")


@click.command()
@click.argument("problem")
@set_option
@click.option(
    "--operator",
    type=click.Choice(_OPERATORS),
    default="diff",
    show_default=True,
    help="What is asked for: a change of a part, or a whole program.",
)
@llm_options
@unsafe_option
@json_option
def prompt(
    problem: str,
    settings: tuple[str, ...],
    operator: str,
    llm: tuple[str, ...],
    base_urls: tuple[str, ...],
    prices: tuple[str, ...],
    policy: str | None,
    unsafe: bool,
    as_json: bool,
) -> None:
    """Show what a language model would be asked first about PROBLEM; asks none.

    Judges the first seed program and the baselines on a training draw, as their scores are in the
    prompt. Later prompts also hold other programs, failed attempts and notes.
    """  # fmt: skip
    from evolve.loading import load
    from evolve.prompts import Operator

    config = RunFile(llm=choice((), llm, base_urls, prices))
    task = load(problem, settings_of(settings))
    show(task, config, Operator(operator), unsafe=unsafe, as_json=as_json)


def show(task: Task, config: RunFile, operator: Operator, *, unsafe: bool, as_json: bool) -> None:
    """Prints the first prompt of a run, and what calls of its models may cost."""
    from evolve.cli.asking import estimates, print_estimates
    from evolve.prompts.first import first_prompt

    first = first_prompt(task, operator, unsafe=unsafe)
    if as_json:
        print_json(
            {
                "fixed": first.fixed,
                "text": first.text,
                "hash": first.hash,
                "templates": first.templates,
                "bytes": first.size_bytes,
                "most_tokens": first.most_tokens,
                "models": estimates(config, first.size_bytes),
            }
        )
        return
    click.echo(inert(first.fixed, lines=True))
    click.echo("\n--- up to here the same in every prompt of a run ---\n")
    click.echo(inert(first.text, lines=True))
    click.echo(
        f"\n--- {first.size_bytes:,} bytes in all, {len(first.fixed.encode()):,} of them the same "
        f"in every prompt; at most {first.most_tokens:,} tokens, usually about "
        f"{first.size_bytes // 4:,} ---"
    )
    print_estimates(config, first.size_bytes)
