"""Programs: immutable sets of files, recognised by content, that change only inside EVOLVE-BLOCKs.

Only text between a line with the comment `EVOLVE-BLOCK-START` and the next line with
`EVOLVE-BLOCK-END` may differ between a program and its children. A marker stands first on its line
behind nothing but comment signs (`#`, `//`, `/*`, `--` ...), so that a string or a sentence that
mentions it is not one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from evolve import syntax

MAX_FILES = 64
MAX_FILE_BYTES = 256 * 1024
MAX_PROGRAM_BYTES = 1024 * 1024
MAX_PATH_LENGTH = 200

_MARKER = re.compile(r"[^\w\"'`]*[^\w\"'`\s]\s*EVOLVE-BLOCK-(START|END)(?![\w-])")
_PATH_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*|\.[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_BARE_CARRIAGE_RETURN = re.compile(r"\r(?!\n)")
_TOKEN = re.compile(r"\w+|[^\w\s]")


class ProgramError(ValueError):
    """Files that are no program, or whose EVOLVE-BLOCKs are broken; names file and line."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Files by path, sorted, and the hash of their content; equal when the hashes are.

    Made by `Program.of` only, which checks what comes in.
    """

    files: Mapping[str, str]
    hash: str

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Program:
        """A program of these files (relative POSIX path -> text).

        Raises:
            ProgramError: No files, too many or too large ones, a path that is not a plain relative
                one, or text that cannot be a source file (NUL, bare CR, lone surrogates).
        """
        if not files:
            raise ProgramError("a program needs at least one file")
        if len(files) > MAX_FILES:
            raise ProgramError(f"{len(files)} files, at most {MAX_FILES} are allowed")
        ordered = {path: files[path] for path in sorted(files)}
        digest = hashlib.sha256()
        total = 0
        for path, text in ordered.items():
            _check_path(path)
            name, content = path.encode(), _encoded(path, text)
            total += len(content)
            digest.update(b"%d:%s%d:" % (len(name), name, len(content)))
            digest.update(content)
        if total > MAX_PROGRAM_BYTES:
            raise ProgramError(f"{total} bytes in all, at most {MAX_PROGRAM_BYTES} are allowed")
        for path in ordered:
            parts = path.split("/")
            for cut in range(1, len(parts)):
                if (folder := "/".join(parts[:cut])) in ordered:
                    raise ProgramError(f"{folder} is both a file and the folder of {path}")
        return cls(MappingProxyType(ordered), digest.hexdigest())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[object, ...]:
        return Program.of, (dict(self.files),)


def _check_path(path: str) -> None:
    if len(path) > MAX_PATH_LENGTH:
        raise ProgramError(f"path of {len(path)} characters, at most {MAX_PATH_LENGTH} are allowed")
    if not all(_PATH_PART.fullmatch(part) for part in path.split("/")):
        raise ProgramError(f"{path!r} is not a plain relative path such as 'src/program.py'")


def _encoded(path: str, text: str) -> bytes:
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise ProgramError(f"{path}: not valid text at character {error.start}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ProgramError(f"{path}: {len(content)} bytes, at most {MAX_FILE_BYTES} are allowed")
    if "\0" in text:
        raise ProgramError(f"{path}:{_line_at(text, text.index(chr(0)))}: a NUL character")
    if "\r" in text and (bare := _BARE_CARRIAGE_RETURN.search(text)):
        # Python would count it as a line end, editors and diffs would not
        raise ProgramError(f"{path}:{_line_at(text, bare.start())}: CR without LF")
    return content


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


@dataclass(frozen=True, slots=True)
class Block:
    """The text between two markers.

    Attributes:
        file: Path of its file.
        first: Number of its first line, from 1.
        last: Number of its last line; `first - 1` when the block is empty.
        text: Its complete lines, line ends included.
    """

    file: str
    first: int
    last: int
    text: str


@lru_cache(maxsize=1024)
def blocks(program: Program) -> tuple[Block, ...]:
    """The program's EVOLVE-BLOCKs by file and line.

    Raises:
        ProgramError: Nested blocks, a start without end, or an end without start.
    """
    return tuple(
        block for path, text in program.files.items() for block in blocks_of_file(path, text)
    )


@lru_cache(maxsize=1024)  # an attempt asks for those of parent and child half a dozen times
def blocks_of_file(path: str, text: str) -> tuple[Block, ...]:
    """The EVOLVE-BLOCKs of one text; raises like `blocks`."""
    found: list[Block] = []
    if "EVOLVE-BLOCK-" not in text:
        return ()
    lines = text.split("\n")
    start: int | None = None
    for number, line in enumerate(lines, 1):
        kind = marker(line)
        if kind == "START":
            if start is not None:
                raise ProgramError(
                    f"{path}:{number}: EVOLVE-BLOCK-START inside the block of line {start}"
                )
            start = number
        elif kind == "END":
            if start is None:
                raise ProgramError(f"{path}:{number}: EVOLVE-BLOCK-END without a start")
            inside = lines[start : number - 1]
            found.append(Block(path, start + 1, number - 1, "".join(f"{x}\n" for x in inside)))
            start = None
    if start is not None:
        raise ProgramError(f"{path}:{start}: EVOLVE-BLOCK-START without an end")
    return tuple(found)


def marker(line: str) -> str | None:
    """ "START" or "END" when the line is such a marker."""
    if "EVOLVE-BLOCK-" not in line:
        return None
    match = _MARKER.match(line)
    return match[1] if match else None


def check_seed(program: Program) -> None:
    """Raises ProgramError unless the program has at least one sound EVOLVE-BLOCK."""
    if not blocks(program):
        raise ProgramError(
            f"no EVOLVE-BLOCK in {', '.join(program.files)}; put '# EVOLVE-BLOCK-START' and "
            "'# EVOLVE-BLOCK-END' around what may change"
        )


def outside_changed(parent: Program, child: Program) -> str | None:
    """The first difference outside of the EVOLVE-BLOCKs in one line, or None if there is none."""
    for path in parent.files.keys() | child.files.keys():
        if path not in child.files:
            return f"{path}: the file is missing"
        if path not in parent.files:
            return f"{path}: a new file"
    for path, before in parent.files.items():
        change = outside_changed_in_file(path, before, child.files[path])
        if change is not None:
            return change
    return None


def outside_changed_in_file(path: str, before: str, after: str) -> str | None:
    """As `outside_changed`, for two texts of one file."""
    if before == after:
        return None
    expected = _outside(path, before)
    try:
        found = _outside(path, after)
    except ProgramError as error:
        return str(error)
    for (number, line), (new_number, new_line) in zip(expected, found, strict=False):
        if line != new_line:
            return (
                f"{path}:{new_number}: {excerpt(new_line)} outside of the EVOLVE-BLOCKs, "
                f"where line {number} was {excerpt(line)}"
            )
    if len(found) > len(expected):
        number, line = found[len(expected)]
        return f"{path}:{number}: {excerpt(line)} added outside of the EVOLVE-BLOCKs"
    if len(found) < len(expected):
        number, line = expected[len(found)]
        return f"{path}:{number}: {excerpt(line)} removed outside of the EVOLVE-BLOCKs"
    return None


@lru_cache(maxsize=1024)
def _outside(path: str, text: str) -> tuple[tuple[int, str], ...]:
    """Numbered lines outside of the blocks, the markers among them.

    A block leaves no line behind, yet its place is kept: both of its markers are here.
    """
    inside = {
        number
        for block in blocks_of_file(path, text)
        for number in range(block.first, block.last + 1)
    }
    return tuple((n, line) for n, line in enumerate(text.split("\n"), 1) if n not in inside)


def excerpt(text: str, limit: int = 60) -> str:
    """`text` quoted for a message, cut in the middle when long."""
    text = text.strip("\r\n")
    if len(text) <= limit:
        return repr(text)
    half = (limit - 5) // 2
    return repr(f"{text[:half]} ... {text[-half:]}")


def syntax_hash(program: Program) -> str:
    """The same for programs that differ only in layout, comments, docstrings or names of locals.

    Files that do not parse as Python count with their white space normalised.
    """
    digest = hashlib.sha256()
    for path, text in program.files.items():
        form = syntax.normal_form(text) if path.endswith(".py") else None
        kind, canonical = ("text", " ".join(text.split())) if form is None else ("tree", form.text)
        digest.update(f"{path}\n{kind} {len(canonical)}\n{canonical}\n".encode())
    return digest.hexdigest()


def length(program: Program) -> int:
    """Syntax-tree nodes inside the EVOLVE-BLOCKs; tokens where the file is not Python.

    Docstrings and comments do not count.
    """
    return sum(_block_length(program.files[block.file], block) for block in blocks(program))


def _block_length(text: str, block: Block) -> int:
    form = syntax.normal_form(text) if block.file.endswith(".py") else None
    if form is None:
        return len(_TOKEN.findall(block.text))
    return form.nodes(block.first, block.last)
