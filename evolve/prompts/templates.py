"""The texts of prompts: files with `$fields`, those of the package or a problem's own.

A problem overrides any of them with a file of the same name in its folder `prompts/`. A line that
is nothing but one field goes, with the blank line behind it, where the field is empty.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from string import Template

from evolve.errors import FaultError, nearest

_ALONE = re.compile(r"\$\{?(\w+)\}?")
FOLDER = Path(__file__).parent / "templates"
_PROMPT = frozenset(
    {
        "parent", "history", "tried", "cycling", "inspirations", "notes", "stagnation", "hint",
        "format", "score",
    }
)  # fmt: skip
FIELDS: Mapping[str, frozenset[str]] = {
    "fixed": frozenset(
        {"name", "statement", "parameters", "contract", "limits", "score", "measurement"}
    ),
    "contract": frozenset({"contract"}),
    "diff": _PROMPT,
    "rewrite": _PROMPT,
    "crossover": _PROMPT,
    "parent": frozenset({"id", "standing", "code", "feedback", "stderr"}),
    "feedback": frozenset({"feedback"}),
    "stderr": frozenset({"stderr"}),
    "inspirations": frozenset({"programs", "only_blocks"}),
    "history": frozenset({"steps"}),
    "tried": frozenset({"attempts"}),
    "cycling": frozenset({"lines"}),
    "notes": frozenset({"notes", "count"}),
    "stagnation": frozenset({"attempts"}),
    "hint": frozenset({"hint"}),
    "hints_diff": frozenset(),
    "hints_rewrite": frozenset(),
    "hints_crossover": frozenset(),
    "format_edits": frozenset({"start", "divider", "end", "files"}),
    "format_whole": frozenset({"fence", "language", "files"}),
    "summary": frozenset({"notes", "attempts", "score"}),
    "retry": frozenset({"reason", "nearest", "again"}),
}
"""Every template with the fields it may use."""
_NEEDED = {
    "fixed": {"statement"}, "diff": {"parent", "format"}, "rewrite": {"parent", "format"},
    "crossover": {"parent", "inspirations", "format"}, "parent": {"code"}, "retry": {"reason"},
    "summary": {"attempts"},
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """All templates by name, and the hash of their texts."""

    texts: Mapping[str, str]
    hash: str

    def fill(self, name: str, /, **fields: str) -> str:
        """The text of a template with its fields; those that it does not use may be given too.

        Halves of surrogate pairs, which no request can hold, are written as escapes.
        """
        lines: list[str] = []
        skip_blank = False
        for line, field, rest in _taken_apart(self.texts[name]):
            if skip_blank and not line.strip():
                skip_blank = False
                continue
            skip_blank = fields.get(field) == ""
            if not skip_blank:
                filled = fields[field] if field else line
                lines.append(rest.substitute(fields) if rest is not None else filled)
        text = "\n".join(lines).strip("\n")
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()

    def lines(self, name: str) -> list[str]:
        """The lines of a list, such as that of hints, without blank ones and comments."""
        return [
            line.strip()
            for line in self.texts[name].split("\n")
            if line.strip() and not line.startswith("#")
        ]


@lru_cache(maxsize=256)
def _taken_apart(text: str) -> Sequence[tuple[str, str, Template | None]]:
    """Each line with the field that it is nothing but, or "", and what else is to be filled in."""
    found = []
    for line in text.split("\n"):
        alone = _ALONE.fullmatch(line)
        rest = Template(line) if "$" in line and alone is None else None
        found.append((line, alone[1] if alone else "", rest))
    return found


def load_templates(folder: Path | None = None) -> Templates:
    """The package's templates, with those of a problem's folder in the place of their namesakes.

    Raises:
        FaultError: a file there is no template, cannot be read, or uses a field that is not.
    """
    texts = dict(_own())
    for path in sorted((folder / "prompts").glob("*.txt")) if folder is not None else ():
        name = path.stem
        if name not in FIELDS:
            raise FaultError(f"{path}: no template {name!r}; {nearest(name, list(FIELDS))}")
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FaultError(f"{path}: cannot be read: {error}") from None
        _check(path, name, texts[name])
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{name}:{len(texts[name])}:{texts[name]}".encode())
    return Templates(texts, digest.hexdigest())


@cache
def _own() -> Mapping[str, str]:
    texts = {}
    for name in FIELDS:
        path = FOLDER / f"{name}.txt"
        texts[name] = path.read_text(encoding="utf-8")
        _check(path, name, texts[name])
    return texts


def _check(path: Path, name: str, text: str) -> None:
    template = Template(text)
    if name.startswith("hints_"):
        return  # a list; nothing in it is filled in
    if not template.is_valid():
        line = _line_of_bad_dollar(text)
        raise FaultError(f"{path}:{line}: a '$' without the name of a field; write '$$' for one")
    used = set(template.get_identifiers())
    unknown = sorted(used - FIELDS[name])
    if unknown:
        line = next(n for n, x in enumerate(text.split("\n"), 1) if unknown[0] in x)
        known = sorted(FIELDS[name])
        raise FaultError(f"{path}:{line}: no field ${unknown[0]}; {nearest(unknown[0], known)}")
    missing = sorted(_NEEDED.get(name, set()) - used)
    if missing:
        raise FaultError(f"{path}: ${missing[0]} is missing; a prompt makes no sense without it")


def _line_of_bad_dollar(text: str) -> int:
    for number, line in enumerate(text.split("\n"), 1):
        if not Template(line).is_valid():
            return number
    return 1
