"""Every mistake a user can make gets one line, a non-zero exit, and loses nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Evolve

Write = Callable[..., Path]


def test_an_unknown_problem_is_answered_with_the_nearest(evolve: Evolve) -> None:
    ended = evolve("run", "bin_paking", "--evals", 1)
    assert (ended.code, "did you mean 'bin_packing'?" in ended.one_line) == (2, True)


def test_an_unknown_command_is_answered_with_the_nearest(evolve: Evolve) -> None:
    ended = evolve("lineag")
    assert (ended.code, "did you mean 'lineage'?" in ended.one_line) == (2, True)


def test_a_folder_without_a_problem(evolve: Evolve, tmp_path: Path) -> None:
    ended = evolve("check", "./nothing")
    assert (ended.code, "no problem.py there" in ended.one_line) == (2, True)
    ended = evolve("run", "~nobody-of-that-name/toy")
    assert (ended.code, "no problem.py there" in ended.one_line) == (2, True)


def test_who_waits_for_a_module_that_takes_long_reads_which(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from evolve import loading

    monkeypatch.setattr(loading, "LONG_IMPORT_S", 0.05)
    problem = toy / "problem.py"
    problem.write_text(f"import time\ntime.sleep(1.0)\n{problem.read_text()}")
    loading.load(str(toy))
    assert f"{problem} has been importing for" in capfd.readouterr().err


def test_an_unknown_parameter_and_an_impossible_value(evolve: Evolve, toy: Path) -> None:
    assert "has no parameter 'gaol'" in evolve("check", toy, "--set", "gaol=3").one_line
    assert "goal=much" in evolve("check", toy, "--set", "goal=much").one_line
    assert "expected NAME=VALUE" in evolve("check", toy, "--set", "goal").one_line


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (("from evolve import", "from evlove import"), "problem.py does not import"),
        (("from evolve import", "raise GeneratorExit\nfrom evolve import"), "GeneratorExit"),
        (("problem = Problem(", "problem = Problme("), "NameError"),
        (
            ("problem = Problem(", "import os\nos._exit(0)\nproblem = Problem("),
            "os._exit(0) (problem",
        ),
        (("problem = Problem(", "other = problem = Problem(("), "SyntaxError"),
        (('objective="min distance"', 'objective="small distance"'), "expected 'min NAME'"),
        (('"seed.py"', '"sead.py"'), "sead.py"),
        (('"statement.md"', '"state.md"'), "state.md"),
        (("@problem.stage(timeout_s=2.0, memory_mb=256)", ""), "no stage"),
    ],
)
def test_a_module_that_cannot_be_used(
    evolve: Evolve, variant: Write, replacement: tuple[str, str], expected: str
) -> None:
    folder = variant("toy", replacement)
    ended = evolve("run", folder, "--evals", 1)
    assert ended.code in (2, 5)
    assert expected in ended.one_line
    assert not list(evolve.folder.glob("runs/*"))


def test_a_limit_and_a_library_that_follow_from_the_folder(evolve: Evolve, variant: Write) -> None:
    folder = variant(
        "limited",
        ("timeout_s=2.0, memory_mb=256)\ndef close", "timeout_s=limit)\ndef close"),
        ('    shorthand="{goal}",', '    shorthand="{goal}",\n    preload=["arithmetic.py"],'),
        (
            "problem = Problem(",
            "from evolve.problem import ProblemError\n\ndef limit(parameters):\n"
            '    if parameters["goal"] < 0:\n        raise ProblemError("goal: below 0")\n'
            '    return parameters["goal"] / 1000\n\n\nproblem = Problem(',
        ),
    )
    (folder / "arithmetic.py").write_text("def triple(x):\n    return 3 * x\n")
    idea = folder / "idea.py"
    idea.write_text(
        "import time\n\nimport arithmetic\n\n# EVOLVE-BLOCK-START\ndef answer():\n"
        "    time.sleep(0.5)\n    return arithmetic.triple(7)\n# EVOLVE-BLOCK-END\n"
    )
    assert "distance 979" in evolve("evaluate", folder, idea).out
    assert "timeout" in evolve("evaluate", f"{folder}:100", idea).out
    assert "goal: below 0" in evolve("evaluate", f"{folder}:-1", idea).one_line


def test_a_seed_without_blocks(evolve: Evolve, variant: Write) -> None:
    ended = evolve("run", variant(seed="def answer():\n    return 1\n"), "--evals", 1)
    assert ended.code == 5
    assert "seed.py" in ended.one_line
    assert "EVOLVE-BLOCK" in ended.one_line


def test_a_seed_that_fails_leaves_no_run_behind(evolve: Evolve, variant: Write) -> None:
    seed = "# EVOLVE-BLOCK-START\ndef answer():\n    return 1 / 0\n# EVOLVE-BLOCK-END\n"
    ended = evolve("run", variant(seed=seed), "--evals", 1)
    assert ended.code == 5
    assert "ZeroDivisionError" in ended.err
    assert "seed.py" in ended.err
    assert not list(evolve.folder.glob("runs/*"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('raise ValueError("broken")', "ValueError: broken (problem.py:"),
        ("return 3", "returned int 3, expected Score or Invalid"),
        ('return Score(distance=float("nan"))', "expected a finite number"),
        ("return Score(other=1)", "has no 'distance'"),
        ('return Score(distance="low")', "expected int, float or Fraction"),
        ('return Score(distance=1, feedback=b"x")', "feedback is bytes, expected text"),
    ],
)
def test_a_stage_that_is_wrong_is_not_the_programs_fault(
    evolve: Evolve, variant: Write, body: str, expected: str
) -> None:
    folder = variant("toy", ('    found = candidate.call("answer")\n', f"    {body}\n"))
    ended = evolve("run", folder, "--evals", 1)
    assert ended.code == 5
    assert expected in ended.one_line
    judged = evolve("evaluate", folder, folder / "seed.py", "--json")
    assert judged.code == 5
    assert judged.data["verdicts"][0]["status"] == "evaluator_error"  # type: ignore[index]


@pytest.mark.slow
def test_a_stage_that_hangs_is_ended_and_named(evolve: Evolve, variant: Write) -> None:
    folder = variant(
        "toy",
        ('    found = candidate.call("answer")\n', "    __import__('time').sleep(999)\n"),
        ("timeout_s=2.0, memory_mb=256)\ndef close", "timeout_s=0.1, memory_mb=256)\ndef close"),
    )
    ended = evolve("run", folder, "--evals", 1)
    assert ended.code == 5
    assert "stage 'close' did not end" in ended.one_line


@pytest.mark.parametrize("text", ["chr(0xd800)", "chr(27) + '[31m'", "chr(0) + chr(0x202e)"])
def test_text_from_a_candidate_reaches_the_terminal_inert(
    evolve: Evolve, variant: Write, text: str
) -> None:
    folder = variant("toy", ("answer() gave {found!r:.40}", "answer() gave {found}"))
    program = evolve.folder / "program.py"
    program.write_text(f"def answer():\n    return {text}\n")
    ended = evolve("evaluate", folder, program)
    assert ended.code == 1
    assert not {"\x1b", "\x00", "\u202e", "\ud800"} & set(ended.out + ended.err)


def test_an_artifact_that_is_not_plain_data(evolve: Evolve, variant: Write) -> None:
    folder = variant(
        "toy",
        (
            "    return close(candidate, goal=goal)\n\n\n@problem.baseline",
            "    return Score(distance=1, artifact=object())\n\n\n@problem.baseline",
        ),
    )
    ended = evolve("check", folder)
    assert ended.code == 1
    assert "not plain data" in " ".join(ended.out.split())


@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
def test_a_stage_that_swallows_a_failure_gives_no_score(
    evolve: Evolve, variant: Write, caught: str
) -> None:
    call = '    found = candidate.call("answer")\n'
    swallowed = f"    try:\n    {call}    except {caught}:\n        found = goal\n"
    folder = variant("toy", (call, swallowed))
    program = evolve.folder / "program.py"
    program.write_text("def answer():\n    return 1 / 0\n")
    ended = evolve("evaluate", folder, program, "--json")
    assert ended.code == 1
    assert ended.data["verdicts"][0]["status"] == "crash"  # type: ignore[index]


@pytest.mark.parametrize("raised", ["SystemExit(0)", "GeneratorExit"])
def test_a_stage_that_exits_says_neither_valid_nor_sound(
    evolve: Evolve, variant: Write, raised: str
) -> None:
    folder = variant("toy", ('    found = candidate.call("answer")\n', f"    raise {raised}\n"))
    ended = evolve("evaluate", folder, folder / "seed.py")
    assert (ended.code, raised[:10] in ended.err) == (5, True)
    assert evolve("check", folder).code == 1


@pytest.mark.parametrize(
    ("instead", "how"),
    [("    os._exit(0)\n", "exit code 0"), ("    ctypes.string_at(0)\n", "signal 11")],
)
def test_a_stage_that_ends_its_process_is_said_in_one_line(
    evolve: Evolve, variant: Write, instead: str, how: str
) -> None:
    folder = variant(
        "toy",
        ('    found = candidate.call("answer")\n', instead),
        ("from evaluators import", "import ctypes\nimport os\n\nfrom evaluators import"),
    )
    for ended in (evolve("check", folder), evolve("evaluate", folder, folder / "seed.py")):
        assert (ended.code, how in ended.one_line) == (5, True)


def test_a_thread_left_by_a_problem_keeps_nothing_from_ending(
    evolve: Evolve, variant: Write
) -> None:
    thread = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    folder = variant("toy", ("from evaluators import", thread + "from evaluators import"))
    assert evolve("evaluate", folder, folder / "seed.py").code == 0
    assert evolve("run", folder, "--evals", 3).code == 0


def test_numbers_that_are_none(evolve: Evolve, toy: Path) -> None:
    for option in ("--minutes", "--target"):
        for value in ("nan", "inf"):
            ended = evolve("run", toy, option, value)
            assert (ended.code, "finite" in ended.one_line) == (2, True)


@pytest.mark.parametrize("name", ["a:b", "12", "-x", "*", "a b", "a" * 300, "a\nb", ""])
def test_names_that_could_not_be_typed_again(evolve: Evolve, toy: Path, name: str) -> None:
    assert evolve("run", toy, "--evals", 3, f"--name={name}").code == 2


def test_an_undeclared_feature_is_the_stages_mistake(evolve: Evolve, variant: Write) -> None:
    score = "return Score(distance=abs(found - goal))"
    folder = variant("toy", (score, score[:-1] + ", features={'nope': 1})"))
    assert "declared are: none" in evolve("run", folder, "--evals", 3).one_line


def test_a_seed_that_is_a_folder(evolve: Evolve, variant: Write) -> None:
    folder = variant("toy", ('"seed.py"', '"start"'))
    (folder / "start").mkdir()
    (folder / "start" / "other.py").write_text("x = 1\n")
    assert "program.py" in evolve("run", folder, "--evals", 3).one_line
    (folder / "seed.py").rename(folder / "start" / "program.py")
    assert evolve("run", folder, "--evals", 3).code == 0


def test_an_unknown_key_of_the_run_file(evolve: Evolve, toy: Path) -> None:
    (evolve.folder / "run.toml").write_text("[budget]\neval = 3\n")
    ended = evolve("run", toy, "--config", "run.toml")
    assert ended.code == 2
    assert "unknown key 'budget.eval'; did you mean 'evals'?" in ended.one_line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[budget]\ntarget = inf\n", "budget.target = inf: expected a finite number"),
        ("[proposers]\ntree = nan\n", "proposers.tree = nan: expected a finite number"),
        ('policy = "x"\n', "at `policy`; expected one of: bandit, fixed"),
        ('[islands]\ninspire = ["x"]\n', "; expected one of: mixed"),
    ],
)
def test_a_value_that_a_run_file_cannot_mean(
    evolve: Evolve, toy: Path, text: str, said: str
) -> None:
    (evolve.folder / "run.toml").write_text(text)
    ended = evolve("run", toy, "--config", "run.toml")
    assert (ended.code, said in ended.one_line) == (2, True)


def test_a_program_that_is_a_pipe_is_not_waited_for(evolve: Evolve, variant: Write) -> None:
    folder = variant("toy")
    os.mkfifo(evolve.folder / "pipe.py")
    ended = evolve("evaluate", folder, "pipe.py")
    assert (ended.code, "pipe.py is not a file" in ended.one_line) == (2, True)
    (folder / "seed.py").unlink()
    os.mkfifo(folder / "seed.py")
    ended = evolve("run", folder)
    assert (ended.code, "seed.py is not a file" in ended.one_line) == (5, True)


def test_impossible_numbers(evolve: Evolve, toy: Path) -> None:
    for option, value in (("--evals", 0), ("--minutes", -1), ("--workers", 0), ("--lag", "x")):
        ended = evolve("run", toy, option, value)
        assert (ended.code, option in ended.one_line) == (2, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(evolve: Evolve, toy: Path) -> None:
    locked = evolve.folder / "locked"
    locked.mkdir(mode=0o500)
    ended = evolve("run", toy, "--evals", 1, "--runs", locked / "runs")
    assert (ended.code, "cannot write" in ended.one_line) == (3, True)


def test_a_runs_folder_that_is_a_file(evolve: Evolve, toy: Path) -> None:
    (evolve.folder / "runs").write_text("in the way")
    ended = evolve("run", toy, "--evals", 1)
    assert (ended.code, "cannot write" in ended.one_line) == (3, True)


def test_a_name_that_is_taken_and_one_that_is_none(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 3, "--name", "mine").code == 0
    ended = evolve("run", toy, "--evals", 3, "--name", "mine")
    assert (ended.code, "evolve resume mine" in ended.one_line) == (2, True)
    assert "plain folder name" in evolve("run", toy, "--name", "../up").one_line
    assert evolve("run", toy, "--evals", 3, "--name", "mine", "--replace").code == 0


def test_a_changed_problem_is_not_resumed(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 3, "--name", "mine").code == 0
    problem = toy / "problem.py"
    problem.write_text(problem.read_text() + "\n# changed\n")
    ended = evolve("resume", "mine", "--evals", 6)
    assert ended.code == 2
    assert "toy/problem.py has changed" in ended.one_line


def test_a_run_that_is_not_there(evolve: Evolve) -> None:
    for command in ("resume", "show", "lineage", "best"):
        ended = evolve(command, "nosuch")
        assert (ended.code, "nosuch" in ended.one_line) == (2, True)
    assert evolve("ls").code == 0


def test_a_damaged_database(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 3, "--name", "mine").code == 0
    database = evolve.folder / "runs" / "mine" / "run.db"
    database.write_bytes(b"not a database" * 100)
    for command in ("resume", "show", "lineage"):
        ended = evolve(command, "mine")
        assert ended.code == 3
        assert "run.db" in ended.one_line
    assert evolve("ls").code == 0


def test_a_program_that_is_not_there_in_a_run(evolve: Evolve, toy: Path) -> None:
    assert evolve("run", toy, "--evals", 3, "--name", "mine").code == 0
    ended = evolve("show", "mine:999")
    assert ended.code != 0
    assert "no program 999" in ended.one_line
    for nowhere in ("/", ""):
        ended = evolve("report", "mine", "-o", nowhere)
        assert (ended.code, "name of a file" in ended.one_line) == (2, True)


def test_the_current_folder_changes_nothing(evolve: Evolve, toy: Path) -> None:
    """A user's own modules named like ours must not be imported, however we are started."""
    for name in ("sandbox", "evaluators", "islands_db", "problems", "click"):
        (evolve.folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    shutil.copytree(toy, evolve.folder / "bin_packing")
    assert evolve("run", "./toy", "--evals", 3).code == 0
    assert evolve("ls").code == 0
    listed = evolve("problems", "--json")
    assert "runs" not in listed.out
    ended = evolve("run", "nosuch", "--evals", 3)
    assert ended.code == 2


def test_a_problem_folder_here_does_not_hide_the_one_with_that_name(
    evolve: Evolve, toy: Path
) -> None:
    shutil.copytree(toy, evolve.folder / "cap")
    ended = evolve("check", "cap")
    assert "for the folder here write ./cap" in ended.one_line


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (
            "X = 3.0  # tune: 5..5\ndef answer():\n    return X",
            "program.py:2: the range 5..5 is empty",
        ),
        ("def answer():\n    return len('ab')", "hold no number that could be tuned"),
    ],
)
def test_a_seed_that_one_proposer_can_do_nothing_with_is_said_and_the_other_goes_on(
    evolve: Evolve, variant: Callable[..., Path], block: str, line: str
) -> None:
    toy = variant("toy", seed=f"# EVOLVE-BLOCK-START\n{block}\n# EVOLVE-BLOCK-END\n")
    ended = evolve(
        "run", toy, "--evals", 12, "--seed", 1, "--proposer", "tree", "--proposer", "tuner",
        "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert ended.one_line.startswith("evolve: tuner cannot change seed seed.py: ")
    assert ended.one_line.endswith(line)
    assert ended.data["status"]["evaluated"] == 12  # type: ignore[index]


@pytest.mark.parametrize(
    ("mark", "line"),
    [
        ("5..1", "program.py:3: the range 5..1 is empty"),
        ("off", None),
    ],
)
def test_a_mark_that_cannot_be_followed_is_no_sound_seed(
    evolve: Evolve, variant: Callable[..., Path], mark: str, line: str | None
) -> None:
    block = f"def answer():\n    return 3.0  # width  # tune: {mark}"
    folder = variant("toy", seed=f"# EVOLVE-BLOCK-START\n{block}\n# EVOLVE-BLOCK-END\n")
    ended = evolve("check", folder)
    assert [one for one in ended.out.splitlines() if "tuner" in one] == (
        [f"BAD   tuner: {line}"] if line else []
    )
    assert ("not sound" in ended.out) == (ended.code == 1) == (line is not None)


def test_a_seed_that_no_proposer_can_change_is_said_at_the_start(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    block = "def answer():\n    return sys.api_version"
    toy = variant("toy", seed=f"import sys\n# EVOLVE-BLOCK-START\n{block}\n# EVOLVE-BLOCK-END\n")
    ended = evolve("run", toy, "--evals", 1, "--seed", 1, "--json")
    assert ended.code == 0, ended.err
    assert "evolve: tree cannot change seed seed.py: no operator found anything" in ended.one_line


def test_an_array_for_a_program_without_numpy_says_so(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    folder = variant(
        "toy",
        ("from evolve import", "import numpy\n\nfrom evolve import"),
        ('candidate.call("answer")', 'candidate.call("answer", numpy.ones(3))'),
    )
    ended = evolve("run", folder, "--evals", 1)
    assert ended.code == 5
    assert "numpy is not required (requires=['numpy'])" in ended.one_line


def test_what_a_stage_prints_is_apart_and_inert(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    folder = variant(
        "toy",
        (
            '    found = candidate.call("answer")\n',
            '    found = candidate.call("answer")\n    print("\\x1b[2Jprinted")\n'
            "    import sys\n    sys.stdout.close()\n",
        ),
        ("problem = Problem(", 'print("imported")\nproblem = Problem('),
        seed="\ufeff# EVOLVE-BLOCK-START\ndef answer():\n    return 1\n# EVOLVE-BLOCK-END\n",
    )
    ended = evolve("evaluate", folder, folder / "seed.py", "--json")
    assert ended.code == 0, ended.err
    assert ended.data["valid"] is True
    assert "imported" in ended.err
    assert "\\x1b[2Jprinted" in ended.err


def test_a_test_stage_that_fails_is_not_the_champions_fault(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    folder = variant("toy")
    text = (folder / "problem.py").read_text()
    begun, _, rest = text.partition("@problem.test(timeout_s=2.0, memory_mb=256)\n")
    _, _, behind = rest.partition("@problem.baseline")
    final = "@problem.test()\ndef final(candidate):\n    return 1 / 0\n\n\n@problem.baseline"
    (folder / "problem.py").write_text(begun + final + behind)
    ended = evolve("run", folder, "--evals", 2, "--name", "a")
    assert ended.code == 5
    assert "test: stage 'final' raised ZeroDivisionError" in ended.one_line
    assert evolve("best", "a").code == 0


def test_an_import_of_a_file_beside_is_answered_with_how_to_write_it(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    folder = variant("toy", ("from evolve import", "import cases\nfrom evolve import"))
    (folder / "cases.py").write_text("X = 3\n")
    assert "write `from .cases import ...`" in evolve("check", folder).one_line


def test_streams_that_are_closed_or_know_few_characters(evolve: Evolve, toy: Path) -> None:
    folder = shutil.copytree(toy, evolve.folder / "Æther 問題 (neu)")
    check = shlex.join(map(str, evolve.command("check", folder)))

    def said(line: str, **environment: str) -> tuple[int, str]:
        ended = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=evolve.folder, env={**os.environ, **environment},
            capture_output=True, check=False,
        )  # fmt: skip
        return ended.returncode, (ended.stdout + ended.stderr).decode(errors="replace")

    assert said(f"{check} >&-") == (0, "")
    assert said(f"{check} >/dev/full") == (3, "evolve: No space left on device: here\n")
    code, text = said(check, PYTHONIOENCODING="latin-1")
    assert (code, "ther\\u554f\\u984c(neu)/problem.py" in "".join(text.split())) == (0, True)
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    code, text = said(check, **plain)
    assert (code, "set PYTHONUTF8=1" in text, text.count("\n")) == (2, True, 1)
