"""Options that name models, and what they make of a run file's list of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from evolve.cli.options import Finite
from evolve.errors import UsageError, nearest
from evolve.llm.models import VENDORS, Model, checked, parse, settled
from evolve.llm.prices import Price

F = TypeVar("F", bound=Callable[..., object])

usd_option: Callable[[F], F] = click.option(
    "--usd", type=Finite(min=0, min_open=True), help="Spend at most so many dollars on models."
)
tokens_option: Callable[[F], F] = click.option(
    "--tokens", type=click.IntRange(min=1), help="Spend at most so many tokens on models."
)


def llm_options(command: F) -> F:
    """--llm, --base-url, --price and --policy."""
    given: list[Any] = [
        click.option(
            "--llm", multiple=True, metavar="VENDOR/MODEL[:WEIGHT]",
            help="A model to ask; several share the attempts. Vendors: openai, anthropic.",
        ),
        click.option(
            "--base-url", "base_urls", multiple=True, metavar="VENDOR=URL",
            help="Where a vendor's models are asked, e.g. a server of your own.",
        ),
        click.option(
            "--price", "prices", multiple=True, metavar="MODEL=INPUT,OUTPUT[,CACHED]",
            help="USD per million tokens; 0,0 for a server of your own.",
        ),
        click.option(
            "--policy", type=click.Choice(["bandit", "fixed"]),
            help="Share the attempts by gain per cost (default) or by weight.",
        ),
    ]  # fmt: skip
    for option in reversed(given):
        command = option(command)
    return command


def choice(
    configured: tuple[Model, ...],
    llm: tuple[str, ...],
    base_urls: tuple[str, ...],
    prices: tuple[str, ...],
) -> tuple[Model, ...]:
    """The models of a run: those of the command line, or else of the run file, with options.

    Addresses are settled here, so that a resumed run asks where it did before.

    Raises:
        UsageError: one line on what cannot be meant.
    """
    models = [parse(text) for text in llm] or list(configured)
    addresses = _pairs("--base-url", base_urls, list(VENDORS))
    vendors = {model.model.partition("/")[0] for model in models}
    for vendor in addresses.keys() - vendors:
        raise UsageError(f"--base-url {vendor}=...: no model of {vendor} is asked")
    named = _pairs("--price", prices, [model.model for model in models])
    found = []
    for model in models:
        changes: dict[str, Any] = {}
        vendor = model.model.partition("/")[0]
        if vendor in addresses:
            changes["base_url"] = addresses[vendor]
        if model.model in named:
            changes["price"] = _price(model.model, named[model.model])
        changed = checked(msgspec.structs.replace(model, **changes), where="--base-url")
        if not changed.base_url and os.environ.get(model.vendor.base_url_env):
            address = settled(changed, os.environ).base_url
            changed = msgspec.structs.replace(changed, base_url=address)
        found.append(changed)
    return tuple(found)


def _pairs(option: str, given: tuple[str, ...], known: list[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{option} {text}: expected NAME=VALUE")
        if name not in known:
            raise UsageError(f"{option} {name}: {nearest(name, known)}")
        pairs[name] = value
    return pairs


def _price(model: str, text: str) -> Price:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 <= n < float("inf") for n in numbers):
        raise UsageError(
            f"--price {model}={text}: expected INPUT,OUTPUT or INPUT,OUTPUT,CACHED in USD per "
            "million tokens, from 0 up"
        )
    cached = numbers[2] if len(numbers) == 3 else None
    return Price(input=numbers[0], output=numbers[1], cached=cached)
