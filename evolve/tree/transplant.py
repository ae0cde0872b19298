"""Crossover: expressions and statements of other programs, their names made to fit."""

from __future__ import annotations

import ast
import builtins
from dataclasses import replace

from evolve.tree import build
from evolve.tree.kinds import Kind
from evolve.tree.places import Scope, Site, Slot, Source
from evolve.tree.statements import line_before, takes_a_line_before
from evolve.tree.text import Splice, statement_text
from evolve.tree.work import Work

_DEPTH_OF_DEFINITIONS = 3
_ROOTED = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Import, ast.ImportFrom),
    *(ast.Global, ast.Nonlocal, ast.Await, ast.Yield, ast.YieldFrom, ast.AsyncFor, ast.AsyncWith),
    *(ast.NamedExpr, ast.Match),
)
"""What means something else, or nothing, in another place."""
_FILLED = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def crossover(work: Work) -> list[Splice] | None:
    """An expression of another program in the place of one, or joined to it."""
    donor = _donor(work)
    site = work.typed_site()
    if donor is None or site is None:
        return None
    found = [other for other in donor.sites if other.kind is site.kind and not other.held]
    if not found:
        return None
    # big pieces carry what was learnt; a lone name or number does not
    rich = [other for other in found if not isinstance(other.node, ast.Name | ast.Constant)]
    other = work.rng.choice(rich if rich and work.rng.random() < 0.85 else found)
    new = fitted(work, other.node, other.scope, site.scope)
    if new is None:
        return None
    if site.kind is Kind.NUMBER and work.rng.random() < 0.25:
        new = _joined(work, site, new)
    return work.put(site, new)


def _joined(work: Work, site: Site, new: ast.expr) -> ast.expr | None:
    rng = work.rng
    choice = rng.random()
    if choice < 0.4:
        return build.binary(site.node, rng.choice((ast.Add, ast.Sub, ast.Mult))(), new)
    if choice < 0.6:
        return build.call(rng.choice(("min", "max")), [site.node, new])
    branches = [site.node, new]
    rng.shuffle(branches)
    return build.conditional(work.grow.boolean(site.scope, 2), *branches)


def graft(work: Work) -> list[Splice] | None:
    """A statement of another program before one of this."""
    donor = _donor(work)
    slots = work.source.slots_where(takes_a_line_before)
    if donor is None or not slots:
        return None
    pieces = [
        slot
        for slot in donor.slots
        if isinstance(slot.statement, ast.If | ast.Assign | ast.AugAssign)
    ]
    if not pieces:
        return None
    piece, slot = work.rng.choice(pieces), work.rng.choice(slots)
    if any(isinstance(part, ast.Return) for part in ast.walk(piece.statement)) and (
        piece.returns is not slot.returns or slot.returns is Kind.OTHER
    ):
        return None
    new = fitted_statement(work, piece.statement, piece.scope, slot.scope)
    return line_before(work, slot, new) if new is not None else None


def recombine(work: Work) -> list[Splice] | None:
    """The bodies of one function in two programs: the first of one, then the rest of the other."""
    rng = work.rng
    donor = _donor(work)
    if donor is None:
        return None
    heads = _bodies(work.source)
    tails = _bodies(donor)
    shared = sorted(heads.keys() & tails.keys())
    if not shared:
        return None
    mine, other = heads[name := rng.choice(shared)], tails[name]
    keep = rng.randint(0, len(mine) - 1)
    take = rng.randint(0 if keep else min(1, len(other) - 1), len(other) - 1)
    first = mine[keep]
    lines = work.lines(first)
    if not takes_a_line_before(first, lines):
        return None
    names, assignable = dict(first.scope.names), first.scope.assignable
    pieces: list[ast.stmt] = []
    for slot in other[take:]:
        scope = replace(first.scope, names=names, assignable=assignable)
        new = fitted_statement(work, slot.statement, slot.scope, scope)
        if new is None:
            return None
        pieces.append(new)
        if isinstance(new, ast.Assign) and isinstance(new.targets[0], ast.Name):
            names[new.targets[0].id] = scope.kind_of(new.value)
            assignable |= {new.targets[0].id}
    last = first.body[first.last]
    assert last.end_lineno is not None
    indentation = lines.indentation(first.statement.lineno)
    text = "".join(statement_text(piece, indentation, lines.newline) for piece in pieces)
    start, end = lines.start_of(first.statement.lineno), lines.end_of(last.end_lineno)
    return [Splice(first.part.file, start, end, text)]


