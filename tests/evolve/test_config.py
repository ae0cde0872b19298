"""Run files: what they may say, and how mistakes are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve.config import RunFile, parse, plain, read, resolved, weights
from evolve.errors import UsageError
from evolve.llm.models import Model


def test_a_run_file_comes_back_as_it_was_stored() -> None:
    config = parse(
        {"problem": "toy", "budget": {"evals": 5}, "islands": {"count": 2}}, where="here"
    )
    assert parse(plain(config), where="there") == config
    assert config.budget.evals == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("problme = 'x'", "unknown key 'problme'; did you mean 'problem'?"),
        ("[budget]\nevels = 3", "unknown key 'budget.evels'; did you mean 'evals'?"),
        ("[islands]\ncount = 0", "`islands.count`"),
        ("workers = 'two'", "`workers`"),
        ("workers = -1", "`workers`"),
        ("[proposers]\ntree = -1.0", "proposers"),
        ("problem = ", "is not TOML"),
    ],
)
def test_each_mistake_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read(file)
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_run_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read run file"):
        read(tmp_path / "none.toml")


def test_a_run_file_without_end_is_not_read() -> None:
    with pytest.raises(UsageError, match=r"/dev/zero: over \d+ bytes"):
        read(Path("/dev/zero"))


def test_defaults_need_no_file() -> None:
    config = resolved(RunFile(), problem="x", parameters={}, cores=2, seed=1)
    assert weights(config) == {"tree": 1.0}


def test_models_propose_alone_unless_others_are_named() -> None:
    config = RunFile(llm=(Model(model="openai/x", weight=2.0, concurrency=8),))
    config = resolved(config, problem="x", parameters={}, cores=2, seed=1)
    assert weights(config) == {"openai/x": 2.0}
    assert config.lag == 8 + 16
