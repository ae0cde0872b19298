"""Scores given anew after a verifier has changed: judged one by one, taking effect all at once.

Until `finish` the run is what it was, and what has been judged waits in a table of its own; so a
kill loses at most the program being judged. Then, in one transaction, the verdicts that held are
put by (`past_verdicts`), the new ones take their place, and the islands are filled anew. Programs
that cannot be judged again because their text was dropped lose their score and keep their record.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import msgspec

from islands_db import connections, maps, refill, rows, writing
from islands_db.faults import decoding, faults
from islands_db.pool import NO_CELL
from islands_db.records import JSON, Cells, Outcome, Settings
from islands_db.texts import Texts

UNDER_WAY = "rescoring"
"""Meta key: by what evaluator the waiting verdicts were given."""

_DUE = (
    "SELECT p.id FROM programs p WHERE p.rung IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM contents WHERE program = p.id)"
    " AND NOT EXISTS (SELECT 1 FROM rescoring WHERE program = p.id) ORDER BY p.id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A program to be judged again.

    Attributes:
        length: Syntax-tree nodes inside its blocks.
        splits: (split, seed) of the verdicts it has outside training.
    """

    program: int
    files: Mapping[str, str]
    length: int
    splits: tuple[tuple[str, int], ...]


class Rescoring:
    """The work on one run, which nobody else may write meanwhile.

    Args:
        evaluator: What the new scores depend on; verdicts that wait from another are thrown away.

    Raises:
        StoreError: the run cannot be used.
    """

    def __init__(self, path: Path, evaluator: JSON) -> None:
        self.path = path
        self._alone = connections.alone(path)
        self._connection = self._alone.__enter__()
        try:
            with faults(path):
                self._begin(rows.json_text(evaluator))
        except BaseException:
            self._alone.__exit__(None, None, None)
            raise
        self._texts = Texts(self._connection)

    def _begin(self, evaluator: str) -> None:
        with connections.transaction(self._connection):
            known = self._one("SELECT value FROM meta WHERE key = ?", UNDER_WAY)
            if known != evaluator:
                self._connection.execute("DELETE FROM rescoring")
                writing.put_meta(self._connection, UNDER_WAY, evaluator)

    def __enter__(self) -> Rescoring:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alone.__exit__(None, None, None)

    @property
    def settings(self) -> Settings:
        with decoding(self.path):
            return rows.settings_value(str(self._one("SELECT value FROM settings")))

    @property
    def meta(self) -> Mapping[str, JSON]:
        """The run's own values."""
        with decoding(self.path):
            return {
                key: rows.json_value(value)
                for key, value in self._connection.execute("SELECT key, value FROM meta")
            }

    @property
    def done(self) -> int:
        """Programs judged again so far."""
        return int(str(self._one("SELECT count(*) FROM rescoring")))

    def due(self) -> Iterator[Due]:
        """The programs that are still to be judged, in the order they were made."""
        with decoding(self.path):
            numbers = [number for (number,) in self._connection.execute(_DUE)]
        for number in numbers:
            with decoding(self.path):
                yield self._due(number)

    def _due(self, number: int) -> Due:
        splits = self._connection.execute(
            "SELECT DISTINCT split, seed FROM verdicts WHERE program = ? AND split <> 'training'"
            " ORDER BY split, position",
            (number,),
        )
        return Due(
            program=number,
            files=self._texts.files(number),
            length=int(str(self._one("SELECT length FROM programs WHERE id = ?", number))),
            splits=tuple((split, int(seed)) for split, seed in splits),
        )

    def put(self, program: int, outcome: Outcome) -> None:
        """Stores what a program came to; of `outcome` its verdicts and figures count.

        Raises:
            ValueError: a figure is NaN or infinite.
        """
        for verdict in outcome.verdicts:
            rows.check_verdict(verdict)
        rows.finite(outcome.fitness)
        rows.json_text(dict(outcome.features))
        rows.check_cases(outcome.cases)
        with faults(self.path):
            self._connection.execute(
                "INSERT INTO rescoring (program, outcome) VALUES (?, ?)",
                (program, msgspec.json.encode(outcome).decode()),
            )

    def finish(self, changed: Mapping[str, JSON]) -> int:
        """Lets the new scores take effect; the number of the scoring.

        Args:
            changed: The run's own values that change with them; None takes one away.

        Raises:
            ValueError: a program has not been judged yet.
        """
        if self._one(_DUE + " LIMIT 1") is not None:
            raise ValueError("finish() before every program has been judged")
        with decoding(self.path), connections.transaction(self._connection):
            scoring = self._put_by()
            self._take_over()
            self._connection.execute("DELETE FROM rescoring")
            # what was found alike, and what waits for its turn, was judged by the old scores
            self._connection.execute("DELETE FROM twins")
            self._connection.execute("DELETE FROM held")
            refill.refill(self._connection)
            for key, value in {**changed, UNDER_WAY: None}.items():
                if value is None:
                    self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))
                else:
                    writing.put_meta(self._connection, key, rows.json_text(value))
            noted = rows.json_text({"scoring": scoring, "programs": self._judged})
            writing.add_event(self._connection, "rescored", noted)
        return scoring

    @property
    def _judged(self) -> int:
        return int(str(self._one("SELECT count(*) FROM programs WHERE rung IS NOT NULL")))

    def _put_by(self) -> int:
        before = self._one("SELECT value FROM meta WHERE key = 'identity'")
        cursor = self._connection.execute(
            "INSERT INTO scorings (programs, before, created) VALUES (?, ?, ?)",
            (self._judged, before, time.time()),
        )
        assert cursor.lastrowid is not None
        columns = f"program, position, {rows.VERDICT}"
        self._connection.execute(
            f"INSERT INTO past_verdicts (scoring, {columns})"  # noqa: S608
            f" SELECT ?, {columns} FROM verdicts",
            (cursor.lastrowid,),
        )
        self._connection.execute("DELETE FROM verdicts")
        self._connection.execute("DELETE FROM cases")
        self._connection.execute("UPDATE programs SET rung = NULL, fitness = NULL, cell = NULL")
        return cursor.lastrowid

    def _take_over(self) -> None:
        settings = self.settings
        stored_map = self._one("SELECT value FROM maps ORDER BY id DESC LIMIT 1")
        cells = maps.load(
            settings, None if stored_map is None else rows.json_value(str(stored_map))
        )
        decoder = msgspec.json.Decoder(Outcome)
        for program, length, stored in self._connection.execute(
            "SELECT r.program, p.length, r.outcome FROM rescoring r JOIN programs p"
            " ON p.id = r.program ORDER BY r.program"
        ):
            outcome = decoder.decode(stored)
            features = maps.features_of(outcome.features, settings.axes)
            place = cells.cell(features, length)
            self._connection.execute(
                "UPDATE programs SET rung = ?, fitness = ?, cell = ?, signature = ?,"
                " behaviour = ?, objectives = ?, features = ? WHERE id = ?",
                (
                    outcome.rung,
                    rows.finite(outcome.fitness),
                    None if place == NO_CELL else place,
                    outcome.signature,
                    outcome.behaviour,
                    rows.numbers_text(outcome.objectives if settings.objectives > 1 else ()),
                    rows.numbers_text(features if settings.cells is Cells.ADAPTIVE else ()),
                    program,
                ),
            )
            if outcome.cases:
                writing.put_cases(self._connection, program, outcome.cases)
            writing.add_verdicts(self._connection, program, outcome.verdicts, position=0)

    def _one(self, query: str, *values: object) -> object:
        with faults(self.path):
            row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]
