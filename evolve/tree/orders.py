"""Operators on the order and the extent of what is gone through: keys, directions, bounds."""

from __future__ import annotations

import ast

from evolve.tree import build, containers
from evolve.tree.expressions import is_step
from evolve.tree.kinds import Kind, item_of
from evolve.tree.places import Scope, Site, Source
from evolve.tree.text import Splice
from evolve.tree.work import Work

_CHOOSING = frozenset({"min", "max", "sorted"})


def has_orders(source: Source) -> bool:
    return bool(source.sites_where(_has_order))


def order(work: Work) -> list[Splice] | None:
    """Another order: a key, the other direction, the other end, or only a part of a sequence."""
    sites = work.source.sites_where(_has_order)
    if not sites:
        return None
    site = work.rng.choice(sites)
    if isinstance(site.node, ast.Call) and _chooses(site.node):
        return work.put(site, _chosen_otherwise(work, site.node, site.scope))
    return work.put(site, _gone_through_otherwise(work, site))


def _has_order(site: Site) -> bool:
    return _is_gone_through(site) or _chooses(site.node)


def _is_gone_through(site: Site) -> bool:
    return site.field == "iter" and (site.kind in containers.INDEXED or site.kind is Kind.NUMBERS)


def _chooses(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return name in _CHOOSING and not isinstance(argument, ast.Starred)
    return False


def _gone_through_otherwise(work: Work, site: Site) -> ast.expr | None:
    rng, node = work.rng, site.node
    choice = rng.random()
    match node:
        case ast.Call(func=ast.Name(id="reversed"), args=[inner]):
            return inner
    if choice < 0.35:
        return build.call("reversed", [node])
    if choice < 0.75:
        key = containers.sorting_key(work.grow, site.scope, item_of(site.kind))
        if key is None:
            return None if _is_range(node) else build.call("sorted", [node])
        return _call("sorted", node, {"key": key})
    if isinstance(node, ast.Name | ast.Subscript) and not _is_sliced(node):
        return containers.part(work.grow, node)
    return None if _is_range(node) else build.call("sorted", [node])


def _chosen_otherwise(work: Work, node: ast.Call, scope: Scope) -> ast.expr | None:
    rng = work.rng
    assert isinstance(node.func, ast.Name)
    name, of = node.func.id, node.args[0]
    known = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    choice = rng.random()
    if name == "sorted" and choice < 0.3:
        if "reverse" in known:
            del known["reverse"]
        else:
            known["reverse"] = ast.Constant(value=True)
        return _call(name, of, known)
    if name != "sorted" and choice < 0.25:
        return _call("min" if name == "max" else "max", of, known)
    key = known.get("key")
    if isinstance(key, ast.Lambda) and choice < 0.6:
        return _call(name, of, {**known, "key": _broken_ties(work, key, scope)})
    made = containers.sorting_key(work.grow, scope, item_of(scope.kind_of(of)))
    return None if made is None else _call(name, of, {**known, "key": made})


def _broken_ties(work: Work, key: ast.Lambda, scope: Scope) -> ast.expr:
    """The key with a second one for what is equal by it, or turned around."""
    rng, body = work.rng, key.body
    if rng.random() < 0.5 or len(key.args.args) != 1:
        return ast.Lambda(args=key.args, body=build.negative(body))
    item = key.args.args[0].arg
    inner = scope.with_names({item: scope.names.get(item, Kind.OTHER)})
    second = work.grow.number(inner, 1)
    first = body.elts if isinstance(body, ast.Tuple) else [body]
    return ast.Lambda(args=key.args, body=ast.Tuple(elts=[*first, second], ctx=ast.Load()))


def _is_range(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"
    )


def _is_sliced(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)


def _call(name: str, of: ast.expr, keywords: dict[str, ast.expr]) -> ast.expr:
    return ast.Call(
        func=build.name(name),
        args=[of],
        keywords=[ast.keyword(arg=key, value=value) for key, value in keywords.items()],
    )


def _is_index(site: Site) -> bool:
    if not site.held or site.kind is not Kind.NUMBER:
        return False
    match site.parent:
        case ast.Subscript() | ast.Slice() | ast.Tuple():
            return True
        case ast.Call(func=ast.Name(id="range")):
            return True
    return False


def has_indices(source: Source) -> bool:
    return bool(source.sites_where(_is_index))


def index(work: Work) -> list[Splice] | None:
    """An index or a bound: one further, another one, or a limit on it."""
    rng = work.rng
    sites = work.source.sites_where(_is_index)
    if not sites:
        return None
    site = rng.choice(sites)
    node = site.node
    bound = isinstance(site.parent, ast.Call | ast.Slice)
    value = build.value_of(node)
    choice = rng.random()
    if value is not None and choice < 0.7:
        near = round(value + rng.choice((-2, -1, -1, 1, 1, 2)))
        return work.put(site, build.number(near or (1 if is_step(site) else 0)))
    if choice < 0.45:
        return work.put(site, _further(work, node))
    if choice < 0.8 or not bound:
        return work.put(site, containers.index(work.grow, site.scope))
    limit = build.number(abs(round(work.grow.value())) or 1)
    return work.put(site, build.call(rng.choice(("min", "min", "max")), [node, limit]))


def _further(work: Work, node: ast.expr) -> ast.expr | None:
    """One more or one less, folded into what is there: `i + 1` becomes `i + 2` or `i`."""
    step = work.rng.choice((-1, 1))
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right) if (
            known := build.value_of(right)
        ) is not None:
            total = (known if isinstance(op, ast.Add) else -known) + step
            return left if total == 0 else build.binary(left, ast.Add(), build.number(total))
    return build.binary(node, ast.Add(), build.number(step))
