"""The part of the small correct backend that joins many tasks.

It shares nothing with the waiting for one task but the store: a defect in one is not to be found in the other.
"""

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec import STATES
from resultspec_conformance.broken.baseline.core import CorrectCore, DecodeError, SecurityError
from resultspec_conformance.broken.baseline.server import LinkCut, LinkSubscription

UNREADABLE = (DecodeError, ContentDisallowed, SecurityError)

Item = tuple[Any, dict[str, Any]]


class ImproperlyConfigured(Exception):
    """Something was asked for that this backend does not have."""


@dataclass(frozen=True)
class Joining:
    """What the caller of a join asked for."""

    timeout: Any
    interval: Any
    ready: frozenset[str]
    on_interval: Callable[[], object] | None
    most: Any
    called_at: float = field(default_factory=time.monotonic)


def _copied(value: Any) -> Any:
    """Return a copy of lists and maps, all the way down."""
    if isinstance(value, Mapping):
        return {key: _copied(member) for key, member in value.items()}
    if isinstance(value, (list, tuple, set, bytearray)):
        return type(value)(_copied(member) for member in value)
    return value


class WithJoining(CorrectCore):
    """Joins many tasks."""

    supports_native_join = True
    look_again = 0.2
    """Seconds after which a join reads again though nothing was published."""

    def get_many(
        self,
        task_ids: Any,
        timeout: Any = None,
        interval: Any = 0.5,
        no_ack: bool = True,
        READY_STATES: Any = STATES.sets["READY"],  # noqa: N803 - the name is Celery's
        on_message: Any = None,
        on_interval: Any = None,
        max_iterations: Any = None,
    ) -> Iterator[Item]:
        """Return an iterator over the ids and metas of the tasks, as they become ready."""
        self.check_join(timeout, interval, max_iterations)
        self.check_on_message(on_message)
        wanted = self.distinct(task_ids)
        return self.join(wanted, Joining(timeout, interval, frozenset(READY_STATES), on_interval, max_iterations))

    def check_join(self, timeout: Any, interval: Any, most: Any) -> None:
        """Refuse arguments that no join can have. Raises TypeError, ValueError."""
        for value in (timeout, interval):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise TypeError(f"{value!r} is not a number of seconds")
        if timeout != timeout:
            raise ValueError("a timeout is not NaN")
        if interval is not None and not interval >= 0:
            raise ValueError("an interval is not negative")
        if most is not None and most < 0:
            raise ValueError("a number of passes is not negative")

    def check_on_message(self, on_message: Any) -> None:
        """Refuse what would not be called."""
        if on_message is not None:
            raise ImproperlyConfigured("this backend has no messages to call on_message with")

    def distinct(self, task_ids: Iterable[Any]) -> dict[Any, None]:
        """Return the ids as keys, each once. Raises TypeError, ValueError."""
        return {self.normal_id(task_id): None for task_id in task_ids}

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Subscribe, pass over what is left, rest, and so on."""
        subscription: LinkSubscription | None = None
        if not left:
            return
        deadline = self.join_deadline(asked)
        called = asked.timeout is not None and asked.timeout <= 0
        passed = 0
        try:
            subscription = self.subscribe_all(left)
            while True:
                began = time.monotonic()
                yield from self.one_pass(left, asked)
                passed += 1
                if not left or self.has_passed_enough(passed, asked):
                    return
                if called and began >= deadline:
                    raise self.late(left, asked)
                if asked.on_interval is not None:
                    asked.on_interval()
                called = True
                subscription = self.rest_of_join(left, subscription, self.join_pause(asked.interval, deadline))
        finally:
            self.leave_all(subscription)

    def has_passed_enough(self, passed: int, asked: Joining) -> bool:
        """Whether so many passes are as many as may be made."""
        return bool(asked.most) and passed >= asked.most

    def late(self, left: dict[Any, None], asked: Joining) -> Exception:
        """Return the error of a join that has run out of time."""
        return self.TimeoutError(f"{len(left)} tasks were not ready in {asked.timeout} seconds")

    def one_pass(self, left: dict[Any, None], asked: Joining) -> Generator[Item, None, None]:
        """Yield what is ready, then raise the error of what cannot be read."""
        unreadable: Exception | None = None
        for task_id, found in self.read_all(list(left)):
            if isinstance(found, Exception):
                unreadable = unreadable or found
            elif self.is_wanted(found["status"], asked.ready):
                del left[task_id]
                self.remember_joined(task_id, found)
                yield self.item(task_id, found)
        if unreadable is not None:
            raise unreadable

    def item(self, task_id: Any, meta: dict[str, Any]) -> Item:
        """Return what is yielded."""
        return task_id, _copied(meta)

    def is_wanted(self, state: str, ready: frozenset[str]) -> bool:
        """Whether a task in this state is yielded."""
        return state in ready

    def read_all(self, task_ids: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each id with its meta, or with the error that says why there is none."""
        payloads = self.steadily(lambda: self.link.mget([self.key(task_id) for task_id in task_ids]))
        for task_id, payload in zip(task_ids, payloads, strict=True):
            try:
                yield task_id, self.joined_meta(task_id, payload)
            except UNREADABLE as error:
                yield task_id, error

    def joined_meta(self, task_id: Any, payload: bytes | None) -> dict[str, Any]:
        """Return the meta that a payload holds, as `read` does."""
        if payload is None:
            return self.unknown(task_id)
        meta = self.load(payload, task_id)
        meta["result"] = self.restore(meta["result"], meta["status"])
        meta["task_id"] = task_id
        return meta

    def remember_joined(self, task_id: Any, meta: dict[str, Any]) -> None:
        """Put a meta that is yielded into the cache, if it may be there."""
        if self.max_cached >= 0 and meta["status"] == "SUCCESS":
            self.cache[task_id] = meta

    def join_deadline(self, asked: Joining) -> float:
        """Return when a join has to end, by the monotonic clock. It is asked for with the first item."""
        if asked.timeout is None:
            return math.inf
        try:
            return time.monotonic() + float(asked.timeout)
        except OverflowError:
            return math.inf if asked.timeout > 0 else -math.inf

    def join_pause(self, interval: Any, deadline: float) -> float:
        """Return the seconds after which a join reads again though nothing was published."""
        return min(self.look_again, deadline - time.monotonic())

    def subscribe_all(self, task_ids: Iterable[Any]) -> LinkSubscription:
        """Subscribe to the channels of tasks."""
        keys = [self.key(task_id) for task_id in task_ids]
        subscription: LinkSubscription = self.steadily(lambda: self.link.subscribe_many(keys))
        return subscription

    def rest_of_join(self, left: Iterable[Any], subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Wait for a message; return the subscription, or a new one if it was cut."""
        try:
            subscription.wait(seconds)
        except LinkCut:
            return self.subscribe_all(left)
        return subscription

    def leave_all(self, subscription: LinkSubscription | None) -> None:
        """End a subscription."""
        if subscription is not None:
            subscription.close()
