"""The command line: thin; every command imports what it needs when it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import traceback
from keyword import iskeyword
from pathlib import Path
from typing import NoReturn

import click

from evolve.errors import EvolveError

_OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG,
    errno.EMFILE, errno.ENFILE, errno.EIO, errno.EAGAIN, errno.ENOMEM,
)  # fmt: skip
"""What goes wrong with disks, rights and limits: one line, not a crash of ours."""

_MODULES = {
    "run": "running", "resume": "running", "replay": "running", "control": "controlling",
    "ls": "reading", "best": "reading", "show": "reading",
    "lineage": "tracing", "why": "tracing", "diff": "differing", "explain": "explaining",
    "report": "reporting", "ui": "serving", "track": "tracking",
    "evaluate": "judging", "verify": "verifying", "compare": "comparing",
    "problems": "authoring", "new": "authoring", "check": "authoring",
    "prompt": "prompting",
    "doctor": "doctoring",
    "export": "moving", "import": "moving", "merge": "moving", "salvage": "moving",
    "gc": "keeping", "rescore": "keeping",
}  # fmt: skip
_SUMMARIES = {
    "run": "Evolve a program for a problem.",
    "resume": "Go on with a run.",
    "control": "Command a live run: pause, go, stop, budget, inject, hint, ban, status.",
    "ls": "List runs.",
    "best": "The best program of a run.",
    "show": "One program: its verdicts, where it came from, its code.",
    "lineage": "The path from the seed to a program, and what each step gained.",
    "why": "How one program came to be: who asked what, who answered what, every verdict.",
    "diff": "What differs between two programs.",
    "explain": "What made a program good: new structure, tuned constants, or overfit.",
    "report": "Write one file that shows a whole run.",
    "ui": "Serve a live page of the runs, to watch and to steer them.",
    "track": "Log a run to MLflow or Weights & Biases, from outside.",
    "evaluate": "Judge one program file.",
    "verify": "Re-check a certificate or a published object, without any run.",
    "compare": "Compare methods on problems over seeds, by a plan fixed beforehand.",
    "problems": "List the problems that have a name here.",
    "new": "Write a problem folder that runs.",
    "check": "Say whether a problem is sound, and what a run would cost.",
    "prompt": "Show what a language model would be asked first.",
    "replay": "Run a recorded search again without asking any model.",
    "doctor": "Say what this machine gives, and what is missing.",
    "export": "Write everything a run holds as JSON Lines or Parquet.",
    "import": "Make a run of an export.",
    "merge": "Put runs of one problem together as a new run.",
    "salvage": "Make a new run of what can be read of a damaged one.",
    "gc": "Drop texts of programs that nothing needs, and make the file smaller.",
    "rescore": "Judge every program of a run again after a verifier has changed.",
}


class _Commands(click.Group):
    """Commands whose modules are imported when one of them is called, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        module = _MODULES.get(name)
        if module is None:
            return None
        from importlib import import_module

        attribute = f"{name}_" if iskeyword(name) else name
        command = getattr(import_module(f"evolve.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _SUMMARIES[name]) for name in _MODULES])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _MODULES and not args[0].startswith("-"):
            from evolve.errors import nearest

            raise click.UsageError(f"no command {args[0]!r}; {nearest(args[0], list(_MODULES))}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evolve")
def cli() -> None:
    """Evolve programs whose scores cannot be forged.

    Exit codes: 0 yes or done, 1 no (invalid, unsound, does not hold), 2 wrong use, 3 this machine
    cannot, 4 the run is in use, 5 the problem's own code fails, 130 stopped by Ctrl-C.
    """


def main() -> None:
    """Entry point: every foreseen failure is one line, anything else a crash file and one line."""
    signal.signal(signal.SIGTERM, _interrupted)
    _prepare_streams()
    if any(map(_undecodable, sys.argv)):
        _fail("an argument is no text in this locale; set PYTHONUTF8=1, or rename the file", 2)
    try:
        code = cli(standalone_mode=False)
    except EvolveError as error:
        _fail(str(error), error.exit_code)
    except click.UsageError as error:
        hint = f" (evolve {error.ctx.info_name} --help)" if error.ctx and error.ctx.parent else ""
        _fail(error.format_message() + hint, 2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except (BrokenPipeError, SystemExit):  # the second is how click says the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output has left
        _leave(0)
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            _crash(error)
        _fail(f"{error.strerror}: {error.filename or 'here'}", 3)
    except Exception as error:  # noqa: BLE001  the outermost edge
        _crash(error)
    _leave(code if isinstance(code, int) else 0)


def _prepare_streams() -> None:
    """Standard streams that are there, and show what their encoding lacks as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def _undecodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _interrupted(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _leave(code: int) -> NoReturn:
    # without waiting for threads that a problem's own module may have started
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _fail(message: str, code: int) -> NoReturn:
    from evolve.terminal import inert

    # one line, however long: scripts and logs read it too
    print(f"evolve: {inert(' '.join(message.split()))}", file=sys.stderr)
    _leave(code)


def _crash(error: Exception) -> NoReturn:
    import tempfile

    from islands_db import StoreError
    from sandbox import SandboxError

    if isinstance(error, StoreError | SandboxError):
        _fail(str(error), 3)
    file = Path(tempfile.gettempdir()) / f"evolve-crash-{os.getpid()}.txt"
    try:
        file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"; details in {file}"
    except OSError:
        where = ""
    _fail(f"a bug of ours: {type(error).__name__}: {error}{where}", 70)
