"""Best-first search in the tree of programs: draft, debug or improve.

A root is a seed program; any other hangs below its parent. First the roots are tried in turn until
there have been `DRAFTS` attempts from roots. Then with probability `DEBUG_SHARE` a failed leaf is
taken up, all equally likely, unless more than `DEBUG_DEPTH` failures stand above it; else, or where
there is no such leaf, the best program is the parent. A leaf is a program from which no attempt has
begun: attempts under way count, so that those beside each other do not repeat one step.

Source: Jiang et al., "AIDE: AI-driven exploration in the space of code", arXiv 2502.13138 (2025),
section 3 and its code (`search_policy`); Yamada et al., "The AI Scientist-v2", arXiv 2504.08066
(2025), section 3.2.
"""

from __future__ import annotations

import random

import numpy as np

from islands_db.pool import FAILED, NO_PARENT, Columns
from islands_db.selection.replacement import best

DRAFTS = 5
DEBUG_SHARE = 0.5
DEBUG_DEPTH = 3


def tree_search(columns: Columns, rng: random.Random) -> int:
    """The slot of the node to expand."""
    roots = np.flatnonzero(columns.parent == NO_PARENT)
    if not len(roots):
        roots = np.zeros(1, np.int64)  # an island that was founded with one program
    tries = columns.tries[roots]
    if tries.sum() < DRAFTS:
        return int(roots[tries.argmin()])
    failed = columns.fitness == FAILED
    if rng.random() < DEBUG_SHARE:
        leaves = np.flatnonzero(failed & (columns.tries == 0) & (columns.failures <= DEBUG_DEPTH))
        if len(leaves):
            return int(leaves[rng.randrange(len(leaves))])
    if failed.all():
        return int(roots[tries.argmin()])
    return best(columns)
