"""What to say of a text that is not in a program: what is nearest to it, and where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from evolve.answers.records import AnswerError, Edit, Kind
from evolve.answers.source import Source, stripped
from evolve.program import excerpt

_SHOWN_LINES = 12


def shown(lines: Sequence[str]) -> str:
    return excerpt("\n".join(lines))


def missed(files: Sequence[Source], edit: Edit, number: int) -> AnswerError:
    wanted = [line for line in edit.search if line.strip()]
    what = f"block {number}: SEARCH text {shown(edit.search)} is not in the program"
    if not wanted:
        return AnswerError(Kind.NOT_FOUND, f"{what}: it is blank", block=number)
    best: tuple[int, Source, int] | None = None
    for source in files:
        votes = _votes(source, wanted)
        if votes is not None and (best is None or votes[0] > best[0]):
            best = (votes[0], source, votes[1])
    if best is None:
        return AnswerError(
            Kind.NOT_FOUND, f"{what}, nor anything like it; quote lines as they stand", block=number
        )
    _, source, start = best
    numbers = source.index(stripped).numbers
    window = [source.lines[n] for n in numbers[start : start + len(wanted)]]
    why = "the program ends before it does"
    for line, there in zip(wanted, window, strict=False):
        if line.strip() != there.strip():
            why = f"where it has {excerpt(line.strip())}, the program has {excerpt(there.strip())}"
            break
    else:
        if len(window) == len(wanted):
            why = "its lines are indented unlike those of the program"
    first, last = numbers[start], numbers[min(start + len(wanted), len(numbers)) - 1]
    lines = source.lines[first : min(last + 1, first + 4 * _SHOWN_LINES)]
    where = f"{source.file}:{first + 1}" if len(files) > 1 else f"line {first + 1}"
    return AnswerError(
        Kind.NOT_FOUND,
        f"{what}; nearest is {where}: {why}",
        block=number,
        nearest="".join(f"{line.rstrip()}\n" for line in lines),
    )


_SAME_LINES = 16
_LIKE_LINES = 400
_SHORTEST_PART = 4
"""Characters of a line that was quoted in part, without its comment for example."""


def _votes(source: Source, wanted: Sequence[str]) -> tuple[int, int] | None:
    """Lines in agreement, and the line (of those not blank) at which the text would then begin."""
    filled = [source.lines[n].strip() for n in source.index(stripped).numbers]
    where: dict[str, list[int]] = {}
    for position, line in enumerate(filled):
        where.setdefault(line, []).append(position)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(wanted):
        for position in where.get(line.strip(), [])[:_SAME_LINES]:
            votes[max(position - offset, 0)] += len(line.strip())
    if votes:
        start, count = max(votes.items(), key=lambda item: (item[1], -item[0]))
        return count, start
    inside = [
        position
        for position, n in enumerate(source.index(stripped).numbers)
        if any(first <= n < last for first, last in source.inside)
    ][:_LIKE_LINES]
    for offset, line in enumerate(wanted[:3]):
        part = line.strip()
        if len(part) >= _SHORTEST_PART:
            holding = [position for position in inside if part in filled[position]]
            if holding:
                return 0, max(holding[0] - offset, 0)
        short = {filled[position][:200]: position for position in reversed(inside)}
        close = get_close_matches(line.strip()[:200], short, n=1, cutoff=0.6)
        if close:
            return 0, max(short[close[0]] - offset, 0)
    return None
