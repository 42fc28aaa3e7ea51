"""Correct backends whose entries end in other ways: a check of chapter 13 that accuses one of them is wrong."""

import itertools
import time
from typing import Any

from resultspec_conformance.broken.catalogue import EVERYTHING, variation
from resultspec_conformance.broken.correct.whole import Correct
from resultspec_conformance.broken.expiry.cleanup import BY_CLEANUP, ByCleanup

FEW = 10
"""Entries between two pauses of a cleanup."""


@variation("ends-by-cleanup", **BY_CLEANUP)
class EndsByCleanup(ByCleanup):
    """Removes what is over by cleanup alone."""


@variation("ends-by-cleanup-in-whole-seconds", time_resolution=1.0, **BY_CLEANUP)
class EndsByCleanupInSeconds(ByCleanup):
    """Removes what is over by cleanup, and counts whole seconds."""

    resolution = 1.0


@variation("ends-by-cleanup-waited-for", **BY_CLEANUP)
class EndsByCleanupWaitedFor(ByCleanup):
    """Removes what is over by cleanup, with a clock that nobody can move."""

    time_passes = "waiting"


@variation("ends-waited-for")
class EndsWaitedFor(Correct):
    """Has a clock that nobody can move, and a server into whose lives nobody sees."""

    time_passes = "waiting"


@variation("ends-by-ageing")
class EndsByAgeing(Correct):
    """Has a clock that nobody can move, and a server whose entries can be made older."""

    time_passes = "ageing"


@variation("ends-late", expiry_lag=2.0)
class EndsLate(Correct):
    """Sweeps ended entries two seconds after their end, and declares it."""

    def rounded(self, life: float) -> float:
        """Return the life and the lag."""
        return super().rounded(life) + 2.0


@variation("lives-of-whole-seconds", time_resolution=1.0)
class LivesOfWholeSeconds(Correct):
    """Counts lives in whole seconds, rounds them up, and declares it."""

    resolution = 1.0


@variation("thirty-days-at-most")
class ThirtyDaysAtMost(Correct):
    """Takes every life for 30 days that is longer."""

    def counted(self, seconds: float) -> float:
        """Return 30 days at the most."""
        return min(seconds, 30 * 86400.0)


@variation("lives-in-words")
class LivesInWords(Correct):
    """Reads a life out of text, as a query of a URL has it."""

    def seconds(self, expires: Any) -> Any:
        """Return the number that a text is."""
        try:
            return float(expires) if isinstance(expires, str) else super().seconds(expires)
        except ValueError:
            return expires


@variation("cleanup-takes-its-time", features=EVERYTHING.features - {"expire"}, choices={"expiry": "cleanup"})
class CleanupTakesItsTime(ByCleanup):
    """Pauses after every few entries that it looks at."""

    looked = itertools.count()

    def clean(self, key: str) -> None:
        """Pause a little, now and then: other checks may have left thousands of entries."""
        if next(self.looked) % FEW == 0:
            time.sleep(0.0005)
        super().clean(key)
