"""How a run that nobody works on came to its end, as its database tells."""

from __future__ import annotations

from islands_db import Reader

INTERRUPTED = "interrupted"
"""Why a run ended that is to go on later: it is not tested."""
KILLED = "killed"
FAILED = "failed"
"""What a run that an error ended says of it, as an event."""
_LAST = 8


def ending(reader: Reader) -> str:
    """ "ended: why", "failed: why", "interrupted" (by Ctrl-C), "killed", or "empty".

    A run that is killed says nothing more; one that had ended before, and went on, has attempts
    that are younger than its last word.
    """
    last = reader.proposals(last=_LAST)
    if not last:
        return "empty"
    words = [*reader.events("ended"), *reader.events(FAILED)]
    words.sort(key=lambda event: event.id)
    if not words or _went_on([p.proposer for p in last if p.created > words[-1].created]):
        return KILLED
    reason = str(words[-1].data.get("reason", ""))
    return reason if reason == INTERRUPTED else f"{words[-1].kind}: {reason}"


def _went_on(proposers: list[str]) -> bool:
    """Whether anything began but what a person has handed in, which waits until the run goes on."""
    if not proposers:
        return False
    from evolve.drafting import HUMAN  # heavy, and seldom asked for

    return any(proposer != HUMAN for proposer in proposers)
