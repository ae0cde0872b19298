"""Listings of instructions that sort a few values, and the exact verifier that they do.

    mov r3 r0       r3 becomes r0; also `mov r0 [2]` (load) and `mov [2] r0` (store)
    cmp r0 r1       sets the flags from r0 and r1, or from the length: `cmp n 3`
    cmovl r0 r1     r0 becomes r1 if the last cmp found less; also g le ge e ne
    min r0 r1       r0 becomes the lesser of both; also max
    jl end          goes on at the line `end:`, further down; also g le ge e ne, and jmp

Values are registers r0 to r15 and memory cells [0] to [7], integers of one size. Two interfaces:
in `registers` the values come in r0 to r(n-1) and are sorted there; in `memory` they come in [0] to
[n-1] and are sorted there. With several lengths (memory only) the number of values is in `n`.

What `verify` establishes: the listing sorts every input, ties included, and never reads a register,
cell or flag that was not set. How: values are only moved and compared, jumps go forward, so a
listing does the same on inputs of one weak order; it is run on one of each, all at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.results import Invalid, Valid, Verifier
from evaluators.weak_orders import MOST, Ranks, sorted_orders, weak_orders

REGISTERS = 16
MOST_LINES = 1000
CONDITIONS = ("l", "g", "le", "ge", "e", "ne")
MOVES = tuple(f"cmov{condition}" for condition in CONDITIONS)
JUMPS = ("jmp", *(f"j{condition}" for condition in CONDITIONS))
OPERATIONS = ("mov", "cmp", *MOVES, "min", "max")
_OPERAND = re.compile(r"r(\d{1,2})|\[(\d)\]|(n)|(\d)")
_LABEL = re.compile(r"([A-Za-z_]\w{0,30}):")
_FLAGS = {
    "l": np.less, "g": np.greater, "le": np.less_equal, "ge": np.greater_equal,
    "e": np.equal, "ne": np.not_equal,
}  # fmt: skip
_UNSET = np.int8(0)
_NO_FLAGS = np.int8(2)


@dataclass(frozen=True, slots=True)
class Operand:
    """`kind` is "r" (register), "m" (memory cell), "n" (the length) or "i" (a number)."""

    kind: str
    index: int

    def __str__(self) -> str:
        match self.kind:
            case "r":
                return f"r{self.index}"
            case "m":
                return f"[{self.index}]"
            case "n":
                return "n"
        return str(self.index)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line: an operation on one or two operands, a jump to a label, or a label."""

    operation: str
    target: Operand | None = None
    source: Operand | None = None
    label: str = ""

    def __str__(self) -> str:
        if self.operation == "label":
            return f"{self.label}:"
        if self.label:
            return f"{self.operation} {self.label}"
        return f"{self.operation} {self.target} {self.source}"


Listing = Sequence[Instruction]


def parse(lines: object) -> list[Instruction] | Invalid:
    """Reads a listing: text, or a list of lines, not trusted. `;` and `#` begin a comment."""
    if isinstance(lines, str):
        lines = lines.splitlines()
    if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
        return Invalid(f"the listing is {type(lines).__name__}, expected a list of lines")
    if len(lines) > MOST_LINES:
        return Invalid(f"{len(lines)} lines, at most {MOST_LINES}")
    found: list[Instruction] = []
    for number, line in enumerate(lines, start=1):
        text = re.split("[;#]", line, maxsplit=1)[0].replace(",", " ").strip()
        if not text:
            continue
        read = _instruction(text)
        if isinstance(read, Invalid):
            return Invalid(f"line {number}, {line.strip()[:60]!r}: {read.reason}")
        found.append(read)
    return _jumps_checked(found)


def _instruction(text: str) -> Instruction | Invalid:
    label = _LABEL.fullmatch(text)
    if label:
        return Instruction("label", label=label[1])
    operation, *words = text.split()
    if operation in JUMPS:
        if len(words) != 1 or _LABEL.fullmatch(f"{words[0]}:") is None:
            return Invalid("a jump names one label")
        return Instruction(operation, label=words[0])
    if operation not in OPERATIONS:
        return Invalid(f"no operation {operation[:20]!r}; there are {', '.join(OPERATIONS)}")
    if len(words) != 2:
        return Invalid(f"{operation} takes two operands")
    operands = []
    for word in words:
        operand = _operand(word)
        if isinstance(operand, Invalid):
            return operand
        operands.append(operand)
    target, source = operands
    kinds = target.kind + source.kind
    allowed = {"mov": ("rr", "rm", "mr"), "cmp": ("rr", "ni")}.get(operation, ("rr",))
    if kinds not in allowed:
        return Invalid(f"{operation} cannot take {target} and {source}")
    return Instruction(operation, target, source)


