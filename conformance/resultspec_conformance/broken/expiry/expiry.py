"""Backends that break chapter 13: the lives of entries."""

import datetime as dt
import math
import time
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.expiry import ImproperlyConfigured
from resultspec_conformance.broken.baseline.server import GROUP_KEY_PREFIX, TASK_KEY_PREFIX
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import broken

# -- a life --------------------------------------------------------------------------------------


@broken("EXP-1", "lives-cut-short", also=["EXP-11"])
class LivesCutShort(Correct):
    """Keeps an entry for three fifths of its lifetime."""

    def rounded(self, life: float) -> float:
        """Return a shorter life."""
        return 0.6 * super().rounded(life)


@broken("EXP-1", "failures-end-early")
class FailuresEndEarly(Correct):
    """Keeps a failure for half of the lifetime of a success."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, and shorten."""
        written = super().write(task_id, payload, state)
        if written and state == "FAILURE":
            self.link.expire(self.key(task_id), self.link.life / 2)
        return written


@broken("EXP-1", "thousand-kept")
class ThousandKept(Correct):
    """Keeps the thousand tasks that were stored last; Celery's cache in memory keeps five thousand."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, and make room."""
        written = super().write(task_id, payload, state)
        data, key = self.link.server.data, self.key(task_id)
        with self.link.server.lock:
            if written:
                # the last one in the order of the store
                data[key] = data.pop(key)
            tasks = [key for key in data if TASK_KEY_PREFIX in key]
            for key in tasks[: max(0, len(tasks) - 1000)]:
                self.link.server.remove(key)
        return written


@broken("EXP-1", "swept-when-nearly-over")
class SweptWhenNearlyOver(Correct):
    """Makes room at each store, starting with the entries that expire soonest."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, and sweep."""
        server = self.link.server
        with server.lock:
            over = [key for key, end in server.ends.items() if end - server.now() < self.link.life / 20]
            for key in over:
                server.remove(key)
        return super().write(task_id, payload, state)


@broken("EXP-2", "nothing-ends")
class NothingEnds(Correct):
    """Keeps everything forever, whatever is configured."""

    def rounded(self, life: float) -> float:
        """Return infinity."""
        return math.inf


@broken("EXP-2", "lives-doubled")
class LivesDoubled(Correct):
    """Keeps an entry for twice its lifetime."""

    def rounded(self, life: float) -> float:
        """Return a longer life."""
        return 2 * super().rounded(life)


@broken("EXP-2", "only-success-ends", also=["EXP-5", "EXP-14"])
class OnlySuccessEnds(Correct):
    """Gives a lifetime only to SUCCESS."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write every state but SUCCESS without expiry."""
        written = super().write(task_id, payload, state)
        if written and state != "SUCCESS":
            self.link.expire(self.key(task_id), math.inf)
        return written


@broken("EXP-3", "life-of-the-first-store")
class LifeOfTheFirstStore(Correct):
    """Keeps the end that an entry got when it was first stored."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, and put the end back."""
        end = self.link.end(self.key(task_id))
        written = super().write(task_id, payload, state)
        if written and end is not None:
            self.link.expire(self.key(task_id), end - self.link.server.now())
        return written


@broken("EXP-3", "lives-add-up")
class LivesAddUp(Correct):
    """Adds a lifetime to what is left of the previous one."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, and put the end off."""
        end = self.link.end(self.key(task_id))
        written = super().write(task_id, payload, state)
        if written and end is not None:
            self.link.expire(self.key(task_id), end - self.link.server.now() + self.link.life)
        return written


@broken("EXP-4", "reads-extend", also=["EXP-2", "EXP-3", "EXP-5", "EXP-6", "EXP-7", "EXP-8", "EXP-16"])
class ReadsExtend(Correct):
    """Restarts the lifetime of an entry whenever it is read."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Read, and start the lifetime again."""
        found = super().read(task_id)
        self.link.expire(self.key(task_id), self.link.life)
        return found


@broken("EXP-4", "waits-extend")
class WaitsExtend(Correct):
    """Restarts the lifetime of an entry when a client waits for it."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Start the lifetime again, and wait."""
        self.steadily(lambda: self.link.expire(self.key(task_id), self.link.life))
        return super().await_ready(task_id, timeout, interval, on_interval)


@broken("EXP-4", "refused-stores-extend")
class RefusedStoresExtend(Correct):
    """Restarts the lifetime of an entry when a write is refused."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, or else start the lifetime again."""
        written = super().write(task_id, payload, state)
        if not written:
            self.link.expire(self.key(task_id), self.link.life)
        return written


@broken("EXP-5", "what-runs-lives-for-ever")
class RunningLivesForEver(Correct):
    """Gives a lifetime only to ready states."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write for ever what is not ready."""
        written = super().write(task_id, payload, state)
        if written and not STATES.is_ready(state):
            self.link.expire(self.key(task_id), math.inf)
        return written


