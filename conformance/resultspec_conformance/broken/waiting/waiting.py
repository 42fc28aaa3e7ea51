"""Backends that break chapter 9: what a wait ends with, when it gives up, and what it takes for an argument."""

import math
import time
from collections.abc import Mapping
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import broken


@broken("WAIT-1", "failure-returned-not-raised")
class FailureReturned(Correct):
    """Returns the exception of a task that failed, so that the caller takes it for a value."""

    def wait_for(self, task_id: Any, timeout: Any = None, interval: Any = 0.5, on_interval: Any = None) -> Any:
        """Return the result, whatever the state."""
        self.check_wait(timeout, interval)
        meta = self.await_ready(self.normal_id(task_id), timeout, interval, on_interval)
        if meta is None:
            raise self.TimeoutError
        return meta["result"]


@broken("WAIT-1", "false-result-is-not-a-result")
class FalseResultIsNone(Correct):
    """Goes on waiting where the value of a SUCCESS is false in a condition."""

    def ends_wait(self, meta: Mapping[str, Any]) -> bool:
        """Ask for a result too."""
        return super().ends_wait(meta) and bool(meta["result"])


@broken("WAIT-1", "revoked-does-not-end-a-wait")
class RevokedDoesNotEnd(Correct):
    """Waits for SUCCESS and FAILURE only."""

    def ends_wait(self, meta: Mapping[str, Any]) -> bool:
        """Go on at REVOKED."""
        return super().ends_wait(meta) and meta["status"] != "REVOKED"


@broken("WAIT-2", "whatever-is-not-pending-ends-a-wait")
class AllButUnreadyEnds(Correct):
    """Ends a wait on every state that is not in its list of unready ones."""

    def ends_wait(self, meta: Mapping[str, Any]) -> bool:
        """Look the state up among the unready ones."""
        return meta["status"] not in ("PENDING", "RECEIVED", "STARTED", "RETRY", "REJECTED")


@broken("WAIT-2", "state-compared-without-case")
class CaseFolded(Correct):
    """Ends a wait on `success` in lower case."""

    def ends_wait(self, meta: Mapping[str, Any]) -> bool:
        """Compare in upper case."""
        return STATES.is_ready(meta["status"].upper())


@broken("WAIT-3", "gives-up-early")
class GivesUpEarly(Correct):
    """Gives up at nine tenths of the timeout, to leave room for the last read."""

    def deadline(self, timeout: Any) -> float:
        """Return a deadline that comes early."""
        return super().deadline(timeout * 0.9 if timeout is not None and 0 < timeout < 60 else timeout)


@broken("WAIT-3", "every-message-counts-as-an-interval")
class CountsMessages(Correct):
    """Takes an interval off the remaining time for every rest, though a message had ended it at once."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Count rests instead of looking at the clock."""
        left = math.inf if timeout is None or timeout > 60 else timeout
        called = left <= 0
        subscription = self.subscribe(task_id)
        try:
            while True:
                meta = self.read(task_id)
                if self.ends_wait(meta):
                    return meta
                if left <= 0 and called:
                    return None
                if on_interval is not None:
                    on_interval()
                called = True
                pause = min(self.reread / 4, max(left, 0))
                subscription = self.rest(task_id, subscription, pause)
                left -= pause
        finally:
            self.leave(subscription)


class _Sleeps(Correct):
    """Rests for the whole interval where no message comes, and looks at the clock after that."""

    def nap(self, interval: Any) -> float:
        """Return the seconds that an interval stands for."""
        return 0.5 if interval is None else max(float(interval), 0.005)

    def pause(self, interval: Any, deadline: float) -> float:
        """Return the interval, or a second: the suite has no time for more."""
        return min(self.nap(interval), 1.0)


@broken("WAIT-4", "interval-slept-in-full")
class SleepsInFull(_Sleeps):
    """Sleeps a whole interval though the timeout is over before that, as Celery did before 5.7."""


