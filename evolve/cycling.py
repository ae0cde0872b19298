"""Cycling: lines that were deleted along a line of programs and brought back later.

A search that undoes its own edits pays twice for one idea. About 30 % of the lines that runs of
other engines add are byte-identical to ones deleted before (arXiv 2605.20086).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A line that came back; `deleted` and `back` are places in the line of programs."""

    text: str
    deleted: int
    back: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycling:
    """What a line of programs has repeated.

    Attributes:
        added: Lines that its edits added, returned ones included.
        returns: Those of them that had been deleted before, in order.
    """

    added: int
    returns: tuple[Return, ...]

    @property
    def share(self) -> float:
        return len(self.returns) / self.added if self.added else 0.0

    def repeated(self, most: int) -> tuple[str, ...]:
        """The texts that came back, the most often first, of equals the latest; for a prompt."""
        times = Counter(back.text for back in reversed(self.returns))
        return tuple(text for text, _ in times.most_common(most))


def cycling(line: Sequence[Mapping[str, str]]) -> Cycling:
    """What came back along a line of programs (path to text), the oldest first.

    Lines count by their text without indentation, so a move within one edit, into a branch say, is
    neither a deletion nor a return. Lines without a letter or a digit do not count. A line deleted
    twice may come back twice; it came back from its latest deletion.
    """
    added, returns = 0, []
    deleted: dict[str, list[int]] = {}
    before = _lines(line[0]) if line else Counter()
    for place, files in enumerate(line[1:], start=1):
        now = _lines(files)
        for text, count in (before - now).items():
            deleted.setdefault(text, []).extend([place] * count)
        for text, count in (now - before).items():
            added += count
            gone = deleted.get(text, [])
            for _ in range(min(count, len(gone))):
                returns.append(Return(text=text, deleted=gone.pop(), back=place))
        before = now
    return Cycling(added=added, returns=tuple(returns))


def _lines(files: Mapping[str, str]) -> Counter[str]:
    lines = (line.strip() for text in files.values() for line in text.splitlines())
    return Counter(line for line in lines if any(map(str.isalnum, line)))
