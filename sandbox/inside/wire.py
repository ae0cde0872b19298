"""What worker and fork server say to each other, one packet each; both of them are trusted."""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<IQ")
"""A process to reap, or 0 and the size of a scratch folder: then a new process is wanted.

With the second come two descriptors: the process's end of its channel, and where it prints.
"""

EXITED, STARTED, FAILED = b"X", b"C", b"E"
"""The first byte of an answer."""
EXIT = struct.Struct("<cidQ")
"""EXITED, exit code or minus a signal, CPU seconds, peak resident bytes."""
CHILD = struct.Struct("<cI")
"""STARTED and a process id; the process's pidfd comes with it."""
