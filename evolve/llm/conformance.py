"""What every vendor's client must do, as checks against a server that misbehaves on demand.

`check(make, fault)` asks one client once, of a server that was told to commit `fault` on every call
("" for none), and returns what is wrong; nothing where the client is right.
"""

from __future__ import annotations

from collections.abc import Callable

from evolve.llm.base import CallError, Client, Fault, Finish, Message, Request

QUESTION = Request(
    fixed="You improve programs.",
    messages=(
        Message(
            role="user",
            text="## The program to start from\n\n```python\n# EVOLVE-BLOCK-START\n"
            "def f(x):\n    return x + 17\n# EVOLVE-BLOCK-END\n```\n<<<<<<< SEARCH",
        ),
    ),
)

EXPECTED: dict[str, tuple[Fault, bool]] = {
    "400": (Fault.REQUEST, False), "401": (Fault.MODEL, False), "403": (Fault.MODEL, False),
    "404": (Fault.MODEL, False), "408": (Fault.TRANSIENT, False), "409": (Fault.TRANSIENT, False),
    "413": (Fault.REQUEST, False), "422": (Fault.REQUEST, False),
    "429": (Fault.RATE_LIMIT, False), "429-after": (Fault.RATE_LIMIT, False),
    "500": (Fault.TRANSIENT, False), "500-echo": (Fault.TRANSIENT, False),
    "502": (Fault.TRANSIENT, False), "503": (Fault.TRANSIENT, False),
    "529": (Fault.TRANSIENT, False),
    "reset-before": (Fault.TRANSIENT, True), "reset-middle": (Fault.TRANSIENT, True),
    "stall": (Fault.TRANSIENT, True), "bad-json": (Fault.TRANSIENT, True),
}  # fmt: skip
"""Faults that give no answer: how they are classified, and whether they may have been billed."""

FINISHES = {
    "": Finish.COMPLETE, "truncated": Finish.LENGTH, "refusal": Finish.REFUSED,
    "empty": Finish.COMPLETE, "odd-blocks": Finish.COMPLETE, "reasoning": Finish.COMPLETE,
    "encodings": Finish.COMPLETE,
}  # fmt: skip
"""Answers of an odd kind that are answers all the same."""


async def check(make: Callable[[], Client], fault: str, *, key: str) -> list[str]:
    """What a client does wrong when a server commits this fault on every call."""
    client = make()
    try:
        answer = await client.complete(QUESTION)
    except CallError as error:
        wrong = [] if fault in EXPECTED else [f"raised {error}"]
        if fault in EXPECTED and (error.fault, error.maybe_billed) != EXPECTED[fault]:
            wrong.append(f"classified as {error.fault}, billed {error.maybe_billed}: {error}")
        if fault == "429-after" and error.retry_after_s != 1.0:
            wrong.append(f"retry-after read as {error.retry_after_s}")
        if key in str(error) or "\n" in str(error):
            wrong.append("the message holds the key or several lines")
        return wrong
    finally:
        await client.close()
    if fault in EXPECTED:
        return [f"gave an answer in spite of {fault}"]
    wrong = []
    if answer.finish is not FINISHES[fault]:
        wrong.append(f"finish {answer.finish}")
    if answer.usage is None or answer.usage.input <= 0 or not answer.model or not answer.request_id:
        wrong.append(f"usage, model or request id is missing: {answer}")
    if fault == "reasoning" and (answer.usage is None or answer.usage.reasoning != 200):
        wrong.append("reasoning tokens are not counted")
    if (fault in ("empty", "refusal")) == ("EVOLVE" in answer.text or "SEARCH" in answer.text):
        wrong.append(f"text {answer.text[:80]!r}")
    if "<<<<<<< SEARCH no" in answer.text:
        wrong.append("reasoning is part of the answer")
    return wrong
