"""Certificates: what was found, the value claimed, and which verifier says so.

A certificate is hostile input. It may name only a verifier registered in the entry-point group
`evolve.verifiers`; no evolved code is run to check it, and the check is bounded in memory and time.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import resource
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

from evaluators import Invalid, Valid, Value, Verifier
from evolve.errors import UsageError, nearest

FORMAT = "evolve-certificate/1"
MAX_BYTES = 16 << 20
MAX_NODES = 2_200_000
"""Two numbers for each of a million packed items, and a table; less than 200 MB when decoded."""
_MEMORY_BYTES = 4 << 30
_CPU_S = 60
_DIGITS = 2000
_TEXT = re.compile(rb'"([^"]*)"\s*(:)?')
"""A text of JSON without escapes, and whether it is a key."""
_MOST_TEXTS = 1_000_000
_MOST_KEYS = 50_000
_EXACT = re.compile(r"-?[0-9]+(/[0-9]+)?")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The value claimed: `value` exact as text, `direction` "min" or "max"."""

    objective: str
    direction: str
    value: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One found object with its claim. `lineage` has the program hashes from seed to finder."""

    format: str
    problem: str
    parameters: dict[str, str | int | float | bool | None]
    verifier: str
    verifier_version: str
    claim: Claim
    artifact: msgspec.Raw
    program: str
    lineage: list[str]
    tier: str = ""
    """The sandbox tier the finder ran in; "none" means that it could have forged its data."""
    created: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The outcome of a check: `holds`, and in one line why (not)."""

    holds: bool
    reason: str
    certificate: Certificate
    value: Value | None = None
    result: Valid | None = None
    """What the verifier found, where the object is valid and as claimed."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the object does not show, though it holds."""
        return () if self.result is None else self.result.caveats


def registered() -> dict[str, Verifier]:
    """The verifiers that certificates may name."""
    found = {}
    for point in entry_points(group="evolve.verifiers"):
        verifier = point.load()
        if isinstance(verifier, Verifier):
            found[verifier.name] = verifier
    return found


def write(
    path: Path,
    *,
    problem: str,
    parameters: Mapping[str, object],
    verifier: Verifier,
    claim: Claim,
    artifact: str,
    program: str,
    lineage: list[str],
    tier: str,
    created: str,
) -> None:
    """Writes a certificate; `artifact` is JSON text. The file appears whole or not at all."""
    data = {
        "format": FORMAT,
        "problem": problem,
        "parameters": dict(parameters),
        "verifier": verifier.name,
        "verifier_version": verifier.version,
        "claim": msgspec.to_builtins(claim),
        "program": program,
        "lineage": lineage,
        "tier": tier,
        "created": created,
        "artifact": json.loads(artifact),
    }
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")
    os.replace(partial, path)


def read(path: Path) -> Certificate:
    """Reads a certificate's frame; its artifact stays text.

    Raises:
        UsageError: it cannot be read, is too large, or is no certificate.
    """
    text = read_bytes(path, MAX_BYTES)
    bound_nodes(path, text)
    refuse_doubled(path, text)
    try:
        certificate = msgspec.json.decode(text, type=Certificate)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no certificate: {error}") from None
    if certificate.format != FORMAT:
        raise UsageError(f"{path}: format {certificate.format[:40]!r}, expected {FORMAT!r}")
    return certificate


class _Frame(msgspec.Struct, frozen=True):
    format: str = ""


def is_one(path: Path) -> bool:
    """Whether a file says of itself that it is a certificate, whatever else is in it."""
    try:
        frame = msgspec.json.decode(read_bytes(path, MAX_BYTES), type=_Frame)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return frame.format.startswith(FORMAT.partition("/")[0])