@broken("EXP-5", "what-runs-ends-early")
class RunningEndsEarly(Correct):
    """Gives half a lifetime to an entry that is not ready."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, and shorten."""
        written = super().write(task_id, payload, state)
        if written and not STATES.is_ready(state):
            self.link.expire(self.key(task_id), self.link.life / 2)
        return written


# -- what a life can be --------------------------------------------------------------------------


@broken("EXP-6", "zero-is-at-once", also=["EXP-16"])
class ZeroIsAtOnce(Correct):
    """Ends an entry at once if its lifetime is 0."""

    def life_of(self, expires: Any) -> float:
        """Return nothing for 0."""
        return 0.0 if expires == 0 and not isinstance(expires, dt.timedelta) else super().life_of(expires)


@broken("EXP-6", "none-is-a-day")
class NoneIsADay(Correct):
    """Keeps entries for a day where no lifetime is set."""

    def life_of(self, expires: Any) -> float:
        """Return a day for None."""
        return 86400.0 if expires is None else super().life_of(expires)


@broken("EXP-6", "zero-is-refused", also=["EXP-16"])
class ZeroIsRefused(Correct):
    """Refuses a lifetime of 0."""

    def life_of(self, expires: Any) -> float:
        """Refuse 0."""
        if expires == 0:
            raise ImproperlyConfigured("a life is positive")
        return super().life_of(expires)


@broken("EXP-7", "fractions-are-cut-off")
class FractionsCutOff(Correct):
    """Cuts a lifetime to whole seconds, so that half a second becomes 0, which is forever."""

    def counted(self, seconds: float) -> float:
        """Return whole seconds."""
        return int(min(seconds, 1e9)) or math.inf


@broken("EXP-7", "less-than-a-second-is-at-once")
class LessThanASecondIsAtOnce(Correct):
    """Cuts a lifetime to whole seconds, so that half a second is over at once."""

    def counted(self, seconds: float) -> float:
        """Return whole seconds."""
        return float(int(min(seconds, 1e9)))


@broken("EXP-7", "lives-in-minutes")
class LivesInMinutes(Correct):
    """Rounds a lifetime up to whole minutes, and does not declare it."""

    resolution = 60.0


@broken("EXP-8", "thirty-days-are-absolute")
class ThirtyDaysAreAbsolute(Correct):
    """Takes a lifetime of more than 30 days for seconds since 1970, a moment long past."""

    def counted(self, seconds: float) -> float:
        """Return what is left until that moment."""
        counted = super().counted(seconds)
        return counted - time.time() if counted > 30 * 86400 else counted


@broken("EXP-8", "milliseconds-in-32-bits")
class MillisecondsIn32Bits(Correct):
    """Counts milliseconds in 32 bits, so that 60 days are ten."""

    def counted(self, seconds: float) -> float:
        """Return what is left of a life."""
        return int(super().counted(seconds) * 1000) % 2**32 / 1000 if seconds > 1 else seconds


@broken("EXP-8", "long-lives-are-refused")
class LongLivesRefused(Correct):
    """Refuses a lifetime of more than a year."""

    def counted(self, seconds: float) -> float:
        """Refuse what is long."""
        if seconds > 365 * 86400:
            raise ImproperlyConfigured("a life is a year at the most")
        return super().counted(seconds)


@broken("EXP-9", "negative-is-for-ever")
class NegativeIsForEver(Correct):
    """Takes a negative lifetime for one without an end."""

    def life_of(self, expires: Any) -> float:
        """Return infinity for what is negative."""
        negative = isinstance(expires, (int, float)) and expires < 0
        return math.inf if negative else super().life_of(expires)


