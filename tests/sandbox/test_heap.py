"""A server's memory in huge pages, where the kernel makes them; arenas go back either way."""

from __future__ import annotations

import subprocess
import sys

import pytest

_GATHERED = """
import re
from pathlib import Path
from sandbox.inside.heap import collapse, gather

def heap(word):
    smaps = Path("/proc/self/smaps").read_text()
    parts = re.findall(r"(?ms)^[^\\n]*\\[heap\\]$(.*?)^VmFlags", smaps)
    return sum(int(re.search(rf"^{word}: +(\\d+) kB", part, re.M)[1]) for part in parts)

loaded = gather()
kept = [[number] for number in range(400_000)]
loaded()
held = heap("Rss")
collapse(Path("/proc/self/maps").read_text())
huge = heap("AnonHugePages")
assert kept == [[number] for number in range(400_000)]
outside = heap("Rss")
more = [[number] for number in range(200_000)]
assert heap("Rss") < outside + 4096, "made afterwards, and in the heap"
del kept
left = heap("Rss")
more += [[number] for number in range(200_000)]
assert more == [[number] for number in range(200_000)] * 2
print(held, huge, left)
"""


def test_what_a_server_loads_lies_in_huge_pages_and_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _GATHERED], capture_output=True, text=True, check=True, timeout=400
    )
    held, huge, left = map(int, done.stdout.split())
    assert held > 32 << 10  # kB: 400,000 lists with a number each
    assert left < held / 2  # most arenas went back to the kernel
    if huge == 0:
        pytest.skip("this kernel makes no huge pages on request")
    assert huge > held / 2