def read_bytes(path: Path, most: int) -> bytes:
    """A regular file's content, at most `most` bytes.

    Raises:
        UsageError: it cannot be read, is something else, or is larger.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UsageError(f"{path} is not a file")
        with path.open("rb") as file:
            text = file.read(most + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > most:
        raise UsageError(f"{path}: {max(about.st_size, len(text))} bytes, at most {most} are read")
    return text.removeprefix(codecs.BOM_UTF8)  # some editors begin with a mark


def bound_nodes(path: Path, text: bytes) -> None:
    # what JSON takes once decoded follows from its commas and brackets, not from its length
    nodes = sum(map(text.count, (b",", b"[", b"{")))
    if nodes > MAX_NODES:
        raise UsageError(f"{path}: some {nodes} values, at most {MAX_NODES} are read")


def refuse_doubled(path: Path, text: bytes) -> None:
    """Refuses JSON in which an object has a key twice: readers differ in which they take.

    Raises:
        UsageError: there is such a key, or there are too many keys to tell.
    """

    def distinct(pairs: list[tuple[str, object]]) -> None:
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise UsageError(f"{path}: the key {key[:40]!r} occurs twice in one object")
            seen.add(key)

    if text.count(b":") < 2:
        return
    if text.count(b'"') > 2 * _MOST_TEXTS:
        raise UsageError(f"{path}: over {_MOST_TEXTS} texts")
    # runs of backslashes pair up from their start, so that an escaped quote is one behind the pairs
    plain = text.replace(rb"\\", b"\0\0").replace(rb"\"", b"\0\0")
    names = [match[1] for match in _TEXT.finditer(plain) if match[2]]
    if len(names) > _MOST_KEYS:
        raise UsageError(f"{path}: over {_MOST_KEYS} keys of objects")
    # keys can be written in two ways, with escapes
    if len(set(names)) < len(names) or any(b"\\" in name or b"\0" in name for name in names):
        with contextlib.suppress(ValueError, RecursionError):  # said better by who decodes it
            json.loads(text, object_pairs_hook=distinct, parse_int=len, parse_float=len)


def check(certificate: Certificate) -> Checked:
    """Re-checks a certificate with the registered verifier it names.

    Raises:
        UsageError: it names a verifier that is not registered, or another version of it.
    """
    known = registered()
    verifier = known.get(certificate.verifier)
    if verifier is None:
        hint = nearest(certificate.verifier[:80], list(known))
        raise UsageError(f"no verifier {certificate.verifier[:80]!r} is registered; {hint}")
    if verifier.version != certificate.verifier_version:
        raise UsageError(
            f"made for {verifier.name} version {certificate.verifier_version[:20]!r}, "
            f"this is version {verifier.version!r}"
        )
    fault = _misclaimed(certificate, verifier)
    if fault:
        return Checked(holds=False, reason=fault, certificate=certificate)
    claimed = Fraction(certificate.claim.value)
    try:
        artifact = msgspec.json.decode(certificate.artifact)
    except (msgspec.DecodeError, RecursionError) as error:
        reason = f"the artifact is not JSON: {error}"
        return Checked(holds=False, reason=reason, certificate=certificate)
    try:
        result = verifier.check(artifact)
    except (MemoryError, RecursionError) as error:
        reason = f"checking it takes more than is allowed ({type(error).__name__})"
        return Checked(holds=False, reason=reason, certificate=certificate)
    if isinstance(result, Invalid):
        return Checked(holds=False, reason=result.reason, certificate=certificate)
    value = result.value
    for name, fact in result.facts.items():
        if certificate.parameters.get(name, fact) != fact:
            given = str(certificate.parameters[name])[:40]
            reason = f"the object is of {name} {fact}, and the certificate says {given}"
            return Checked(holds=False, reason=reason, certificate=certificate, value=value)
    if Fraction(value) != claimed:
        reason = f"the object is valid, but its value is {value}, not {certificate.claim.value}"
        return Checked(holds=False, reason=reason, certificate=certificate, value=value)
    return Checked(holds=True, reason="", certificate=certificate, value=value, result=result)


def _misclaimed(certificate: Certificate, verifier: Verifier) -> str:
    """What is wrong with a claim before anything is computed."""
    claim = certificate.claim
    if (claim.objective, claim.direction) != (verifier.objective, verifier.direction):
        claimed = f"{claim.direction[:8]} {claim.objective[:40]}"
        return f"{verifier.name} gives {verifier.direction} {verifier.objective}, not {claimed}"
    # plain digits only: an exponent would make a number that fills memory
    if len(claim.value) > _DIGITS or not _EXACT.fullmatch(claim.value):
        return f"the claimed value {claim.value[:40]!r} is no exact number such as 63/50"
    try:
        value = Fraction(claim.value)
    except ZeroDivisionError:
        return f"the claimed value {claim.value[:40]!r} divides by zero"
    return "" if str(value) == claim.value else f"the claimed value is {value}, written otherwise"


def bound_this_process() -> None:
    """Limits memory and CPU of this process, before it meets a certificate of unknown origin.

    And the threads of a BLAS that is loaded later: on a busy machine they wait for each other.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    for kind, most in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CPU, _CPU_S)):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, hard))
