"""Hostile files of every kind, and honest ones at the limits: refused soon, and in a line."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from benchmarks import hostile_files
from evaluators import Invalid
from evolve import certificate
from evolve.errors import UsageError
from evolve.published import content_of, objects

MOST_CPU_S = 3.0
"""A second is the aim, see `benchmarks/verifiers.py`; a busy machine has less of it."""


def reasons(file: Path) -> list[str]:
    """Why a file is refused: one line in all, or one for each object in it."""
    known = certificate.registered()
    try:
        if certificate.is_one(file):
            return [certificate.check(certificate.read(file)).reason]
        found = objects(content_of(file), known)
    except UsageError as error:
        return [str(error)]
    answers = [x if isinstance(x, Invalid) else verifier.check(x) for verifier, _, x in found]
    return [a.reason for a in answers if isinstance(a, Invalid)] or ["none of ours"][len(found) :]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", sorted(hostile_files.KINDS))
def test_a_hostile_file_is_refused(tmp_path: Path, kind: str, seed: int) -> None:
    file = tmp_path / "hostile"
    file.write_bytes(hostile_files.KINDS[kind](random.Random(f"{kind}{seed}")))
    began = time.process_time()
    found = reasons(file)
    assert time.process_time() - began < MOST_CPU_S
    assert found
    assert all(reason and "\n" not in reason and len(reason) < 600 for reason in found)
