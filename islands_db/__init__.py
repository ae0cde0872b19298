"""The island database of a run: one file, one writer (`Store`), any number of readers (`Reader`).

Exceptions: `StoreError` where the file cannot be used; mistakes of the caller are `ValueError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from islands_db.fingerprint import MEASURED, fingerprint
from islands_db.reader import Reader
from islands_db.records import (
    EVALUATED,
    JSON,
    Axis,
    Call,
    CallState,
    Cells,
    Counts,
    Edit,
    Fate,
    Generation,
    Graph,
    Inspire,
    IslandCounts,
    Outcome,
    Placement,
    ProgramText,
    Sample,
    Settings,
    Spending,
    Status,
    StoredEvent,
    StoredProgram,
    StoredProposal,
    StoreError,
    Tally,
    Verdict,
)
from islands_db.salvage import Salvaged, salvage

if TYPE_CHECKING:
    from islands_db.collecting import Collected, collect
    from islands_db.exchange import export_run, import_run
    from islands_db.history import History, Programs
    from islands_db.merging import Merged, merge_runs
    from islands_db.rescoring import Due, Rescoring
    from islands_db.store import Store

__all__ = [
    "EVALUATED",
    "JSON",
    "MEASURED",
    "Axis",
    "Call",
    "CallState",
    "Cells",
    "Collected",
    "Counts",
    "Due",
    "Edit",
    "Fate",
    "Generation",
    "Graph",
    "History",
    "Inspire",
    "IslandCounts",
    "Merged",
    "Outcome",
    "Placement",
    "ProgramText",
    "Programs",
    "Reader",
    "Rescoring",
    "Salvaged",
    "Sample",
    "Settings",
    "Spending",
    "Status",
    "Store",
    "StoreError",
    "StoredEvent",
    "StoredProgram",
    "StoredProposal",
    "Tally",
    "Verdict",
    "collect",
    "export_run",
    "fingerprint",
    "import_run",
    "merge_runs",
    "salvage",
]

_WHERE = {
    "Collected": "collecting",
    "Due": "rescoring",
    "History": "history",
    "Merged": "merging",
    "Programs": "history",
    "Rescoring": "rescoring",
    "Store": "store",
    "collect": "collecting",
    "export_run": "exchange",
    "import_run": "exchange",
    "merge_runs": "merging",
}
"""What writes a run or holds it whole needs numpy; who only reads a few rows starts without it."""


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"islands_db.{_WHERE[name]}"), name)
