"""Backends that break chapter 13: what `cleanup` removes."""

import datetime as dt
import threading
import time
from collections.abc import Mapping
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec import STATES
from resultspec_conformance.broken.baseline.expiry import WithoutAutoexpire
from resultspec_conformance.broken.baseline.server import TASK_KEY_PREFIX
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError
from resultspec_conformance.broken.catalogue import EVERYTHING, broken

BY_CLEANUP: dict[str, Any] = {
    "choices": {"expiry": "cleanup"},
    "features": EVERYTHING.features - {"expire"},
}
"""What a backend declares in which lives end by cleanup."""


class ByCleanup(WithoutAutoexpire, Correct):
    """The small correct backend, as one in which lives end by cleanup."""

    def there(self, task_id: str) -> dict[str, Any]:
        """Return the meta that is in the store, or that of an unknown task where it cannot be read."""
        try:
            return self.read(task_id)
        except (DecodeError, ContentDisallowed):
            return self.unknown(task_id)


@broken("EXP-2", "cleanup-removes-nothing", **BY_CLEANUP)
class CleanupRemovesNothing(ByCleanup):
    """Has a cleanup that does nothing."""

    def cleanup(self) -> None:
        """Do nothing."""


@broken("EXP-2", "cleanup-removes-success-only", also=["EXP-14"], **BY_CLEANUP)
class CleanupRemovesSuccessOnly(ByCleanup):
    """Has a cleanup that leaves failures forever."""

    def is_over(self, meta: Mapping[str, Any]) -> bool:
        """Look for successes."""
        return bool(meta["status"] == "SUCCESS") and super().is_over(meta)


@broken("EXP-3", "cleanup-goes-by-the-first-date", also=["META-9", "EXP-14"], **BY_CLEANUP)
class CleanupGoesByFirstDate(ByCleanup):
    """Keeps the date of a task that became ready earlier."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Take over the date that is there."""
        built = super().build(task_id, result, state, traceback, request)
        there = self.there(task_id)
        if built["date_done"] and there.get("date_done"):
            built["date_done"] = there["date_done"]
        return built


@broken("EXP-4", "refused-stores-touch-the-date", also=["STATE-9"], **BY_CLEANUP)
class RefusedStoresTouchTheDate(ByCleanup):
    """Writes a new date into the entry when a write is refused."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, or else write a new date."""
        written = super().write(task_id, payload, state)
        there = self.link.get(self.key(task_id))
        if not written and there is not None:
            meta = {**self.parse(there), "date_done": self.now().isoformat()}
            self.link.put(self.key(task_id), self.dump(meta), lambda _: False, publish=False)
        return written


@broken("EXP-6", "cleanup-takes-for-ever-for-nothing", **BY_CLEANUP)
class CleanupTakesForEverForNothing(ByCleanup):
    """Removes everything that is ready where no lifetime is set."""

    def is_over(self, meta: Mapping[str, Any]) -> bool:
        """Take no life for a life of nothing."""
        return super().is_over(meta) or (self.life == float("inf") and STATES.is_ready(meta["status"]))


@broken("EXP-10", "cleanup-counts-no-days-of-a-timedelta", **BY_CLEANUP)
class CleanupCountsNoDays(ByCleanup):
    """Cleans up by the seconds of a timedelta without its days, so that what it keeps for two days goes in an hour."""

    def seconds(self, expires: Any) -> Any:
        """Return the wrong member."""
        return expires.seconds if isinstance(expires, dt.timedelta) and expires.days > 0 else super().seconds(expires)


@broken("EXP-11", "cleanup-empties-the-store", also=["EXP-6", "EXP-8", "EXP-12", "EXP-14"])
class CleanupEmptiesTheStore(Correct):
    """Removes everything on cleanup."""

    def cleanup(self) -> None:
        """Remove everything that is its own."""
        for key in self.link.keys(self.prefix + TASK_KEY_PREFIX):
            self.link.delete(key)


@broken("EXP-11", "cleanup-at-half-the-life", also=["EXP-8"], **BY_CLEANUP)
class CleanupAtHalfTheLife(ByCleanup):
    """Removes what has lived for half of its lifetime."""

    def age(self, meta: Mapping[str, Any]) -> float:
        """Return an age that is too old."""
        return 2 * super().age(meta)


@broken("EXP-11", "cleanup-by-the-clock-on-the-wall", also=["EXP-2"], **BY_CLEANUP)
class CleanupByLocalTime(ByCleanup):
    """Compares dates in UTC with the local time of the machine."""

    def age(self, meta: Mapping[str, Any]) -> float:
        """Take local time for UTC."""
        local = dt.datetime.now() + dt.timedelta(seconds=self.link.server.made_up)
        done = dt.datetime.fromisoformat(meta["date_done"]).astimezone(dt.UTC).replace(tzinfo=None)
        return (local - done).total_seconds()


