"""Common to all commands: short error messages, exit codes, writing of files, interruption.

Nothing of the suite is loaded before it is needed: help must not wait for it.
"""

import functools
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

import typer

P = ParamSpec("P")
R = TypeVar("R")

USAGE = 2
FAILED = 3
INTERRUPTED = 130
OUTPUT_CLOSED = 141
"""The exit code that a shell reports for a program such as `cat` whose output was closed."""


class OutputClosedError(Exception):
    """The reader of standard output, such as `head`, has closed it."""


def width() -> int:
    """Return the columns of the terminal, but 60 to 140."""
    return max(60, min(140, shutil.get_terminal_size((100, 24)).columns))


def color() -> bool:
    """Whether standard output is a terminal with colors."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """Write lines to standard output. Raises OutputClosedError, and SubjectError if it cannot be written."""
    from resultspec_conformance.subject.errors import SubjectError

    try:
        typer.echo(text)
    except BrokenPipeError:
        raise OutputClosedError from None
    except OSError as error:
        raise SubjectError(f"cannot write to standard output: {error.strerror}") from error


def say_error(message: str) -> None:
    """Write a message to standard error, without a password."""
    from resultspec_conformance.text.redaction import redact_text

    with suppress(OSError):
        typer.echo(f"resultspec: {redact_text(message)}", err=True)


def write(path: Path | None, text: str) -> None:
    """Write a file, unless `path` is None. Raises SubjectError."""
    from resultspec_conformance.subject.errors import SubjectError

    if path is None:
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SubjectError(f"cannot write {path}: {error.strerror}") from error


def require_writable(*paths: Path | None) -> None:
    """Raise UsageError for a file that could not be written, before the run."""
    from resultspec_conformance.subject.errors import UsageError

    given = [path for path in paths if path is not None]
    for path in given:
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise UsageError(f"cannot write {path}: give the name of a file in a directory that exists.")
        if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise UsageError(f"cannot write {path}: permission denied.")
    for path, times in Counter(path.absolute() for path in given).items():
        if times > 1:
            raise UsageError(f"{path} would be written twice: give each kind of report its own file.")


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a signal handler
    raise KeyboardInterrupt


def _take_signals() -> None:
    """Let the signals that end a program interrupt it, like the keyboard."""
    signal.signal(signal.SIGTERM, _interrupt)
    hang_up = getattr(signal, "SIGHUP", None)
    # under nohup, closing the terminal must not end this process
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        signal.signal(hang_up, _interrupt)


def with_exit_codes(function: Callable[P, R]) -> Callable[P, R]:
    """Make a command report errors in one or two lines, with their exit codes."""

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> R:
        _take_signals()
        try:
            return function(*args, **kwargs)
        except OutputClosedError:
            raise typer.Exit(OUTPUT_CLOSED) from None
        except KeyboardInterrupt:
            say_error("interrupted; everything that the run had started was stopped")
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception as error:
            message, code = _explained(error)
            say_error(message)
            raise typer.Exit(code) from error

    return command


def _explained(error: Exception) -> tuple[str, int]:
    """Return the message for an error that ends a command, and its exit code."""
    from resultspec_conformance.report.document import ReportError
    from resultspec_conformance.subject.errors import SubjectError
    from resultspec_conformance.verdict.replay_token import ReplayError

    if isinstance(error, SubjectError):
        return str(error), error.exit_code
    if isinstance(error, ReportError | ReplayError):
        return str(error), USAGE
    # an error of this program must not have the exit code of a violation
    return f"an error of resultspec itself:\n{traceback.format_exc()}", FAILED


@contextmanager
def written() -> Iterator[None]:
    """Keep the exit codes where help or a complaint about wrong use cannot be written; Typer's own is a violation's."""
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            sys.exit(OUTPUT_CLOSED)
        raise
    except OSError as error:
        code = getattr(error.__context__, "exit_code", None)
        if code is None:
            say_error(f"cannot write to standard output: {error.strerror}")
        sys.exit(FAILED if code is None else code)
