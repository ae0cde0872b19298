"""`python -m evolve`: the command line, safe from what lies in the current folder."""

import os
import sys

# `python -m` puts the current folder first; a user's own sandbox.py there must change nothing
if sys.path and not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from evolve.cli import main

main()
