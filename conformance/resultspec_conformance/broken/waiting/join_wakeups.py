"""Backends that break chapter 10: what wakes a join, what disturbs it, and what it leaves behind."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from resultspec_conformance.broken.baseline.joining import Item, Joining
from resultspec_conformance.broken.baseline.server import LinkCut, LinkSubscription
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import broken
from resultspec_conformance.broken.waiting.wakeups import SubscribesAtFirstRest


@broken("JOIN-14", "join-reads-then-subscribes", also=["JOIN-13"])
class JoinReadsThenSubscribes(Correct):
    """Subscribes after it has read: what is stored in between wakes nobody."""

    look_again = 60.0

    def subscribe_all(self, task_ids: Iterable[Any]) -> LinkSubscription:
        """Return a subscription that is not in force yet."""
        with self.link.server.lock:
            return SubscribesAtFirstRest(self.link.server, *(self.key(task_id) for task_id in task_ids))


@broken("JOIN-14", "join-sleeps-through-messages", also=["JOIN-13", "JOIN-17"])
class JoinSleepsThroughMessages(Correct):
    """Does not listen, and looks again after a longer time than it declares."""

    look_again = 0.9

    def rest_of_join(self, left: Iterable[Any], subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Sleep, but notice a cut."""
        time.sleep(max(seconds, 0.0))
        return super().rest_of_join(left, subscription, 0.0)


@broken("JOIN-15", "lost-connection-ends-a-join")
class LostConnectionEndsAJoin(Correct):
    """Hands the error of the connection to the caller of the join."""

    def rest_of_join(self, left: Iterable[Any], subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Wait for a message without a net."""
        subscription.wait(seconds)
        return subscription


@broken("JOIN-15", "join-reconnects-without-subscribing")
class JoinReconnectsWithoutSubscribing(Correct):
    """Neither subscribes nor reads again when its connection was cut, and sleeps until its time is over."""

    def rest_of_join(self, left: Iterable[Any], subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Wait for a message; let the loss be seen."""
        subscription.wait(seconds)
        return subscription

    def join(self, left: dict[Any, None], asked: Joining) -> Iterator[Item]:
        """Sleep the rest of the time, or three seconds: the suite has no time for more."""
        began = time.monotonic()
        try:
            yield from super().join(left, asked)
        except LinkCut:
            rest = 3.0 if asked.timeout is None else asked.timeout - (time.monotonic() - began)
            time.sleep(min(max(rest, 0.0), 3.0))
            raise self.late(left, asked) from None


@broken("JOIN-16", "subscriptions-of-a-join-left-behind")
class SubscriptionsLeftBehind(Correct):
    """Never ends a subscription."""

    def leave_all(self, subscription: LinkSubscription | None) -> None:
        """Stay."""


@broken("JOIN-27", "subscriptions-of-a-closed-join-left-behind")
class ClosedJoinLeavesSubscriptions(Correct):
    """Ends its subscriptions with the last item or an error, and not where the caller has had enough."""

    def leave_all(self, subscription: LinkSubscription | None) -> None:
        """Look what ends the join."""
        if sys.exc_info()[0] is not GeneratorExit:
            super().leave_all(subscription)


@broken("JOIN-27", "subscriptions-of-a-late-join-left-behind")
class LateJoinLeavesSubscriptions(Correct):
    """Ends its subscriptions where all was yielded, and not after an error."""

    def leave_all(self, subscription: LinkSubscription | None) -> None:
        """Look what ends the join."""
        if sys.exc_info()[0] in (None, GeneratorExit):
            super().leave_all(subscription)


@broken("JOIN-17", "join-that-leaves-takes-all-along", also=["JOIN-13"])
class JoinTakesAllAlong(Correct):
    """Ends all subscriptions of the client to its channels, even those of its other joins."""

    look_again = 60.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.open: list[LinkSubscription] = []

    def subscribe_all(self, task_ids: Iterable[Any]) -> LinkSubscription:
        """Remember the subscription."""
        self.open.append(super().subscribe_all(task_ids))
        return self.open[-1]

    def leave_all(self, subscription: LinkSubscription | None) -> None:
        """End them all."""
        for one in self.open:
            one.close()
        self.open.clear()