def _operand(word: str) -> Operand | Invalid:
    match = _OPERAND.fullmatch(word)
    if match is None:
        return Invalid(f"{word[:20]!r} is no operand; there are r0 to r15, [0] to [7], n, 0 to 8")
    register, cell, length, number = match.groups()
    if register is not None:
        if int(register) >= REGISTERS:
            return Invalid(f"no register {word}; they are r0 to r{REGISTERS - 1}")
        return Operand("r", int(register))
    if cell is not None:
        return Operand("m", int(cell))
    return Operand("n", 0) if length else Operand("i", int(number))


def _jumps_checked(listing: list[Instruction]) -> list[Instruction] | Invalid:
    seen: set[str] = set()
    for line in reversed(listing):
        if line.operation == "label":
            if line.label in seen:
                return Invalid(f"label {line.label} stands twice")
            seen.add(line.label)
        elif line.label and line.label not in seen:
            return Invalid(f"{line}: no label {line.label} further down")
    return listing


def length(listing: Listing) -> int:
    """Instructions: every line but labels."""
    return sum(line.operation != "label" for line in listing)


def verify(
    listing: Listing, *, lengths: Sequence[int], interface: str = "registers"
) -> Valid | Invalid:
    """Checks that a listing sorts; the value is its number of instructions.

    Args:
        lengths: Of inputs, each 1 to 8. More than one needs `memory`; then `n` holds the length.
        interface: "registers" or "memory".

    Metric `scratch`: registers used beyond those that hold inputs.
    """
    if interface not in ("registers", "memory"):
        return Invalid(f"interface {interface!r}, expected registers or memory")
    if (
        not lengths
        or any(type(n) is not int or not 1 <= n <= MOST for n in lengths)
        or len(set(lengths)) < len(lengths)
    ):
        return Invalid(f"lengths {list(lengths)}, expected different ones from 1 to {MOST}")
    if len(lengths) > 1 and interface == "registers":
        return Invalid("several lengths need the interface memory")
    for n in lengths:
        fault = _Machine(n, interface, len(lengths) > 1).fault(listing)
        if fault:
            return Invalid(fault)
    used = {o.index for i in listing for o in (i.target, i.source) if o and o.kind == "r"}
    inputs = lengths[0] if interface == "registers" else 0
    return Valid(
        length(listing),
        {"scratch": len([register for register in used if register >= inputs])},
        facts={"values": _named(lengths), "interface": interface},
    )


def _named(lengths: Sequence[int]) -> str:
    return "-".join(str(n) for n in sorted({min(lengths), max(lengths)}))


