"""Correct backends whose entries end in other ways: a check of chapter 13 that accuses one of them is wrong."""

import itertools
import time
from collections.abc import Mapping
from typing import Any

from resultspec_conformance.broken.baseline.expiry import ImproperlyConfigured, WithoutAutoexpire
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import EVERYTHING, variation
from resultspec_conformance.broken.expiry.cleanup import BY_CLEANUP, ByCleanup

FEW = 10
"""Entries between two pauses of a cleanup."""


@variation("ends-by-cleanup", **BY_CLEANUP)
class EndsByCleanup(ByCleanup):
    """Removes expired entries only in cleanup."""


@variation("ends-by-cleanup-in-whole-seconds", expiry_resolution=1.0, **BY_CLEANUP)
class EndsByCleanupInSeconds(ByCleanup):
    """Removes expired entries only in cleanup, and counts whole seconds."""

    resolution = 1.0


@variation("ends-by-cleanup-waited-for", **BY_CLEANUP)
class EndsByCleanupWaitedFor(ByCleanup):
    """Removes expired entries only in cleanup, with a clock that the suite cannot move."""

    time_passes = "waiting"


@variation("ends-waited-for")
class EndsWaitedFor(Correct):
    """Has a clock that the suite cannot move, and a server whose lives the suite cannot see."""

    time_passes = "waiting"


@variation("coarse-ends-waited-for", expiry_resolution=0.3)
class CoarseEndsWaitedFor(EndsWaitedFor):
    """The same, and counts lives in units of 0.3 s."""

    resolution = 0.3


@variation("ends-by-ageing")
class EndsByAgeing(Correct):
    """Has a clock that the suite cannot move, and a server whose entries the suite can age."""

    time_passes = "ageing"


@variation("ends-late", expiry_lag=2.0)
class EndsLate(Correct):
    """Removes expired entries two seconds after their end, and declares it."""

    def rounded(self, life: float) -> float:
        """Return the life and the lag."""
        return super().rounded(life) + 2.0


@variation("lives-of-whole-seconds", expiry_resolution=1.0)
class LivesOfWholeSeconds(Correct):
    """Counts lives in whole seconds, rounds them up, and declares it."""

    resolution = 1.0


@variation("thirty-days-at-most")
class ThirtyDaysAtMost(Correct):
    """Takes every life beyond 30 days as 30 days."""

    def counted(self, seconds: float) -> float:
        """Return 30 days at the most."""
        return min(seconds, 30 * 86400.0)


@variation("lives-in-words")
class LivesInWords(Correct):
    """Accepts a life as text, as in the query of a URL."""

    def seconds(self, expires: Any) -> Any:
        """Return the number that a text is."""
        try:
            return float(expires) if isinstance(expires, str) else super().seconds(expires)
        except ValueError:
            return expires


@variation("cleanup-takes-its-time", features=EVERYTHING.features - {"expire"}, choices={"expiry": "cleanup"})
class CleanupTakesItsTime(ByCleanup):
    """Pauses during a cleanup after every few entries."""

    looked = itertools.count()

    def clean(self, key: str) -> None:
        """Pause a little, now and then: other checks may have left thousands of entries."""
        if next(self.looked) % FEW == 0:
            time.sleep(0.0005)
        super().clean(key)


@variation(
    "cleanup-of-all-that-is-over",
    choices={"expiry": "cleanup-all"},
    features=EVERYTHING.features - {"expire"},
)
class CleanupOfAllThatIsOver(WithoutAutoexpire, Correct):
    """Removes on cleanup what was last stored long ago, whatever its state, as a store of files does."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Note when the entry is stored."""
        return {**super().build(task_id, result, state, traceback, request), "x_stored": self.now().isoformat()}

    def is_over(self, meta: Mapping[str, Any]) -> bool:
        """Look when it was stored."""
        return "x_stored" in meta and self.age({"date_done": meta["x_stored"]}) > self.life


@variation("lives-refused-with-any-error")
class LivesRefusedWithAnyError(Correct):
    """Refuses a wrong lifetime, and one of more than a century, with ValueError."""

    def life_of(self, expires: Any) -> float:
        """Refuse in another way."""
        if isinstance(expires, (int, float)) and expires > 101 * 365 * 86400:
            raise ValueError("a life of more than a century")
        try:
            return super().life_of(expires)
        except ImproperlyConfigured as error:
            raise ValueError(str(error)) from error
