"""All weak orders of n values: every way in which they can be equal, less or greater.

Code that only moves and compares values does the same on two inputs of the same weak order, so
running it on one input of each is a proof for all inputs. There are 13, 75, 541, 4683, 47293 and
545835 of them for n = 3 to 8 (Fubini numbers, OEIS A000670).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MOST = 8
Ranks = NDArray[np.int8]


@lru_cache(maxsize=MOST)
def weak_orders(n: int) -> Ranks:
    """One input of each weak order: (n, count), int8, of row i the rank of value i, from 1 on.

    Raises:
        ValueError: n is not 1 to 8.
    """
    if not 1 <= n <= MOST:
        raise ValueError(f"weak orders of {n} values, expected 1 to {MOST}")
    found = np.ones((1, 1), dtype=np.int8)
    for _ in range(n - 1):
        ranks = found.max(axis=0)
        grown = []
        for rank in range(1, int(ranks.max()) + 2):
            same = found[:, ranks >= rank]
            grown.append(np.vstack([same, np.full((1, same.shape[1]), rank, dtype=np.int8)]))
            # a rank of its own: what was there or above moves up
            apart = found[:, ranks >= rank - 1]
            moved = apart + (apart >= rank)
            grown.append(np.vstack([moved, np.full((1, moved.shape[1]), rank, dtype=np.int8)]))
        found = np.concatenate(grown, axis=1)
    found = np.ascontiguousarray(found)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=MOST)
def sorted_orders(n: int) -> Ranks:
    """What sorting makes of `weak_orders(n)`, column by column."""
    found = np.sort(weak_orders(n), axis=0)
    found.flags.writeable = False
    return found
