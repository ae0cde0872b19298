"""The exceptions that reach a user as one line, each with its exit code.

    EvolveError
    ├── UsageError         2   what was typed or configured cannot be meant
    ├── MachineError       3   this machine cannot run it (sandbox, disk, permissions)
    ├── BusyError          4   the run is in use by another process
    └── FaultError         5   the problem's own code fails: seeds, stages, verifiers
        └── ProblemError       a definition that cannot be used

Exit code 1 is a negative answer (a certificate that does not hold, an unsound problem, an invalid
program), 0 a positive one, 130 a stop by Ctrl-C, 70 a bug of ours.
"""

from __future__ import annotations


class EvolveError(Exception):
    """Base: `str(error)` is the one line, `exit_code` what the command ends with."""

    exit_code = 1


class UsageError(EvolveError):
    exit_code = 2


class MachineError(EvolveError):
    exit_code = 3


class BusyError(EvolveError):
    exit_code = 4


class FaultError(EvolveError):
    exit_code = 5


class ProblemError(FaultError):
    """A problem definition that cannot be used; the message names what is wrong and where."""


def nearest(name: str, known: list[str]) -> str:
    """A "did you mean" clause for a name that does not exist, or what there is."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(sorted(known))}" if known else "there is none"


def first_leaf(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception in a group of groups: the one whose line the user sees."""
    leaf: BaseException = errors
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf
