"""The progress of a run, on standard error."""

import sys
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from resultspec_conformance.report.plain_text import printable
from resultspec_conformance.text.redaction import redact_text
from resultspec_conformance.verdict.check_results import CheckResult


class Observer(Protocol):
    """Receives the progress of a run. Methods may be called from several threads."""

    def stage(self, text: str) -> None:
        """A stage begins that may take a second, such as the start of a server."""
        ...

    def planned(self, checks: int) -> None:
        """The number of checks that will run is known."""
        ...

    def began(self, name: str) -> None:
        """A check begins."""
        ...

    def ended(self, result: CheckResult) -> None:
        """A check has ended."""
        ...

    def heard(self, check: str, line: str) -> None:
        """The backend has printed a line, during a check or, if the name is empty, before the first one."""
        ...

    def close(self) -> None:
        """The run has ended, or was interrupted. Idempotent."""
        ...


def _printed(check: str, line: str) -> str:
    """Return a line that the backend has printed as it is shown, so that nobody takes it for one of ours."""
    tab = "\t"
    return f"{check or 'opening'} | {redact_text(printable(line, keep=tab))}"


def _say(line: str) -> None:
    # the reader of the log may have gone, which must not end the run
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class Silent:
    """Shows nothing but, if `verbose`, what the backend prints."""

    def __init__(self, *, verbose: bool = False) -> None:
        self.verbose = verbose

    def stage(self, text: str) -> None:
        """Tell nothing."""

    def planned(self, checks: int) -> None:
        """Tell nothing."""

    def began(self, name: str) -> None:
        """Tell nothing."""

    def ended(self, result: CheckResult) -> None:
        """Tell nothing."""

    def heard(self, check: str, line: str) -> None:
        """Write the line if the run is verbose."""
        if self.verbose:
            _say(_printed(check, line))

    def close(self) -> None:
        """Tell nothing."""


class Lines(Silent):
    """For a log: writes a line for each check that did not pass, when it ends."""

    def ended(self, result: CheckResult) -> None:
        """Write a line if the check did not pass."""
        if result.status != "passed":
            about = f" ({', '.join(result.accused)})" if result.failures else ""
            _say(f"{result.name}: {result.status}{about}")


class Bar:
    """For a terminal: a bar with the running check and the failures so far; it disappears at the end.

    If `verbose`, what the backend prints runs above it.
    """

    def __init__(self, console: Console | None = None, *, verbose: bool = False) -> None:
        self.verbose = verbose
        self._progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._task: TaskID = self._progress.add_task("", total=None)
        self._planned = 0
        self._found = 0
        self._running: list[str] = []
        self._lock = threading.Lock()
        self._progress.start()

    def stage(self, text: str) -> None:
        """Show the stage."""
        self._progress.update(self._task, description=text)

    def planned(self, checks: int) -> None:
        """Set the length of the bar, or make it longer: a baseline is judged by checks of its own."""
        self._planned += checks
        self._progress.update(self._task, total=self._planned)

    def began(self, name: str) -> None:
        """Show the running check."""
        with self._lock:
            self._running.append(name)
            self._show()

    def ended(self, result: CheckResult) -> None:
        """Advance the bar."""
        with self._lock:
            self._found += result.status != "passed"
            self._running.remove(result.name)
            self._progress.advance(self._task)
            self._show()

    def _show(self) -> None:
        """Show the check that has run for the longest time, since that one may be stuck."""
        found = f"{self._found} failed, " if self._found else ""
        others = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
        self._progress.update(self._task, description=f"{found}{''.join(self._running[:1])}{others}")

    def heard(self, check: str, line: str) -> None:
        """Write the line above the bar if the run is verbose."""
        if self.verbose:
            self._progress.console.print(Text(_printed(check, line), style="dim"), soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


class OfBaseline:
    """Passes on the progress of a baseline to the observer of the run, under its name."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def stage(self, text: str) -> None:
        """Pass on a stage."""
        self._observer.stage(f"baseline: {text}")

    def planned(self, checks: int) -> None:
        """Pass on the number of checks."""
        self._observer.planned(checks)

    def began(self, name: str) -> None:
        """Pass on the check that begins."""
        self._observer.began(f"baseline {name}")

    def ended(self, result: CheckResult) -> None:
        """Pass on the check that has ended."""
        self._observer.ended(replace(result, name=f"baseline {result.name}"))

    def heard(self, check: str, line: str) -> None:
        """Pass on a line that the baseline has printed."""
        self._observer.heard(f"baseline {check or 'opening'}", line)

    def close(self) -> None:
        """The run itself goes on."""


def observer(*, quiet: bool, verbose: bool) -> Observer:
    """Return the observer that suits the standard error of this process.

    `quiet`: without progress. `verbose`: with what the backend prints.
    """
    if quiet:
        return Silent(verbose=verbose)
    return Bar(verbose=verbose) if sys.stderr.isatty() else Lines(verbose=verbose)
