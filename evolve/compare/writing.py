"""The files of a comparison: results.json, and the curves as SVG and PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from evolve.compare.curves import Trace
from evolve.compare.plan import Comparison
from evolve.compare.results import Results
from evolve.compare.running import Folder, write


def write_results(
    folder: Folder, comparison: Comparison, traces: Sequence[Trace], results: Results
) -> list[Path]:
    """Writes all of them, and says where; without matplotlib (the extra `report`) no curves."""
    file = folder.path / "results.json"
    write(file, msgspec.json.format(msgspec.json.encode(results)))
    try:
        from evolve.compare.plotting import drawn
    except ModuleNotFoundError:
        return [file]
    files = [file]
    if any(trace.steps for trace in traces):
        figure = drawn(comparison, traces)
        for kind in ("svg", "png"):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata={} if kind == "png" else {"Date": None})
            picture = folder.path / f"curves.{kind}"
            write(picture, buffer.getvalue())
            files.append(picture)
    return files
