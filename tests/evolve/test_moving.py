"""Runs exported, imported, merged, scored anew, relieved of texts, and started from, by command."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from islands_db import JSON, Store, connections

if TYPE_CHECKING:
    from conftest import Evolve

Write = Callable[..., Path]
MakeEvolve = Callable[[Path], tuple["Evolve", Path]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, make_evolve: MakeEvolve) -> Path:
    """Two runs of the toy problem, and one with another parameter; made once."""
    folder = tmp_path_factory.mktemp("runs")
    evolve, toy = make_evolve(folder)
    for name, seed, problem in (("one", 1, toy), ("two", 2, toy), ("other", 1, f"{toy}:77")):
        arguments = ("--evals", 12, "--name", name, "--seed", seed, "--workers", 1)
        assert evolve("run", problem, *arguments).code == 0
    return folder


@pytest.fixture
def ran(runs: Path, evolve: Evolve) -> Evolve:
    """Copies of those runs and of their problem."""
    shutil.copytree(runs, evolve.folder, dirs_exist_ok=True)
    for database in evolve.folder.glob("runs/*/run.db"):
        store = Store.open(database)
        store.set_meta("folder", str(evolve.folder / "toy"))
        store.close()
    return evolve


@pytest.fixture
def toy(ran: Evolve) -> Path:
    return ran.folder / "toy"


def query(evolve: Evolve, run: str, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(evolve.folder / "runs" / run / "run.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_run_is_exported_imported_and_gone_on_with(ran: Evolve, toy: Path) -> None:
    assert ran("export", "one", "--format", "parquet", "-o", "out").code == 0
    assert "exists already" in ran("export", "one", "-o", "out").one_line
    imported = ran("import", "out", "--name", "three", "--problem", toy)
    assert imported.code == 0
    assert ran("best", "three").out == ran("best", "one").out
    assert ran("resume", "three", "--evals", 15).code == 0
    taken = ran("import", "out", "--name", "three")
    assert (taken.code, "exists" in taken.one_line) == (2, True)


def test_an_import_does_not_say_which_code_runs_here(ran: Evolve, toy: Path) -> None:
    """The folder named in the export is there, and still it is not taken."""
    assert ran("export", "one", "-o", "out").code == 0
    assert ran("import", "out", "--name", "three").code == 0
    ended = ran("resume", "three", "--evals", 15)
    assert (ended.code, "--problem" in ended.one_line) == (2, True)
    assert ran("show", "three").code == 0


def test_an_import_does_not_say_that_there_is_to_be_no_sandbox_here(ran: Evolve, toy: Path) -> None:
    say(ran, "one", unsafe=True)
    assert ran("export", "one", "-o", "out").code == 0
    assert ran("import", "out", "--name", "three", "--problem", toy).code == 0
    assert "NO SANDBOX" in ran("best", "three").err
    tiers = "SELECT DISTINCT tier FROM verdicts WHERE program > (SELECT max(id) FROM programs) - 3"
    assert "NO SANDBOX" not in ran("resume", "three", "--evals", 20).err
    assert ("none",) not in query(ran, "three", tiers)
    assert ran("rescore", "three").code == 0
    assert ran("best", "three").err == ""


def test_a_run_without_a_sandbox_marks_what_it_is_merged_into(ran: Evolve, toy: Path) -> None:
    say(ran, "two", unsafe=True)
    assert ran("merge", "one", "two", "-o", "both").code == 0
    assert "both" in ran("best", "both").one_line


@pytest.mark.parametrize(
    ("key", "value"),
    [("config", 5), ("parameters", []), ("seed", "x"), ("unsafe", None), ("elapsed_s", [1]),
     ("identity", {"a": 1}), ("budget", "all"), ("folder", 3)],
)  # fmt: skip
def test_a_run_that_says_nonsense_of_itself(ran: Evolve, key: str, value: JSON) -> None:
    say(ran, "one", **{key: value})
    for command in (("resume", "one"), ("rescore", "one"), ("merge", "two", "one", "-o", "both")):
        ended = ran(*command)
        assert (ended.code, key in ended.one_line) in ((2, True), (3, True))
    assert ran("best", "one").code == 0


def say(evolve: Evolve, run: str, **values: JSON) -> None:
    """Has a run say something else of itself."""
    store = Store.open(evolve.folder / "runs" / run / "run.db")
    for key, value in values.items():
        store.set_meta(key, value)
    store.close()


def test_a_forged_program_is_not_imported(ran: Evolve) -> None:
    assert ran("export", "one", "-o", "out").code == 0
    file = ran.folder / "out" / "files.jsonl"
    file.write_text(file.read_text().replace("3 * 7", "1000", 1))
    ended = ran("import", "out", "--name", "three")
    assert (ended.code, "files.jsonl" in ended.one_line) == (3, True)
    assert not (ran.folder / "runs" / "three").exists()


def test_something_else_is_not_imported(ran: Evolve) -> None:
    for name in ("runs/one", "nothing"):
        ended = ran("import", name, "--name", "three")
        assert (ended.code, "export.json" in ended.one_line) == (3, True)
    assert "plain folder name" in ran("import", "runs/one", "--name", "../two").one_line


def test_runs_of_other_seeds_are_merged_and_scored_on_one_draw(ran: Evolve, toy: Path) -> None:
    merged = ran("merge", "one", "two", "-o", "both", "--json").data
    assert merged["needs_rescore"] is True
    programs = query(ran, "both", "SELECT count(*), count(DISTINCT hash) FROM programs")[0]
    assert programs == (merged["programs"], merged["programs"])
    refused = ran("resume", "both", "--evals", 40)
    assert (refused.code, "evolve rescore both" in refused.one_line) == (2, True)
    again = ran("rescore", "both", "--json")
    assert again.data["programs"] == merged["programs"]
    draws = "SELECT count(DISTINCT seed) FROM verdicts WHERE split = 'training'"
    assert query(ran, "both", draws) == [(1,)]
    assert ran("resume", "both", "--evals", 40).code == 0


VALIDATED = "SELECT program, count(*) FROM verdicts WHERE split = 'validation' GROUP BY program"


def test_a_program_of_two_runs_is_validated_on_the_draws_of_one(ran: Evolve, toy: Path) -> None:
    """Else the seed, which every run has, would lead in validation by the number of its draws."""
    assert ran("merge", "one", "two", "-o", "both").code == 0
    most = max(int(str(draws)) for _, draws in query(ran, "one", VALIDATED))
    merged = query(ran, "both", VALIDATED)
    assert max(int(str(draws)) for _, draws in merged) == most
    assert ran("rescore", "both").code == 0
    assert query(ran, "both", VALIDATED) == merged
    draws = "SELECT DISTINCT seed FROM verdicts WHERE split = 'validation' ORDER BY seed"
    assert query(ran, "both", draws) == query(ran, "one", draws)


def test_draws_that_a_run_would_not_make_are_not_made_when_scores_are_given_anew(
    ran: Evolve, toy: Path
) -> None:
    """As in runs that were merged by an earlier version, and have both runs' draws."""
    with connections.alone(ran.folder / "runs" / "one" / "run.db") as connection:
        columns = ", ".join(
            name for _, name, *_ in connection.execute("PRAGMA table_info(verdicts)")
        )
        other = columns.replace("seed", "seed || '1'").replace("position", "position + 100")
        connection.execute(
            f"INSERT INTO verdicts ({columns}) SELECT {other} FROM verdicts"  # noqa: S608
            " WHERE split = 'validation'"
        )
    assert ran("rescore", "one").code == 0
    assert {draws for _, draws in query(ran, "one", VALIDATED)} <= {1, 2, 3}


