"""The views and queries of docs/data.md, run as they stand there."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from islands_db import Call, CallState

TEXT = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
DOCUMENTED = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", TEXT, re.MULTILINE))


@pytest.fixture(scope="module")
def run(tmp_path_factory, scripted):
    path = tmp_path_factory.mktemp("run") / "run.db"
    store = scripted.play(path, 160, until=140)
    number = store.open_call(Call(attempt=store.pending()[0].attempt, turn=0, model="m"))
    ended = Call(attempt=store.pending()[0].attempt, turn=0, model="m", state=CallState.FAILED)
    store.end_call(number, ended)
    store.close()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield connection


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_gives_rows(query, run):
    assert run.execute(query).fetchall()


def test_every_view_is_described_with_its_columns_and_has_a_query(run):
    views = [
        name
        for (name,) in run.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    ]
    assert set(views) == set(DOCUMENTED)
    for view in views:
        columns = [
            name for (name,) in run.execute("SELECT name FROM pragma_table_info(?)", (view,))
        ]
        assert DOCUMENTED[view].split(", ") == columns
        assert any(re.search(rf"\b{view}\b", query) for query in QUERIES)
