"""Where a run asks its models: limits, reserves, retries, and the record of every call.

A question is asked until it is answered or given up. Each try is a call of its own: its row is
written before it leaves, and its answer is committed, with usage and cost, before anyone reads it.
An answered question is never asked again, in this process or a later one.

While every model is down, nothing is asked but one probe at a time, and the run's clock stands.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from evolve.budget import Amount, Budget, OutOfBudget
from evolve.errors import UsageError
from evolve.llm import retries
from evolve.llm.base import CallError, Client, Completion, Fault, Request
from evolve.llm.limits import Limits
from evolve.llm.models import Asked
from evolve.llm.pool import CallPool
from evolve.llm.retries import Breaker
from evolve.terminal import duration
from evolve.turns import Stopped
from islands_db import Call, CallState, Store

AROUND_MESSAGES = 64
"""Tokens that a chat template may add around the messages of a prompt."""
_PER_BYTE = 0.3
"""Tokens of a byte, until one knows."""
_MARGIN = 1.5
_FEWEST_SEEN = 8
_HOPELESS_AFTER = 3
_POLL_S = 0.5
_WORTH_TELLING_S = 20.0
"""A user wants to know why nothing happens for so long."""
_SYNC_APART_S = 0.05
_MOST_KEPT = 1 << 20
"""Bytes kept of a response that is not whole or cannot be read."""


class Unanswered(Exception):
    """A question was given up; the message says why."""


class Desk(Protocol):
    """Whoever answers questions: models, or the record of a run."""

    async def ask(self, arm: str, request: Request, blank: Call) -> Call:
        """The answered call of a question.

        Args:
            blank: Attempt, turn, and the hashes of prompt and templates.

        Raises:
            Unanswered: there is no answer.
            Stopped: the run ends; the question may be asked again on resume.
        """

    def out_of_order(self) -> frozenset[str]:
        """Arms that cannot be asked now: down, or with all the calls in flight they may have.

        Were these given further attempts, all under way would come to wait for the slowest model.
        """


@dataclass(slots=True)
class Line:
    """One model: its client and limits, and what is known of it."""

    asked: Asked
    client: Client
    breaker: Breaker = field(default_factory=Breaker)
    seen: int = 0
    """Answers with usage."""
    most_per_byte: float = 0.0
    """The most tokens a byte of any prompt has come to."""
    output: float = 0.0
    """Average tokens of an answer."""
    questions: int = 0
    """Being asked or waiting for it."""
    told_until: float = 0.0
    """Of waits that end before, by the monotonic clock, the user knows."""
    pool: CallPool = field(init=False)
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        model = self.asked.model
        self.pool = CallPool(model.concurrency)
        self.limits = Limits(model.requests_per_minute, model.tokens_per_minute)

    @property
    def arm(self) -> str:
        return self.asked.model.arm

    def most_input(self, size_bytes: int) -> int:
        """An upper bound of a prompt's tokens: one a byte, or what prompts came to and half more.

        Byte-level vocabularies have no token of less than a byte.
        """
        per_byte = 1.0
        if self.seen >= _FEWEST_SEEN:
            per_byte = min(1.0, _MARGIN * self.most_per_byte)
        bound = int(size_bytes * per_byte) + AROUND_MESSAGES
        return min(bound, self.asked.context_tokens)

    def most(self, request: Request) -> Amount:
        """What a call can cost at most."""
        tokens_in = self.most_input(request.size_bytes)
        tokens_out = self.asked.model.max_output_tokens
        price = self.asked.price
        return Amount(
            usd=price.at_most_usd(input=tokens_in, output=tokens_out) if price else 0.0,
            tokens=tokens_in + tokens_out,
        )

    def expected_tokens(self, request: Request) -> float:
        """What a call will about take, input and output together."""
        output = self.output or self.asked.model.max_output_tokens / 4
        return request.size_bytes * (self.most_per_byte or _PER_BYTE) + output

    def learn(self, request: Request, completion: Completion) -> None:
        """Calibrates the estimates with what a call really took."""
        usage = completion.usage
        if usage is None:
            return
        self.seen += 1
        share = max(0, usage.input - AROUND_MESSAGES) / max(1, request.size_bytes)
        self.most_per_byte = max(self.most_per_byte, share)
        self.output += (usage.output - self.output) / min(self.seen, 100)


class LiveDesk:
    """Asks models.

    Args:
        may_go_on: Awaited before each try: waits out a pause, raises Stopped at the end of the run.
        may_write: Cleared while a write would wait for the disk.
        tell: Called with a line for the user.
        ordered: An attempt waits for its own model, since in deterministic mode which attempts
            fail may not depend on timing.
        alone: Nothing but models proposes, so the clock stands while all are down.
    """

    def __init__(
        self,
        store: Store,
        budget: Budget,
        lines: Sequence[Line],
        *,
        may_go_on: Callable[[], Awaitable[None]],
        may_write: asyncio.Event,
        tell: Callable[[str], None],
        ordered: bool,
        alone: bool,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._budget = budget
        self.lines: Mapping[str, Line] = {line.arm: line for line in lines}
        self._may_go_on = may_go_on
        self._may_write = may_write
        self._tell = tell
        self._ordered = ordered
        self._alone = alone
        self._rng = rng
        self._down_since: float | None = None
        self._stopping = asyncio.Event()
        self._waiting: set[asyncio.Timeout] = set()
        self._syncing = asyncio.Lock()
        self._committed = self._synced = 0
        self._next_sync = 0.0
        self.in_flight = 0

    @property
    def all_down(self) -> bool:
        return self._down_since is not None

    def out_of_order(self) -> frozenset[str]:
        if self._ordered:
            return frozenset()
        return frozenset(
            arm
            for arm, line in self.lines.items()
            if line.breaker.down or line.questions >= line.asked.model.concurrency
        )

    def stop(self) -> None:
        """Ends all waiting; calls in flight go on to their end."""
        self._stopping.set()
        for waiting in self._waiting:
            waiting.reschedule(0.0)
        self._budget.cancel()

    async def close(self) -> None:
        """Cuts what is still in flight, and closes the connections."""
        for line in self.lines.values():
            await line.pool.close()
            await line.client.close()

    async def ask(self, arm: str, request: Request, blank: Call) -> Call:
        answered = self._store.answer(blank.attempt, blank.turn)
        if answered is not None:
            return answered
        line = self.lines[arm]
        self._require_room(line, request)
        line.questions += 1
        try:
            return await self._until_answered(line, request, replace(blank, model=arm))
        finally:
            line.questions -= 1

    async def _until_answered(self, line: Line, request: Request, blank: Call) -> Call:
        failures = 0
        while True:
            await self._admitted(line)
            try:
                answered = await line.pool.run(self._call(line, request, blank))
                # its place is free for the next call meanwhile
                await self._on_disk()
                return answered
            except CallError as error:
                line.breaker.failed(error, time.monotonic(), self._rng)
                self._refuse_hopeless(line, error)
                if line.breaker.down:
                    continue
                failures += error.fault is Fault.TRANSIENT
                if not retries.worth_another_try(error) or failures >= retries.TRIES:
                    raise Unanswered(str(error)) from None
                wait = retries.wait_s(error, failures, self._rng)
                self._tell_wait(line, error, wait)
                await self._sleep(wait)
            except OutOfBudget:
                line.breaker.abandoned()
                raise Stopped from None
            except BaseException:
                line.breaker.abandoned()
                raise

    async def _admitted(self, line: Line) -> None:
        """Waits until the model may be asked."""
        while True:
            await self._may_go_on()
            if line.breaker.may_ask(time.monotonic()):
                return
            if line.breaker.down:
                others = [other for other in self.lines.values() if not other.breaker.down]
                if others and not self._ordered:
                    raise Unanswered(f"{line.arm} is down: {line.breaker.reason}")
                self._note_down()
            wait = line.breaker.not_before - time.monotonic()
            await self._sleep(min(max(wait, 0.02), _POLL_S))

    def _tell_wait(self, line: Line, error: CallError, wait: float) -> None:
        """Says once that a vendor wants to be left alone for long."""
        until = time.monotonic() + wait
        if error.retry_after_s and wait > _WORTH_TELLING_S and until > line.told_until:
            line.told_until = until + wait
            self._tell(f"{line.arm} is not asked for {duration(wait)} ({error})")

    def _note_down(self) -> None:
        if self._down_since is not None or self._any_up() or self._stopping.is_set():
            return
        self._down_since = time.monotonic()
        if self._alone:
            self._budget.stop_clock()
        reasons = "; ".join(f"{arm}: {line.breaker.reason}" for arm, line in self.lines.items())
        every = "every model is" if len(self.lines) > 1 else "the model is"
        self._tell(f"{every} down ({reasons}); waiting, the run goes on by itself")

    def _any_up(self) -> bool:
        return any(not line.breaker.down for line in self.lines.values())

    def _note_up(self, line: Line) -> None:
        line.breaker.succeeded()
        if self._down_since is not None:
            self._tell(f"{line.arm} is back after {duration(time.monotonic() - self._down_since)}")
            self._down_since = None
            self._budget.start_clock()

    def _refuse_hopeless(self, line: Line, error: CallError) -> None:
        """Ends a run whose model has refused all from the first call on.

        Key, name or address soon; what may be wrong with single prompts once it counts as down.
        """
        breaker = line.breaker
        refused = (
            breaker.failures >= _HOPELESS_AFTER
            if error.fault is Fault.MODEL
            else (breaker.down and error.fault is Fault.REQUEST)
        )
        if refused and not breaker.answered:
            self._stopping.set()
            where = f"{line.arm} at {line.asked.base_url}"
            hint = (
                "; most base URLs of this protocol end in /v1" if _may_miss_v1(line, error) else ""
            )
            raise UsageError(f"{where}: {error}{hint}") from None

    def _require_room(self, line: Line, request: Request) -> None:
        asked = line.asked
        fewest = request.size_bytes // 6
        if fewest + asked.model.max_output_tokens > asked.context_tokens:
            raise UsageError(
                f"{line.arm}: a prompt of {request.size_bytes} bytes (at least about {fewest} "
                f"tokens) and {asked.model.max_output_tokens} tokens of answer do not fit its "
                f"context of {asked.context_tokens}; lower max_output_tokens or name context_tokens"
            )

    async def _call(self, line: Line, request: Request, blank: Call) -> Call:
        """One try, from the reserve to the committed answer."""
        reserve = line.most(request)
        await self._budget.reserve(reserve)
        spent = Amount()
        try:
            expected = line.expected_tokens(request)
            if line.limits.some:
                async with self._until_stopped():
                    await line.limits.take(expected)
            await self._may_go_on()
            await self._may_write.wait()
            call = replace(blank, reserve_usd=reserve.usd, reserve_tokens=reserve.tokens)
            number = self._store.open_call(call)
            spent = reserve
            self.in_flight += 1
            try:
                completion = await line.client.complete(request)
            except CallError as error:
                state = CallState.CUT if error.maybe_billed else CallState.FAILED
                self._store.end_call(
                    number,
                    replace(
                        call, state=state, reason=str(error), status=error.status,
                        request_id=error.request_id, answer=_read(error),
                    ),
                )  # fmt: skip
                spent = reserve if error.maybe_billed else Amount()
                raise
            except BaseException:
                self._store.end_call(
                    number, replace(call, state=CallState.CUT, reason="cut off by the engine")
                )
                raise
            finally:
                self.in_flight -= 1
            ended = _answered(call, completion, line)
            try:
                await self._may_write.wait()
            finally:
                # also when it is cut off while it waits: this answer is paid
                self._store.end_call(number, ended)
            if ended.cost_usd is not None:
                spent = Amount(usd=ended.cost_usd, tokens=ended.input + ended.output)
            if completion.usage is not None:
                line.limits.correct(expected, ended.input + ended.output)
        finally:
            self._budget.settle(reserve, spent)
        line.learn(request, completion)
        self._note_up(line)
        return ended

    async def _on_disk(self) -> None:
        """Waits until what was committed before is safe; one fsync serves all who wait.

        The first at once; further ones follow at a distance, as handing one to a thread and having
        it done takes half a millisecond of CPU, and only this answer waits for it.
        """
        self._committed += 1
        mine = self._committed
        async with self._syncing:
            if self._synced < mine:
                await asyncio.sleep(self._next_sync - time.monotonic())
                upto = self._committed
                self._next_sync = time.monotonic() + _SYNC_APART_S
                await asyncio.to_thread(self._store.sync)
                self._synced = upto

    @asynccontextmanager
    async def _until_stopped(self) -> AsyncIterator[None]:
        """Ends what is waited for inside with Stopped when the run stops or its time is over."""
        if self._stopping.is_set():
            raise Stopped
        try:
            async with asyncio.timeout(self._budget.seconds_left()) as waiting:
                self._waiting.add(waiting)
                try:
                    yield
                finally:
                    self._waiting.discard(waiting)
        except TimeoutError:
            raise Stopped from None

    async def _sleep(self, seconds: float) -> None:
        left = self._budget.seconds_left()
        if left is not None and not self.all_down:
            seconds = min(seconds, left + 0.01)
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _may_miss_v1(line: Line, error: CallError) -> bool:
    asked = line.asked
    has_it = asked.base_url.rstrip("/").endswith("/v1")
    return error.status == 404 and asked.model.vendor.home.endswith("/v1") and not has_it


def _read(error: CallError) -> str | None:
    """What came of an answer that is none, for those who want to know what was paid."""
    return error.read[:_MOST_KEPT].decode("utf-8", "replace") if error.read else None


def _answered(call: Call, completion: Completion, line: Line) -> Call:
    usage, price = completion.usage, line.asked.price
    ended = replace(
        call,
        state=CallState.ANSWERED,
        finish=completion.finish.value,
        answered_by=completion.model,
        request_id=completion.request_id,
        answer=completion.text,
        latency_s=completion.latency_s,
    )
    if usage is None:
        # a free model costs nothing, however much it says
        free = price is not None and call.reserve_usd == 0.0
        return replace(ended, cost_usd=0.0 if free else None)
    return replace(
        ended,
        cost_usd=price.cost_usd(usage) if price else None,
        input=usage.input,
        cached=usage.cached,
        written=usage.written,
        output=usage.output,
        reasoning=usage.reasoning,
    )