class _Machine:
    """Registers, cells and flags for all weak orders at once: int8 ranks, 0 where unset."""

    def __init__(self, n: int, interface: str, several: bool) -> None:
        self.n = n
        self.several = several
        self.inputs = weak_orders(n)
        count = self.inputs.shape[1]
        self.values: dict[tuple[str, int], Ranks] = {
            ("r", index): np.zeros(count, dtype=np.int8) for index in range(REGISTERS)
        }
        self.kind = "r" if interface == "registers" else "m"
        for index in range(n):
            self.values[self.kind, index] = self.inputs[index].copy()
        self.unset = {key for key in self.values if key[0] == "r"}
        if self.kind == "r":
            self.unset -= {("r", index) for index in range(n)}
        self.flags: Ranks = np.full(count, _NO_FLAGS)
        self.flags_unset = True
        # lanes on their way to a label further down; None while there are none
        self.away: dict[str, NDArray[np.bool_]] = {}
        self.active: NDArray[np.bool_] | None = None

    def fault(self, listing: Listing) -> str:
        """What is wrong with it, in one line; empty where nothing is."""
        for number, line in enumerate(listing, start=1):
            reason = self._step(line)
            if reason:
                return f"instruction {number}, {line}: {reason}"
        wrong = np.zeros(self.inputs.shape[1], dtype=bool)
        expected = sorted_orders(self.n)
        for index in range(self.n):
            wrong |= self.values[self.kind, index] != expected[index]
        if wrong.any():
            at = int(wrong.argmax())
            made = [int(self.values[self.kind, i][at]) or "unset" for i in range(self.n)]
            return f"it takes {_list(self.inputs[:, at])} to {_list(made)}, which is not sorted"
        return ""

    def _step(self, line: Instruction) -> str:
        if line.operation == "label":
            self._arrive(line.label)
            return ""
        if self.active is not None and not self.active.any():
            return ""  # no input comes here
        if line.label:
            return self._jump(line)
        target, source = line.target, line.source
        assert target is not None
        assert source is not None
        if line.operation == "cmp" and target.kind == "n":
            if not self.several:
                return "n holds the length only where there are several"
            sign = np.int8(np.sign(self.n - source.index))
            self._set_flags(np.full(len(self.flags), sign))
            return ""
        value = self._read(source)
        if isinstance(value, str):
            return value
        match line.operation:
            case "mov":
                return self._write(target, value, self.active)
            case "cmp":
                other = self._read(target)
                if isinstance(other, str):
                    return other
                self._set_flags(np.sign(other - value))
            case "min" | "max":
                other = self._read(target)
                if isinstance(other, str):
                    return other
                better = value < other if line.operation == "min" else value > other
                return self._write(target, value, self._among(better))
            case operation:
                holds = self._condition(operation.removeprefix("cmov"))
                if isinstance(holds, str):
                    return holds
                # where the condition does not hold an unset register stays unset
                return self._write(target, value, self._among(holds), partly=True)
        return ""

    def _among(self, lanes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return lanes if self.active is None else lanes & self.active

    def _read(self, operand: Operand) -> Ranks | str:
        key = operand.kind, operand.index
        value = self.values.get(key)
        if value is None:
            return f"{operand} is outside the {self.n} values"
        if key in self.unset and self._among(value == _UNSET).any():
            return f"{operand} is read before it is set"
        return value

    def _write(
        self,
        operand: Operand,
        value: Ranks,
        lanes: NDArray[np.bool_] | None,
        *,
        partly: bool = False,
    ) -> str:
        key = operand.kind, operand.index
        if key not in self.values:
            return f"{operand} is outside the {self.n} values"
        if lanes is None:
            self.values[key][:] = value
            self.unset.discard(key)
        else:
            np.copyto(self.values[key], value, where=lanes)
        return ""

    def _set_flags(self, flags: Ranks) -> None:
        if self.active is None:
            self.flags, self.flags_unset = flags, False
        else:
            np.copyto(self.flags, flags, where=self.active)

    def _condition(self, name: str) -> NDArray[np.bool_] | str:
        if self.flags_unset and self._among(self.flags == _NO_FLAGS).any():
            return "the flags are read before a cmp set them"
        holds: NDArray[np.bool_] = _FLAGS[name](self.flags, np.int8(0))
        return holds

    def _jump(self, line: Instruction) -> str:
        if line.operation == "jmp":
            leaving = np.ones(len(self.flags), dtype=bool)
        else:
            holds = self._condition(line.operation.removeprefix("j"))
            if isinstance(holds, str):
                return holds
            leaving = holds
        leaving = self._among(leaving)
        waiting = self.away.get(line.label)
        self.away[line.label] = leaving if waiting is None else waiting | leaving
        self.active = ~leaving if self.active is None else self.active & ~leaving
        return ""

    def _arrive(self, label: str) -> None:
        waiting = self.away.pop(label, None)
        if waiting is None or self.active is None:
            return
        self.active = self.active | waiting
        if self.active.all():
            self.active = None


def _list(values: Sequence[object] | Ranks) -> str:
    return "[" + ", ".join(str(value) for value in values) + "]"


def run(listing: Listing, values: Sequence[int], *, interface: str = "registers") -> list[int]:
    """What a listing makes of one input: slow and obvious.

    Raises:
        LookupError: it reads what is not set.
    """
    kind = "r" if interface == "registers" else "m"
    held = {(kind, index): value for index, value in enumerate(values)}
    flags: int | None = None
    skipping = ""
    for line in listing:
        if skipping:
            skipping = "" if (line.operation, line.label) == ("label", skipping) else skipping
            continue
        if line.operation == "label":
            continue
        condition = line.operation.removeprefix("cmov").removeprefix("j")
        if line.label:
            skipping = line.label if condition == "mp" or _holds(condition, flags) else ""
            continue
        assert line.target is not None
        assert line.source is not None
        target = line.target.kind, line.target.index
        source = line.source.kind, line.source.index
        if line.operation == "cmp":
            one, other = (
                (len(values), line.source.index)
                if line.target.kind == "n"
                else (held[target], held[source])
            )
            flags = (one > other) - (one < other)
        elif line.operation == "mov":
            held[target] = held[source]
        elif line.operation in ("min", "max"):
            chosen = min if line.operation == "min" else max
            held[target] = chosen(held[target], held[source])
        else:
            value = held[source]
            if _holds(condition, flags):
                held[target] = value
        if "m" in (target[0], source[0]) and max(target[1], source[1]) >= REGISTERS:
            raise LookupError("outside")
    return [held[kind, index] for index in range(len(values))]


def _holds(condition: str, flags: int | None) -> bool:
    if flags is None:
        raise LookupError("flags")
    return {
        "l": flags < 0, "g": flags > 0, "le": flags <= 0, "ge": flags >= 0,
        "e": flags == 0, "ne": flags != 0,
    }[condition]  # fmt: skip


def of_network(comparators: Sequence[tuple[int, int]], n: int) -> list[Instruction]:
    """The listing of a comparator network: four instructions for each comparator."""
    lines = []
    for low, high in comparators:
        lines += [
            f"mov r{n} r{low}",
            f"cmp r{high} r{low}",
            f"cmovl r{low} r{high}",
            f"cmovl r{high} r{n}",
        ]
    listing = parse(lines)
    assert not isinstance(listing, Invalid)
    return listing


def check(data: object) -> Valid | Invalid:
    """Checks {"lengths": [...], "interface": ..., "listing": [...]}, which may be anything."""
    if not isinstance(data, dict) or "listing" not in data:
        return Invalid('expected an object with "lengths", "interface" and "listing"')
    listing = parse(data["listing"])
    if isinstance(listing, Invalid):
        return listing
    lengths = data.get("lengths")
    if not isinstance(lengths, list) or any(type(n) is not int for n in lengths):
        return Invalid("lengths: expected a list of integers")
    result = verify(listing, lengths=lengths, interface=str(data.get("interface", "registers")))
    if isinstance(result, Valid) and "instructions" in data:
        claimed = data["instructions"]
        if type(claimed) is int and claimed != result.value:
            return Invalid(f"{claimed} instructions claimed, it has {result.value}")
    return result


_ATT = re.compile(r"(\w+)\s+([^,\s][^,]*?)(?:\s*,\s*(.+))?")
_ATT_MEMORY = re.compile(r"(0x[0-9a-f]+|\d+)?\(%%?\w+\)")


def from_att(lines: Sequence[str]) -> list[Instruction] | Invalid:
    """Reads a listing in AT&T syntax whose memory operands are 4-byte cells of one buffer."""
    registers: dict[str, int] = {}
    made = []
    for number, line in enumerate(lines, start=1):
        match = _ATT.fullmatch(line.strip())
        if match is None or match[3] is None:
            return Invalid(f"line {number}, {line.strip()[:60]!r}: no instruction of two operands")
        operands = []
        for word in (match[3], match[2]):  # ours name the target first
            memory = _ATT_MEMORY.fullmatch(word.strip())
            if memory:
                offset = int(memory[1] or "0", 0)
                if offset % 4:
                    return Invalid(f"line {number}: offset {offset} is no cell of 4 bytes")
                operands.append(f"[{offset // 4}]")
            elif word.strip().startswith("%"):
                operands.append(f"r{registers.setdefault(word.strip(), len(registers))}")
            else:
                return Invalid(f"line {number}: operand {word.strip()[:20]!r} is not known")
        made.append(f"{match[1].removesuffix('l') if match[1] == 'movl' else match[1]} "
                    f"{operands[0]} {operands[1]}")  # fmt: skip
    return parse(made)


def published(content: object) -> Mapping[str, object] | None:
    """A listing as our object, or one in AT&T syntax under "instructions"."""
    if not isinstance(content, dict):
        return None
    if "listing" in content:
        return {"listing": content}
    lines = content.get("instructions")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return None
    label = str(content.get("name", "listing"))[:40]
    listing = from_att(lines)
    if isinstance(listing, Invalid):
        return {label: listing}
    cells = [o.index for i in listing for o in (i.target, i.source) if o and o.kind == "m"]
    artifact = {
        "lengths": [max(cells, default=0) + 1],
        "interface": "memory",
        "listing": [str(line) for line in listing],
    }
    return {label: artifact}


sorting_kernel = Verifier(
    name="sorting_kernel",
    version="1",
    objective="instructions",
    direction="min",
    check=check,
    published=published,
)