@broken("WAIT-4", "timeout-looked-at-once-a-second")
class LooksOnceASecond(Correct):
    """Looks once a second whether its time is over, whatever the interval, as Celery's Redis backend does."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Round a timeout up to whole seconds."""
        counted = timeout is not None and 0 < timeout < 60
        return super().await_ready(task_id, math.ceil(timeout) if counted else timeout, interval, on_interval)


@broken("WAIT-4", "interval-zero-is-the-default")
class ZeroIsDefault(_Sleeps):
    """Takes an interval of 0 for none given, and sleeps the default in full."""

    def nap(self, interval: Any) -> float:
        """Take 0 for none."""
        return float(interval or 0.5)

    def pause(self, interval: Any, deadline: float) -> float:
        """Sleep in full for 0 only."""
        return super().pause(interval, deadline) if interval == 0 else Correct.pause(self, interval, deadline)


@broken("WAIT-4", "reads-counted-instead-of-time")
class CountsReads(Correct):
    """With an interval of 0 never adds to the time that has passed; only a large number of reads ends it."""

    def pause(self, interval: Any, deadline: float) -> float:
        """Do not pause for an interval of 0."""
        return 0.0 if interval == 0 else super().pause(interval, deadline)

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Read in a loop that does not look at the clock."""
        if interval != 0 or timeout is None or timeout <= 0:
            return super().await_ready(task_id, timeout, interval, on_interval)
        for _ in range(2000):
            meta = super().await_ready(task_id, 0, interval, on_interval)
            if meta is not None:
                return meta
            if on_interval is not None:
                on_interval()
            time.sleep(0.0003)
        return None


@broken("WAIT-4", "every-message-restarts-the-timeout")
class TimeoutBeginsAnew(Correct):
    """Gives each rest the whole timeout, so that a task which reports progress is waited for without end."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Begin again after each message."""
        if timeout is None or timeout <= 0:
            return super().await_ready(task_id, timeout, interval, on_interval)
        while True:
            seen = self.link.get(self.key(task_id))
            meta = super().await_ready(task_id, timeout, interval, on_interval)
            if meta is not None or self.link.get(self.key(task_id)) == seen:
                return meta


@broken("WAIT-5", "timeout-zero-is-the-default")
class ZeroTimeoutIsDefault(Correct):
    """Takes a timeout of 0 for none given."""

    def deadline(self, timeout: Any) -> float:
        """Wait for a second where a real one would wait for ever."""
        return super().deadline(1.0 if timeout == 0 else timeout)


@broken("WAIT-5", "timeout-zero-does-not-read")
class ZeroTimeoutDoesNotRead(Correct):
    """Raises TimeoutError without a look where no time is left."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Look at the clock before the store."""
        if timeout is not None and timeout <= 0:
            return None
        return super().await_ready(task_id, timeout, interval, on_interval)


@broken("WAIT-5", "negative-timeout-refused")
class NegativeTimeoutRefused(Correct):
    """Refuses a negative timeout."""

    def check_wait(self, timeout: Any, interval: Any) -> None:
        """Refuse one."""
        super().check_wait(timeout, interval)
        if timeout is not None and timeout < 0:
            raise ValueError("a timeout is not negative")


@broken("WAIT-16", "large-timeout-overflows")
class LargeTimeoutOverflows(Correct):
    """Hands its timeout to the operating system, which refuses more than some centuries."""

    def deadline(self, timeout: Any) -> float:
        """Raise as time.sleep does."""
        if timeout is not None and timeout > 9e9:
            raise OverflowError("timestamp too large to convert to a C type")
        return super().deadline(timeout)


@broken("WAIT-19", "late-answer-is-a-timeout", also=["WAIT-8"])
class LateAnswerIsATimeout(Correct):
    """Looks at the clock before it looks at the answer."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Deny an answer that came late."""
        deadline = self.deadline(timeout)
        meta = super().await_ready(task_id, timeout, interval, on_interval)
        return None if timeout is not None and timeout > 0 and time.monotonic() > deadline else meta


