"""One run from start to end: opens the store, starts helpers, runs the loop, makes the test.

What decides is elsewhere (`loop`, `champion`, `islands_db`); this wires it together and owns it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from evolve import messages, origins, recording
from evolve.bandit import Bandit
from evolve.blocks import Blocks
from evolve.budget import Budget
from evolve.champion import PARTED_AFTER, Champions, Standing, parting
from evolve.closing import Closing, TestResult
from evolve.collector import kept_from_collector
from evolve.commands import INTERRUPTED, Commands
from evolve.config import Budget as Limits
from evolve.config import RunFile, calls_in_flight, search_settings, weights
from evolve.consulting import Consulting
from evolve.control import ControlServer
from evolve.drafting import SEED, Drafter
from evolve.endings import FAILED
from evolve.errors import EvolveError, UsageError
from evolve.halving import Halving
from evolve.judging import Judge
from evolve.loading import Task, identity
from evolve.loop import BARREN, BARREN_ANSWERS, Loop
from evolve.monitor import Monitor
from evolve.problem import SplitKind
from evolve.program import Program
from evolve.proposers import MEMORY, REGISTRY, Proposer
from evolve.randomness import derive, unforeseen
from evolve.runs import RunFolder
from evolve.status import Status
from evolve.yardsticks import Yardsticks
from islands_db import Axis, Outcome, Placement, Reader, Sample, Store, StoreError
from islands_db import Status as VerdictStatus

_TICK_S = 0.25
_SYNCED_EVERY, _FOLDED_EVERY = 4, 40
"""Ticks between two syncs of the database's log, and between two copies of it into the database."""
_LENGTH_AXIS = ("length", 0.0, 200.0, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended: why, who is champion, and the test if it was made."""

    reason: str
    standing: Standing | None
    test: TestResult | None
    status: Status
    longest_block_ms: float


@dataclass(slots=True, kw_only=True)
class Session:
    """A run being worked on by this process, which holds its lock.

    Attributes:
        limits: The budget of this session: totals of the run.
        watch: Called with the status a few times a second; where it returns False the run stops.
            None where nobody looks on.
        tell: Called with lines worth keeping (warnings, phases).
    """

    folder: RunFolder
    task: Task
    config: RunFile
    limits: Limits
    unsafe: bool
    watch: Callable[[Status], object] | None
    tell: Callable[[str], None]
    models: Consulting
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Programs of other runs that a new one starts from."""
    store: Store = field(init=False)
    reader: Reader = field(init=False)
    judge: Judge = field(init=False)
    champions: Champions = field(init=False)
    loop: Loop = field(init=False)
    budget: Budget = field(init=False)
    seeds: Mapping[str, Program] = field(init=False)
    monitor: Monitor = field(init=False)
    closing: Closing = field(init=False)
    blocks: Blocks = field(default_factory=Blocks)
    """What the event loop that the run works in waits with."""
    _proposers: dict[str, Proposer] = field(init=False)
    _stack: AsyncExitStack = field(init=False)
    _newest_best: int = 0
    _parted: bool = False
    _doubts: list[str] = field(default_factory=list)
    """To be told once a seed has passed: one that fails has a line of its own."""
    _wired: bool = False
    _validating: asyncio.Lock = field(default_factory=asyncio.Lock)
    _may_write: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while a write would wait for the disk."""

    @property
    def seed(self) -> int:
        assert self.config.seed is not None
        return self.config.seed

    async def run(self, *, new: bool) -> Ended:
        """Works on the run until its budget is spent, it is stopped, or something fails.

        Raises:
            EvolveError: one line for the user; what was stored stays, and can be resumed.
        """
        self.seeds = self.task.seeds()
        self._may_write.set()
        self._listen_to_signals()
        async with AsyncExitStack() as stack:
            self._stack = stack
            self.judge = Judge(
                self.task,
                workers=self.config.workers or 1,
                unsafe=self.unsafe,
                log=self.folder.log,
            )
            stack.push_async_callback(self.judge.stop)
            await self.judge.start()
            proposers = await self._start_proposers(stack)
            await self.models.open(stack, capped=self.limits.usd is not None)
            self.store = self._create() if new else Store.open(self.folder.database)
            stack.callback(self.store.close)
            self.reader = stack.enter_context(Reader(self.folder.database))
            self._wire(proposers)
            commands = Commands(
                store=self.store,
                loop=self.loop,
                budget=self.budget,
                monitor=self.monitor,
                champions=self.champions,
                asks_models=bool(self.config.llm),
                status=self.status,
            )
            control = ControlServer(self.folder.socket, commands.obey)
            stack.push_async_callback(control.stop)
            await control.start()
            async with asyncio.TaskGroup() as group:
                ticker = group.create_task(self._tick())
                try:
                    return await self._work()
                except EvolveError as error:
                    with suppress(StoreError):  # the error itself says more
                        self.store.event(FAILED, {"reason": str(error)})
                    raise
                finally:
                    ticker.cancel()

    async def _work(self) -> Ended:
        yardsticks = Yardsticks(self.task, self.store, self.judge, self.seed)
        self.monitor.references = await yardsticks.references(self.tell)
        if self.config.llm:
            self._proposers |= self.models.proposers(
                self.task, self.store, self.reader, self.loop, self._stack,
                await yardsticks.of_training(),
            )  # fmt: skip
        under_way = self.store.counts().pending
        self.loop.drafter.recall(self.reader.proposals(last=MEMORY + under_way))
        self.monitor.phase = "searching"
        with kept_from_collector():
            self.blocks.noting = True
            reason = await self.loop.run()
            self.blocks.noting = False
        self._remember_time()
        self.monitor.phase = "validating"
        standing = await self.champions.settle(every_leader=self.config.deterministic)
        self._tell_parting()
        test = None
        if standing is not None:
            self.closing.write_program(standing.program)
            if reason != INTERRUPTED:
                self.monitor.phase = "testing"
                # nothing in the loop reads either; the deterministic mode must end the same
                fixed = self.closing.next_draw(standing.program, self.seed)
                seed = fixed if self.config.deterministic else unforeseen()
                test = await self.closing.test(standing, seed=seed)
        self.monitor.phase = "ended"
        self.store.event("ended", {"reason": reason})
        if self.watch is not None:
            self.watch(self.status())
        return Ended(
            reason=reason,
            standing=standing,
            test=test,
            status=self.status(),
            longest_block_ms=self.blocks.longest_s * 1000,
        )

    def _create(self) -> Store:
        axes = [Axis(name=n, low=lo, high=hi, cells=c) for n, lo, hi, c in [_LENGTH_AXIS]]
        axes += [
            Axis(name=f.name, low=f.low, high=f.high, cells=f.cells)
            for f in self.task.problem.features
        ]
        replayed = self.models.recording
        store = Store.create(
            self.folder.database,
            settings=search_settings(
                self.config.islands,
                axes=axes,
                objectives=len(self.task.problem.objectives),
                seed=derive(self.seed, "islands"),
            ),
            meta={
                "problem": self.task.reference,
                "folder": str(self.task.problem.folder),
                "parameters": messages.texts(self.task.parameters),
                "objectives": [f"{o.direction} {o.name}" for o in self.task.problem.objectives],
                "identity": identity(self.task),
                "config": msgspec.to_builtins(self.config),
                "seed": self.seed,
                "unsafe": self.unsafe,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "elapsed_s": 0.0,
                origins.KEY: self.origins,
                recording.KEY: None if replayed is None else replayed.plain(),
            },
        )
        return store

    async def _start_proposers(self, stack: AsyncExitStack) -> dict[str, Proposer]:
        proposers = {}
        for name in self.config.proposers:
            proposer = REGISTRY[name](self.task, self.folder.log)
            stack.push_async_callback(proposer.stop)
            await proposer.start()
            self._doubts += [f"{name} cannot change seed {doubt}" for doubt in proposer.doubts]
            proposers[name] = proposer
        return proposers

    def _wire(self, proposers: dict[str, Proposer]) -> None:
        elapsed = self.store.meta.get("elapsed_s", 0.0)
        assert isinstance(elapsed, int | float)
        evaluated = self.store.counts().evaluated
        self.budget = Budget(
            self.limits,
            evaluated=evaluated,
            elapsed_s=float(elapsed),
            spending=self.store.spending(),
        )
        self._proposers = proposers
        self.models.wire(
            self.store,
            self.budget,
            may_go_on=lambda: self.loop.may_ask(),
            may_write=self._may_write,
        )
        bandit = Bandit(weights(self.config), learning=self.config.policy == "bandit")
        bandit.restore(self.store.meta.get("bandit"))
        operators = {
            name: proposer.operators
            for name, proposer in proposers.items()
            if proposer.operators is not None
        }
        learnt = self.store.meta.get("operators")
        for name, market in operators.items():
            market.learning = bandit.learning
            market.restore(learnt.get(name) if isinstance(learnt, Mapping) else None)
        self.store.set_meta(
            "operator_weights", {name: dict(market.weights) for name, market in operators.items()}
        )
        self.champions = Champions(
            self.task, self.store, self.reader, self.judge, self.seed,
            may_write=self._may_write, draws=self.config.evaluation.draws,
        )  # fmt: skip
        self.store.set_meta("budget", msgspec.to_builtins(self.budget.limits))
        self._compare_with_target()
        order_lost = bool(self.reader.events("deterministic_mode_ended"))
        self.monitor = Monitor(
            run=self.folder.name,
            problem=self.task.reference,
            tier=self.judge.tier,
            store=self.store,
            champions=self.champions,
            budget=self.budget,
            split=SplitKind.VALIDATION
            if self.task.problem.validation_stage
            else SplitKind.TRAINING,
            deterministic=self.config.deterministic and not order_lost,
            bandit=bandit,
        )
        self.closing = Closing(
            folder=self.folder,
            task=self.task,
            store=self.store,
            reader=self.reader,
            judge=self.judge,
            tell=self.tell,
        )
        go = asyncio.Event()
        go.set()
        self.loop = Loop(
            store=self.store,
            judge=self.judge,
            drafter=Drafter(
                self.store, proposers, {**self.seeds, **origins.stored(self.store.meta)}
            ),
            bandit=bandit,
            operators=operators,
            out_of_order=self.models.out_of_order,
            seed=self.seed,
            lag=self.config.lag or 1,
            models=frozenset(model.arm for model in self.config.llm),
            most_ahead=0 if self.config.deterministic else calls_in_flight(self.config),
            deterministic=self.config.deterministic,
            budget=self.budget,
            halving=self._halving(),
            on_settled=self._on_settled,
            on_best=self._on_best,
            on_stop=self.models.desk.stop if self.models.desk else self.budget.cancel,
            go=go,
            may_write=self._may_write,
            most_barren=BARREN if self.config.proposers else BARREN_ANSWERS,
        )
        self._wired = True

    def _halving(self) -> Halving | None:
        eta = self.config.evaluation.halving
        if not eta:
            return None
        halving = Halving(eta, lag=self.config.lag if self.config.deterministic else None)
        for attempt, stage, fitness in self.reader.stage_values():
            halving.note(attempt, stage, fitness)
        return halving

    async def _on_best(self, program: int) -> None:
        self._newest_best = program
        async with self._validating:
            # in deterministic mode which programs are validated may not depend on timing
            ending = bool(self.loop.stop_reason or self.budget.over())
            overtaken = ending or program != self._newest_best
            if overtaken and not self.config.deterministic:
                return
            if self.config.deterministic:
                crowned = await self.champions.catch_up()
            else:
                crowned = await self.champions.validate(program, led=True)
            if crowned:
                self._compare_with_target()
            self._tell_parting()

    def _tell_parting(self) -> None:
        """Raises the alarm once for each champion; several programs may have parted at once."""
        parted = self.champions.parted >= PARTED_AFTER
        if parted and not self._parted:
            self.tell(parting(self.champions.parted))
        self._parted = parted

    def _compare_with_target(self) -> None:
        self.champions.compare_with(self.budget)

    def _on_settled(self, sample: Sample, outcome: Outcome, placement: Placement) -> None:
        while self._doubts:
            self.tell(self._doubts.pop(0))
        if self.monitor.deterministic:
            late = [v for v in outcome.verdicts if v.status is VerdictStatus.TIMEOUT]
            if late:
                self._end_deterministic_mode(sample, late[0].stage)
        if placement.best and sample.proposer != SEED:
            self.monitor.last = f"{outcome.operator or sample.proposer} by {sample.proposer}"

    def _end_deterministic_mode(self, sample: Sample, stage: str) -> None:
        self.monitor.deterministic = False
        self.store.event("deterministic_mode_ended", {"attempt": sample.attempt, "stage": stage})
        self.tell(
            f"deterministic mode ends here: attempt {sample.attempt} met the wall-clock limit of "
            f"stage {stage!r}, and on another machine it might not have; the run goes on"
        )

    def _listen_to_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # signals are the main thread's, who has other work; see `evolve.run`
        loop = asyncio.get_running_loop()

        starting = asyncio.current_task()

        def interrupt() -> None:
            if not self._wired:
                if starting is not None:
                    starting.cancel(INTERRUPTED)
                return
            if self.loop.stop_reason == INTERRUPTED:
                os._exit(130)  # asked twice; everything that counts is committed
            self.tell("stopping: finishing what is being evaluated (again to leave at once)")
            self.loop.stop(INTERRUPTED)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)

    async def _tick(self) -> None:
        for count in itertools.count():
            await asyncio.sleep(_TICK_S)
            if self.watch is not None and self.watch(self.status()) is False:
                self.loop.stop("stopped by the caller")
            if count % _SYNCED_EVERY == 0:
                self.monitor.note()
                self._remember_time()
                if count % _FOLDED_EVERY == 0:
                    await self._fold_log()
                else:
                    await asyncio.to_thread(self.store.sync)

    async def _fold_log(self) -> None:
        """Copies the log into the database; results that come while it starts over wait a moment,
        so that the loop does not wait for the disk."""
        if await asyncio.to_thread(self.store.checkpoint):
            self._may_write.clear()
            try:
                await asyncio.to_thread(self.store.begin_log_anew)
            finally:
                self._may_write.set()

    def _remember_time(self) -> None:
        self.store.set_meta("elapsed_s", round(self.budget.elapsed_s, 3))

    def status(self) -> Status:
        """The run at this moment."""
        return self.monitor.status(paused=not self.loop.go.is_set(), waiting=self.models.all_down)


def check_identity(stored: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuses to go on with a problem, verifier or limit that has changed.

    Raises:
        UsageError: names the first change.
    """
    for name in sorted(stored.keys() | now.keys()):
        if stored.get(name) == now.get(name):
            continue
        how = "is gone" if name not in now else "is new" if name not in stored else "has changed"
        raise UsageError(
            f"{name} {how} since this run began, so its scores could not be compared; "
            "put it back, or judge all its programs again with `evolve rescore`"
        )