def test_runs_of_other_problems_are_not_merged(ran: Evolve, toy: Path) -> None:
    ended = ran("merge", "one", "other", "-o", "both")
    assert (ended.code, "parameters" in ended.one_line or "problem" in ended.one_line) == (2, True)
    assert "two different runs" in ran("merge", "one", "one", "-o", "both").one_line
    assert not (ran.folder / "runs" / "both").exists()


def test_a_changed_verifier_is_told_and_all_programs_judged_again(ran: Evolve, toy: Path) -> None:
    before = query(ran, "one", "SELECT id, fitness FROM programs WHERE fitness IS NOT NULL")
    problem = toy / "problem.py"
    text = problem.read_text()
    problem.write_text(text.replace("abs(found - goal)", "2 * abs(found - goal)"))
    assert "evolve rescore" in ran("resume", "one", "--evals", 20).one_line
    again = ran("rescore", "one", "--json").data
    after = query(ran, "one", "SELECT id, fitness FROM programs WHERE fitness IS NOT NULL")
    assert after == [(program, 2 * fitness) for program, fitness in before]  # type: ignore[operator]
    assert again["programs"] == len(before)
    past = query(ran, "one", "SELECT count(*) FROM past_verdicts WHERE split = 'training'")
    assert past == [(len(before),)]
    resumed = ran("resume", "one", "--evals", 20, "--json")
    assert resumed.code == 0
    assert resumed.data["test"]["champion"] is not None  # type: ignore[index]


