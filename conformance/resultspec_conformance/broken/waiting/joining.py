"""Backends that break chapter 10: what a join yields, when it gives up, and what it takes for an argument."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.joining import UNREADABLE, Item, Joining
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import broken


@broken("JOIN-1", "joined-as-often-as-given")
class JoinedAsOftenAsGiven(Correct):
    """Yields a task once for each time that its id was given."""

    def distinct(self, task_ids: Iterable[Any]) -> dict[Any, None]:
        """Count the ids."""
        counted = Counter(self.normal_id(task_id) for task_id in task_ids)
        self.times = {**getattr(self, "times", {}), **counted}
        return dict.fromkeys(counted)

    def one_pass(self, left: dict[Any, None], asked: Joining) -> Generator[Item, None, None]:
        """Yield again and again."""
        for task_id, meta in super().one_pass(left, asked):
            for _ in range(self.times[task_id]):
                yield task_id, meta


@broken("JOIN-1", "joined-by-the-id-as-given")
class JoinedByTheIdAsGiven(Correct):
    """Takes a UUID and its text for two ids, and yields the UUID, as Celery does."""

    def distinct(self, task_ids: Iterable[Any]) -> dict[Any, None]:
        """Keep the ids as they are."""
        given = list(task_ids)
        super().distinct(given)
        return dict.fromkeys(given)

    def key(self, task_id: Any) -> str:
        """Take the text of an id."""
        return super().key(str(task_id))


@broken("JOIN-1", "joined-up-to-a-hundred")
class JoinedUpToAHundred(Correct):
    """Reads no more than the first hundred of the ids that are left."""

    def read_all(self, task_ids: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Leave the others out."""
        return super().read_all(task_ids[:100])


@broken("JOIN-2", "joined-unless-it-is-known-to-be-unready")
class JoinedUnlessUnready(Correct):
    """Yields a task in every state that is not in its list of unready ones."""

    def is_wanted(self, state: str, ready: frozenset[str]) -> bool:
        """Look the state up among the unready ones, where no states were given."""
        if ready != STATES.sets["READY"]:
            return super().is_wanted(state, ready)
        return state not in ("PENDING", "RECEIVED", "STARTED", "RETRY", "REJECTED")


@broken("JOIN-2", "joined-without-a-look-at-the-given-states", also=["JOIN-19"])
class GivenStatesIgnored(Correct):
    """Takes ready states and does not look at them."""

    def is_wanted(self, state: str, ready: frozenset[str]) -> bool:
        """Ask for the usual ones."""
        return STATES.is_ready(state)


@broken("JOIN-2", "given-states-are-added-to-the-ready-ones")
class GivenStatesAdded(Correct):
    """Yields a task in a ready state though other states were given."""

    def is_wanted(self, state: str, ready: frozenset[str]) -> bool:
        """Ask for both."""
        return STATES.is_ready(state) or state in ready


@broken("JOIN-3", "joined-when-all-is-over", also=["JOIN-6", "JOIN-7", "JOIN-8", "JOIN-14", "JOIN-15", "JOIN-17"])
class JoinedWhenAllIsOver(Correct):
    """Gathers until nothing is left or the time is over, and only then yields."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Yield a list."""
        items, error = [], None
        try:
            for item in super().join(left, asked):
                items.append(item)
        except Exception as raised:  # noqa: BLE001 - it comes after the items
            error = raised
        yield from items
        if error is not None:
            raise error


@broken("JOIN-3", "joined-in-the-order-of-the-ids", also=["JOIN-8"])
class JoinedInOrder(Correct):
    """Yields a task only when all that were given before it have been yielded, or the time is over."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Hold items back."""
        order, held, error = list(left), {}, None
        try:
            for task_id, meta in super().join(left, asked):
                held[task_id] = meta
                while order and order[0] in held:
                    yield order[0], held.pop(order.pop(0))
        except Exception as raised:  # noqa: BLE001 - it comes after the items
            error = raised
        yield from held.items()
        if error is not None:
            raise error


@broken("JOIN-4", "join-raises-the-exception-of-a-task", also=["JOIN-2", "JOIN-9"])
class JoinRaisesTheException(Correct):
    """Raises the exception of a revoked task instead of yielding its meta."""

    def item(self, task_id: Any, meta: dict[str, Any]) -> Item:
        """Raise it where the task was revoked."""
        if meta["status"] == "REVOKED" and isinstance(meta["result"], Exception):
            raise meta["result"]
        return super().item(task_id, meta)


