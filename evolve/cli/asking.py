"""Estimates of what calls cost, and the smallest call to each model."""

from __future__ import annotations

import asyncio
import os

import click
import msgspec

from evolve.config import RunFile
from evolve.errors import UsageError, first_leaf


def print_estimates(config: RunFile, size_bytes: int) -> None:
    """What a call with a prompt of this size may cost, for each model of a run."""
    for one in estimates(config, size_bytes):
        click.echo(_said(one))


def estimates(config: RunFile, size_bytes: int) -> list[dict[str, object]]:
    """As `print_estimates`, as JSON data.

    Raises:
        UsageError: the prompt does not fit a model's context.
    """
    return [_estimate(config, index, size_bytes) for index in range(len(config.llm))]


def _estimate(config: RunFile, index: int, size_bytes: int) -> dict[str, object]:
    from evolve.llm.base import Usage
    from evolve.llm.models import settled
    from evolve.llm.prices import table

    model = config.llm[index]
    asked = settled(model, os.environ)
    likely = size_bytes // 4
    if likely + model.max_output_tokens > asked.context_tokens:
        raise UsageError(
            f"{model.arm}: a prompt of about {likely} tokens and {model.max_output_tokens} tokens "
            f"of answer do not fit its context of {asked.context_tokens}; lower max_output_tokens "
            "or name context_tokens"
        )
    price = asked.price
    return {
        "model": model.arm,
        "base_url": asked.base_url,
        "table": table().date if model.price is None else "the run's own",
        "likely_usd": price and price.cost_usd(Usage(input=likely, output=1500)),
        "most_usd": price
        and price.at_most_usd(input=size_bytes + 64, output=model.max_output_tokens),
        "most_output_tokens": model.max_output_tokens,
    }


def _said(one: dict[str, object]) -> str:
    if one["likely_usd"] is None:
        return f"{one['model']} at {one['base_url']}: no price known"
    return (
        f"{one['model']} at {one['base_url']}: estimate ${one['likely_usd']:.4f} a call with an "
        f"answer of 1500 tokens, at most ${one['most_usd']:.4f} with {one['most_output_tokens']} "
        f"(prices: {one['table']})"
    )


def smallest_calls(config: RunFile) -> list[dict[str, object]]:
    """Asks each model for one word, and says what came of it."""
    try:
        return asyncio.run(_smallest_calls(config))
    except BaseExceptionGroup as errors:
        raise first_leaf(errors) from None


async def _smallest_calls(config: RunFile) -> list[dict[str, object]]:
    from evolve.errors import EvolveError
    from evolve.llm import opening
    from evolve.llm.base import CallError, Message, Request

    found: list[dict[str, object]] = []
    for model in config.llm:
        small = msgspec.structs.replace(model, timeout_s=min(model.timeout_s, 60.0))
        try:
            (line,) = opening.prepared([small], os.environ, capped=False)
        except EvolveError as error:
            found.append({"model": model.arm, "works": False, "detail": str(error)})
            continue
        try:
            await opening.check(line.asked, line.client)
            question = Request(
                fixed="Answer with one word.", messages=(Message(role="user", text="Say: ready"),)
            )
            answer = await line.client.complete(question)
        except (EvolveError, CallError) as error:
            found.append({"model": model.arm, "works": False, "detail": str(error)})
        else:
            used = answer.usage
            price = line.asked.price
            cost = f", ${price.cost_usd(used):.6f}" if price and used else ", cost unknown"
            found.append(
                {
                    "model": model.arm,
                    "works": True,
                    "detail": f"{answer.model} answered in {answer.latency_s:.1f} s{cost}",
                }
            )
        finally:
            await line.client.close()
    return found
