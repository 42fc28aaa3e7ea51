"""The loop of a wait, with a watch that the tests script."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from resultspec_reference.entries.meta import TaskMeta, unknown
from resultspec_reference.errors import OperationalError
from resultspec_reference.waiting.loop import WaitLoop, Watch
from resultspec_reference.waiting.machine import Terms, Wait

SUCCESS: TaskMeta = {**unknown("t"), "status": "SUCCESS", "result": 1}


class Scripted:
    """A watch whose reads go through a list; an exception in it is raised. Counts what is open."""

    def __init__(self, *reads: TaskMeta | Exception) -> None:
        self.reads = list(reads)
        self.now = 0.0
        self.open = 0
        self.opened = 0

    @contextmanager
    def __call__(self, limit: float) -> Iterator[Watch]:
        """Open."""
        self.open += 1
        self.opened += 1
        try:
            yield self
        finally:
            self.open -= 1

    def read(self, limit: float) -> TaskMeta:
        """Read."""
        self.now += 0.001
        found = self.reads.pop(0) if self.reads else unknown("t")
        if isinstance(found, Exception):
            raise found
        return found

    def rest(self, seconds: float) -> None:
        """Rest."""
        self.now += seconds


def drive(watch: Scripted, timeout: float | None = None, **options: Any) -> WaitLoop:
    """Return a loop on the watch's own clock."""
    return WaitLoop(Wait(Terms.of(timeout, None), 0.0), watch, clock=lambda: watch.now, **options)


def test_it_returns_the_meta_and_leaves_nothing_open() -> None:
    """A ready read ends the wait."""
    watch = Scripted(unknown("t"), SUCCESS)
    assert drive(watch).run() == SUCCESS
    assert (watch.open, watch.opened) == (0, 1)


def test_the_time_is_over() -> None:
    """Then the result is None."""
    watch = Scripted()
    assert drive(watch, 3).run() is None
    assert watch.now >= 3
    assert watch.open == 0


def test_a_lost_connection_is_opened_again() -> None:
    """The watch that was lost is closed first."""
    watch = Scripted(unknown("t"), OperationalError("gone"), SUCCESS)
    loop = drive(watch, 60)
    assert loop.run() == SUCCESS
    assert (watch.open, watch.opened, loop.last_error) == (0, 2, None)


def raising(error: BaseException) -> Callable[[], None]:
    """Return a function that raises."""

    def raise_it() -> None:
        raise error

    return raise_it


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("parent")])
def test_what_on_interval_raises_ends_the_wait(error: BaseException) -> None:
    """It reaches the caller, and nothing stays open."""
    watch = Scripted()
    with pytest.raises(type(error)):
        drive(watch, on_interval=raising(error)).run()
    assert watch.open == 0


def test_a_permanent_error_is_raised_at_once() -> None:
    """A wrong password will not become right."""
    watch = Scripted(OperationalError("wrong password", permanent=True), SUCCESS)
    with pytest.raises(OperationalError, match="wrong password"):
        drive(watch).run()
    assert watch.opened == 1


def test_losses_in_a_row_are_bounded() -> None:
    """Without a deadline the number of attempts is what ends a wait on a dead store."""
    watch = Scripted(*[OperationalError("gone")] * 5, SUCCESS)
    with pytest.raises(OperationalError):
        drive(watch, max_losses=3).run()
    assert watch.opened == 4


class Slow(Scripted):
    """A watch whose reads take 0.8 s, and answer what was there when they began."""

    def read(self, limit: float) -> TaskMeta:
        """Read."""
        found = SUCCESS if self.now >= 2.9 else unknown("t")
        self.now += 0.8
        return found


def test_a_read_that_began_before_the_deadline_is_not_the_last() -> None:
    """What was stored after it had begun, and before the deadline, is seen by one more (WAIT-8)."""
    watch = Slow()
    assert drive(watch, 3).run() == SUCCESS
    assert watch.now > 4
