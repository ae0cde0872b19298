"""Helper processes: how many there are, and that their number decides nothing."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.messages import Mutate, Mutated
from evolve.processes import Pool
from islands_db import Reader, fingerprint

from .conftest import SEED, Evolve

_ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_further_helper_starts_when_all_others_are_busy() -> None:
    question = Mutate(parent={"program.py": SEED}, inspirations=(), seed=1)

    async def asked() -> None:
        pool = Pool("evolve.proposers.mutator", 3, at_once=1)
        await pool.start()

        async def answer() -> Mutated:
            return await pool.ask(question, Mutated, limit_s=60)

        try:
            (first,) = pool.pids()
            for _ in range(3):
                alone = await answer()
            assert pool.pids() == [first]
            both = await asyncio.gather(answer(), answer())
            assert len(set(pool.pids())) == 2
            assert first in pool.pids()
            assert both == [alone, alone]
        finally:
            await pool.stop()
        assert pool.pids() == []

    asyncio.run(asked())


def test_a_helper_that_cannot_be_started_is_done_without() -> None:
    question = Mutate(parent={"program.py": SEED}, inspirations=(), seed=1)

    async def asked() -> list[Mutated]:
        pool = Pool("evolve.proposers.mutator", 2, at_once=1)
        await pool.start()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        # as a machine that has no room for another process
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), limits[1]))

        async def answer() -> Mutated:
            return await pool.ask(question, Mutated, limit_s=60)

        try:
            found = await asyncio.gather(answer(), answer(), answer())
            found += [await answer() for _ in range(3)]
            assert len(pool.pids()) == 1
            return found
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await pool.stop()

    first, *others = asyncio.run(asked())
    assert isinstance(first, Mutated)
    assert others == [first] * 5


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_the_number_of_mutators_decides_nothing(evolve: Evolve) -> None:
    options = ("--deterministic", "--seed", 7, "--evals", 15, "--workers", 1)
    command = evolve.command("run", "bin_packing:or1", *options, "--name", "one")
    subprocess.run(
        [sys.executable, "-c", _ON_ONE_CORE, *command, "--runs", str(evolve.folder)],
        cwd=evolve.folder, check=True, capture_output=True, timeout=400,
    )  # fmt: skip
    ended = evolve("run", "bin_packing:or1", *options, "--name", "all", "--runs", evolve.folder)
    assert ended.code == 0, ended.err
    databases = [Path(evolve.folder, name, "run.db") for name in ("one", "all")]
    assert fingerprint(databases[0]) == fingerprint(databases[1])
    with Reader(databases[0]) as reader:
        assert reader.counts().ran == 15
