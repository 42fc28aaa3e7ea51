"""Correct backends that join tasks in other ways: a check that accuses one of them is wrong."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from resultspec_conformance.broken.baseline.joining import Item, Joining
from resultspec_conformance.broken.baseline.server import LinkSubscription
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import EVERYTHING, variation


@variation("join-looks-before-it-subscribes")
class JoinLooksFirst(Correct):
    """Yields the ready tasks before it subscribes to the others, and looks again after that."""

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Look, then join the rest in the time that is left."""
        deadline = self.join_deadline(asked)
        yield from self.one_pass(left, asked)
        if asked.most == 1:
            return
        rest = None if math.isinf(deadline) and deadline > 0 else deadline - time.monotonic()
        looked = asked.timeout is not None and asked.timeout <= 0
        if left and looked:
            raise self.late(left, asked)
        if asked.on_interval is not None and left:
            asked.on_interval()
        most = None if asked.most is None else asked.most - 1
        yield from super().join(left, replace(asked, timeout=rest, most=most))


@variation("join-in-another-order")
class JoinInAnotherOrder(Correct):
    """Reads the ids from the last to the first, three at a time, when the caller asks for them."""

    def read_all(self, task_ids: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Read in batches."""
        backwards = task_ids[::-1]
        for start in range(0, len(backwards), 3):
            yield from super().read_all(backwards[start : start + 3])


@variation("join-one-by-one", features=EVERYTHING.features - {"notify", "connection"})
class JoinOneByOne(Correct):
    """Reads each task on its own, looks only at the store, and polls nearly as rarely as it declares."""

    look_again = 0.24

    def read_all(self, task_ids: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Read one after the other."""
        for task_id in task_ids:
            yield from super().read_all([task_id])

    def rest_of_join(self, left: Iterable[Any], subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Sleep."""
        time.sleep(max(seconds, 0.0))
        return subscription


@variation("join-polls", wake_up=0.25)
class JoinPolls(Correct):
    """Is notified when it waits for one task, and polls when it joins many, as Celery's Redis backend."""

    look_again = 0.02

    def subscribe_all(self, task_ids: Iterable[Any]) -> LinkSubscription:
        """Subscribe to nothing."""
        return LinkSubscription(self.link.server)

    def rest_of_join(self, left: Iterable[Any], subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Sleep."""
        time.sleep(max(seconds, 0.0))
        return subscription


@variation("join-calls-on-message")
class JoinCallsOnMessage(Correct):
    """Calls `on_message` with each meta that it yields."""

    def get_many(self, *args: Any, on_message: Any = None, **options: Any) -> Iterator[Item]:
        """Call it."""
        items = super().get_many(*args, **options)
        return items if on_message is None else self.telling(items, on_message)

    def telling(self, items: Iterator[Item], on_message: Any) -> Iterator[Item]:
        """Yield after the call."""
        for task_id, meta in items:
            on_message(meta)
            yield task_id, meta
