"""Runs stored by every earlier version of the schema: read as they are, and gone on with."""

import lzma
import sqlite3
from pathlib import Path

import pytest

from islands_db import Call, CallState, Reader, Store, migrations

STORED = Path(__file__).with_name("stored")
EARLIER = range(1, len(migrations.scripts()))
ANSWER = "an answer that was paid"


@pytest.fixture(params=EARLIER, ids=lambda version: f"schema{version}")
def earlier(request, tmp_path):
    """A run of 60 attempts as that version left it after 55, with an answer and an open call."""
    path = tmp_path / "run.db"
    path.write_bytes(lzma.decompress((STORED / f"schema{request.param}.db.xz").read_bytes()))
    assert version_of(path) == request.param
    return path


def version_of(path):
    connection = sqlite3.connect(path)
    version = migrations.user_version(connection)
    connection.close()
    return version


def schema_of(path):
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT sql FROM sqlite_master ORDER BY sql").fetchall()
    connection.close()
    return found


def shown(reader):
    """What a reader says of the run, the open call aside: a writer marks that as cut."""
    counts = reader.counts()
    programs = [reader.program(number) for number in range(1, counts.programs + 1)]
    texts = [reader.files(program.id) for program in programs]
    line = reader.lineage(reader.find("best"))
    return counts, programs, texts, reader.proposals(), reader.generations(), line


def test_it_is_read_without_being_changed(earlier, scripted):
    before = earlier.read_bytes()
    with Reader(earlier) as reader:
        counts, programs, texts, proposals, generations, line = shown(reader)
        assert [call.answer for call in reader.calls()] == [ANSWER, None]
    assert (counts.attempts, counts.pending, len(proposals)) == (55, 3, 58)
    assert (counts.evaluated, len(programs)) in ((33, 34), (28, 29), (30, 31))
    assert line[0].proposer == "seed"
    assert line[-1].fitness == max(program.fitness or 0.0 for program in programs)
    assert generations[0].programs == 2
    for program, files in zip(programs, texts, strict=True):
        assert scripted.program_of(files["program.py"]).hash == program.hash
        if program.fitness is not None:
            training = [v for v in program.verdicts if v.split == "training"]
            assert training[-1].fitness == program.fitness
    assert earlier.read_bytes() == before


def test_a_writer_goes_on_with_it(earlier, scripted):
    with Reader(earlier) as reader:
        found = shown(reader)
    store = Store.open(earlier)
    with Reader(earlier) as reader:
        assert shown(reader) == found
    assert [sample.attempt for sample in store.pending()] == [55, 56, 57]
    assert store.answer(55, 0).answer == ANSWER
    assert store.spending().calls[CallState.CUT] == 1
    with pytest.raises(ValueError, match="answered"):
        store.open_call(Call(attempt=55, turn=0, model="openai/some"))
    known = store.files(1)["program.py"]
    program = scripted.program_of(known)
    assert store.known(program.hash, program.syntax_hash) == 1
    while scripted.step(store, 90):
        pass
    store.close()
    with Reader(earlier) as reader:
        assert reader.counts().attempts == 90


def test_its_schema_becomes_that_of_a_new_run(earlier, tmp_path, scripted):
    Store.open(earlier).close()
    scripted.play(tmp_path / "new.db", 5).close()
    assert version_of(earlier) == len(migrations.scripts())
    assert schema_of(earlier) == schema_of(tmp_path / "new.db")


def test_every_version_has_a_stored_run():
    names = sorted(path.name for path in STORED.iterdir())
    assert names == [f"schema{version}.db.xz" for version in EARLIER]
