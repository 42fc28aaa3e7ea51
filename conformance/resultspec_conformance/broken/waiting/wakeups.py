"""Backends that break chapter 9: what wakes a waiter, and what disturbs it."""

import contextlib
import time
from typing import Any

from resultspec_conformance.broken.baseline.server import LinkCut, LinkSubscription
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import EVERYTHING, broken


class SubscribesAtFirstRest(LinkSubscription):
    """A subscription that begins when somebody waits for its first message."""

    def __init__(self, server: Any, *channels: str) -> None:
        super().__init__(server, *channels)
        self._entries = [(number, server.subscriptions.pop(number)) for number in self._numbers]

    def wait(self, seconds: float) -> bytes | None:
        """Subscribe, which takes a round trip, then wait."""
        if self._entries:
            time.sleep(0.002)
            self._server.subscriptions.update(self._entries)
            self._entries = []
        return super().wait(seconds)


@broken("WAIT-9", "reads-then-subscribes", also=["WAIT-2", "WAIT-13"])
class ReadsThenSubscribes(Correct):
    """Subscribes after it has read: what is stored in between wakes nobody."""

    reread = 60.0

    def subscribe(self, task_id: str) -> LinkSubscription:
        """Return a subscription that is not in force yet."""
        with self.link.server.lock:
            return SubscribesAtFirstRest(self.link.server, self.key(task_id))


@broken("WAIT-9", "polls-slower-than-declared", features=EVERYTHING.features - {"notify", "connection"})
class PollsTooSlowly(Correct):
    """Publishes nothing, and looks again after a longer time than it declares."""

    reread = 0.8

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write without a message."""
        return self.link.put(self.key(task_id), payload, lambda there: self.stays(there, state), publish=False)


@broken("WAIT-10", "message-goes-to-one-waiter", also=["WAIT-11", "JOIN-17"])
class MessageGoesToOne(Correct):
    """Hands the message to the first who waits for it, as a queue does; the others only read at their deadline."""

    reread = 60.0

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Publish to one receiver."""
        key = self.key(task_id)
        written = self.link.put(key, payload, lambda there: self.stays(there, state), publish=False)
        if written:
            self.link.server.publish(key, payload, receivers=1)
        return written


@broken("WAIT-11", "leaving-unsubscribes-the-neighbour")
class UnsubscribesNeighbour(Correct):
    """Ends all subscriptions of the client to the channel when one of its waits gives up."""

    reread = 60.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.open: dict[str, list[LinkSubscription]] = {}

    def subscribe(self, task_id: str) -> LinkSubscription:
        """Remember the subscription under its task."""
        subscription = super().subscribe(task_id)
        self.open.setdefault(task_id, []).append(subscription)
        return subscription

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Unsubscribe from the channel, even if others listen."""
        meta = super().await_ready(task_id, timeout, interval, on_interval)
        for subscription in self.open.pop(task_id, []) if meta is None else ():
            subscription.close()
        return meta


@broken("WAIT-12", "subscription-left-behind")
class LeavesSubscription(Correct):
    """Never ends a subscription."""

    def leave(self, subscription: LinkSubscription) -> None:
        """Stay."""


@broken("WAIT-18", "subscription-left-after-a-timeout")
class LeavesAfterTimeout(Correct):
    """Ends its subscription only where the wait ends with an outcome."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Subscribe once more, and unsubscribe when there is an outcome."""
        subscription = self.subscribe(task_id)
        meta = super().await_ready(task_id, timeout, interval, on_interval)
        if meta is not None:
            self.leave(subscription)
        return meta


@broken("WAIT-13", "lost-connection-ends-the-wait")
class LostConnectionEnds(Correct):
    """Hands the error of the connection to the caller of the wait."""

    def rest(self, task_id: str, subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Wait for a message without a net."""
        subscription.wait(seconds)
        return subscription


@broken("WAIT-13", "reconnects-without-subscribing")
class NoResubscription(Correct):
    """Neither subscribes nor reads again when its connection was cut, and sleeps until its time is over."""

    def rest(self, task_id: str, subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Wait for a message; let the loss be seen."""
        subscription.wait(seconds)
        return subscription

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Sleep the rest of the time, or three seconds: the suite has no time for more."""
        deadline = self.deadline(timeout)
        try:
            return super().await_ready(task_id, timeout, interval, on_interval)
        except LinkCut:
            time.sleep(min(max(deadline - time.monotonic(), 0.0), 3.0))
            return None


@broken("WAIT-14", "on-interval-never-called")
class OnIntervalIgnored(Correct):
    """Takes `on_interval` and does not call it."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Leave it out."""
        return super().await_ready(task_id, timeout, interval, None)


@broken("WAIT-14", "on-interval-called-after-the-first-one")
class OnIntervalCalledLate(Correct):
    """Calls `on_interval` when the first interval is over, so never where the timeout is shorter."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Leave the first call out."""
        first = iter([None])

        def later() -> None:
            if next(first, on_interval) is not None:
                on_interval()

        return super().await_ready(task_id, timeout, interval, on_interval and later)


@broken("WAIT-14", "errors-of-on-interval-swallowed")
class OnIntervalSwallowed(Correct):
    """Goes on waiting when `on_interval` raises."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Suppress what it raises."""

        def quietly() -> None:
            with contextlib.suppress(Exception):
                on_interval()

        return super().await_ready(task_id, timeout, interval, on_interval and quietly)
