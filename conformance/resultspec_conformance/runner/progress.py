"""Telling how far a run is, on standard error."""

import sys
import threading
from contextlib import suppress
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from resultspec_conformance.verdict.results import CheckResult


class Observer(Protocol):
    """What a run tells while it goes on. Methods may be called from several threads."""

    def stage(self, text: str) -> None:
        """Something is about to happen that may take a second: a server starts, say."""
        ...

    def planned(self, checks: int) -> None:
        """So many checks will be run."""
        ...

    def began(self, name: str) -> None:
        """A check begins."""
        ...

    def ended(self, result: CheckResult) -> None:
        """A check has ended."""
        ...

    def close(self) -> None:
        """The run is over, or was interrupted. Idempotent."""
        ...


class Silent:
    """Tells nothing."""

    def stage(self, text: str) -> None:
        """Tell nothing."""

    def planned(self, checks: int) -> None:
        """Tell nothing."""

    def began(self, name: str) -> None:
        """Tell nothing."""

    def ended(self, result: CheckResult) -> None:
        """Tell nothing."""

    def close(self) -> None:
        """Tell nothing."""


class Lines(Silent):
    """For a log: a line for each check that did not pass, when it ends."""

    def ended(self, result: CheckResult) -> None:
        """Tell of a check that did not pass."""
        if result.status != "passed":
            about = f" ({result.failure.requirement})" if result.failure else ""
            # who reads the log may have gone: that is no reason to end the run
            with suppress(OSError):
                print(f"{result.name}: {result.status}{about}", file=sys.stderr, flush=True)


class Bar:
    """For a terminal: a bar with the check that runs and what was found by now; it vanishes at the end."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._task: TaskID = self._progress.add_task("", total=None)
        self._found = 0
        self._running: list[str] = []
        self._lock = threading.Lock()
        self._progress.start()

    def stage(self, text: str) -> None:
        """Show what is about to happen."""
        self._progress.update(self._task, description=text)

    def planned(self, checks: int) -> None:
        """Set the length of the bar."""
        self._progress.update(self._task, total=checks)

    def began(self, name: str) -> None:
        """Show the check that runs."""
        with self._lock:
            self._running.append(name)
            self._show()

    def ended(self, result: CheckResult) -> None:
        """Move on."""
        with self._lock:
            self._found += result.status != "passed"
            self._running.remove(result.name)
            self._progress.advance(self._task)
            self._show()

    def _show(self) -> None:
        """Name the check that has run for the longest time: if the run is held up, then by that one."""
        found = f"{self._found} failed, " if self._found else ""
        others = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
        self._progress.update(self._task, description=f"{found}{''.join(self._running[:1])}{others}")

    def close(self) -> None:
        """Remove the bar."""
        self._progress.stop()


def observer(*, quiet: bool) -> Observer:
    """Return what suits the standard error of this process."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()
