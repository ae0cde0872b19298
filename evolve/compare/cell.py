"""A run of a comparison in a process of its own: `python -P -m evolve.compare.cell PARENT ...`.

What follows the parent's number is an ordinary command line, so a run of a comparison is a run like
any other. It ends with the comparison, also by `kill -9`, and is resumed with it.
"""

from __future__ import annotations

import sys

from evolve.cli import main
from evolve.lifeline import attend

if __name__ == "__main__":
    attend(int(sys.argv[1]))
    sys.argv = ["evolve", *sys.argv[2:]]
    main()
