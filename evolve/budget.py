"""What a run may still spend: evaluations, minutes, dollars, tokens, and the target that ends it.

Dollars and tokens are reserved before a call, at an upper bound, and settled after it, so that a
cap is not passed however many calls are in flight. What a lost call may have cost stays spent.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque

import msgspec

from evolve.config import Budget as Limits
from evolve.problem import Objective
from islands_db import Spending


class OutOfBudget(Exception):
    """What is left does not cover another call, and nothing in flight can give any back."""


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars and tokens, input and output together."""

    usd: float = 0.0
    tokens: int = 0


class Budget:
    """Counts against the limits; totals of the run, so that a resume goes on where it was.

    An evaluation is reserved before it starts and given back when the evaluator was at fault.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        evaluated: int = 0,
        elapsed_s: float = 0.0,
        spending: Spending | None = None,
    ) -> None:
        self.limits = limits
        self.evaluations = evaluated
        self._before_s = elapsed_s
        self._began = time.monotonic()
        self._stopped_at: float | None = None
        self.reached_target = False
        spending = spending or Spending()
        self.usd = spending.settled_usd + spending.unsettled_usd
        """Spent or perhaps spent; without what is in flight."""
        self.tokens = spending.tokens
        self.in_flight: list[Amount] = []
        self.exhausted = ""
        """Why no further call is made; empty while calls can be paid."""
        self._drafting = 0
        self._queue: deque[tuple[Amount, asyncio.Future[None]]] = deque()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def elapsed_s(self) -> float:
        now = time.monotonic() if self._stopped_at is None else self._stopped_at
        return self._before_s + now - self._began

    def stop_clock(self) -> None:
        """From here on time does not count, until `start_clock`."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()

    def start_clock(self) -> None:
        if self._stopped_at is not None:
            self._began += time.monotonic() - self._stopped_at
            self._stopped_at = None

    def change(self, limits: Limits) -> None:
        self.limits = limits
        self.reached_target = False
        self.exhausted = ""
        self._admit()
        self._changed()

    # Evaluations

    async def begin_draft(self, attempt: int) -> None:
        """Waits until what is being drafted would not need more evaluations than are left.

        So no call is paid whose program could not be evaluated. The lowest attempt goes first:
        where results are taken in order, a later one would wait for it. Returns also when the
        budget is spent, which the caller must look at.
        """
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (attempt, ticket))
        self._changed()
        try:
            await ticket
        except BaseException:
            if ticket.done() and not ticket.cancelled():
                self.end_draft()
            raise

    def end_draft(self) -> None:
        self._drafting -= 1
        self._changed()

    def reserve_evaluation(self) -> None:
        self.evaluations += 1

    def give_back_evaluation(self) -> None:
        self.evaluations -= 1
        self._changed()

    def _drafts_fill_the_rest(self) -> bool:
        limit = self.limits.evals
        return limit is not None and self.evaluations + self._drafting >= limit

    def _changed(self) -> None:
        while self._waiting and (self.spent() or not self._drafts_fill_the_rest()):
            self._let_in()

    def _let_in(self) -> None:
        _, ticket = heapq.heappop(self._waiting)
        if not ticket.done():
            self._drafting += 1
            ticket.set_result(None)

    # Dollars and tokens

    async def reserve(self, amount: Amount) -> None:
        """Sets an amount aside; first come, first served. `settle` must follow.

        Raises:
            OutOfBudget: it will not fit.
        """
        if self.exhausted:
            raise OutOfBudget(self.exhausted)
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((amount, ticket))
        self._admit()
        try:
            await ticket
        except BaseException:
            if ticket.done() and not ticket.cancelled() and ticket.exception() is None:
                self.settle(amount, Amount())
            else:
                self._queue = deque(entry for entry in self._queue if entry[1] is not ticket)
                self._admit()
            raise

    def settle(self, reserved: Amount, actual: Amount) -> None:
        """Ends a reservation with what was really spent; the reserve itself where nobody knows."""
        self.in_flight.remove(reserved)
        self.usd += actual.usd
        self.tokens += actual.tokens
        self._admit()

    def book(self, actual: Amount) -> None:
        """Adds what was spent without a reservation: answers that a replay takes over."""
        self.usd += actual.usd
        self.tokens += actual.tokens

    def cancel(self) -> None:
        """Sends everyone away who waits for anything here: the run is stopping."""
        self._refuse("the run is stopping")
        while self._waiting:
            self._let_in()

    def _admit(self) -> None:
        while self._queue:
            amount, ticket = self._queue[0]
            short = self._short_of(amount)
            if short and self.in_flight:
                return  # what comes back may do
            if short:
                self.exhausted = short
                self._refuse(short)
                return
            self._queue.popleft()
            if not ticket.done():
                self.in_flight.append(amount)
                ticket.set_result(None)

    def _refuse(self, reason: str) -> None:
        while self._queue:
            _, ticket = self._queue.popleft()
            if not ticket.done():
                ticket.set_exception(OutOfBudget(reason))

    def _short_of(self, amount: Amount) -> str:
        """Why the amount does not fit beside what is spent and in flight; empty if it does."""
        usd, tokens = self.limits.usd, self.limits.tokens
        if usd is not None:
            spent_usd = self.usd + sum(other.usd for other in self.in_flight)
            if spent_usd + amount.usd > usd:
                return (
                    f"${usd:g} used: ${max(0.0, usd - spent_usd):.4f} left, "
                    f"the next call may cost ${amount.usd:.4f}"
                )
        if tokens is not None:
            spent_tokens = self.tokens + sum(other.tokens for other in self.in_flight)
            if spent_tokens + amount.tokens > tokens:
                return (
                    f"{tokens} tokens used: {max(0, tokens - spent_tokens)} left, "
                    f"the next call may take {amount.tokens}"
                )
        return ""

    # Ends

    def see(self, objective: Objective, value: float) -> None:
        """Notes a champion's value against the target."""
        if self.limits.target is not None and objective.reaches(value, self.limits.target):
            self.reached_target = True

    def spent(self) -> str:
        """Why the run must stop, or an empty text."""
        if self.limits.evals is not None and self.evaluations >= self.limits.evals:
            used = f"{self.evaluations} evaluation{'s' * (self.evaluations != 1)} used"
            over = self.evaluations > self.limits.evals  # it went on with a smaller budget
            return f"{used}, {self.limits.evals} allowed" if over else used
        return self.over()

    def over(self) -> str:
        """As `spent`, leaving aside evaluations, which are reserved one by one."""
        if self.reached_target:
            return f"target {self.limits.target:g} reached"
        if self.limits.minutes is not None and self.elapsed_s >= self.limits.minutes * 60:
            return f"{self.limits.minutes:g} minute{'s' * (self.limits.minutes != 1)} used"
        return ""

    def seconds_left(self) -> float | None:
        if self.limits.minutes is None:
            return None
        return max(0.0, self.limits.minutes * 60 - self.elapsed_s)
