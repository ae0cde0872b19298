"""What worker, fork server and candidate say to each other, as bytes.

Worker and server are both trusted and send one packet each. What a candidate answers is not.
"""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<IQ")
"""A process to reap, or 0 and the size of a scratch folder: then a new process is wanted.

With the second come four descriptors: the process's ends of its three channels, and where it
prints.
"""
ENDS = struct.Struct("4i")
DESCRIPTOR = struct.Struct("i")
"""One alone: a process's pidfd, or memory that is lent."""

EXITED, STARTED, FAILED = b"X", b"C", b"E"
"""The first byte of an answer."""
EXIT = struct.Struct("<cidQ")
"""EXITED, exit code or minus a signal, CPU seconds, peak resident bytes."""
CHILD = struct.Struct("<cI")
"""STARTED and a process id; the process's pidfd comes with it."""

REQUESTS, ANSWERS, LENDING = 3, 4, 5
"""A candidate's descriptors: two pipes, which a round trip costs half as much over as over a
socket, and a socket that only ever carries memory the worker lends."""
READY = b"+"
"""What a candidate says first, when its isolation is complete."""
HEAD = struct.Struct("<QI")
"""Nonce and length, before each request and each answer."""
FRAME = struct.Struct("<QIB")
"""The same with the first byte behind it, which says of what kind the rest is."""
SIZE = struct.Struct("<Q")

MARSHALLED, ENCODED, SHARED = b"MCS"
"""A request: by marshal, by the codec, or by the codec in memory that was lent, with its size."""
RETURNED, RAISED, OUT_OF_MEMORY, FORBIDDEN, WANTED, FILLED = b"REMFWS"
"""An answer: a value, an exception, the ways to fail, the wish for memory of a size to put the
answer into, and that it is in there."""
LENT, REFUSED = b"YN"
"""The worker's reply to that wish."""
SHARED_BYTES = 1 << 18
"""Messages of this size and more go through shared memory where it can be had."""
