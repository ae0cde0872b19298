"""What a live run does when told over its socket; each change is an event of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from evolve.budget import Budget
from evolve.champion import Champions
from evolve.config import Budget as Limits
from evolve.endings import INTERRUPTED as INTERRUPTED
from evolve.errors import UsageError, nearest
from evolve.loop import Loop
from evolve.monitor import Monitor
from evolve.program import Program, ProgramError
from evolve.prompts.recipes import HINT
from evolve.status import Status
from islands_db import JSON, Store

MOST_HINT = 2000
"""Characters of a hint: every prompt pays for it."""
_LIMITS = ("evals", "minutes", "usd", "tokens", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The commands of one run, on what they act upon."""

    store: Store
    loop: Loop
    budget: Budget
    monitor: Monitor
    champions: Champions
    asks_models: bool
    status: Callable[[], Status]

    async def obey(self, command: str, message: Mapping[str, object]) -> dict[str, object]:
        """Carries out one command, and notes it in the transaction of what it changes.

        Raises:
            UsageError: there is no such command, or it cannot be obeyed now; nothing has changed.
        """
        actions: Mapping[str, Callable[[Mapping[str, object]], dict[str, JSON]]] = {
            "pause": self._pause,
            "go": self._go,
            "stop": self._stop,
            "interrupt": self._interrupt,
            "budget": self._change_budget,
            "inject": self._inject,
            "hint": self._hint,
            "ban": self._ban,
        }
        if command == "status":
            return self.status().plain()
        if command not in actions:
            raise UsageError(
                f"unknown command {command[:40]!r}; {nearest(command[:40], ['status', *actions])}"
            )
        return {"ok": True, **actions[command](message)}

    def _noted(self, command: str, **said: JSON) -> dict[str, JSON]:
        self.store.event(command, said)
        return said

    def _pause(self, message: Mapping[str, object]) -> dict[str, JSON]:
        self.loop.go.clear()
        return self._noted("pause")

    def _go(self, message: Mapping[str, object]) -> dict[str, JSON]:
        self.loop.go.set()
        return self._noted("go")

    def _stop(self, message: Mapping[str, object]) -> dict[str, JSON]:
        self.loop.stop("stopped by command")
        return self._noted("stop")

    def _interrupt(self, message: Mapping[str, object]) -> dict[str, JSON]:
        self.loop.stop(INTERRUPTED)
        return self._noted("interrupt")

    def _change_budget(self, message: Mapping[str, object]) -> dict[str, JSON]:
        changes = {k: v for k, v in message.items() if k in _LIMITS}
        if not changes:
            raise UsageError(f"budget: expected {', '.join(_LIMITS)}")
        try:
            merged = {**msgspec.to_builtins(self.budget.limits), **changes}
            self.budget.change(msgspec.convert(merged, Limits))
        except msgspec.ValidationError as error:
            raise UsageError(f"budget: {error}") from None
        limits: dict[str, JSON] = msgspec.to_builtins(self.budget.limits)
        with self.store.atomic():
            self.store.set_meta("budget", limits)
            self.store.event("budget", limits)
        self.champions.compare_with(self.budget)
        return {}

    def _inject(self, message: Mapping[str, object]) -> dict[str, JSON]:
        try:
            files = msgspec.convert(message.get("files"), dict[str, str])
            Program.of(files)
        except (msgspec.ValidationError, ProgramError) as error:
            raise UsageError(f"inject: {error}") from None
        self._require_search("inject")
        with self.store.atomic():
            return self._noted("inject", attempt=self.loop.hand_in(files))

    def _hint(self, message: Mapping[str, object]) -> dict[str, JSON]:
        text = message.get("text")
        if not isinstance(text, str) or len(text) > MOST_HINT:
            raise UsageError(f'hint: expected "text" of at most {MOST_HINT} characters')
        if not self.asks_models:
            raise UsageError("hint: this run asks no models, so nobody would read it")
        hint = " ".join(text.split())
        with self.store.atomic():
            self.store.set_meta(HINT, hint)
            return self._noted("hint", text=hint)

    def _ban(self, message: Mapping[str, object]) -> dict[str, JSON]:
        program = message.get("program")
        if type(program) is not int:
            raise UsageError('ban: expected "program", the number of one')
        try:
            banned = self.store.ban(program)  # which notes it
        except ValueError as error:
            raise UsageError(f"ban: {error}") from None
        self.champions.recall()
        return {"program": program, "programs": banned}

    def _require_search(self, command: str) -> None:
        if self.monitor.phase != "searching" or self.loop.stop_reason:
            raise UsageError(f"{command}: the search is not running now")
