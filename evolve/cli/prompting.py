"""Commands about what language models are asked: prompt."""

from __future__ import annotations

import click

from evolve.cli.options import json_option, print_json, set_option, settings_of, unsafe_option
from evolve.terminal import inert

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
@unsafe_option
@json_option
def prompt(
    problem: str, settings: tuple[str, ...], operator: str, unsafe: bool, as_json: bool
) -> None:
    """Show what a language model would be asked first about PROBLEM; asks none.

    Judges the first seed program and the baselines on a training draw, as their scores are in the
    prompt. Later prompts also hold other programs, failed attempts and notes.
    """  # fmt: skip
    from evolve.loading import load
    from evolve.prompts import Operator
    from evolve.prompts.first import first_prompt

    task = load(problem, settings_of(settings))
    first = first_prompt(task, Operator(operator), unsafe=unsafe)
    if as_json:
        print_json(
            {
                "fixed": first.fixed,
                "text": first.text,
                "hash": first.hash,
                "templates": first.templates,
                "bytes": first.size_bytes,
                "most_tokens": first.most_tokens,
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
