"""The records that cross the border of the database: plain, frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import msgspec

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


class StoreError(Exception):
    """The run's database cannot be used; the message says what, where and what to do."""


class Fate(StrEnum):
    """What became of one attempt. Only `EVALUATED` and `SEED` have verdicts."""

    SEED = "seed"
    EVALUATED = "evaluated"
    NO_ANSWER = "no_answer"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    DECLINED = "declined"
    PROSE = "prose"
    UNPARSABLE = "unparsable"
    PARTIAL = "partial"
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    OUTSIDE_BLOCK = "outside_block"
    NO_OP = "no_op"
    SYNTAX_ERROR = "syntax_error"
    DUPLICATE = "duplicate"
    TWIN = "twin"
    """It ran, and did on the probe inputs what an earlier program had done; not judged."""
    EVALUATOR_ERROR = "evaluator_error"
    NOTES = "notes"
    """It gave notes on the search, and was to give no program."""


EVALUATED = frozenset((Fate.SEED, Fate.EVALUATED, Fate.TWIN, Fate.EVALUATOR_ERROR))
"""What became of attempts that used up an evaluation, or would have."""


class Status(StrEnum):
    """How one stage ended. Only `OK` has values."""

    OK = "ok"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    VIOLATION = "violation"
    EVALUATOR_ERROR = "evaluator_error"


