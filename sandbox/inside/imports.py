"""What is imported before candidates are forked, and how they import what they are allowed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from types import ModuleType


class AllowedPackages:
    """Imports allow-listed packages where the folder they lie in may not be listed (tier B)."""

    def __init__(self, roots: Sequence[str], packages: Sequence[str]) -> None:
        self.roots = roots
        self.packages = frozenset(packages)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        last = name.rpartition(".")[2]
        for folder in self.roots if path is None else path:
            where = f"{folder}/{last}"
            if self._allowed(f"{where}/__init__.py"):
                return importlib.util.spec_from_file_location(
                    name, f"{where}/__init__.py", submodule_search_locations=[where]
                )
            for suffix in (".py", *EXTENSION_SUFFIXES):
                if self._allowed(where + suffix):
                    return importlib.util.spec_from_file_location(name, where + suffix)
        return None

    def _allowed(self, path: str) -> bool:
        above = path
        while len(above) > 1:
            if above in self.packages:
                return os.path.isfile(path)
            above = os.path.dirname(above)
        return False


def preload(modules: Sequence[str], library: Mapping[str, str]) -> None:
    """Imports modules and puts unseeded generators into the same state in every server.

    `library` holds sources by module name: trusted text that is run once, after the modules, and
    that candidates import under this name.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except BaseException as error:
            raise ImportError(f"preload {name!r}: {type(error).__name__}: {error}") from error
    for name, source in library.items():
        module = ModuleType(name)
        module.__file__ = f"{name}.py"
        sys.modules[name] = module
        try:
            exec(compile(source, module.__file__, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        except BaseException as error:
            raise ImportError(f"preload '{name}.py': {type(error).__name__}: {error}") from error
    # unseeded numbers are the same in every evaluation
    random.seed(0)
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random").seed(0)
    numba = sys.modules.get("numba")
    if numba is not None:
        # starts LLVM, which costs a candidate half a second otherwise
        numba.njit(lambda x: x + 1)(1)
