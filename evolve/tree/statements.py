"""Operators that add, remove, move or rewrite statements."""

from __future__ import annotations

import ast
from dataclasses import replace

from evolve.tree import build
from evolve.tree.kinds import KNOWN, Kind, dotted
from evolve.tree.places import Scope, Site, Slot
from evolve.tree.text import Lines, Splice, moved, statement_text
from evolve.tree.work import Work

_DECLARING = (ast.Global, ast.Nonlocal)
"""Nothing may be said of a name before these say what it is."""
_FIXED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom,
          *_DECLARING)  # fmt: skip
"""What stays, where it stands: more than can be seen leans on it."""
_LOCAL_NAMES = ("score", "value", "part", "term", "base", "factor", "weight", "extra", "bonus")


def guard(work: Work) -> list[Splice] | None:
    """`if condition: return value` before a statement."""
    rng, grow = work.rng, work.grow
    slots = work.source.slots_where(_may_be_guarded)
    if not slots:
        return None
    slot = rng.choice(slots)
    if not slot.scope.of_kind(Kind.NUMBER):
        return None
    value: ast.expr | None = None
    given = _returned_values(slot)
    if given and rng.random() < 0.5:
        value = rng.choice(given)
        if slot.returns is Kind.NUMBER:
            value = grow.arithmetic(value, slot.scope, rng.choice((1, 1, 2)))
    value = value or grow.of_kind(slot.returns, slot.scope, rng.choice((0, 0, 1, 2)))
    after = slot.statement.value if isinstance(slot.statement, ast.Return) else None
    if value is None or (after is not None and build.same(value, after)):
        return None
    test = grow.boolean(slot.scope, 2)
    return line_before(work, slot, ast.If(test=test, body=[ast.Return(value=value)], orelse=[]))


def _may_be_guarded(slot: Slot, lines: Lines) -> bool:
    return slot.returns in (Kind.NUMBER, Kind.BOOLEAN) and takes_a_line_before(slot, lines)


def _returned_values(slot: Slot) -> list[ast.expr]:
    return [
        node.value
        for statement in slot.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Return)
        and node.value is not None
        and slot.scope.kind_of(node.value) is slot.returns
        and build.names_in(node.value) <= slot.scope.names.keys() | {"abs", "min", "max", "math"}
    ]


def insert(work: Work) -> list[Splice] | None:
    """A statement that changes a local, on a condition or always; a result gets a name first."""
    rng, grow = work.rng, work.grow
    slots = work.source.slots_where(takes_a_line_before)
    if not slots:
        return None
    slot = rng.choice(slots)
    if isinstance(slot.statement, ast.Return) and slot.returns is Kind.NUMBER:
        value = slot.statement.value
        if value is not None and not isinstance(value, ast.Name | ast.Constant):
            return _adjusted_result(work, slot, value)
    changeable = slot.scope.assignable_numbers()
    if not changeable:
        return None
    update = _update(work, rng.choice(changeable), slot.scope)
    if update is None:
        return None
    if rng.random() < 0.7:
        update = ast.If(test=grow.boolean(slot.scope, 2), body=[update], orelse=[])
    return line_before(work, slot, update)


def _adjusted_result(work: Work, slot: Slot, value: ast.expr) -> list[Splice] | None:
    """`score = value`, then `if condition: score += term`, then `return score`."""
    lines, statement = work.lines(slot), slot.statement
    name = _new_name(work)
    if not slot.scope.of_kind(Kind.NUMBER):
        return None
    known = replace(slot.scope, names={**slot.scope.names, name: Kind.NUMBER})
    update = _update(work, name, known)
    if update is None:
        return None
    change: ast.stmt = ast.If(test=work.grow.boolean(slot.scope, 2), body=[update], orelse=[])
    if work.rng.random() < 0.2:
        change = update
    indentation, newline = lines.indentation(statement.lineno), lines.newline
    start, end = lines.span(statement)
    value_start, value_end = lines.span(value)
    whole = lines.text[start:end].removeprefix("return").strip()
    text = whole if whole else lines.text[value_start:value_end]
    return [
        Splice(
            slot.part.file,
            lines.start_of(statement.lineno),
            end,
            f"{indentation}{name} = {text}{newline}"
            + statement_text(change, indentation, newline)
            + f"{indentation}return {name}",
        )
    ]


