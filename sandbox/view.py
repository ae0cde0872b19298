"""What a candidate may see of the file system: interpreter, libraries, allow-listed distributions.

Bound are the standard library without any site-packages, the system's folders of shared libraries,
and the files that each allow-listed distribution names in its own record, with those it depends
on. A folder is taken whole only where the record names every file in it. Nothing of the project,
no home and no site-packages is ever bound; an editable install is refused.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from sandbox.records import SandboxError

_LIBRARIES = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64")
_FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")
_FOREIGN = ("site-packages", "dist-packages")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A plan, made where the host's files can be seen and carried out by the launcher.

    Attributes:
        system: Real paths of folders and files of the interpreter and the system.
        packages: Real paths of folders and files of the allow-listed distributions.
        links: Symbolic links to recreate, as (path, target).
        masks: Folders below `system` that must be empty.
        roots: Folders the packages are imported from.
    """

    system: tuple[str, ...]
    packages: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    masks: tuple[str, ...]
    roots: tuple[str, ...]


@lru_cache(maxsize=8)
def plan(requires: tuple[str, ...]) -> View:
    """The view for candidates that may import these distributions.

    Raises:
        SandboxError: one is not installed, is editable, or does not name its files.
    """
    packages: list[str] = []
    roots: list[str] = []
    for found in _closure(requires):
        root = os.path.realpath(str(found.locate_file("")))
        packages += _files_of(found, root)
        if root not in roots:
            roots.append(root)
    links: dict[str, str] = {}
    system = _outermost(_resolve(path, links) for path in _system_paths())
    return View(
        system=tuple(system),
        packages=tuple(packages),
        links=tuple(links.items()),
        masks=tuple(_masks(system)),
        roots=tuple(roots),
    )


def plan_paths(paths: Iterable[str]) -> View:
    """The view of these paths, the system's shared libraries and /dev/null alone."""
    links: dict[str, str] = {}
    wanted = [*_libraries(), *paths, "/etc/ld.so.cache", "/dev/null"]
    system = _outermost(_resolve(path, links) for path in wanted)
    return View(system=tuple(system), packages=(), links=tuple(links.items()), masks=(), roots=())


def _libraries() -> Iterator[str]:
    yield from _LIBRARIES
    if os.path.exists("/usr/lib/libc.so.6"):
        yield "/usr/lib"


def _system_paths() -> Iterator[str]:
    stdlib = os.path.dirname(os.__file__)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield stdlib
    yield os.path.join(sys.base_exec_prefix, sys.platlibdir, version)
    library = os.path.join(sys.base_prefix, "lib")
    if os.path.isdir(os.path.join(sys.base_prefix, "conda-meta")):
        yield library
    shared = sysconfig.get_config_var("LDLIBRARY")
    if shared and ".so" in shared:
        yield from (str(path) for path in Path(library).glob(f"{shared}*"))
    yield from _libraries()
    yield from _FILES


def _resolve(path: str, links: dict[str, str]) -> str | None:
    """The real path, with every symbolic link on the way noted; None where there is nothing."""
    done = "/"
    rest = [part for part in path.split("/") if part]
    while rest:
        here = os.path.normpath(os.path.join(done, rest.pop(0)))
        if os.path.islink(here):
            target = os.readlink(here)
            links[here] = target
            whole = os.path.join(done, target, *rest)
            done, rest = "/", [part for part in os.path.normpath(whole).split("/") if part]
        else:
            done = here
    return done if os.path.exists(done) else None


def _outermost(paths: Iterable[str | None]) -> list[str]:
    found: list[str] = []
    for path in sorted({path for path in paths if path}):
        if not any(path == other or path.startswith(f"{other}/") for other in found):
            found.append(path)
    return found


def _masks(system: Sequence[str]) -> Iterator[str]:
    for folder in system:
        for name in _FOREIGN:
            for pattern in (name, f"python*/{name}", f"lib/python*/{name}"):
                yield from (str(path) for path in Path(folder).glob(pattern) if path.is_dir())


def _closure(requires: Sequence[str]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    waiting = [(name, False) for name in requires]
    while waiting:
        name, optional = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            if optional:
                continue
            raise SandboxError(f"requires {name!r}, which is not installed here") from None
        for requirement in found[key].requires or ():
            head, _, marker = requirement.partition(";")
            match = _NAME.match(head)
            if match and "extra" not in marker:
                waiting.append((match.group(), bool(marker)))
    return list(found.values())


def _files_of(found: Distribution, root: str) -> list[str]:
    name = found.name
    if '"editable": true' in (found.read_text("direct_url.json") or ""):
        raise SandboxError(f"requires {name!r}, an editable install; candidates get wheels only")
    named = found.files
    if named is None:
        raise SandboxError(f"requires {name!r}, whose files are not on record; install it with pip")
    owned = {os.path.normpath(str(file)) for file in named}
    owned = {file for file in owned if not file.startswith("..") and not file.endswith(".pth")}
    paths: list[str] = []
    for top in sorted({file.split("/")[0] for file in owned}):
        paths += _cover(root, top, owned)
    return paths


def _cover(root: str, relative: str, owned: set[str]) -> list[str]:
    """The fewest paths that hold the owned files below `relative` and no others."""
    path = os.path.join(root, relative)
    if not os.path.isdir(path):
        return [path] if relative in owned and os.path.exists(path) else []
    whole = True
    paths: list[str] = []
    with os.scandir(path) as entries:
        names = sorted((entry.name, entry.is_symlink()) for entry in entries)
    for name, is_link in names:
        below = f"{relative}/{name}"
        if name == "__pycache__":
            continue  # derived from the files beside it
        covered = [] if is_link else _cover(root, below, owned)
        whole = whole and covered == [os.path.join(root, below)]
        paths += covered
    return [path] if whole and paths else paths
