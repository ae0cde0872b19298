"""What a problem draws of the object found, on its way to a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evolve.picture import MAX_BYTES, PictureError, checked

from .conftest import Evolve

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'


def test_shapes_text_and_gradients_pass() -> None:
    inside = (
        '<defs><linearGradient id="g"><stop offset="0" stop-color="red"/></linearGradient></defs>'
        '<g transform="scale(2)"><rect width="4" height="4" fill="url(#g)"/>'
        "<text x='1' y='2'>1 &lt; 2, größer</text></g>"
    )
    shown = checked(SVG.format(inside))
    assert "<rect" in shown
    assert "1 &lt; 2, größer" in shown
    assert "url(#g)" in shown


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
        '<rect onload="alert(1)"/>',
        '<rect ONCLICK="alert(1)"/>',
        '<a href="javascript:alert(1)"><text>go</text></a>',
        '<image href="http://127.0.0.1/x.png"/>',
        '<use href="#a"/>',
        "<style>* { fill: url(http://127.0.0.1/) }</style>",
        '<rect style="fill: red"/>',
        '<rect fill="url(http://127.0.0.1/a#b)"/>',
        '<rect fill="URL ( //127.0.0.1 )"/>',
        '<rect fill="\\75rl(x)"/>',
        "<foreignObject><p>hi</p></foreignObject>",
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<set attributeName="onload" to="alert(1)"/>',
        '<rect xmlns:x="http://www.w3.org/1999/xlink" x:href="#a"/>',
        "<g>" * 40 + "</g>" * 40,
        "<rect>",
        "<rect/>&nbsp;",
        "<title>\x1b[31m</title>",
    ],
)
def test_anything_else_is_refused(inside: str) -> None:
    with pytest.raises(PictureError):
        checked(SVG.format(inside))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a bin",
        "<svg/>",
        "<html xmlns='http://www.w3.org/1999/xhtml'/>",
        '<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG.format("<text>&a;</text>"),
        '<?xml-stylesheet href="http://127.0.0.1/"?>' + SVG.format("<!-- c --><script/>"),
        SVG.format("<text>" + "x" * MAX_BYTES + "</text>"),
        SVG.format("<g>" * 100_000),
        "\ud800",
        b"<svg/>",
        None,
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(text: object) -> None:
    with pytest.raises(PictureError) as refused:
        checked(text)
    assert "\n" not in str(refused.value)


def test_instructions_and_comments_do_not_get_through() -> None:
    shown = checked('<?xml-stylesheet href="http://127.0.0.1/"?>' + SVG.format("<!-- c -->"))
    assert "stylesheet" not in shown
    assert "<!--" not in shown


DRAW = """
@problem.draw
def draw(artifact):
    {}
"""
ARTIFACT = ("def final(candidate, *, goal):\n    return close(candidate, goal=goal)",
            "def final(candidate, *, goal):\n"
            "    found = candidate.call('answer')\n"
            "    return Score(distance=abs(found - goal), artifact={'found': found})")  # fmt: skip


def _drawing(body: str) -> tuple[str, str]:
    return '@problem.baseline("zero")', DRAW.format(body) + '\n\n@problem.baseline("zero")'


def test_a_run_keeps_the_picture_of_what_was_tested(
    evolve: Evolve, variant: Callable[..., Path]
) -> None:
    body = """return f'<svg xmlns="http://www.w3.org/2000/svg"><text>{artifact["found"]}</text></svg>'"""
    toy = variant("toy", ARTIFACT, _drawing(body))
    ended = evolve("run", toy, "--evals", 3, "--seed", 1, "--name", "a", "--json")
    assert ended.code == 0, ended.err
    best = evolve("show", "a", "--json").data
    found = (evolve.folder / "runs/a/picture.svg").read_text()
    assert f"<text>{1000 - int(float(str(best['test'])))}</text>" in found
    assert "ok" in evolve("check", toy).out


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return '<svg><script/></svg>'", "expected an <svg>"),
        ("raise KeyError('bins')", "drawing raised KeyError"),
        ("return None", "a picture is NoneType"),
        ("raise SystemExit(3)", "drawing raised SystemExit"),
    ],
)
def test_a_fault_of_the_drawing_costs_the_picture_only(
    evolve: Evolve, variant: Callable[..., Path], body: str, reason: str
) -> None:
    toy = variant("toy", ARTIFACT, _drawing(body))
    ended = evolve("run", toy, "--evals", 3, "--seed", 1, "--name", "a")
    assert ended.code == 0, ended.err
    assert f"no picture: {reason}" in ended.err + ended.out
    assert "same test" in ended.out
    assert not (evolve.folder / "runs/a/picture.svg").exists()
    checked = evolve("check", toy)
    assert checked.code == 1
    assert reason in checked.out
