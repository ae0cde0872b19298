"""kill -9 at random moments: nothing committed is lost or doubled, and the end is the same."""

import sqlite3
import subprocess
import sys

import pytest

from islands_db import Reader, fingerprint

ATTEMPTS = 500


@pytest.fixture(scope="module", params=["plain", "changing", "adaptive"])
def uninterrupted(tmp_path_factory, scripted, request):
    path = tmp_path_factory.mktemp("whole") / f"{request.param}.db"
    scripted.play(path, ATTEMPTS, kind=request.param).close()
    return path


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_many_times_ends_like_one_left_alone(seed, tmp_path, scripted, uninterrupted):
    path = tmp_path / "run.db"
    done = subprocess.run(
        [sys.executable, scripted.path, path, str(ATTEMPTS), str(seed), uninterrupted.stem],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert int(done.stdout) >= 20
    assert fingerprint(path) == fingerprint(uninterrupted)
    with Reader(path) as killed, Reader(uninterrupted) as whole:
        assert killed.counts() == whole.counts()
        assert len(killed.events("best")) == len(whole.events("best"))


def test_what_a_killed_writer_committed_can_be_read_beside_its_log(tmp_path, scripted):
    path = tmp_path / "run.db"
    code = (
        "import os, runpy, signal, sys; from pathlib import Path\n"
        "script = runpy.run_path(sys.argv[1], run_name='scripted')\n"
        "store = script['play'](Path(sys.argv[2]), 40)\n"
        "with store.atomic():\n"
        "    store.event('uncommitted', {})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(scripted.path), str(path)])
    assert path.with_name("run.db-wal").stat().st_size > 0
    with Reader(path) as reader:
        assert reader.counts().attempts == 40
        assert reader.events("uncommitted") == []
    scripted.play(path, 40).close()


def test_a_kill_while_the_database_is_made_leaves_none(tmp_path):
    path = tmp_path / "run.db"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from islands_db import connections, migrations\n"
        "with connections.draft(Path(sys.argv[1])) as connection:\n"
        "    migrations.migrate(connection, name='run')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)])
    assert not path.exists()


def test_the_scripted_run_meets_every_mechanism(uninterrupted):
    """Else the comparisons above would prove little."""
    with Reader(uninterrupted) as reader:
        counts = reader.counts()
        assert len(counts.fates) == 8
        if uninterrupted.stem == "plain":
            assert all(island.size == 12 for island in counts.islands)
        assert len(reader.top(1000)) < counts.evaluated
        assert len({program.rung for program in reader.top(1000)}) == 2
    with sqlite3.connect(uninterrupted) as connection:
        members, distinct = connection.execute(
            "SELECT count(*), count(DISTINCT program) FROM members"
        ).fetchone()
    connection.close()
    assert members > distinct
