"""Operators that change one expression."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from evolve.tree import arrays, build
from evolve.tree.kinds import ARRAYS, KNOWN, Kind, dotted
from evolve.tree.places import Site
from evolve.tree.text import Splice
from evolve.tree.work import Work

_OTHER_ANSWER: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
"""Comparisons of what need not have an order."""
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)


def constant(work: Work) -> list[Splice] | None:
    """Other values for one literal, or for several at once."""
    rng = work.rng
    literals = work.source.sites_where(_is_whole_literal)
    if not literals:
        return None
    count = 1 if rng.random() < 0.7 else rng.randint(1, min(4, len(literals)))
    splices = []
    for site in rng.sample(literals, count):
        splices += work.put(site, build.number(_other_value(work, site))) or []
    return splices


def _other_value(work: Work, site: Site) -> float:
    rng, grow = work.rng, work.grow
    value = build.value_of(site.node)
    assert value is not None
    match site.parent:
        case ast.BinOp(op=ast.Pow(), right=right) if right is site.node:
            # whole exponents stay whole: the base may be negative
            return rng.randint(2, 4) if isinstance(value, int) else rng.choice((0.3, 0.5, 0.7, 1.5))
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            signed = False  # `x + -3` is written `x - 3`
        case _:
            signed = True
    new = grow.near(value) if rng.random() < 0.9 else grow.value()
    if site.held:
        new = round(new) or (1 if is_step(site) else 0)
    return new if signed else abs(new)


def is_step(site: Site) -> bool:
    """Whether it is the step of a slice, which may not be 0."""
    return isinstance(site.parent, ast.Slice) and site.field == "step"


def _is_whole_literal(site: Site) -> bool:
    if build.value_of(site.node) is None:
        return False
    signed = isinstance(site.parent, ast.UnaryOp) and isinstance(site.parent.op, ast.USub)
    return not signed


def point(work: Work) -> list[Splice] | None:
    """Another sign, comparison, name or function in one place, the operands staying."""
    site = work.typed_site()
    return work.put(site, _pointed(work, site)) if site is not None else None


def _pointed(work: Work, site: Site) -> ast.expr | None:
    rng, grow = work.rng, work.grow
    match site.node:
        case ast.BinOp(left=left, op=sign, right=right):
            if rng.random() < 0.25:
                return build.binary(right, sign, left)
            others = [kind for kind in _ARITHMETIC if not isinstance(sign, kind)]
            return build.binary(left, rng.choice(others)(), right)
        case ast.Compare(left=left, ops=[test], comparators=[right]):
            if type(test) in _OTHER_ANSWER:
                return ast.Compare(
                    left=left, ops=[_OTHER_ANSWER[type(test)]()], comparators=[right]
                )
            if rng.random() < 0.15:
                return build.compare(right, test, left)
            tests = [kind for kind in build.COMPARISONS if not isinstance(test, kind)]
            return build.compare(left, rng.choice(tests)(), right)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            index = rng.randrange(len(ops))
            if type(ops[index]) in _OTHER_ANSWER:
                return None
            changed = [*ops]
            changed[index] = rng.choice(build.COMPARISONS[:4])()
            return ast.Compare(left=left, ops=changed, comparators=comparators)
        case ast.BoolOp(op=op, values=values):
            if rng.random() < 0.5:
                other = ast.Or() if isinstance(op, ast.And) else ast.And()
                return ast.BoolOp(op=other, values=values)
            kept = [*values]
            kept.pop(rng.randrange(len(kept)))
            return kept[0] if len(kept) == 1 else ast.BoolOp(op=op, values=kept)
        case ast.UnaryOp(operand=operand):
            return operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return build.conditional(test, orelse, body)
        case ast.Call(func=func, args=args, keywords=[]) if len(args) in (1, 2):
            if (dotted(func) or "") not in KNOWN:
                return None
            known = work.grow.callable_at(site.scope, len(args))
            return build.call(rng.choice(known).name, args) if known else None
        case ast.Name() | ast.Constant():
            if site.kind is Kind.BOOLEAN:
                return build.opposite(site.node)
            if site.kind is Kind.MASK:
                return ast.UnaryOp(op=ast.Invert(), operand=site.node)
            if site.kind in ARRAYS:
                return grow.name(site.scope, site.kind)
            return grow.terminal(site.scope)
    return None


def subtree(work: Work) -> list[Splice] | None:
    """A new random expression in the place of one."""
    site = work.typed_site()
    if site is None:
        return None
    new = work.grow.of_kind(site.kind, site.scope, work.rng.choice((1, 1, 2, 2, 3)))
    return work.put(site, new)


def extend(work: Work) -> list[Splice] | None:
    """One more term, factor or condition joined to an expression."""
    rng, grow = work.rng, work.grow
    site = work.typed_site()
    if site is None:
        return None
    if site.kind is Kind.BOOLEAN:
        op = rng.choice((ast.And(), ast.Or()))
        new = build.junction(site.node, op, grow.boolean(site.scope, 1))
    elif site.kind is Kind.MASK:
        kind = arrays.some_kind(grow, site.scope)
        new = arrays.joined(grow, site.node, kind, site.scope, 1)
    elif site.kind in ARRAYS:
        new = arrays.arithmetic(grow, site.node, site.kind, site.scope, rng.choice((1, 2, 2, 3)))
    else:
        new = grow.arithmetic(site.node, site.scope, rng.choice((1, 2, 2, 3)))
    return work.put(site, new)


def condition(work: Work) -> list[Splice] | None:
    """A number becomes a conditional expression with another one; an array, a `where`."""
    rng, grow = work.rng, work.grow
    over = work.site_of(*ARRAYS)
    site = work.site_of(Kind.NUMBER) if over is None or rng.random() < 0.5 else None
    if site is None:
        new = arrays.chosen(grow, over.node, over.kind, over.scope, 2) if over else None
        return work.put(over, new) if over else None
    other = grow.number(site.scope, rng.choice((0, 1, 2)))
    if rng.random() < 0.4:
        varied = grow.arithmetic(site.node, site.scope, 1)
        other = varied or other
    branches = [site.node, other]
    rng.shuffle(branches)
    new = build.conditional(grow.boolean(site.scope, 2), *branches)
    return work.put(site, new)


def wrap(work: Work) -> list[Splice] | None:
    """A function around a number, `not` around a condition, a minus."""
    rng, grow = work.rng, work.grow
    site = work.typed_site()
    if site is None:
        return None
    new: ast.expr | None
    if site.kind is Kind.BOOLEAN:
        new = build.opposite(site.node)
    elif site.kind is Kind.MASK:
        new = ast.UnaryOp(op=ast.Invert(), operand=site.node)
    elif site.kind in ARRAYS:
        new = arrays.called(grow, site.node, site.kind, site.scope, 1)
    elif rng.random() < 0.25:
        new = build.negative(site.node)
    else:
        new = grow.called(site.node, site.scope, 1)
    return work.put(site, new)


def shrink(work: Work) -> list[Splice] | None:
    """A part of an expression in the place of the whole."""
    site = work.typed_site()
    if site is None:
        return None
    parts = [
        node
        for node in ast.walk(site.node)
        if isinstance(node, ast.expr)
        and node is not site.node
        and site.scope.kind_of(node) is site.kind
    ]
    return work.put(site, work.rng.choice(parts)) if parts else None


def exchange(work: Work) -> list[Splice] | None:
    """Two expressions of one kind change places, or one is copied over the other."""
    rng = work.rng
    site = work.typed_site()
    if site is None:
        return None
    others = [
        other
        for other in work.source.sites
        if other.kind is site.kind and other.part.file == site.part.file and not other.held
    ]
    other = rng.choice(others)
    if not build.names_in(other.node) <= site.scope.names.keys():
        return None
    copied = work.put(site, other.node)
    (a_start, a_end), (b_start, b_end) = (work.lines(p).span(p.node) for p in (site, other))
    apart = a_end <= b_start or b_end <= a_start
    if apart and rng.random() < 0.5 and build.names_in(site.node) <= other.scope.names.keys():
        return (copied or []) + (work.put(other, site.node) or [])
    return copied