@broken("EXP-11", "cleanup-in-the-zone-of-the-app", also=["EXP-2"], **BY_CLEANUP)
class CleanupInTheZoneOfTheApp(ByCleanup):
    """Compares the time in its app's zone with dates in the writer's zone, ignoring the offsets."""

    def age(self, meta: Mapping[str, Any]) -> float:
        """Compare without offsets."""
        done = dt.datetime.fromisoformat(meta["date_done"]).replace(tzinfo=None)
        return (self.now().replace(tzinfo=None) - done).total_seconds()


@broken("EXP-12", "cleanup-removes-what-runs", also=["EXP-14"])
class CleanupRemovesRunning(Correct):
    """Removes on cleanup what has not become ready."""

    def cleanup(self) -> None:
        """Remove what is not ready."""
        for key in self.link.keys(self.prefix + TASK_KEY_PREFIX):
            payload = self.link.get(key)
            if payload is not None and not STATES.is_ready(self.load(payload, key)["status"]):
                self.link.remove_if(key, payload)


@broken("EXP-12", "second-started-is-dated", also=["META-9"], **BY_CLEANUP)
class SecondStartedIsDated(ByCleanup):
    """Dates every store but the first, and removes by the date alone."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Date what is there already."""
        built = super().build(task_id, result, state, traceback, request)
        if self.there(task_id)["status"] != "PENDING":
            built["date_done"] = self.now().isoformat()
        return built

    def is_over(self, meta: Mapping[str, Any]) -> bool:
        """Look at the date."""
        return meta["date_done"] is not None and self.age(meta) > self.life


@broken("EXP-13", "cleanup-flushes-the-server", also=["EXP-17", "EXP-6", "EXP-8", "EXP-11", "EXP-12", "EXP-14"])
class CleanupFlushes(Correct):
    """Removes everything on the server, including what belongs to others."""

    def cleanup(self) -> None:
        """Remove every key."""
        for key in self.link.keys(""):
            self.link.delete(key)


@broken("EXP-13", "cleanup-scans-beyond-the-prefix", **BY_CLEANUP)
class CleanupScansBeyond(ByCleanup):
    """Takes every key for its own that has the prefix of tasks anywhere in it."""

    def cleanup(self) -> None:
        """Remove what looks like a task that is over."""
        for key in self.link.keys(""):
            if TASK_KEY_PREFIX in key:
                self.clean(key)


@broken("EXP-14", "cleanup-subtracts-the-life", **BY_CLEANUP)
class CleanupSubtractsTheLife(ByCleanup):
    """Fails to clean up where entries are kept for ever, as Celery's database backend does."""

    def cleanup(self) -> None:
        """Count on a life that has an end."""
        self.now() - dt.timedelta(seconds=self.life)
        super().cleanup()


@broken("EXP-14", "cleanup-only-once")
class CleanupOnlyOnce(Correct):
    """Refuses to clean up again before something was stored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_clean = False

    def cleanup(self) -> None:
        """Insist on work to do."""
        if self.is_clean:
            raise RuntimeError("there is nothing to clean up")
        self.is_clean = True


_RUNNING = threading.Lock()


@broken("EXP-14", "one-cleanup-at-a-time")
class OneCleanupAtATime(Correct):
    """Refuses to clean up while another client does."""

    def cleanup(self) -> None:
        """Take the lock, or raise."""
        if not _RUNNING.acquire(blocking=False):
            raise RuntimeError("another cleanup is running")
        try:
            time.sleep(0.005)
        finally:
            _RUNNING.release()


@broken("EXP-14", "cleanup-insists-on-what-it-saw", **BY_CLEANUP)
class CleanupInsists(ByCleanup):
    """Raises where an entry has vanished since it was listed."""

    def clean(self, key: str) -> None:
        """Insist on the entry."""
        time.sleep(0.0002)
        if self.link.get(key) is None:
            raise KeyError(key)
        super().clean(key)


@broken("EXP-14", "cleanup-removes-what-was-replaced", **BY_CLEANUP)
class CleanupRemovesReplaced(ByCleanup):
    """Looks at all entries first, and then removes by key, whatever has been stored there since."""

    def cleanup(self) -> None:
        """Decide, pause, remove."""
        doomed = []
        for key in self.link.keys(self.prefix + TASK_KEY_PREFIX):
            payload = self.link.get(key)
            if payload is not None and self.is_known_to_be_over(payload, key):
                doomed.append(key)
        time.sleep(0.02)
        for key in doomed:
            self.link.delete(key)


@broken("EXP-14", "cleanup-removes-by-id-what-it-looked-at", **BY_CLEANUP)
class CleanupRemovesById(ByCleanup):
    """Looks at each entry and removes it at once, even if it has been replaced in between."""

    def clean(self, key: str) -> None:
        """Decide, let others have the processor, remove."""
        payload = self.link.get(key)
        if payload is not None and self.is_known_to_be_over(payload, key):
            time.sleep(0.0002)
            self.link.delete(key)


@broken("EXP-14", "cleanup-fails-at-what-it-cannot-decode", **BY_CLEANUP)
class CleanupFailsAtUndecodable(ByCleanup):
    """Lets the error of decoding an entry end the cleanup."""

    def is_known_to_be_over(self, payload: bytes, key: str) -> bool:
        """Decode, whatever comes."""
        return self.is_over(self.load(payload, key))
