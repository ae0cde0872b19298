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


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """All that a stage asks of a program: one function, which takes numbers and gives one.

    Attributes:
        stage: Name of the training stage that says by `behaves_as` what a program does.
        function: Name of the function.
        columns: For each positional parameter its value in every call, all of one length.
        behaviour: From a column of answers (float64, in the order of the calls, none NaN) to the
            bytes that the stage would say; None where it would say none.
    """

    stage: str
    function: str
    columns: Sequence[Sequence[float]]
    behaviour: Callable[[NDArray[np.float64]], bytes | None]

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


def behaviour_number(stage: str, behaviour: bytes) -> int:
    """The number that stands for what a program does in a stage: 64 bits, signed."""
    digest = hashlib.blake2b(stage.encode() + b"\0" + behaviour, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
