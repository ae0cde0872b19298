"""Hostile programs, one property each: what a candidate must not read, forge, escape, starve, keep.

Each defines `attack(world)` and returns something true where it got through. `conformance` runs
them; they are shipped so that any backend, and any machine, can be put to the same test.
"""

from sandbox.attacks import (
    behind,
    channels,
    corners,
    edges,
    escape,
    forge,
    host,
    insider,
    persist,
    read,
    starve,
)
from sandbox.attacks.attack import KIT, Attack, Group

ATTACKS: tuple[Attack, ...] = (
    *read.ATTACKS,
    *forge.ATTACKS,
    *escape.ATTACKS,
    *starve.ATTACKS,
    *persist.ATTACKS,
    *corners.ATTACKS,
    *insider.ATTACKS,
    *channels.ATTACKS,
    *edges.ATTACKS,
    *host.ATTACKS,
    *behind.ATTACKS,
)

__all__ = ["ATTACKS", "KIT", "Attack", "Group"]
