"""Bilinear schemes in the layouts that others publish, under the names they give them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from evaluators import bilinear
from evaluators.bilinear import Factor, Scheme
from evaluators.bilinear_layouts import Found, of_lists, of_matrices
from evaluators.bilinear_texts import of_text
from evaluators.results import Invalid

_SIZE = re.compile(r"([0-9]{1,2})[x,_ ]([0-9]{1,2})[x,_ ]([0-9]{1,2})", re.ASCII)


def published(content: object) -> Mapping[str, object] | None:
    """The schemes in JSON data, in a text, or in the arrays of an npz, by label."""
    if isinstance(content, str):
        found = of_text(content)
        return None if found is None else {"scheme": found}
    if isinstance(content, list):
        found = of_lists(content)
        return None if found is None else {"scheme": found}
    if not isinstance(content, dict):
        return None
    if {"u", "v", "w"} <= content.keys() and isinstance(content.get("n"), list):
        return {"scheme": _of_terms(content)}
    claims = {"n", "m", "p", "field", "denominator", "rank"} & content.keys()
    if {"u", "v", "w"} <= content.keys() and claims:
        if isinstance(content["u"], np.ndarray):
            return {"scheme": _of_arrays(content)}
        return {"scheme": content}
    return _of_names(content)


def _of_names(content: Mapping[object, object]) -> Mapping[str, object] | None:
    """Factor matrices under names: of a size, or of the factors, or in numpy's numbering."""
    found: dict[str, object] = {}
    for key, value in content.items():
        size = _SIZE.search(key) if isinstance(key, str) and len(key) < 100 else None
        if size is None or not isinstance(value, list | np.ndarray):
            continue
        assert isinstance(key, str)
        n, m, p = (int(x) for x in size.groups())
        rest = (key[: size.start()] + key[size.end() :]).strip("_/ .:-")
        if rest in ("u", "v", "w"):
            label = f"{n}x{m}x{p}"
            parts = [content.get(_renamed(key, size, name)) for name in "uvw"]
            if label not in found:
                missing = any(part is None for part in parts)
                found[label] = (
                    Invalid(f"{label}: u, v and w are not all there")
                    if missing
                    else of_matrices(parts, (n, m, p))
                )
        elif len(value) == 3:
            found[key] = of_matrices(list(value), (n, m, p))
        else:
            found[key] = Invalid("expected three factor matrices")
    if found:
        return found
    for names in (("u", "v", "w"), ("U", "V", "W"), ("arr_0", "arr_1", "arr_2")):
        if set(names) <= content.keys() and all(
            isinstance(content[name], list | np.ndarray) for name in names
        ):
            return {"scheme": of_matrices([content[name] for name in names], None)}
    alone = content.get("arr_0")
    if len(content) == 1 and isinstance(alone, dict):
        return _of_names(alone)
    if len(content) == 1 and isinstance(alone, list | np.ndarray) and len(alone) == 3:
        three = [np.ndim(x) == 2 for x in alone if isinstance(x, np.ndarray)]
        return {"scheme": of_matrices(list(alone), None)} if three == [True] * 3 else None
    return None


def _renamed(key: str, size: re.Match[str], name: str) -> str:
    swap = str.maketrans(dict.fromkeys("uvw", name))
    return key[: size.start()].translate(swap) + size[0] + key[size.end() :].translate(swap)


def _of_arrays(content: Mapping[str, object]) -> Found:
    """An npz with u, v and w, and the three sides as single numbers."""
    if not {"n", "m", "p"} <= content.keys():
        return of_matrices([content[name] for name in "uvw"], None)
    sides = [content[name] for name in "nmp"]
    if not all(isinstance(x, np.ndarray) and x.size == 1 and x.dtype.kind in "iu" for x in sides):
        return Invalid("n, m and p: expected one integer each")
    n, m, p = (int(x.item()) for x in sides if isinstance(x, np.ndarray))
    return of_matrices([content[name] for name in "uvw"], (n, m, p))


def _of_terms(content: Mapping[object, object]) -> Found:
    """{"n": [n, m, p], "m": rank, "z2": ..., "u", "v", "w"} with a row for each term."""
    size = content["n"]
    if not isinstance(size, list) or len(size) != 3 or any(type(x) is not int for x in size):
        return Invalid('"n" is a list, expected the three sides')
    n, m, p = size
    factors: list[Factor] = []
    for name, width in zip("uvw", (n * m, m * p, p * n), strict=True):
        entries = bilinear.integers(name, content[name], size=width, pairs=False)
        if isinstance(entries, Invalid):
            return entries
        factors.append(entries)
    claimed = content.get("m", len(factors[0]))
    if type(claimed) is not int or claimed != len(factors[0]):
        return Invalid(f"the rank claimed is {claimed!s:.40}, but it has {len(factors[0])}")
    u, v, w = factors
    binary = content.get("z2") is True
    return Scheme(n, m, p, "GF2" if binary else "Z", u, v, w)
