"""What a server has written to lies in huge pages, where the kernel makes them, and stays its own.

The last part is what a fork relies on: a child writes, and the parent sees nothing of it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

_COLLAPSED = """
import contextlib, mmap, os, re
from pathlib import Path
from sandbox.inside.heap import collapse

def huge():
    found = re.findall(r"(?m)^AnonHugePages: +(\\d+) kB", Path("/proc/self/smaps").read_text())
    return sum(map(int, found))

# Does this kernel make any on request, with its memory as full as it is now? How many of the
# interpreter's arenas it then takes depends on free ones, and on arenas side by side.
asked = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
asked.write(b"x" * (8 << 20))
before = huge()
with contextlib.suppress(OSError):
    asked.madvise(25)  # MADV_COLLAPSE
able = huge() > before
asked.close()
kept = [[number] for number in range(400_000)]
before = huge()
collapse(Path("/proc/self/maps").read_text())
made = huge() - before
child = os.fork()
if child == 0:
    for item in kept:
        item[0] += 1
    os._exit(kept != [[number + 1] for number in range(400_000)])
assert os.waitpid(child, 0)[1] == 0
assert kept == [[number] for number in range(400_000)]
del kept
assert [[number] for number in range(400_000)] == [[number] for number in range(400_000)]
print(int(able), made)
"""


def test_what_was_written_to_lies_in_huge_pages_and_forks_as_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COLLAPSED], capture_output=True, text=True, check=True, timeout=400
    )
    able, made = map(int, done.stdout.split())
    if not able:
        pytest.skip("this kernel makes no huge pages on request")
    assert made >= 2 << 10  # kB: one page at least