def _update(work: Work, name: str, scope: Scope) -> ast.stmt | None:
    """`name += ...`, `name *= ...` or `name = ...`."""
    rng, grow = work.rng, work.grow
    target = ast.Name(id=name, ctx=ast.Store())
    choice = rng.random()
    value = grow.number(scope, rng.choice((0, 1, 1, 2)))
    if isinstance(value, ast.Name) and value.id == name:
        return None
    if choice < 0.6:
        if build.value_of(value) == 0:
            return None
        return ast.AugAssign(target=target, op=rng.choice((ast.Add, ast.Sub))(), value=value)
    if choice < 0.85:
        if build.value_of(value) in (0, 1):
            return None
        return ast.AugAssign(target=target, op=ast.Mult(), value=value)
    return ast.Assign(targets=[target], value=value, lineno=0)


def _new_name(work: Work) -> str:
    taken = work.source.names
    for name in _LOCAL_NAMES:
        if name not in taken:
            return name
    number = 2
    while f"{_LOCAL_NAMES[0]}{number}" in taken:
        number += 1
    return f"{_LOCAL_NAMES[0]}{number}"


def hoist(work: Work) -> list[Splice] | None:
    """A subexpression gets a name on the line before, and is used by it wherever it stood."""
    rng = work.rng
    sites = work.source.sites_where(_may_get_a_name)
    if not sites:
        return None
    site = rng.choice(sites)
    slot = next(
        (
            slot
            for slot in reversed(work.source.slots)
            if slot.part is site.part and id(site.node) in _own_nodes(slot.statement)
        ),
        None,
    )
    if (
        slot is None
        or not takes_a_line_before(slot, work.lines(slot))
        or isinstance(slot.statement, ast.While)
    ):
        return None
    name = _new_name(work)
    splices = line_before(
        work,
        slot,
        ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=site.node, lineno=0),
    )
    within = _own_nodes(slot.statement)
    for twin in work.source.sites:
        if twin.part is site.part and id(twin.node) in within and build.same(twin.node, site.node):
            splices += work.put(twin, build.name(name)) or []
    return splices


def _may_get_a_name(site: Site) -> bool:
    if site.kind is not Kind.NUMBER or isinstance(site.node, ast.Name | ast.Constant):
        return False
    return build.value_of(site.node) is None


def _own_nodes(statement: ast.stmt) -> set[int]:
    """Identities of the nodes in the value or the test of a statement."""
    own = (getattr(statement, "value", None), getattr(statement, "test", None))
    return {id(part) for root in own if root is not None for part in ast.walk(root)}


def delete(work: Work) -> list[Splice] | None:
    """A statement that nothing behind it needs goes."""
    slots = work.source.slots_where(_may_go)
    if not slots:
        return None
    slot = work.rng.choice(slots)
    lines = work.lines(slot)
    start = lines.start_of(slot.statement.lineno)
    return [Splice(slot.part.file, start, _end_of(lines, slot.statement), "")]


def _may_go(slot: Slot, lines: Lines) -> bool:
    statement = slot.statement
    if not alone(slot, lines):
        return False
    if len(slot.body) < 2 or isinstance(statement, _FIXED):
        return False
    if slot.index == len(slot.body) - 1 and leaves(slot.body):
        return False
    if ends_a_loop(slot):
        return False
    bound = bound_anew(slot)
    if not bound:
        return True
    behind: set[str] = set()
    for index, other in enumerate(slot.body):
        # a function that was defined before may be called behind
        if index > slot.index or isinstance(other, ast.FunctionDef):
            behind |= build.names_in(other)
    return not bound & behind and slot.returns is not Kind.OTHER


def ends_a_loop(slot: Slot) -> bool:
    """Whether the condition of the `while` around it depends on what the statement does."""
    if not isinstance(slot.loop, ast.While):
        return False
    changed = set(build.stored_in(slot.statement))
    for node in ast.walk(slot.statement):
        if isinstance(node, ast.Call) and dotted(node.func) not in KNOWN:
            changed |= build.names_in(node)  # as `heap` in `heappop(heap)`, or `queue.pop()`
    return not changed.isdisjoint(build.names_in(slot.loop.test))