@broken("JOIN-4", "join-drops-the-children")
class JoinDropsTheChildren(Correct):
    """Yields a meta without its children."""

    def item(self, task_id: Any, meta: dict[str, Any]) -> Item:
        """Leave them out."""
        return super().item(task_id, {**meta, "children": None})


@broken("JOIN-5", "join-empties-the-set")
class JoinEmptiesTheSet(Correct):
    """Takes the ids out of a set that it is given, as Celery does."""

    def distinct(self, task_ids: Iterable[Any]) -> dict[Any, None]:
        """Empty it."""
        found = super().distinct(task_ids)
        if isinstance(task_ids, set):
            task_ids.clear()
        return found


@broken("JOIN-5", "join-reads-the-ids-twice")
class JoinReadsTwice(Correct):
    """Looks at the ids before it reads them, which leaves nothing of a generator."""

    def distinct(self, task_ids: Iterable[Any]) -> dict[Any, None]:
        """Read them, and read them again."""
        super().distinct(task_ids)
        return super().distinct(task_ids)


@broken("JOIN-5", "join-of-nothing-waits")
class JoinOfNothingWaits(Correct):
    """Waits for its timeout where there is nothing to wait for."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Wait."""
        if not left and asked.timeout is not None:
            time.sleep(max(asked.timeout, 0.0))
            raise self.late(left, asked)
        yield from super().join(left, asked)


@broken("JOIN-6", "join-gives-up-early")
class JoinGivesUpEarly(Correct):
    """Gives up at four fifths of the timeout."""

    def join_deadline(self, asked: Joining) -> float:
        """Return a deadline that comes early."""
        timeout = asked.timeout
        early = timeout * 0.8 if timeout is not None and 0 < timeout < 60 else timeout
        return super().join_deadline(replace(asked, timeout=early))


@broken("JOIN-6", "clock-of-a-join-begins-at-the-call")
class ClockBeginsAtTheCall(Correct):
    """Counts the time from the call on, though nothing has been asked for yet."""

    def join_deadline(self, asked: Joining) -> float:
        """Count from the call."""
        return super().join_deadline(asked) - (time.monotonic() - asked.called_at)


@broken("JOIN-23", "large-timeout-of-a-join-overflows")
class LargeTimeoutOfAJoin(Correct):
    """Hands its timeout to the operating system, which refuses more than some centuries."""

    def join_deadline(self, asked: Joining) -> float:
        """Raise as time.sleep does."""
        if asked.timeout is not None and asked.timeout > 9e9:
            raise OverflowError("timestamp too large to convert to a C type")
        return super().join_deadline(asked)


@broken("JOIN-7", "interval-of-a-join-slept-in-full")
class IntervalSleptInFull(Correct):
    """Rests for the whole interval, though the timeout is over before that."""

    def join_pause(self, interval: Any, deadline: float) -> float:
        """Return a long interval, or a second: the suite has no time for more."""
        return super().join_pause(interval, deadline) if interval is None or interval < 0.6 else 1.0


@broken("JOIN-7", "interval-zero-of-a-join-counts-for-nothing")
class IntervalZeroCountsForNothing(Correct):
    """With an interval of 0 adds nothing to the time that has passed; the suite has time for a second of it."""

    def join_deadline(self, asked: Joining) -> float:
        """Return a deadline that comes late."""
        late = 1.0 if asked.interval == 0 and asked.timeout is not None and 0 < asked.timeout < 60 else 0.0
        return super().join_deadline(asked) + late


@broken("JOIN-26", "time-of-the-caller-does-not-count")
class TimeOfTheCallerDoesNotCount(Correct):
    """Counts its own rests and nothing else, so that every item moves the deadline."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Restart the timeout after each item."""
        while True:
            found = next(items := super().join(left, asked), None)
            items.close()  # type: ignore[attr-defined]
            if found is None:
                return
            yield found


