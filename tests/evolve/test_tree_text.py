"""One expression in the place of another: the tree changes there, the text nowhere else."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from evolve.program import Program
from evolve.tree import build
from evolve.tree.source import source
from evolve.tree.text import replacement, spliced

EXPRESSIONS = st.sampled_from(
    """x; 3; -2; -x; not x; x + y; x - y; x * y; x / y; x ** 2; x if y > 1 else 3; x < y; x < y < 3
    x and y; x or y; not x < y; max(x, y); abs(x - y); (x + y) * 2; -(x + y); x - (y - 1)
    (x if y else 1) + 2; (x, y)[0]; xs[x + 1]; x // (y % 3); (-x) ** 2; x ** -y; (x ** y) ** 2
    ( x  +  y ); ((x)); max( (x) , y ); abs((x)); (x and y) or y; (not x) + 1""".replace(
        "\n", ";"
    ).split(";")
)
STATEMENTS = st.sampled_from(
    [
        "return {}",
        "z = ({})",
        "if {}: x = 1",
        "while {}: pass",
        "x += {}",
        "return (  # why\n        {})",
    ]
)


@given(STATEMENTS, EXPRESSIONS, EXPRESSIONS, st.data())
def test_the_tree_is_the_one_with_the_node_exchanged(statement, old, new, data):
    line = statement.format(old.strip())
    text = (
        "# EVOLVE-BLOCK-START\n"
        f"def f(x: int, y: int, xs: list[int]) -> int:\n    {line}  # «ünder»\n    return 1\n"
        "# EVOLVE-BLOCK-END\n"
    )
    program = Program.of({"a.py": text})
    found = source(program)
    site = data.draw(st.sampled_from(found.sites))
    node = ast.parse(new.strip(), mode="eval").body
    lines = found.lines_of(site.part)
    splice = replacement(lines, "a.py", site.node, node, site.parent, site.field)
    child = ast.parse(spliced(text, [splice]))
    tree = ast.parse(text)
    above = found.above[site.part]
    first, last = site.node.lineno + above, (site.node.end_lineno or 0) + above
    where = (first, site.node.col_offset, last, site.node.end_col_offset)

    def exchange(part: ast.AST) -> ast.AST | None:
        own = [
            getattr(part, name, None)
            for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")
        ]
        return node if isinstance(part, ast.expr) and tuple(own) == where else None

    assert ast.dump(child) == ast.dump(build.rebuilt(tree, exchange))


@given(EXPRESSIONS)
def test_no_parentheses_are_left_around_a_name(old):
    text = f"# EVOLVE-BLOCK-START\nx = 1\nz = 2 * ({old.strip()})\n# EVOLVE-BLOCK-END\n"
    found = source(Program.of({"a.py": text}))
    outer = ast.parse(text).body[1]
    assert isinstance(outer, ast.Assign)
    assert isinstance(outer.value, ast.BinOp)
    parent = next(
        site.node
        for site in found.sites
        if isinstance(site.parent, ast.Assign)
        and site.field == "value"
        and isinstance(site.node, ast.BinOp)
    )
    assert isinstance(parent, ast.BinOp)
    lines = found.lines["a.py"]
    splice = replacement(lines, "a.py", parent.right, build.name("x"), parent, "right")
    assert spliced(text, [splice]).split("\n")[2] == "z = 2 * x"
