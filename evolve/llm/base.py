"""The protocol of a vendor: one request in, one completion or one classified error out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is asked. `fixed` opens every prompt of a run; the vendor may cache it."""

    fixed: str
    messages: tuple[Message, ...]

    @property
    def size_bytes(self) -> int:
        return len(self.fixed.encode()) + sum(len(m.text.encode()) for m in self.messages)


class Finish(StrEnum):
    """Why an answer ended."""

    COMPLETE = "complete"
    LENGTH = "length"
    REFUSED = "refused"
    OTHER = "other"


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens as the vendor bills them.

    Attributes:
        input: All tokens of the prompt, cached ones included.
        cached: Those of `input` that were read from a cache.
        written: Those of `input` that were written to a cache.
        output: All tokens of the answer, reasoning included.
        reasoning: Those of `output` that were reasoning.
    """

    input: int
    output: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, read to its last byte.

    Attributes:
        model: The model that answered, as the vendor names it.
        usage: None where the server does not say.
        request_id: The vendor's name for the call.
        cost_usd: None where usage or price is unknown.
    """

    text: str
    finish: Finish
    model: str
    usage: Usage | None
    request_id: str
    latency_s: float
    cost_usd: float | None = None


class Fault(StrEnum):
    """What an error means for the next try."""

    REQUEST = "request"
    """This request will never be answered; another may be."""
    MODEL = "model"
    """No request to this model will be answered: key, rights, name or address are wrong."""
    RATE_LIMIT = "rate_limit"
    """Too many requests; later."""
    TRANSIENT = "transient"
    """May pass."""


class CallError(Exception):
    """A call without an answer; the message is one line and holds no key.

    Attributes:
        maybe_billed: The request may have been worked on, yet no usage came back.
        retry_after_s: The vendor's wish, if it gave one.
        read: What had come of an answer that is not whole or cannot be read.
    """

    def __init__(
        self,
        fault: Fault,
        message: str,
        *,
        status: int = 0,
        maybe_billed: bool = False,
        retry_after_s: float | None = None,
        request_id: str = "",
        read: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.status = status
        self.maybe_billed = maybe_billed
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.read = read


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one model is asked; see `evolve.config.Model` for the meaning of each."""

    name: str
    base_url: str = ""
    api: str = ""
    temperature: float | None = None
    effort: str = ""
    max_output_tokens: int = 16_384
    timeout_s: float = 600.0
    stream: bool = False
    key: str = field(default="", repr=False)


class Client(Protocol):
    """One model of one vendor; it may be asked many times at once. See `llm.conformance`."""

    async def complete(self, request: Request) -> Completion:
        """One answer.

        Raises:
            CallError: there is none.
        """

    async def check(self) -> None:
        """Asks whether key, address and model are right, without spending anything.

        Raises:
            CallError: `Fault.MODEL` where one of them is wrong. A server that does not list its
                models passes.
        """

    async def close(self) -> None:
        """Closes its connections."""