@broken("JOIN-8", "no-last-pass-of-a-join")
class NoLastPass(Correct):
    """Looks at the clock when the last rest is over, and not at the store."""

    look_again = 0.18

    def rest_of_join(self, left: Iterable[Any], subscription: Any, seconds: float) -> Any:
        """Give up when the rest was cut short by the deadline and no message came."""
        began = time.monotonic()
        rested = super().rest_of_join(left, subscription, seconds)
        if seconds < self.look_again and time.monotonic() >= began + seconds:
            raise self.TimeoutError("the time is over")
        return rested


@broken("JOIN-8", "pass-of-a-join-is-judged-by-its-end")
class PassJudgedByItsEnd(Correct):
    """Gives up after a pass that ended late, and not only after one that began late."""

    def join_deadline(self, asked: Joining) -> float:
        """Remember it, and that no pass was made."""
        self.ends, self.passes = super().join_deadline(asked), 0
        return self.ends

    def one_pass(self, left: dict[Any, None], asked: Joining) -> Generator[Item, None, None]:
        """Look at the clock when the caller has taken all that was ready."""
        yield from super().one_pass(left, asked)
        self.passes += 1
        if left and self.passes > 1 and time.monotonic() >= self.ends:
            raise self.late(left, asked)


@broken("JOIN-8", "join-raises-though-nothing-is-left")
class RaisesThoughNothingIsLeft(Correct):
    """Looks at the clock before it looks whether anything is left, as Celery did before 5.7."""

    def one_pass(self, left: dict[Any, None], asked: Joining) -> Generator[Item, None, None]:
        """Raise at the end of a pass that took too long."""
        began = time.monotonic()
        yield from super().one_pass(left, asked)
        if not left and asked.timeout is not None and 0 < asked.timeout < time.monotonic() - began:
            raise self.late(left, asked)


@broken("JOIN-9", "timeout-zero-of-a-join-is-the-default")
class TimeoutZeroIsTheDefault(Correct):
    """Takes a timeout of 0 for none given."""

    def join_deadline(self, asked: Joining) -> float:
        """Wait for a second where a real one would wait for ever."""
        return super().join_deadline(replace(asked, timeout=1.0) if asked.timeout == 0 else asked)


@broken("JOIN-9", "timeout-zero-of-a-join-does-not-read", also=["JOIN-19"])
class TimeoutZeroDoesNotRead(Correct):
    """Raises TimeoutError without a look where no time is left."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Look at the clock before the store."""
        if left and asked.timeout is not None and asked.timeout <= 0:
            raise self.late(left, asked)
        yield from super().join(left, asked)


@broken("JOIN-9", "negative-timeout-of-a-join-refused")
class NegativeTimeoutRefused(Correct):
    """Refuses a negative timeout."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Refuse one where there is something to wait for."""
        if left and asked.timeout is not None and asked.timeout < 0:
            raise ValueError("a timeout is not negative")
        return super().join(left, asked)


@broken("JOIN-25", "join-checks-at-the-first-item", also=["JOIN-11"])
class ChecksAtTheFirstItem(Correct):
    """Is a generator from its first line on, so that a wrong argument is found when an item is asked for."""

    def get_many(self, *args: Any, **options: Any) -> Iterator[Item]:
        """Begin late."""
        yield from super().get_many(*args, **options)


@broken("JOIN-24", "interval-none-of-a-join-is-a-type-error")
class IntervalNoneIsATypeError(Correct):
    """Sleeps for whatever it is given as the interval."""

    def check_join(self, timeout: Any, interval: Any, most: Any) -> None:
        """Insist on a number."""
        if interval is None:
            raise TypeError("must be real number, not NoneType")
        super().check_join(timeout, interval, most)


@broken("JOIN-25", "nan-is-a-timeout-of-a-join")
class NanIsATimeout(Correct):
    """Takes NaN for a timeout of 0."""

    def check_join(self, timeout: Any, interval: Any, most: Any) -> None:
        """Let NaN pass."""
        super().check_join(0 if timeout != timeout else timeout, interval, most)

    def join_deadline(self, asked: Joining) -> float:
        """Take it for 0."""
        return super().join_deadline(replace(asked, timeout=0) if asked.timeout != asked.timeout else asked)


@broken("JOIN-25", "negative-interval-of-a-join-is-zero")
class NegativeIntervalIsZero(Correct):
    """Takes a negative interval for 0."""

    def check_join(self, timeout: Any, interval: Any, most: Any) -> None:
        """Let it pass."""
        super().check_join(timeout, None, most)