class CallState(StrEnum):
    """What became of one paid call; an answered one has an answer, and a cost where it is known."""

    OPEN = "open"
    ANSWERED = "answered"
    FAILED = "failed"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One archive axis: [low, high] in `cells` equal cells; values outside go to the outer ones."""

    name: str
    low: float
    high: float
    cells: int


class Inspire(StrEnum):
    """Which programs are shown beside the parent."""

    MIXED = "mixed"
    TOP = "top"
    DIVERSE = "diverse"
    FOREIGN = "foreign"
    POLICY = "policy"


class Graph(StrEnum):
    """From which island to which copies go when there is migration."""

    RING = "ring"
    STAR = "star"
    COMPLETE = "complete"
    EDGES = "edges"


class Cells(StrEnum):
    """How features become cells of the archive."""

    GRID = "grid"
    ADAPTIVE = "adaptive"
    CVT = "cvt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the islands work; stored with the run, the same on every resume.

    Attributes:
        population: Programs an island holds; policies that keep all are not bound by it.
        migration_every: Settled attempts between two migrations; 0 switches them off.
        edges: (from, to) of every migration, where `migration` is `EDGES`.
        policies: How parents are chosen, by name (`selection.POLICIES`); island i follows the one
            at i modulo their number.
        inspire: How inspirations are chosen; by island, as `policies`.
        objectives: How many figures every outcome has, for policies that weigh several.
        reset_every: Settled attempts between two resets of the worse half; 0 switches them off.
        stagnation: After so many settled attempts without a new best on any island another island
            is born; 0 switches that off.
        most_islands: Births stop here.
        centroids: Cells of a `CVT` archive.
        seed: Of what is drawn apart from samples: resets and centroids.
    """

    islands: int = 4
    axes: tuple[Axis, ...] = ()
    population: int = 50
    inspirations: int = 2
    migration_every: int = 400
    migration: Graph = Graph.RING
    edges: tuple[tuple[int, int], ...] = ()
    policies: tuple[str, ...] = ("mix",)
    inspire: tuple[Inspire, ...] = (Inspire.MIXED,)
    objectives: int = 1
    reset_every: int = 0
    stagnation: int = 0
    most_islands: int = 16
    cells: Cells = Cells.GRID
    centroids: int = 512
    seed: int = 0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt starts from: drawn when the attempt begins and stored with it."""

    attempt: int
    island: int
    parent: int | None
    """Program id; None for a seed or a program handed in."""
    inspirations: tuple[int, ...] = ()
    proposer: str
    note: str = ""
    """What the proposer needs to do it again, e.g. which seed file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one stage said of a program; `exact` has values as text ("7/3"), `values` rounded."""

    stage: str
    split: str
    status: Status
    reason: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    exact: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    fitness: float | None = None
    """The first objective, higher is better; what ranks validation and test verdicts."""
    feedback: str = ""
    stderr: str = ""
    tier: str = ""
    seed: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0


class ProgramText(msgspec.Struct, frozen=True, kw_only=True):
    """A program's content and the two hashes it is recognised by."""

    hash: str
    syntax_hash: str
    files: Mapping[str, str]
    length: int
    """Syntax-tree nodes inside the EVOLVE-BLOCKs."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended; one transaction stores it with every state it changes.

    `rung` counts the stages passed; `fitness` is the first objective of the last stage reached,
    higher is better, or None where no stage gave a score. Programs compare by (rung, fitness).
    """

    fate: Fate
    reason: str = ""
    operator: str = ""
    diff: str = ""
    program: ProgramText | None = None
    duplicate_of: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    rung: int = 0
    fitness: float | None = None
    features: Mapping[str, float] = msgspec.field(default_factory=dict)
    signature: int | None = None
    """Equal for programs that the stages could not tell apart; a signed 64-bit number, not 0."""
    behaviour: int | None = None
    """Equal for programs that did the same on the probe inputs; a signed 64-bit number."""
    objectives: tuple[float, ...] = ()
    """Every objective, higher is better, the first being `fitness`; needed where a run has several.
    """
    cases: bytes = b""
    """Its score in each test case, where known: 32-bit floats, little-endian, higher is better."""
    artifact: str = ""
    """What the program found, as text; the store keeps it while an outcome waits for its turn."""
    propose_s: float = 0.0
    cost_usd: float = 0.0


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """What the islands did with an outcome."""

    program: int | None = None
    """Id of the stored program."""
    joined: bool = False
    """It entered its island's population."""
    elite: bool = False
    """It took a cell of the archive."""
    best: bool = False
    """It is the best program of the run so far (training)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProgram:
    """One program as readers see it."""

    id: int
    attempt: int
    island: int
    parent: int | None
    inspirations: tuple[int, ...]
    generation: int
    proposer: str
    operator: str
    diff: str
    hash: str
    syntax_hash: str
    length: int
    rung: int
    fitness: float | None
    created: str
    """UTC, ISO 8601; for display only."""
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProposal:
    """One attempt as readers see it; `fate` is None while it is under way."""

    attempt: int
    island: int
    parent: int | None
    inspirations: tuple[int, ...]
    proposer: str
    note: str
    fate: Fate | None
    reason: str
    operator: str
    diff: str
    program: int | None
    duplicate_of: int | None
    propose_s: float
    cost_usd: float
    created: str
    """UTC, ISO 8601; for display only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One step of a lineage: what was done to the parent, and what it gained."""

    child: int
    parent: int
    proposer: str
    operator: str
    diff: str
    rung_gain: int | None
    gain: float | None
    """In fitness; None where one of the two has none, or they reached different stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The programs so many steps from a seed, and the best of them."""

    generation: int
    programs: int
    best: int
    rung: int
    fitness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """Something that happened to the run itself."""

    id: int
    kind: str
    data: Mapping[str, JSON]
    created: str
    """UTC, ISO 8601; for display only."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call to a model: what was asked, what was set aside for it, and what came back.

    Tokens as in `evolve.llm.Usage`: `cached` and `written` are part of `input`, `reasoning` is
    part of `output`.
    """

    attempt: int
    turn: int
    model: str
    template: str = ""
    """Hash of the templates the prompt was made from."""
    prompt: str = ""
    """Hash of the prompt as it was sent."""
    reserve_usd: float = 0.0
    reserve_tokens: int = 0
    state: CallState = CallState.OPEN
    cost_usd: float | None = None
    """None while nothing is known of it."""
    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0
    finish: str = ""
    answered_by: str = ""
    request_id: str = ""
    status: int = 0
    """HTTP status of an error; 0 where none came."""
    reason: str = ""
    answer: str | None = None
    """Of a cut call, what had come of the response, as it came."""
    latency_s: float = 0.0

    @property
    def unsettled(self) -> bool:
        """The vendor may have billed it, up to its reserve."""
        unknown = self.state is CallState.ANSWERED and self.cost_usd is None
        return unknown or self.state in (CallState.OPEN, CallState.CUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What the calls of a run, or of one model, came to.

    What the vendor bills is at least `settled_usd` and at most `settled_usd + unsettled_usd`.
    """

    calls: Mapping[CallState, int] = field(default_factory=dict)
    settled_usd: float = 0.0
    unsettled_usd: float = 0.0
    unsettled: int = 0
    """Calls of which nobody knows whether they were billed."""
    tokens: int = 0
    """Input and output, with the reserve of the unsettled."""
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def unpriced(self) -> int:
        """Answers among the unsettled."""
        return self.unsettled - sum(
            self.calls.get(state, 0) for state in (CallState.OPEN, CallState.CUT)
        )


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the attempts of one proposer that met one fate come to."""

    attempts: int
    programs: int
    cost_usd: float


class IslandCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One island: members, occupied cells, and the best of its population."""

    size: int
    elites: int
    best: int | None
    best_rung: int
    best_fitness: float | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The run's figures, read from running totals."""

    attempts: int
    """Attempts that have ended."""
    pending: int
    """Attempts under way."""
    evaluated: int
    """Programs judged, seeds included."""
    ran: int
    """Programs that had a process: those judged and the twins."""
    programs: int
    """Programs stored."""
    cost_usd: float
    wasted_usd: float
    """What of it went into attempts that gave no new program to judge."""
    fates: Mapping[Fate, int]
    proposers: Mapping[str, Mapping[Fate, Tally]]
    islands: tuple[IslandCounts, ...]
    elites: int
    """Occupied cells, all islands together."""
    best: tuple[int, float] | None
    """Program and fitness of the best in training."""
