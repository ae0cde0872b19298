"""The desk and a server that will not answer: what the user is told, and when it is given up."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from evolve.budget import Budget
from evolve.config import Budget as Limits
from evolve.errors import UsageError
from evolve.live import money
from evolve.llm import conformance
from evolve.llm.desk import LiveDesk, Unanswered
from evolve.llm.models import Model
from evolve.llm.opening import prepared
from evolve.status import ModelStatus
from islands_db import Call, Sample, Settings, Store
from tests.evolve.llm.test_odd_servers import Script, chat, plain, server

MODEL = "openai/m"


class Asking:
    """A desk with one model behind an address, and what it tells its user."""

    def __init__(self, folder: Path, address: str) -> None:
        self.told: list[str] = []
        self.has_told = asyncio.Event()
        self.store = Store.create(folder / "run.db", settings=Settings(), meta={})
        model = Model(model=MODEL, base_url=f"{address}/v1", max_output_tokens=100)
        self.may_write = asyncio.Event()
        self.may_write.set()
        lines = prepared([model], {"OPENAI_API_KEY": "sk-desk-0123456789"}, capped=False)
        self.desk = LiveDesk(
            self.store, Budget(Limits()), lines, may_go_on=self._go_on,
            may_write=self.may_write, tell=self._tell,
            ordered=False, alone=True, rng=random.Random(0),
        )  # fmt: skip

    def _tell(self, line: str) -> None:
        self.told.append(line)
        self.has_told.set()

    async def _go_on(self) -> None:
        return

    async def ask(self, attempt: int) -> Call:
        self.store.begin(Sample(attempt=attempt, island=0, parent=None, proposer="seed"))
        blank = Call(attempt=attempt, turn=0, model=MODEL, prompt="p", template="t")
        return await self.desk.ask(MODEL, conformance.QUESTION, blank)

    async def close(self) -> None:
        await self.desk.close()
        self.store.close()


def test_a_long_wait_that_a_vendor_asks_for_is_told_once(tmp_path: Path) -> None:
    async def play() -> list[str]:
        async with server(plain({"error": "slow down"}, "retry-after: 3000", status=429)) as where:
            asking = Asking(tmp_path, where)

            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(asking.ask(0))
                await asking.has_told.wait()
                await asyncio.sleep(0.1)
                waiting.cancel()
            await asking.close()
            return asking.told

    (line,) = asyncio.run(play())
    assert line.startswith("openai/m is not asked for ")
    assert line.endswith("min (HTTP 429: slow down)")


def test_a_model_that_refuses_every_request_from_the_first_ends_the_run(tmp_path: Path) -> None:
    refusals: list[bytes | Script] = [plain({"error": "no such parameter"}, status=400)] * 10

    async def play() -> list[str]:
        async with server(*refusals) as where:
            asking = Asking(tmp_path, where)
            for attempt in range(9):
                with pytest.raises(Unanswered):
                    await asking.ask(attempt)
            with pytest.raises(UsageError, match="HTTP 400: no such parameter"):
                await asking.ask(9)
            await asking.close()
            return asking.told

    assert asyncio.run(play()) == []


def test_an_answer_that_waits_for_the_disk_is_stored_even_if_cut_off(tmp_path: Path) -> None:
    async def play() -> tuple[str | None, str | None]:
        async with server(plain(chat())) as where:
            asking = Asking(tmp_path, where)
            question = asyncio.create_task(asking.ask(0))
            while not asking.desk.in_flight:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0)
            asking.may_write.clear()
            while asking.desk.in_flight:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            early = asking.store.answer(0, 0)
            question.cancel()
            await asyncio.wait([question])
            late = asking.store.answer(0, 0)
            await asking.close()
            return early and early.answer, late and late.answer

    early, late = asyncio.run(play())
    assert early is None
    assert late


def test_answers_without_a_price_are_not_called_lost() -> None:
    def shown(**changes: float) -> str:
        model = {"name": "m", "calls": 4, "settled_usd": 0.0, "unsettled_usd": 0.0, "lost": 0,
                 "unpriced": 0, "in_flight": 0, **changes}  # fmt: skip
        status = SimpleNamespace(models=[ModelStatus(**model)])  # type: ignore[arg-type]
        (line,) = money(status)  # type: ignore[arg-type]
        return line

    assert shown(unpriced=4) == "m  4 calls (0 in flight, 4 of unknown cost)  no price"
    assert shown(lost=1, settled_usd=1.0, unsettled_usd=0.5) == (
        "m  4 calls (0 in flight, 1 lost)  $1.0000 + at most $0.5000 unsettled"
    )
    assert shown(settled_usd=1.0) == "m  4 calls (0 in flight)  $1.0000"
