"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# The same examples at every run, so that what is green stays green; to look for more:
#   EVOLVE_EXAMPLES=2000 python -m pytest tests/evolve tests/islands_db
if "EVOLVE_EXAMPLES" in os.environ:
    settings.register_profile("more", max_examples=int(os.environ["EVOLVE_EXAMPLES"]))
    settings.load_profile("more")
else:
    settings.register_profile("same", derandomize=True)
    settings.load_profile("same")