def _bodies(source: Source) -> dict[str, list[Slot]]:
    """Slots of the outermost statements of each function, by the function's name."""
    found: dict[str, list[Slot]] = {}
    for slot in source.slots:
        if slot.function and slot.outermost:
            found.setdefault(slot.function, []).append(slot)
    return found


def _donor(work: Work) -> Source | None:
    return work.rng.choice(work.others) if work.others else None


def fitted(work: Work, node: ast.expr, there: Scope, here: Scope) -> ast.expr | None:
    """An expression from `there` as it can stand `here`; None where it cannot.

    A name that is unknown here gives way to the expression that defined it there, or to a name of
    the same kind, always to the same one.
    """
    chosen: dict[str, ast.expr] = {}

    def fit(part: ast.AST, depth: int) -> ast.AST | None:
        if isinstance(part, ast.NamedExpr):
            raise _Misfit  # the name that it sets is read elsewhere
        if not isinstance(part, ast.Name) or _means_the_same(part.id, there, here):
            return None
        if part.id in there.functions:
            raise _Misfit  # no other value can be called in its place
        if part.id not in chosen:
            chosen[part.id] = _stand_in(part.id, depth)
        return chosen[part.id]

    def _stand_in(name: str, depth: int) -> ast.expr:
        definition = there.definitions.get(name)
        if definition is not None and isinstance(definition, _FILLED):
            definition = None  # what is put into it would be lost
        if definition is not None and depth and work.rng.random() < 0.8:
            made = build.rebuilt(definition, lambda inner: fit(inner, depth - 1))
            assert isinstance(made, ast.expr)
            return made
        replacement = work.grow.name(here, there.names.get(name, Kind.OTHER))
        if replacement is None:
            raise _Misfit
        return replacement

    try:
        made = build.rebuilt(node, lambda part: fit(part, _DEPTH_OF_DEFINITIONS))
    except _Misfit:
        return None
    assert isinstance(made, ast.expr)
    return made


class _Misfit(Exception):
    """A name of the other program has no counterpart here."""


def _means_the_same(name: str, there: Scope, here: Scope) -> bool:
    if name in there.names:
        return here.names.get(name) is there.names[name]
    if name in here.names:
        return False
    return name in here.modules or name in here.functions or hasattr(builtins, name)


def fitted_statement(work: Work, statement: ast.stmt, there: Scope, here: Scope) -> ast.stmt | None:
    """A statement from `there` as it can stand `here`; None where it cannot.

    A local that it sets keeps its name where it is new there as well, or known here.
    """
    loop = isinstance(statement, ast.For | ast.While)
    for part in ast.walk(statement):
        if isinstance(part, _ROOTED) or (isinstance(part, ast.Break | ast.Continue) and not loop):
            return None
    stored: dict[str, str] = {}
    for name in sorted(build.stored_in(statement)):
        kind = _kind_of(name, statement, there)
        if name in here.assignable and here.names[name] is kind:
            stored[name] = name
        elif name in there.names or name in here.names:
            known = here.assignable_numbers()
            if not known or kind is not Kind.NUMBER:
                return None
            stored[name] = work.rng.choice(known)
        elif name in here.functions or name in here.modules or hasattr(builtins, name):
            return None
        else:
            stored[name] = name

    def fit(part: ast.AST) -> ast.AST | None:
        if isinstance(part, ast.Name) and part.id in stored:
            return ast.Name(id=stored[part.id], ctx=part.ctx)
        if isinstance(part, ast.Name):
            made = fitted(work, part, there, here)
            if made is None:
                raise _Misfit
            return made
        return None

    try:
        made = build.rebuilt(statement, fit)
    except _Misfit:
        return None
    assert isinstance(made, ast.stmt)
    return made


def _kind_of(name: str, statement: ast.stmt, there: Scope) -> Kind:
    """What a name is that a statement sets; a number where nothing is known of it."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
            return there.kind_of(value)
        case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
            return there.kind_of(value)
    return there.names.get(name, Kind.NUMBER)