@broken("EXP-9", "wrong-life-is-found-by-the-first-store")
class WrongLifeFoundLate(Correct):
    """Opens with any lifetime, and refuses it only when something is stored."""

    def __init__(self, *args: Any, expires: Any = 3600, **options: Any) -> None:
        try:
            super().__init__(*args, expires=expires, **options)
        except ImproperlyConfigured as error:
            super().__init__(*args, **options)
            self.error: ImproperlyConfigured | None = error
        else:
            self.error = None

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Find out."""
        if self.error is not None:
            raise self.error
        return super().write(task_id, payload, state)


@broken("EXP-9", "nan-is-taken")
class NanIsTaken(Correct):
    """Checks a lifetime with a comparison that does not refuse NaN."""

    def life_of(self, expires: Any) -> float:
        """Take NaN for infinity."""
        return math.inf if isinstance(expires, float) and math.isnan(expires) else super().life_of(expires)


@broken("EXP-9", "words-are-an-hour")
class WordsAreAnHour(Correct):
    """Takes text for a lifetime of one second."""

    def life_of(self, expires: Any) -> float:
        """Take text."""
        return super().life_of(1 if isinstance(expires, str) else expires)


@broken("EXP-10", "days-of-a-timedelta-are-lost")
class DaysAreLost(Correct):
    """Uses the seconds of a timedelta without its days."""

    def seconds(self, expires: Any) -> Any:
        """Return the wrong member."""
        if isinstance(expires, dt.timedelta) and expires > dt.timedelta(0):
            return expires.seconds + expires.microseconds / 1e6
        return super().seconds(expires)


@broken("EXP-10", "fractions-of-a-timedelta-are-lost")
class FractionsAreLost(Correct):
    """Cuts a timedelta to whole seconds."""

    def seconds(self, expires: Any) -> Any:
        """Return whole seconds."""
        seconds = super().seconds(expires)
        return int(seconds) if isinstance(expires, dt.timedelta) and seconds > 0 else seconds


@broken("EXP-10", "timedelta-is-refused")
class TimedeltaRefused(Correct):
    """Accepts only numbers."""

    def seconds(self, expires: Any) -> Any:
        """Return what came, which is then refused."""
        return expires


# -- afterwards, and another life ------------------------------------------------------------------


def _there(found: bytes | None) -> bool:
    return found is not None


@broken("EXP-15", "tombstones-outlive-entries")
class Tombstones(Correct):
    """Remembers which tasks succeeded, and refuses what comes after the end of their entries."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, unless the task has succeeded once."""
        buried = self.link.server.buried
        key = self.key(task_id)
        if key in buried and state != "SUCCESS" and self.link.get(key) is None:
            return False
        written = super().write(task_id, payload, state)
        if written and state == "SUCCESS":
            buried.add(key)
        return written

    def forget(self, task_id: Any) -> None:
        """Forget what is remembered, too."""
        super().forget(task_id)
        self.link.server.buried.discard(self.key(self.normal_id(task_id)))


@broken("EXP-15", "waits-remember", also=["READ-4"])
class WaitsRemember(Correct):
    """Ends a wait by what an earlier wait of the same client has ended with."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seen: dict[str, dict[str, Any]] = {}

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Remember, where there is nothing to be read."""
        payload = self.steadily(lambda: self.link.get(self.key(task_id)))
        if payload is None and task_id in self.seen:
            return self.seen[task_id]
        found = super().await_ready(task_id, timeout, interval, on_interval)
        if found is not None:
            self.seen[task_id] = found
        return found

    def forget(self, task_id: Any) -> None:
        """Forget what is remembered, too."""
        super().forget(task_id)
        self.seen.pop(self.normal_id(task_id), None)


@broken("EXP-16", "expire-only-shortens")
class ExpireOnlyShortens(Correct):
    """Gives an entry another lifetime only if that ends sooner."""

    def expire(self, key: str, value: Any) -> None:
        """Compare the ends."""
        end = self.link.end(key)
        if end is None or self.link.server.now() + self.life_of(value) < end:
            super().expire(key, value)


@broken("EXP-16", "expire-zero-removes")
class ExpireZeroRemoves(Correct):
    """Takes 0 for a lifetime that is over."""

    def expire(self, key: str, value: Any) -> None:
        """Remove at 0."""
        if value == 0:
            self.link.delete(key)
        super().expire(key, value)


@broken("EXP-16", "expire-makes-an-entry")
class ExpireMakesAnEntry(Correct):
    """Creates an entry where none exists, to give it a lifetime."""

    def expire(self, key: str, value: Any) -> None:
        """Make an entry first."""
        made = self.dump({"status": "STARTED", "result": None, "date_done": None})
        self.link.put(key, made, _there)
        super().expire(key, value)


@broken("EXP-16", "expire-ignores-none")
class ExpireIgnoresNone(Correct):
    """Leaves the lifetime as it is where no lifetime is wanted."""

    def expire(self, key: str, value: Any) -> None:
        """Do nothing for None and 0."""
        if value:
            super().expire(key, value)


# -- groups --------------------------------------------------------------------------------------


@broken("EXP-17", "groups-for-ever")
class GroupsForEver(Correct):
    """Gives a lifetime only to tasks."""

    @property
    def life_of_groups(self) -> float:
        """Infinity."""
        return math.inf


@broken("EXP-17", "groups-for-half-a-life")
class GroupsForHalfALife(Correct):
    """Keeps a group for half of its lifetime."""

    @property
    def life_of_groups(self) -> float:
        """Less than it should be."""
        return self.link.life / 2


@broken("EXP-17", "cleanup-removes-groups-that-live")
class CleanupRemovesGroupsThatLive(Correct):
    """Empties the table of groups at each cleanup."""

    def cleanup(self) -> None:
        """Remove all groups."""
        for key in self.link.keys(self.prefix + GROUP_KEY_PREFIX):
            self.link.delete(key)
