"""Files that cannot be used: each gets one line naming what, where and what to do."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from islands_db import Reader, Settings, Store, StoreError, connections, fingerprint


def opened_and_closed(path):
    Store.open(path).close()


def read(path):
    Reader(path).close()


USES = pytest.mark.parametrize("use", [opened_and_closed, read, fingerprint])


def refused(use, path):
    with pytest.raises(StoreError) as caught:
        use(path)
    line = str(caught.value)
    assert str(path) in line
    assert "\n" not in line
    return line


@pytest.fixture
def finished(tmp_path, scripted):
    path = tmp_path / "run.db"
    scripted.play(path, 60).close()
    return path


@USES
def test_a_missing_file(use, tmp_path):
    assert "no such database" in refused(use, tmp_path / "run.db")
    assert list(tmp_path.iterdir()) == []


@USES
@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"SQLite format 3\0" + b"x" * 5000])
def test_something_else_than_a_database(use, tmp_path, content):
    path = tmp_path / "run.db"
    path.write_bytes(content)
    refused(use, path)


@USES
def test_a_folder(use, tmp_path):
    assert "cannot be read" in refused(use, tmp_path)


@USES
def test_a_database_of_another_program(use, tmp_path):
    path = tmp_path / "run.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE settings (id, value)")
    connection.close()
    assert "not of a run" in refused(use, path)


@USES
def test_a_database_from_a_newer_version(use, finished):
    connection = sqlite3.connect(finished)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "upgrade" in refused(use, finished)


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.6, 0.99])
def test_a_file_cut_short(share, finished):
    os.truncate(finished, int(share * finished.stat().st_size))
    refused(opened_and_closed, finished)


def test_a_page_overwritten_anywhere(finished, tmp_path):
    whole = finished.read_bytes()
    path = tmp_path / "hurt.db"
    for page in range(0, len(whole), 4096):
        noise = random.Random(page).randbytes(4096)
        path.write_bytes(whole[:page] + noise + whole[page + 4096 :])
        refused(opened_and_closed, path)
        for leftover in tmp_path.glob("hurt.db-*"):
            leftover.unlink()


def test_a_second_writer_is_refused_until_the_first_closes(tmp_path):
    first = Store.create(tmp_path / "run.db", settings=Settings(), meta={})
    assert "in use by another process" in refused(opened_and_closed, tmp_path / "run.db")
    first.close()
    opened_and_closed(tmp_path / "run.db")


def test_a_writer_in_another_process_is_refused(tmp_path):
    first = Store.create(tmp_path / "run.db", settings=Settings(), meta={})
    code = "import sys; from islands_db import Store; Store.open(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run.db")], capture_output=True, text=True
    )
    assert "in use by another process" in done.stderr
    first.close()


def test_a_run_is_never_created_over_another(finished):
    before = fingerprint(finished)
    with pytest.raises(StoreError, match="exists already"):
        Store.create(finished, settings=Settings(), meta={})
    assert fingerprint(finished) == before


def test_a_run_has_its_log_before_it_has_its_name(tmp_path):
    """Made later, a writer killed meanwhile left a journal that no reader can do anything with."""
    path = tmp_path / "run.db"
    with connections.draft(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert [file.name for file in tmp_path.iterdir()] == ["run.db"]
    changes = path.read_bytes()
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    reader.close()
    connections.connect_writer(path).close()
    assert path.read_bytes() == changes, "nothing is left for the first writer to change"


def test_a_log_left_by_a_removed_run_does_not_leak_into_the_next(tmp_path, scripted):
    path = tmp_path / "run.db"
    scripted.play(path, 30).close()
    old = scripted.play(tmp_path / "old.db", 60)
    for suffix in ("-wal", "-shm"):
        shutil.copy(tmp_path / f"old.db{suffix}", tmp_path / f"run.db{suffix}")
    old.close()
    path.unlink()
    scripted.play(path, 30).close()
    fresh = scripted.play(tmp_path / "fresh.db", 30)
    fresh.close()
    assert fingerprint(path) == fingerprint(tmp_path / "fresh.db")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="cannot be created"):
        Store.create(tmp_path / "absent" / "run.db", settings=Settings(), meta={})


@pytest.fixture
def open_folder():
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize("log", ["folded in", "left by a killed writer"])
def test_a_read_only_folder_of_another_user_can_be_read(log, finished, open_folder):
    folder = open_folder
    if log == "folded in":
        shutil.copy(finished, folder / "run.db")
    else:
        writer = Store.open(finished)
        writer.event("late", {})
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(f"{finished}{suffix}", folder / f"run.db{suffix}")
        writer.close()
    code = (
        "import os, sys\n"
        "from islands_db import Reader\n"
        "Reader(sys.argv[2]).close()  # imports what this user could not\n"
        "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "with Reader(sys.argv[1]) as reader:\n"
        "    print(reader.counts().attempts, len(reader.events('late')))\n"
    )
    folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "run.db"), str(finished)],
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"60 {int(log != 'folded in')}\n", done.stderr


def test_a_program_that_looks_at_a_live_run_and_leaves_takes_nothing_along(run):
    """SQLite deletes the log when the last one leaves, and learns by locks who is there; those of
    a process go when it closes the file by other means, as looking at its first bytes would."""
    run.add("a", 1.0)
    with Reader(run.path), Reader(run.path):
        pass
    connections.require(run.path)
    visitor = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]);"
        "print(*connection.execute('SELECT count(*) FROM programs').fetchone()); connection.close()"
    )
    for programs in (1, 2):
        seen = subprocess.run(
            [sys.executable, "-c", visitor, run.path], check=True, capture_output=True, text=True
        )
        assert int(seen.stdout) == programs
        run.add(f"b{programs}", 1.0)
