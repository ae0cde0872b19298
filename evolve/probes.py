"""What a stage asks of a function of numbers, told beforehand: so that a child that would behave as
a known program need not be evaluated."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve.errors import ProblemError

if TYPE_CHECKING:  # reading commands do without it
    import numpy as np
    from numpy.typing import NDArray

_MOST_CALLS = 50_000
NUMBERS = 8
"""Ways to weigh children: so many that none of them can be learnt by heart, and few to remember."""


class ProbeError(Exception):
    """A probe raised an exception, or answered with what it may not; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """All that a stage asks of a program: one function, which takes numbers and gives one.

    Attributes:
        stage: Name of the training stage that says by `behaves_as` what a program does.
        function: Name of the function.
        columns: For each positional parameter its value in every call, all of one length.
        behaviour: From a column of answers (float64, in the order of the calls, none NaN) to the
            bytes that the stage would say; None where it would say none.
        worth: From such a column and a number from 0 to 7 to about how good the program will be,
            the more the better; None where that cannot be said. Of some children of one parent,
            weighed with the same number, the best is proposed. It is never a score, and had better
            be measured on other instances than those of the stages, some for each number.
    """

    stage: str
    function: str
    columns: Sequence[Sequence[float]]
    behaviour: Callable[[NDArray[np.float64]], bytes | None]
    worth: Callable[[NDArray[np.float64], int], float | None] | None = None

    def check(self) -> None:
        """Refuses columns of nothing, of several lengths, too long ones and what is no number.

        Raises:
            ProblemError: names what is wrong.
        """
        where = f"probe of {self.function!r}"
        if not self.columns or not all(isinstance(column, Sequence) for column in self.columns):
            raise ProblemError(f"{where}: columns are sequences of numbers, one a parameter")
        lengths = {len(column) for column in self.columns}
        if len(lengths) > 1 or not 1 <= min(lengths) <= _MOST_CALLS:
            expected = f"all of one length from 1 to {_MOST_CALLS:,}"
            raise ProblemError(f"{where}: columns of length {sorted(lengths)}, expected {expected}")
        for column in self.columns:
            for value in column:
                if not isinstance(value, int | float) or not math.isfinite(value):
                    raise ProblemError(f"{where}: {value!r:.40} is not a finite number")

    def told(self, answers: NDArray[np.float64]) -> int | None:
        """What the stage would say of such answers, as a number.

        Raises:
            ProbeError: the problem's code fails.
        """
        told = _asked("behaviour", self.behaviour, answers)
        if told is not None and not isinstance(told, bytes):
            raise ProbeError(f"behaviour of the probe gave {told!r:.40}, expected bytes or None")
        return None if told is None else behaviour_number(self.stage, told)

    def weighed(self, answers: NDArray[np.float64], number: int) -> float | None:
        """What `worth` says of such answers; None where it says nothing.

        Raises:
            ProbeError: the problem's code fails.
        """
        found = None if self.worth is None else _asked("worth", self.worth, answers, number)
        if found is None:
            return None
        try:
            value = float(found)  # type: ignore[arg-type]  # numpy's numbers too
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if math.isnan(value) or isinstance(found, str | bytes):
            raise ProbeError(f"worth of the probe gave {found!r:.40}, expected a number or None")
        return value


def _asked(what: str, ask: Callable[..., object], *arguments: object) -> object:
    try:
        return ask(*arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001  it is a user's code
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ProbeError(f"{what} of the probe raised {said}") from None


def behaviour_number(stage: str, behaviour: bytes) -> int:
    """The number that stands for what a program does in a stage: 64 bits, signed."""
    digest = hashlib.blake2b(stage.encode() + b"\0" + behaviour, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
