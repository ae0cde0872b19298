"""Which models a run asks, as its run file or `--llm VENDOR/MODEL[:WEIGHT]` names them; their keys.

Keys come from the environment or from a file that only its owner should read. They go into the
client of their model and nowhere else.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from evolve.errors import UsageError, nearest
from evolve.llm.base import Client, Options
from evolve.llm.prices import Listed, Price, table

_DEFAULT_CONTEXT = 128_000
_CONNECTING = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0)]


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's client is, and which environment variables concern it."""

    client: str
    key_env: str
    base_url_env: str
    home: str


VENDORS = {
    "openai": Vendor(
        client="evolve.llm.openai:OpenAIClient", key_env="OPENAI_API_KEY",
        base_url_env="OPENAI_BASE_URL", home="https://api.openai.com/v1",
    ),
    "anthropic": Vendor(
        client="evolve.llm.anthropic:AnthropicClient", key_env="ANTHROPIC_API_KEY",
        base_url_env="ANTHROPIC_BASE_URL", home="https://api.anthropic.com",
    ),
}  # fmt: skip
"""A vendor is one file and one line here; its client must pass `evolve.llm.conformance`."""


class Model(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One model of a run; only `model` is needed."""

    model: str
    """"openai/NAME" or "anthropic/NAME"."""
    weight: Share = 1.0
    base_url: str = ""
    """By default the vendor's own, or what OPENAI_BASE_URL or ANTHROPIC_BASE_URL says."""
    api: Literal["", "responses", "chat"] = ""
    """OpenAI only: by default Responses at OpenAI's own address, Chat Completions elsewhere."""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    effort: Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"] = ""
    """How much a model should reason; not every model takes every value."""
    max_output_tokens: Positive = 16_384
    """Reasoning included."""
    context_tokens: Positive | None = None
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 32
    """Calls in flight at once."""
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    timeout_s: Rate = 600.0
    stream: bool = False
    key_env: str = ""
    key_file: str = ""
    price: Price | None = None
    label: str = ""
    """Tells the same model with other settings apart."""

    @property
    def arm(self) -> str:
        """The name it goes by in the run."""
        return self.label or self.model

    @property
    def vendor(self) -> Vendor:
        return VENDORS[self.model.partition("/")[0]]

    @property
    def name(self) -> str:
        """The model's name as its vendor knows it."""
        return self.model.partition("/")[2]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A model with everything settled that its configuration left open."""

    model: Model
    base_url: str
    price: Price | None
    context_tokens: int


def parse(text: str) -> Model:
    """A model from VENDOR/MODEL[:WEIGHT].

    A last part after a colon is a weight when it reads as a number, so that names such as
    "qwen3:8b" need nothing; a name that ends in ":8" must be given its weight.

    Raises:
        UsageError: there is no such vendor, no model, or the weight is negative.
    """
    head, colon, tail = text.rpartition(":")
    weight = 1.0
    if colon:
        try:
            weight, text = float(tail), head
        except ValueError:
            weight = 1.0
    if not 0 <= weight < float("inf"):
        raise UsageError(f"--llm {text}: weight {tail}, expected a number from 0 up")
    return checked(Model(model=text, weight=weight), where="--llm")


def checked(model: Model, *, where: str) -> Model:
    """The model, if its vendor is known and its address can be stored.

    Raises:
        UsageError: one line on what is wrong.
    """
    vendor, slash, name = model.model.partition("/")
    if not slash or not name or vendor not in VENDORS:
        known = nearest(vendor, list(VENDORS))
        raise UsageError(f"{where}: {model.model!r}: expected VENDOR/MODEL; vendors: {known}")
    if not name.isprintable() or len(name) > 200 or name != name.strip():
        raise UsageError(f"{where}: {name[:60]!r} is no name of a model")
    if model.base_url:
        _check_url(model.base_url, where)
    if model.context_tokens is not None and model.context_tokens <= model.max_output_tokens:
        raise UsageError(
            f"{where}: {model.model}: max_output_tokens {model.max_output_tokens} leaves nothing "
            f"of context_tokens {model.context_tokens} for a prompt"
        )
    return model


def settled(model: Model, environment: Mapping[str, str]) -> Asked:
    """Address, price and context of a model.

    Raises:
        UsageError: the address in the environment cannot be used.
    """
    vendor = model.vendor
    base_url = model.base_url or environment.get(vendor.base_url_env, "")
    if base_url and not model.base_url:
        _check_url(base_url, vendor.base_url_env)
    listed: Listed | None = table().find(model.model)
    context = model.context_tokens or (listed.context if listed else _DEFAULT_CONTEXT)
    return Asked(
        model=model,
        base_url=base_url or vendor.home,
        price=model.price or (listed.price if listed else None),
        context_tokens=context,
    )


def client(asked: Asked, environment: Mapping[str, str]) -> Client:
    """The client of a model; imports its vendor's SDK.

    Raises:
        UsageError: no key, the SDK is not installed, or the environment names a proxy or
            certificates that cannot be used.
    """
    model, vendor = asked.model, asked.model.vendor
    module, _, name = vendor.client.partition(":")
    try:
        kind: Callable[[Options], Client] = getattr(import_module(module), name)
    except ImportError as error:
        package = model.model.partition("/")[0]
        raise UsageError(
            f"{model.model} needs the package {error.name or package}: pip install 'evolve[llm]'"
        ) from None
    options = Options(
        name=model.name,
        base_url=asked.base_url,
        api=model.api,
        temperature=model.temperature,
        effort=model.effort,
        max_output_tokens=model.max_output_tokens,
        timeout_s=model.timeout_s,
        stream=model.stream,
        key=key(asked, environment),
    )
    try:
        return kind(options)
    except (ImportError, OSError, ValueError) as error:
        # a SOCKS proxy without its package, a proxy that is no URL, certificates that are not there
        from evolve.llm.errors import clean  # imports the SDKs' transport

        names = ", ".join(connecting(environment))
        raise UsageError(
            f"{model.model}: no client can be made: {clean(str(error), options.key)}; look at "
            f"{names or 'your installation'}"
        ) from None


def connecting(environment: Mapping[str, str], base_url: str = "") -> list[str]:
    """The variables in the environment that say how connections (to an address) are made."""
    plain = base_url.startswith("http://")
    return [
        name
        for name in _CONNECTING
        if environment.get(name) or environment.get(name.lower())
        if not (plain and name.startswith("SSL"))
    ]


def key(asked: Asked, environment: Mapping[str, str]) -> str:
    """The key of a model; empty where another server than the vendor's is asked without one.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    model, vendor = asked.model, asked.model.vendor
    name = model.key_env or vendor.key_env
    # what was named for this model alone goes first, then the key itself, then a file with it
    path = model.key_file or ("" if environment.get(name) else environment.get(f"{name}_FILE", ""))
    if path:
        where = "key_file" if model.key_file else f"{name}_FILE"
        file = Path(os.path.expanduser(path))
        try:
            found = file.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            raise UsageError(f"{model.model}: cannot read {where} {file}: {why}") from None
        return _sendable(found, f"{where} {file}", model)
    found = environment.get(name, "").strip()
    if found:
        return _sendable(found, name, model)
    if model.key_env or asked.base_url.rstrip("/") == vendor.home:
        raise UsageError(
            f"{model.model}: no key; export {name}=..., or {name}_FILE=FILE, or name a "
            "key_file in the run file"
        )
    return ""


def _sendable(found: str, where: str, model: Model) -> str:
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise UsageError(f"{model.model}: what {where} holds is no key: one line of plain ASCII")
    return found


def _check_url(url: str, where: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"{where}: base URL {url[:80]!r}: expected http(s)://HOST[:PORT][/PATH]")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"{where}: the base URL holds a user, a query or a fragment, and would be stored; "
            "give keys in the environment"
        )


def environment() -> Mapping[str, str]:
    """The environment that keys and addresses are looked up in."""
    return os.environ