@broken("JOIN-10", "wrong-ids-of-a-join-left-out")
class WrongIdsLeftOut(Correct):
    """Ignores invalid ids, and joins the others."""

    def distinct(self, task_ids: Iterable[Any]) -> dict[Any, None]:
        """Keep the text and the UUIDs."""
        return super().distinct(task_id for task_id in task_ids if task_id and not isinstance(task_id, int))


@broken("JOIN-11", "on-message-taken-and-forgotten")
class OnMessageForgotten(Correct):
    """Takes `on_message` and does not call it."""

    def check_on_message(self, on_message: Any) -> None:
        """Take it."""


@broken("JOIN-12", "join-never-calls-on-interval")
class NeverCallsOnInterval(Correct):
    """Takes `on_interval` and does not call it."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Leave it out."""
        return super().join(left, replace(asked, on_interval=None))


@broken("JOIN-12", "join-swallows-what-on-interval-raises")
class SwallowsWhatOnIntervalRaises(Correct):
    """Goes on when `on_interval` raises."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Suppress what it raises."""
        call: Callable[[], object] | None = asked.on_interval

        def quietly() -> None:
            with contextlib.suppress(Exception):
                if call is not None:
                    call()

        return super().join(left, replace(asked, on_interval=quietly))


@broken("JOIN-13", "passes-of-a-join-end-in-timeout")
class PassesEndInTimeout(Correct):
    """Raises TimeoutError when all the passes that it may make were made."""

    def has_passed_enough(self, passed: int, asked: Joining) -> bool:
        """Raise."""
        if super().has_passed_enough(passed, asked):
            raise self.TimeoutError("no more passes")
        return False


@broken("JOIN-13", "any-number-of-passes-is-one")
class AnyNumberOfPassesIsOne(Correct):
    """Makes one pass if a number of passes is given, whatever it is."""

    def has_passed_enough(self, passed: int, asked: Joining) -> bool:
        """Look whether there is a number."""
        return asked.most is not None


@broken("JOIN-13", "last-pass-not-made")
class LastPassNotMade(Correct):
    """Makes one pass less than it may, so that one pass is none."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Count from one."""
        if asked.most == 1:
            return iter(())
        return super().join(left, asked if asked.most is None else replace(asked, most=asked.most - 1))


@broken("JOIN-18", "unreadable-entry-ends-the-pass")
class UnreadableEndsThePass(Correct):
    """Raises the error of an entry that cannot be read at once, before what comes after it."""

    def read_all(self, task_ids: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Raise."""
        for task_id, found in super().read_all(task_ids):
            if isinstance(found, Exception):
                raise found
            yield task_id, found


@broken("JOIN-18", "unreadable-entry-is-pending")
class UnreadableIsPending(Correct):
    """Takes an entry that cannot be read for a task that is not ready."""

    def read_all(self, task_ids: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Leave it out."""
        return ((task_id, found) for task_id, found in super().read_all(task_ids) if not isinstance(found, Exception))


@broken("JOIN-22", "unreadable-entry-of-nobody")
class UnreadableOfNobody(Correct):
    """Does not say which entry cannot be read."""

    def one_pass(self, left: dict[Any, None], asked: Joining) -> Generator[Item, None, None]:
        """Raise an error without a name."""
        try:
            yield from super().one_pass(left, asked)
        except UNREADABLE as error:
            raise type(error)("an entry cannot be read") from None


@broken("JOIN-19", "join-caches-what-is-ready")
class CachesWhatIsReady(Correct):
    """Puts whatever it yields into the cache, as Celery does."""

    def remember_joined(self, task_id: Any, meta: dict[str, Any]) -> None:
        """Ask for no state."""
        if self.max_cached >= 0:
            self.cache[task_id] = meta


@broken("JOIN-19", "join-yields-the-cached-map")
class YieldsTheCachedMap(Correct):
    """Yields the map that is in the cache, and not a copy."""

    def item(self, task_id: Any, meta: dict[str, Any]) -> Item:
        """Yield it."""
        return task_id, meta


@broken("JOIN-20", "joins-and-does-not-say-so")
class DoesNotSaySo(Correct):
    """Joins, and has `supports_native_join` false."""

    supports_native_join = False
