"""Code that children of a server find mapped: fewer faults, and the same code."""

from __future__ import annotations

import subprocess
import sys

_FAULTS = """
import os, resource
from pathlib import Path
from sandbox.inside.mapping import share_code

def faults():
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    child = os.fork()
    if child == 0:
        exec(compile("sorted(str(n) for n in range(100))", "p", "exec"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before

def rights():
    # where code lies, and what may be done with it
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line.split()[:2] for line in lines if "x" in line.split()[1]]

faults()
before, code = faults(), rights()
share_code(Path("/proc/self/maps").read_text())
assert rights() == code, (rights(), code)
print(before, faults())
"""


def test_a_fork_takes_fewer_faults_and_no_code_stays_writable() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True, timeout=400
    )
    before, after = map(int, done.stdout.split())
    assert after < before
