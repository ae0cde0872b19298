"""Export and import: the same run on the other side, or one line that says why not."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from hashlib import sha256

import pyarrow.parquet as pq
import pytest

from islands_db import Call, CallState, Reader, Store, StoreError, export_run, fingerprint
from islands_db import import_run as load

FORMATS = ["jsonl", "parquet"]


@pytest.fixture(scope="module", params=["plain", "changing"])
def stored(request, tmp_path_factory, scripted):
    """A run with attempts under way, a held result, a paid answer and a call that was cut."""
    path = tmp_path_factory.mktemp("run") / "run.db"
    store = scripted.play(path, 200, until=150, kind=request.param)
    late = store.pending()[-1].attempt
    if late not in store.held():
        store.hold(late, b"\0\xff held")
    number = store.open_call(Call(attempt=late, turn=0, model="m"))
    answered = Call(
        attempt=late, turn=0, model="m", state=CallState.ANSWERED, answer="paid \u202e\0 for"
    )
    store.end_call(number, answered)
    store.set_meta("odd", [None, {"text": "\x1b[31m\u2028", "number": 0.1}])
    store.set_meta("nothing", None)
    store.close()
    return path


def hash_of(scripted):
    return lambda files: scripted.program_of(files["program.py"]).hash


def manifest_of(folder, **changes):
    file = folder / "export.json"
    found = json.loads(file.read_text())
    found.update(changes)
    file.write_text(json.dumps(found))
    return found


def forge(folder, part, change):
    """Changes one file and its hash in the manifest, as a forger would."""
    file = folder / f"{part}.jsonl"
    text = change(file.read_text())
    file.write_text(text)
    parts = json.loads((folder / "export.json").read_text())["parts"]
    parts[part] = {
        "rows": len(text.splitlines()),
        "sha256": sha256(text.encode()).hexdigest(),
    }
    manifest_of(folder, parts=parts)


def refused(folder, path, **options):
    with pytest.raises(StoreError) as caught:
        load(folder, path, **options)
    assert not path.exists()
    assert not path.with_name(path.name + "-new").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_imported_is_the_run_that_was_exported(format, stored, tmp_path, scripted):
    rows = export_run(stored, tmp_path / "out", format=format)
    assert rows["proposals"] == 153
    loaded = load(tmp_path / "out", tmp_path / "again.db", hash_of=hash_of(scripted))
    assert loaded == rows
    assert fingerprint(tmp_path / "again.db") == fingerprint(stored)
    with Reader(stored) as one, Reader(tmp_path / "again.db") as other:
        assert other.meta == one.meta
        assert other.calls() == one.calls()
        assert other.events() == one.events()


def test_an_imported_run_goes_on_as_the_exported_one_would(stored, tmp_path, scripted):
    export_run(stored, tmp_path / "out", format="jsonl")
    load(tmp_path / "out", tmp_path / "again.db")
    shutil.copy(stored, tmp_path / "copy.db")
    for path in (tmp_path / "again.db", tmp_path / "copy.db"):
        scripted.play(path, 200).close()
    assert fingerprint(tmp_path / "again.db") == fingerprint(tmp_path / "copy.db")


def test_jsonl_is_read_by_the_json_module(stored, tmp_path):
    export_run(stored, tmp_path / "out", format="jsonl")

    def read(name):
        lines = (tmp_path / "out" / f"{name}.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    with Reader(stored) as reader:
        for row in read("files"):
            assert reader.files(row["program"])[row["path"]] == row["text"]
        assert [row["inspirations"] for row in read("proposals")] == [
            list(proposal.inspirations) for proposal in reader.proposals()
        ]
        for row in read("edges"):
            child = reader.program(row["child"])
            sources = [child.parent] if row["role"] == "parent" else child.inspirations
            assert row["source"] in sources


def test_parquet_is_read_by_pyarrow(stored, tmp_path):
    export_run(stored, tmp_path / "out", format="parquet")
    programs = pq.read_table(tmp_path / "out" / "programs.parquet").to_pylist()
    with Reader(stored) as reader:
        assert [row["fitness"] for row in programs] == [
            reader.program(row["id"]).fitness for row in programs
        ]


def test_a_live_run_is_exported_at_one_moment(tmp_path, scripted):
    store = scripted.play(tmp_path / "run.db", 60, until=30)
    with store.atomic():
        scripted.step(store, 60)
        export_run(tmp_path / "run.db", tmp_path / "out", format="jsonl")
    store.close()
    load(tmp_path / "out", tmp_path / "again.db")
    with Reader(tmp_path / "again.db") as reader:
        assert reader.counts().attempts == 30


def test_nothing_is_written_over(stored, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match="exists already"):
        export_run(stored, tmp_path / "out", format="jsonl")
    assert list((tmp_path / "out").iterdir()) == []
    export_run(stored, tmp_path / "other", format="jsonl")
    before = fingerprint(stored)
    with pytest.raises(StoreError, match="exists already"):
        load(tmp_path / "other", stored)
    assert fingerprint(stored) == before


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_has_changed_is_refused(format, stored, tmp_path):
    export_run(stored, tmp_path / "out", format=format)
    file = tmp_path / "out" / f"verdicts.{format}"
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:99] + bytes([whole[99] ^ 1]) + whole[100:]):
        file.write_bytes(damaged)
        assert f"verdicts.{format}" in refused(tmp_path / "out", tmp_path / "again.db")
    file.unlink()
    assert f"verdicts.{format}" in refused(tmp_path / "out", tmp_path / "again.db")


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("programs", lambda text: text.replace('"rung":2', '"rung":"two"', 1), "programs.jsonl"),
        ("programs", lambda text: text.replace('"id":1,', '"id":2,', 1), "programs.jsonl"),
        ("programs", lambda text: text.replace('"rung":2', '"rung":1e999', 1), "programs.jsonl"),
        ("verdicts", lambda text: text.replace('"status":"ok"', '"status":"fine"', 1), "fine"),
        ("verdicts", lambda text: "[]\n" + text, "line 1"),
        ("verdicts", lambda text: text.replace('"scores":{', '"more":1,"scores":{', 1), "more"),
        (
            "proposals",
            lambda text: re.sub(r'"parent":\d+', '"parent":9999', text, count=1),
            "missing row",
        ),
        ("proposals", lambda text: text.replace('"fate":"no_op"', '"fate":"seed"', 1), "totals"),
        ("tallies", lambda text: text.replace('"attempts":2', '"attempts":3', 1), "totals"),
        ("members", lambda text: text.replace('"slot":0', '"slot":700', 1), "gap"),
        ("files", lambda text: text.replace("values = [", "values =  [", 1), "hash"),
        ("files", lambda text: text + text.splitlines()[0].replace(":1,", ":9999,") + "\n", "9999"),
        ("islands", lambda text: "".join(text.splitlines(True)[:-2]), "islands"),
    ],
)
def test_what_could_not_have_come_from_a_run(part, change, said, stored, tmp_path, scripted):
    export_run(stored, tmp_path / "out", format="jsonl")
    forge(tmp_path / "out", part, change)
    assert said in refused(tmp_path / "out", tmp_path / "again.db", hash_of=hash_of(scripted))


def test_manifests_that_are_none(stored, tmp_path):
    assert "export.json" in refused(tmp_path, tmp_path / "again.db")
    export_run(stored, tmp_path / "out", format="jsonl")
    folder = tmp_path / "out"
    whole = (folder / "export.json").read_text()
    for changes, said in (
        ({"format": "evolve-export/2"}, "expected 'evolve-export/1'"),
        ({"schema": 99}, "upgrade"),
        ({"schema": 0}, "schema 0"),
        ({"files": "../../etc"}, "expected jsonl or parquet"),
        ({"parts": {}}, "missing"),
        ({"settings": {"islands": 10**9}}, "islands"),
        ({"settings": {"islands": "many"}}, "state"),
        ({"more": 1}, "more"),
    ):
        manifest_of(folder, **changes)
        assert said in refused(folder, tmp_path / "again.db")
        (folder / "export.json").write_text(whole)
    load(folder, tmp_path / "again.db")


def test_an_export_of_an_earlier_schema_is_brought_up_to_date(tmp_path, scripted, monkeypatch):
    """As an earlier version would have written it: with the relations that it knew."""
    path = tmp_path / "run.db"
    scripted.play(path, 60, until=50).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM cases")
    connection.close()
    export_run(path, tmp_path / "out", format="jsonl")
    parts = json.loads((tmp_path / "out" / "export.json").read_text())["parts"]
    for name in ("rescoring", "scorings", "past_verdicts", "cases"):
        del parts[name]
    manifest_of(tmp_path / "out", schema=2, parts=parts)
    load(tmp_path / "out", tmp_path / "again.db")
    assert fingerprint(tmp_path / "again.db") == fingerprint(path)


def test_a_run_that_is_cut_off_in_an_export_leaves_no_folder(stored, tmp_path, monkeypatch):
    damaged = tmp_path / "run.db"
    shutil.copy(stored, damaged)
    connection = sqlite3.connect(damaged)
    connection.execute("UPDATE sources SET body = x'00'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="damaged"):
        export_run(damaged, tmp_path / "out", format="jsonl")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("out")]
    Store.open(stored).close()


@pytest.mark.parametrize("room", [20_000, 120_000, 200_000])
def test_an_import_that_fills_the_disk_leaves_nothing_and_says_so(room, stored, tmp_path):
    export_run(stored, tmp_path / "out", format="jsonl")
    child = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from islands_db import StoreError, import_run\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)\n"
        "try:\n"
        "    import_run(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    into = tmp_path / "again.db"
    done = subprocess.run(
        [sys.executable, "-c", child, tmp_path / "out", into, str(room)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert len(done.stdout.splitlines()) == 1, done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".db"] == []
    assert not into.with_name("again.db-new").exists()
