"""What all commands have in common: errors in one or two lines, exit codes, files that are written,
interruption.
"""

import functools
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

import typer

from resultspec_conformance.redaction import redact_text
from resultspec_conformance.replay import ReplayError
from resultspec_conformance.report import ReportError
from resultspec_conformance.subject import SubjectError, UsageError

P = ParamSpec("P")
R = TypeVar("R")

USAGE = 2
FAILED = 3
INTERRUPTED = 130


def width() -> int:
    """Return the columns to write for: those of the terminal, within reason."""
    return max(60, min(140, shutil.get_terminal_size((100, 24)).columns))


def color() -> bool:
    """Whether standard output is a terminal that is to be painted."""
    return sys.stdout.isatty()


def say_error(message: str) -> None:
    """Write a message to standard error, without a password."""
    typer.echo(f"resultspec: {redact_text(message)}", err=True)


def write(path: Path | None, text: str) -> None:
    """Write a file, if one was asked for. Raises UsageError."""
    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def require_writable(*paths: Path | None) -> None:
    """Raise UsageError for a file that could not be written, before a run is made for it."""
    for path in paths:
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise UsageError(f"cannot write {path}: give the name of a file in a directory that exists.")


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a signal handler
    raise KeyboardInterrupt


def answered(function: Callable[P, R]) -> Callable[P, R]:
    """Make a command answer errors in a line or two, with the exit code that belongs to them."""

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> R:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            return function(*args, **kwargs)
        except SubjectError as error:
            say_error(str(error))
            raise typer.Exit(error.exit_code) from error
        except (ReportError, ReplayError) as error:
            say_error(str(error))
            raise typer.Exit(USAGE) from error
        except KeyboardInterrupt:
            say_error("interrupted; what the run had started is stopped")
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception as error:
            # a mistake of ours: it must not end with the exit code of a violation
            say_error(f"an error of resultspec itself:\n{traceback.format_exc()}")
            raise typer.Exit(FAILED) from error

    return command
