"""`sqlite_utils.Database` without pandas and numpy.

sqlite-utils imports them wherever they are installed, for column types that nothing here uses:
pandas costs half a second in every process, numpy a tenth.
"""

from __future__ import annotations

import sys
from typing import Any, cast

_modules = cast(dict[str, Any], sys.modules)
_absent = [name for name in ("pandas", "numpy") if name not in _modules]
for _name in _absent:
    _modules[_name] = None  # what is None there cannot be imported
try:
    from sqlite_utils import Database
finally:
    for _name in _absent:
        del _modules[_name]

__all__ = ["Database"]