@broken("WAIT-6", "no-timeout-means-no-wait")
class NoneIsNoWait(Correct):
    """Takes the timeout None for 0."""

    def deadline(self, timeout: Any) -> float:
        """Return a moment that has come."""
        return super().deadline(timeout or 0)


@broken("WAIT-6", "milliseconds-of-32-bits")
class MillisecondsOf32Bits(Correct):
    """Counts milliseconds in 32 bits, so that a very large timeout is over at once."""

    def deadline(self, timeout: Any) -> float:
        """Let the number of milliseconds overflow."""
        if timeout is None or timeout <= 0 or timeout * 1000 < 2**31:
            return super().deadline(timeout)
        return super().deadline(0.0)


@broken("WAIT-17", "arguments-checked-when-it-has-to-wait")
class ArgumentsCheckedLate(Correct):
    """Looks at its arguments only where the task is not ready yet."""

    def check_wait(self, timeout: Any, interval: Any) -> None:
        """Take all."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Read first."""
        meta = self.read(task_id)
        if self.ends_wait(meta):
            return meta
        super().check_wait(timeout, interval)
        return super().await_ready(task_id, timeout, interval, on_interval)


@broken("WAIT-7", "nan-is-no-deadline")
class NanIsNoDeadline(Correct):
    """Compares the time with NaN, which it never reaches, as Celery does; the suite has time for some seconds of it."""

    def check_wait(self, timeout: Any, interval: Any) -> None:
        """Let NaN pass."""
        super().check_wait(0 if timeout != timeout else timeout, interval)

    def deadline(self, timeout: Any) -> float:
        """Return a moment that does not come."""
        return super().deadline(None if timeout != timeout else timeout)


@broken("WAIT-15", "interval-none-is-a-type-error")
class IntervalNoneIsATypeError(Correct):
    """Sleeps for whatever it is given as the interval, as Celery's key/value stores do."""

    def check_wait(self, timeout: Any, interval: Any) -> None:
        """Insist on a number."""
        if interval is None:
            raise TypeError("must be real number, not NoneType")
        super().check_wait(timeout, interval)


@broken("WAIT-17", "nan-is-a-timeout")
class NanIsATimeout(Correct):
    """Takes NaN for a timeout of 0."""

    def check_wait(self, timeout: Any, interval: Any) -> None:
        """Let NaN pass."""
        super().check_wait(0 if timeout != timeout else timeout, interval)

    def deadline(self, timeout: Any) -> float:
        """Return a moment that has come."""
        return super().deadline(0 if timeout != timeout else timeout)


@broken("WAIT-17", "negative-interval-is-zero")
class NegativeIntervalIsZero(Correct):
    """Takes a negative interval for 0."""

    def check_wait(self, timeout: Any, interval: Any) -> None:
        """Let it pass."""
        super().check_wait(timeout, abs(interval) if isinstance(interval, (int, float)) else interval)


@broken("WAIT-8", "no-look-at-the-deadline")
class NoLastLook(Correct):
    """Reads now and then, but not once more before it gives up."""

    reread = 0.18

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Look at the clock after each rest, and not at the store."""
        deadline = self.deadline(timeout)
        subscription = self.subscribe(task_id)
        try:
            while True:
                meta = self.read(task_id)
                if self.ends_wait(meta):
                    return meta
                if timeout is not None and timeout <= 0:
                    return None
                if on_interval is not None:
                    on_interval()
                subscription = self.rest(task_id, subscription, self.pause(interval, deadline))
                if time.monotonic() >= deadline:
                    return None
        finally:
            self.leave(subscription)


@broken("WAIT-8", "believes-in-notifications-only")
class NotificationsOnly(NoLastLook):
    """Reads once, and then only when a message has come, as Celery's Redis consumer does."""

    reread = 60.0