def bound_anew(slot: Slot) -> frozenset[str]:
    """Names that a statement sets and that may have no value before it."""
    return build.stored_in(slot.statement) - slot.scope.names.keys()


def unwrap(work: Work) -> list[Splice] | None:
    """The body of an `if` in the place of the `if`."""
    slots = work.source.slots_where(_may_be_unwrapped)
    if not slots:
        return None
    slot = work.rng.choice(slots)
    assert isinstance(slot.statement, ast.If)
    bodies = [body for body in (slot.statement.body, slot.statement.orelse) if body]
    chosen = work.rng.choice(bodies)
    lines = work.lines(slot)
    indentation, newline = lines.indentation(slot.statement.lineno), lines.newline
    text = moved(lines, chosen, indentation) or "".join(
        statement_text(statement, indentation, newline) for statement in chosen
    )
    start = lines.start_of(slot.statement.lineno)
    # behind a statement that leaves, nothing is reached any more
    last = slot.body[slot.last] if leaves(chosen) else slot.statement
    return [Splice(slot.part.file, start, _end_of(lines, last), text)]


def _may_be_unwrapped(slot: Slot, lines: Lines) -> bool:
    return isinstance(slot.statement, ast.If) and alone(slot, lines) and not _is_elif(slot, lines)


def leaves(body: list[ast.stmt]) -> bool:
    """Whether control never comes out at the end of a body."""
    match body[-1]:
        case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
            return True
        case ast.If(body=first, orelse=second):
            return bool(second) and leaves(first) and leaves(second)
    return False


def swap(work: Work) -> list[Splice] | None:
    """Two neighbouring statements that do not need each other change places."""
    slots = work.source.slots_where(_may_be_swapped)
    if not slots:
        return None
    slot = work.rng.choice(slots)
    second = slot.behind[0]
    lines = work.lines(slot)
    first_start, first_end = (
        lines.start_of(slot.statement.lineno),
        _end_of(lines, slot.statement),
    )
    second_start, second_end = lines.start_of(second.lineno), _end_of(lines, second)
    if second_start < first_end:
        return None
    first_text = lines.text[first_start:first_end]
    middle = lines.text[first_end:second_start]
    return [
        Splice(
            slot.part.file,
            first_start,
            second_end,
            lines.text[second_start:second_end] + middle + first_text,
        )
    ]


def _may_be_swapped(slot: Slot, lines: Lines) -> bool:
    """Whether it and the statement behind it may change places."""
    first = slot.statement
    if not slot.behind or not alone(slot, lines) or _is_elif(slot, lines):
        return False
    second = slot.behind[0]
    if isinstance(first, (ast.Return, *_FIXED)) or isinstance(second, (ast.Return, *_DECLARING)):
        return False
    mine, other = build.stored_in(first), build.stored_in(second)
    return not (mine & build.names_in(second) or other & build.names_in(first))


def line_before(work: Work, slot: Slot, statement: ast.stmt) -> list[Splice]:
    """A new statement on lines of its own before that of the slot."""
    lines = work.lines(slot)
    line = slot.statement.lineno
    start = lines.start_of(line)
    text = statement_text(statement, lines.indentation(line), lines.newline)
    return [Splice(slot.part.file, start, start, text)]


def takes_a_line_before(slot: Slot, lines: Lines) -> bool:
    if isinstance(slot.statement, _FIXED):
        return False
    return _begins_its_line(slot, lines) and not _is_elif(slot, lines)


def _begins_its_line(slot: Slot, lines: Lines) -> bool:
    start, _ = lines.span(slot.statement)
    return not lines.text[lines.start_of(slot.statement.lineno) : start].strip()


def _is_elif(slot: Slot, lines: Lines) -> bool:
    start, _ = lines.span(slot.statement)
    return lines.text.startswith("elif", start)


def alone(slot: Slot, lines: Lines) -> bool:
    """No other statement shares a line with it."""
    _, end = lines.span(slot.statement)
    assert slot.statement.end_lineno is not None
    rest = lines.text[end : lines.end_of(slot.statement.end_lineno)].strip()
    return _begins_its_line(slot, lines) and (not rest or rest.startswith("#"))


def _end_of(lines: Lines, statement: ast.stmt) -> int:
    assert statement.end_lineno is not None
    return lines.end_of(statement.end_lineno)
