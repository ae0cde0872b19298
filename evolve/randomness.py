"""Where randomness comes from: everything is derived from the run's seed and a purpose."""

from __future__ import annotations

import hashlib
import os
import random


def derive(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed for one purpose; the same on every machine and Python."""
    text = f"{seed}/{purpose}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def generator(seed: int, purpose: str, index: int = 0) -> random.Random:
    """The generator of one purpose, e.g. attempt `index`'s sampling."""
    return random.Random(derive(seed, purpose, index))


def unforeseen() -> int:
    """A seed that nothing in the run could have known: for the test draw, and for new runs."""
    return int.from_bytes(os.urandom(6), "little")
