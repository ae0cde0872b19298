"""Templates: a problem's own take the place of ours; a mistake in one is a line before anything."""

from __future__ import annotations

import random

import pytest

from evolve.errors import FaultError
from evolve.prompts import Operator, draw, load_templates
from evolve.prompts.templates import FIELDS, FOLDER


def written(tmp_path, name: str, text: str):
    (tmp_path / "prompts").mkdir(exist_ok=True)
    (tmp_path / "prompts" / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_file_is_a_template_and_the_other_way_round():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(FIELDS)


def test_a_folder_without_templates_changes_nothing(tmp_path):
    assert load_templates(tmp_path).hash == load_templates().hash


def test_a_problems_own_template_is_used_and_changes_the_hash(tmp_path):
    templates = load_templates(written(tmp_path, "hint.txt", "Try this: $hint\n"))
    assert templates.fill("hint", hint="less") == "Try this: less"
    assert templates.hash != load_templates().hash


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("hint.txt", "a\n$hnt\n", r"hint.txt:2: no field \$hnt; did you mean 'hint'\?"),
        ("hint.txt", "costs 5 $ or so", r"hint.txt:1: a '\$' without the name of a field"),
        ("hints.txt", "a", r"no template 'hints'; did you mean 'hint'\?"),
        ("diff.txt", "$format", r"\$parent is missing"),
        ("fixed.txt", "Improve it.", r"\$statement is missing"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(tmp_path, name, text, reason):
    with pytest.raises(FaultError, match=reason) as caught:
        load_templates(written(tmp_path, name, text))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    written(tmp_path, "hint.txt", "")
    (tmp_path / "prompts" / "hint.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(FaultError, match="cannot be read"):
        load_templates(tmp_path)


def test_an_empty_field_takes_its_line_along(tmp_path):
    templates = load_templates(written(tmp_path, "parent.txt", "a\n\n$standing\n\n$code\n\n$id b"))
    assert templates.fill("parent", standing="", code="c", id="") == "a\n\nc\n\n b"


def test_a_value_is_not_filled_in_again():
    assert load_templates().fill("hint", hint="$5 and ${hint}").endswith("$5 and ${hint}")


def test_half_of_a_surrogate_pair_is_an_escape_as_no_request_can_hold_it():
    retry = load_templates().fill("retry", reason="\ud800 in é", nearest="", again="Again.")
    assert "\\ud800 in é" in retry
    retry.encode()


def test_the_first_prompts_differ():
    templates = load_templates()
    recipes = [draw(random.Random(k), templates, attempt=k, parent=1) for k in range(8)]
    assert len({(recipe.operator, recipe.hint) for recipe in recipes}) == 8
    assert all(recipe.hint for recipe in recipes)


def test_attempts_of_one_island_come_to_all_hints():
    templates = load_templates()
    only = {Operator.DIFF: 1.0}
    hints = {
        draw(random.Random(0), templates, attempt=k, parent=1, weights=only).hint
        for k in range(0, 200, 4)
    }
    assert hints == set(templates.lines("hints_diff"))


def test_a_crossover_is_drawn_only_with_another_program():
    templates = load_templates()
    weights = {Operator.CROSSOVER: 1.0}
    for others, operator in (((1,), Operator.DIFF), ((2, 1), Operator.CROSSOVER)):
        recipe = draw(
            random.Random(0), templates, attempt=0, parent=1, inspirations=others, weights=weights
        )
        assert recipe.operator is operator
        assert 1 not in recipe.inspirations


def test_after_stagnation_some_prompts_ask_for_another_idea():
    templates = load_templates()
    recipes = [
        draw(random.Random(k), templates, attempt=k, parent=1, since_best=500) for k in range(60)
    ]
    asking = [recipe for recipe in recipes if recipe.stagnant_for]
    assert 5 < len(asking) < 40
    assert all(r.operator is Operator.REWRITE and r.stagnant_for == 500 for r in asking)
    fresh = [draw(random.Random(k), templates, attempt=k, parent=1) for k in range(60)]
    assert not any(recipe.stagnant_for for recipe in fresh)
