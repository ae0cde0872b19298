"""For programs that search for cap sets: points of F_3^n as numbers, and greedy choices of orbits.

A point is the number that its coordinates make in base 3, the first one the highest digit.
"""

from __future__ import annotations

import numba
import numpy as np

_HALF = 81
"""Points of four coordinates: the table of third points holds these, as that of all pairs of points
of F_3^8 would be too large. So n is at most 8."""


def _thirds() -> np.ndarray:
    digits = np.indices((3,) * 4).reshape(4, -1).T
    return (-(digits[:, None] + digits[None]) % 3 @ (27, 9, 3, 1)).astype(np.int32)


_THIRDS = _thirds()


def points(n: int) -> np.ndarray:
    """All points as rows of coordinates: (3^n, n) int64, in the order of their numbers."""
    return np.indices((3,) * n).reshape(n, -1).T


class Orbits:
    """The orbits of a group of maps that take lines to lines.

    Args:
        images: (k, 3^n) integers; row j has where the j-th generator takes each point.

    Attributes:
        lengths: (orbits,) how many points each has.
    """

    def __init__(self, images: np.ndarray) -> None:
        images = np.atleast_2d(np.asarray(images, dtype=np.int64))
        self.size = images.shape[1]
        if images.size and (images.min() < 0 or images.max() >= self.size):
            raise ValueError(f"an image is not among the {self.size} points")
        labels = _smallest(np.ascontiguousarray(images))
        _, self.lengths = np.unique(labels, return_counts=True)
        self._members = np.argsort(labels, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, priorities: np.ndarray) -> np.ndarray:
        """Takes whole orbits, the highest priority first, each that leaves no three on a line.

        Args:
            priorities: (orbits,) floats.

        Returns:
            The numbers of the points taken, int64.
        """
        if np.shape(priorities) != (len(self),):
            raise ValueError(f"priorities of shape {np.shape(priorities)}, not ({len(self)},)")
        order = np.argsort(-np.asarray(priorities), kind="stable")
        return _take(order, self._starts, self._members, _THIRDS)


def maximal(taken: np.ndarray, n: int) -> np.ndarray:
    """The points taken and others of F_3^n, the lowest first, while any fits."""
    return _maximal(np.asarray(taken, dtype=np.int64), 3**n, _THIRDS)


@numba.njit("void(i8[:],i8,i4[:],i4[:,:],i8)")
def _close(taken, point, closed, thirds, by):
    """Counts the lines through a new point and each one taken, or takes them back."""
    high, low = point // _HALF, point % _HALF
    for other in taken:
        closed[thirds[high, other // _HALF] * _HALF + thirds[low, other % _HALF]] += by
    closed[point] += by


@numba.njit("i8[:](i8[:,:])")
def _smallest(images):
    size = images.shape[1]
    parent = np.arange(size)
    for k in range(images.shape[0]):
        for point in range(size):
            a, b = point, images[k, point]
            while parent[a] != a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a < b:
                parent[b] = a
            elif b < a:
                parent[a] = b
    for point in range(size):  # a parent is never larger, so it is final by now
        parent[point] = parent[parent[point]]
    return parent


@numba.njit("i8[:](i8[:],i8[:],i8[:],i4[:,:])")
def _take(order, starts, members, thirds):
    closed = np.zeros(len(members), np.int32)  # by how many lines: an orbit may be taken back
    taken = np.empty(len(members), np.int64)
    count = 0
    for orbit in order:
        fits = True
        for at in range(starts[orbit], starts[orbit + 1]):
            fits = fits and closed[members[at]] == 0
        before = count
        at = starts[orbit]
        while fits and at < starts[orbit + 1]:
            point = members[at]
            fits = closed[point] == 0
            if fits:
                _close(taken[:count], point, closed, thirds, 1)
                taken[count] = point
                count += 1
            at += 1
        while not fits and count > before:
            count -= 1
            _close(taken[:count], taken[count], closed, thirds, -1)
    return taken[:count].copy()


@numba.njit("i8[:](i8[:],i8,i4[:,:])")
def _maximal(first, size, thirds):
    closed = np.zeros(size, np.int32)
    taken = np.empty(size, np.int64)
    count = 0
    for at in range(len(first) + size):
        point = first[at] if at < len(first) else at - len(first)
        if closed[point] == 0:
            _close(taken[:count], point, closed, thirds, 1)
            taken[count] = point
            count += 1
    return taken[:count].copy()
