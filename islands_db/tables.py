"""`sqlite_utils.Database` without pandas.

sqlite-utils imports pandas wherever it is installed, which costs half a second in every process,
for column types that nothing here uses.
"""

from __future__ import annotations

import sys
from typing import Any, cast

if "pandas" in sys.modules:
    from sqlite_utils import Database
else:
    cast(dict[str, Any], sys.modules)["pandas"] = None  # what is None there cannot be imported
    try:
        from sqlite_utils import Database
    finally:
        del sys.modules["pandas"]

__all__ = ["Database"]
