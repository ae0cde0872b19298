"""Selection from the archive as in MAP-Elites: every occupied cell is equally likely.

Source: Mouret, Clune, "Illuminating search spaces by mapping elites", arXiv 1504.04909 (2015),
figure 2: "random_selection".
"""

from __future__ import annotations

import random

from islands_db.pool import Columns


def uniform(columns: Columns, rng: random.Random) -> int:
    """The slot of one elite, all equally likely.

    Raises:
        ValueError: the columns are empty.
    """
    return rng.randrange(len(columns))