def test_a_verifier_that_breaks_leaves_the_old_scores(ran: Evolve, toy: Path) -> None:
    scores = "SELECT id, fitness FROM programs"
    before = query(ran, "one", scores)
    problem = toy / "problem.py"
    whole = problem.read_text()
    line = "    return Score(distance=abs(found - goal))"
    problem.write_text(whole.replace(line, f"    if found == 21:\n        raise OSError\n{line}"))
    ended = ran("rescore", "one")
    assert (ended.code, "rescore again" in ended.one_line) == (5, True)
    assert query(ran, "one", scores) == before
    problem.write_text(whole)
    assert ran("rescore", "one").code == 0
    assert query(ran, "one", scores) == before


def test_an_import_that_is_killed_leaves_no_run_of_a_foreign_path(ran: Evolve) -> None:
    assert ran("export", "one", "-o", "out").code == 0
    database = ran.folder / "runs" / "came" / "run.db"
    process = ran.start("import", "out", "--name", "came")
    while process.poll() is None and not database.exists():
        pass
    process.kill()
    process.communicate()
    found = dict(query(ran, "came", "SELECT key, value FROM meta"))
    assert (found["folder"], found["imported"]) == ('""', "true")


def test_a_run_starts_from_a_program_of_another(ran: Evolve, toy: Path) -> None:
    [(id, fitness)] = query(ran, "one", "SELECT id, fitness FROM programs WHERE id = 2")
    started = ran("run", toy, "--from", f"one:{id}", "--evals", 8, "--name", "three", "--json")
    assert started.code == 0
    seeds = query(
        ran, "three",
        "SELECT a.note, p.fitness FROM attempts a JOIN programs p ON p.id = a.program"
        " WHERE a.proposer = 'seed' ORDER BY a.attempt",
    )  # fmt: skip
    assert [note for note, _ in seeds] == ["seed.py", f"one:{id}"]
    assert seeds[1][1] == fitness
    stored = json.loads(str(query(ran, "three", "SELECT value FROM meta WHERE key = 'from'")[0][0]))
    assert list(stored) == [f"one:{id}"]
    assert ran("resume", "three", "--evals", 12).code == 0


def test_a_start_that_does_not_fit(ran: Evolve, toy: Path, variant: Write) -> None:
    assert "same program as seed.py" in ran("run", toy, "--from", "one:1").one_line
    assert "no program 999" in ran("run", toy, "--from", "one:999").one_line
    assert "no run 'none'" in ran("run", toy, "--from", "none:1").one_line
    other = variant("other", seed="import math\n# EVOLVE-BLOCK-START\ndef answer():\n"
                    "    return 4\n# EVOLVE-BLOCK-END\n")  # fmt: skip
    ended = ran("run", other, "--from", "one:1", "--evals", 3)
    assert (ended.code, "not a program of" in ended.one_line) == (2, True)


def test_gc_keeps_the_champion_and_what_its_lineage_shows(ran: Evolve, toy: Path) -> None:
    shown = [("lineage", "one", "--diff"), ("why", "one")]
    before = [ran(*command).out for command in shown]
    assert ran("gc", "one").code == 0
    assert [ran(*command).out for command in shown] == before


