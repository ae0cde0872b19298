"""The prompts of a run for those who read it later, without running the problem's code.

A run keeps its problem's facts and templates once; with the recipe of each attempt they give every
prompt again, and its hash says whether it is the one that was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from evolve.problem import Number, Objective, Record
from evolve.prompts.recipes import Recipe, StoredPrompt, StoreSource, render_again
from evolve.prompts.records import Facts, Step
from evolve.prompts.templates import Templates
from islands_db import JSON, Reader, StoredProposal, StoreError

KEY = "prompting"
"""Where a run keeps facts and templates, among its own values."""


class _Step(msgspec.Struct, frozen=True):
    name: str
    timeout_s: float
    memory_mb: int
    pass_mark: str | None


class _Record(msgspec.Struct, frozen=True):
    value: str
    who: str
    source: str
    date: str
    objective: str | None
    split: str
    claimed: bool


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Facts whose numbers are texts, so that 7/3 stays what it is and 7 does not become 7.0."""

    name: str
    statement: str
    contract: str
    measurement: str
    parameters: tuple[tuple[str, str], ...]
    objectives: tuple[Objective, ...]
    stages: tuple[_Step, ...]
    requires: tuple[str, ...]
    records: tuple[_Record, ...]
    baselines: tuple[tuple[str, float], ...]
    other_draws: tuple[str, ...]
    drawn: bool = True
    templates: Mapping[str, str]
    templates_hash: str


def kept(facts: Facts, templates: Templates) -> JSON:
    """What a run stores of its prompts."""
    same = {
        name: getattr(facts, name) for name in Facts.__slots__ if name not in ("stages", "records")
    }
    found: JSON = msgspec.to_builtins(
        _Kept(
            **same,
            stages=tuple(
                _Step(s.name, s.timeout_s, s.memory_mb, _text(s.pass_mark)) for s in facts.stages
            ),
            records=tuple(
                _Record(
                    _text(r.value) or "", r.who, r.source, r.date, r.objective, r.split, r.claimed
                )
                for r in facts.records
            ),
            templates=templates.texts,
            templates_hash=templates.hash,
        )
    )
    return found


def prompts_of(reader: Reader, proposal: StoredProposal) -> Sequence[Mapping[str, str]]:
    """The prompt that an attempt was asked with: its fixed part, its own, and what is wrong.

    Empty where no model was asked. `fault` is "" where its hash is that of the prompt sent.
    """
    sent = [call for call in reader.calls(attempt=proposal.attempt) if call.turn == 0]
    if not sent:
        return []
    try:
        stored = msgspec.convert(reader.meta[KEY], _Kept)
        recipe = msgspec.json.decode(proposal.note, type=Recipe)
        prompt = render_again(
            Templates(stored.templates, stored.templates_hash),
            _facts(stored),
            StoreSource(reader),
            StoredPrompt(recipe=recipe, templates=sent[-1].template, hash=sent[-1].prompt),
        )
    except KeyError:
        prompt = "this run was made before prompts were kept"
    except (msgspec.DecodeError, ValueError, StoreError) as error:
        prompt = f"what is stored of it cannot be read: {error}"
    if isinstance(prompt, str):
        if reader.meta.get("merged"):  # programs have other numbers here, and a prompt names them
            prompt = (
                "this run was merged from others: the prompt can be read in the one that sent it"
            )
        return [{"fixed": "", "text": "", "fault": prompt}]
    return [{"fixed": prompt.fixed, "text": prompt.text, "fault": ""}]


def _facts(stored: _Kept) -> Facts:
    same = {
        name: getattr(stored, name) for name in Facts.__slots__ if name not in ("stages", "records")
    }
    return Facts(
        **same,
        stages=tuple(
            Step(
                name=s.name,
                timeout_s=s.timeout_s,
                memory_mb=s.memory_mb,
                pass_mark=None if s.pass_mark is None else _number(s.pass_mark),
            )
            for s in stored.stages
        ),
        records=tuple(
            Record(
                value=_number(r.value),
                who=r.who,
                source=r.source,
                date=r.date,
                objective=r.objective,
                split=r.split,
                claimed=r.claimed,
            )
            for r in stored.records
        ),
    )


def _text(value: Number | None) -> str | None:
    return None if value is None else repr(value) if isinstance(value, float) else str(value)


def _number(text: str) -> Number:
    if "/" in text:
        return Fraction(text)
    try:
        return int(text)
    except ValueError:
        return float(text)