def test_a_program_without_its_text_is_told_of_in_one_line(ran: Evolve) -> None:
    """Any program but those that the report shows."""
    line = ran("lineage", "one", "--json").data["lineage"]
    shown = {(step["id"],) for step in line}  # type: ignore[attr-defined]
    id = max(set(query(ran, "one", "SELECT id FROM programs")) - shown)[0]
    with connections.alone(ran.folder / "runs" / "one" / "run.db") as connection:
        connection.execute("DELETE FROM contents WHERE program = ?", (id,))
    ended = ran("diff", f"one:{id}")
    assert (ended.code, "dropped by `evolve gc`" in ended.one_line) == (3, True)
    for command in ("show", "why"):  # scores and origin are still there
        ended = ran(command, f"one:{id}")
        assert (ended.code, ended.err) == (0, "")
        for said in ("dropped by `evolve gc`", f"program {id} of one", "distance", "attempt "):
            assert said in ended.out
        data = ran(command, f"one:{id}", "--json").data
        assert (data["id"], bool(data["dropped"])) == (id, True)
    for command in ("report", "gc"):
        assert ran(command, "one").code == 0


def test_a_damaged_run_is_named_with_what_can_be_saved_and_saved(ran: Evolve) -> None:
    connection = sqlite3.connect(ran.folder / "runs" / "one" / "run.db")
    connection.execute("UPDATE verdicts SET fitness = 0 WHERE program = 2")
    connection.commit()
    connection.close()
    for command in ("resume", "show"):
        ended = ran(command, "one")
        assert (ended.code, "evolve salvage" in ended.one_line) == (3, True)
    saved = ran("salvage", "one", "-o", "again", "--json").data
    assert saved["attempts"] == saved["known"] - 1 - _pending(ran)  # type: ignore[operator]
    assert ran("best", "again").code == 0


@pytest.mark.parametrize("lost", ["test", "champion"])
def test_a_deterministic_run_that_was_salvaged_ends(lost: str, evolve: Evolve, toy: Path) -> None:
    """Also where it was tested and only the verdicts tell, or where its champion is lost."""
    arguments = ("--evals", 12, "--name", "same", "--seed", 3, "--workers", 1, "--deterministic")
    assert evolve("run", toy, *arguments).code == 0
    (first,) = query(evolve, "same", "SELECT data FROM events WHERE kind = 'test'")
    with closing(sqlite3.connect(evolve.folder / "runs" / "same" / "run.db")) as connection:
        connection.execute(
            "UPDATE events SET created = created + 1 WHERE kind = 'test'"
            if lost == "test"
            else "UPDATE attempts SET created = created + 1 WHERE attempt >= (SELECT max("
            "json_extract(data, '$.attempt')) FROM events WHERE kind = 'best')"
        )
        connection.commit()
    assert evolve("salvage", "same", "-o", "again").code == 0
    ended = evolve("resume", "again", "--evals", 8 if lost == "test" else 4)
    assert (ended.code, ended.err.count("bug of ours")) == (0, 0)
    (second,) = query(evolve, "again", "SELECT data FROM events WHERE kind = 'test'")
    if lost == "test":
        assert json.loads(str(second[0]))["seed"] != json.loads(str(first[0]))["seed"]


def test_where_no_program_was_saved_no_run_is_made(ran: Evolve) -> None:
    connection = sqlite3.connect(ran.folder / "runs" / "one" / "run.db")
    connection.execute("UPDATE attempts SET reason = 'changed' WHERE program NOT NULL")
    connection.commit()
    connection.close()
    ended = ran("salvage", "one", "-o", "again")
    assert (ended.code, "no program in it can be saved" in ended.one_line) == (3, True)
    assert not (ran.folder / "runs" / "again").exists()


def test_where_no_program_has_a_score_there_is_nothing_to_go_on_from(ran: Evolve) -> None:
    with connections.alone(ran.folder / "runs" / "one" / "run.db") as connection:
        connection.execute("UPDATE programs SET fitness = NULL, rung = 0 WHERE fitness NOT NULL")
    assert ran("salvage", "one", "-o", "again").code == 0
    ended = ran("resume", "again", "--evals", 40)
    assert (ended.code, "none in this run has a score" in ended.one_line) == (5, True)


def _pending(ran: Evolve) -> int:
    return int(str(query(ran, "one", "SELECT count(*) FROM attempts WHERE fate IS NULL")[0][0]))
