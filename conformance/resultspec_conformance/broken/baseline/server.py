"""A key/value server in memory, small enough to be seen through: keys with lives, channels, connections to cut."""

import itertools
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from resultspec_conformance.broken.baseline.lasting import Kept
from resultspec_conformance.subject.probe_protocols import Notification

TASK_KEY_PREFIX = "celery-task-meta-"
GROUP_KEY_PREFIX = "celery-taskset-meta-"


class LinkCut(ConnectionError):
    """The connection was cut."""


class Server:
    """Keys and channels. Every method is one atomic step.

    `ends` has the moment at which the life of a key is over, by `now`; a key that is not in it lives for ever.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        self.lock = threading.RLock()
        kept = kept or Kept()
        self.data, self.ends = kept.data, kept.ends
        self.buried: set[str] = set()
        """The keys that a backend with tombstones remembers."""
        self.made_up = 0.0
        """Seconds by which the suite has moved the clock."""
        self.subscriptions: dict[int, tuple[str, queue.Queue[bytes | None]]] = {}
        self.links: list[Link] = []
        self.traffic = 0
        """Bytes that went for records."""
        self.numbers = itertools.count()

    def now(self) -> float:
        """Return the seconds of the server's clock."""
        return time.monotonic() + self.made_up

    def find(self, key: str) -> bytes | None:
        """Return a value, or None; a key whose life is over is removed."""
        with self.lock:
            if self.ends.get(key, math.inf) <= self.now():
                self.remove(key)
            return self.data.get(key)

    def put(self, key: str, value: bytes, life: float) -> None:
        """Set a value for so many seconds; infinity is for ever."""
        with self.lock:
            self.data[key] = value
            self.ends[key] = self.now() + life

    def remove(self, key: str) -> None:
        """Remove a key."""
        with self.lock:
            self.data.pop(key, None)
            self.ends.pop(key, None)

    def publish(self, channel: str, body: bytes, receivers: int | None = None) -> None:
        """Hand a message to all who listen, or to so many of them."""
        with self.lock:
            listening = [messages for subscribed, messages in self.subscriptions.values() if subscribed == channel]
            for messages in listening[:receivers]:
                messages.put(body)

    def cut(self) -> int:
        """Cut every link; return how many there were."""
        with self.lock:
            for link in self.links:
                link.is_cut = True
            for _, messages in self.subscriptions.values():
                messages.put(None)
            self.subscriptions.clear()
            return len(self.links)


class ServerClock:
    """The clock of a server, moved by the suite."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.server.made_up += seconds

    def restore(self) -> None:
        """Go back to the time of day."""
        self.server.made_up = 0.0


class Link:
    """A client's connection to a server. Once cut, its next use raises LinkCut and the one after that works again.

    `life`: the seconds for which it puts a value, infinity for ever.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_cut = False
        self.life = math.inf
        server.links.append(self)

    def _alive(self) -> None:
        if self.is_cut:
            self.is_cut = False
            raise LinkCut("the connection was cut")

    def get(self, key: str) -> bytes | None:
        """Return a value, or None."""
        with self.server.lock:
            self._alive()
            return self.server.find(key)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, each of them or None."""
        with self.server.lock:
            self._alive()
            return [self.server.data.get(key) for key in keys]

    def put(self, key: str, value: bytes, keep: Callable[[bytes], bool], *, publish: bool = True) -> bool:
        """Set a value and publish it, unless `keep` says that the one that is there stays: one atomic step."""
        with self.server.lock:
            self._alive()
            there = self.server.find(key)
            if there is not None and keep(there):
                return False
            self.server.put(key, value, self.life)
            if publish:
                self.server.publish(key, value)
            return True

    def delete(self, key: str) -> None:
        """Remove a key."""
        with self.server.lock:
            self._alive()
            self.server.remove(key)

    def expire(self, key: str, life: float) -> None:
        """Give an existing key another life, which begins now."""
        with self.server.lock:
            self._alive()
            there = self.server.find(key)
            if there is not None:
                self.server.put(key, there, life)

    def end(self, key: str) -> float | None:
        """Return when the life of a key is over, by the server's clock, or None where there is none."""
        with self.server.lock:
            self._alive()
            return self.server.ends[key] if self.server.find(key) is not None else None

    def remove_if(self, key: str, value: bytes) -> None:
        """Remove a key if this is still its value: one atomic step."""
        with self.server.lock:
            self._alive()
            if self.server.find(key) == value:
                self.server.remove(key)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix."""
        with self.server.lock:
            self._alive()
            return [key for key in self.server.data if key.startswith(prefix)]

    def change(
        self,
        key: str,
        change: Callable[[dict[str, Any]], Any],
        life: Callable[[dict[str, Any]], float | None],
        sent: int,
    ) -> Any:
        """Have the server change a record in one atomic step, and return what the change returns.

        The record is a map, empty if the key is not there; a change that leaves it empty removes it. `life` says how
        many seconds it lives then, None for ever; `sent` is the number of bytes that the change takes on the way.
        """
        with self.server.lock:
            self._alive()
            record: dict[str, Any] = json.loads(self.server.find(key) or b"{}")
            answer = change(record)
            seconds = life(record)
            if record:
                self.server.put(key, json.dumps(record).encode(), math.inf if seconds is None else seconds)
            else:
                self.server.remove(key)
            self.server.traffic += sent + len(json.dumps(answer))
            return answer

    def publish(self, channel: str, body: bytes) -> None:
        """Publish a message."""
        with self.server.lock:
            self._alive()
            self.server.publish(channel, body)

    def subscribe(self, channel: str) -> "LinkSubscription":
        """Subscribe to a channel."""
        with self.server.lock:
            self._alive()
            return LinkSubscription(self.server, channel)

    def subscribe_many(self, channels: Sequence[str]) -> "LinkSubscription":
        """Subscribe to channels; a message does not say on which of them it came."""
        with self.server.lock:
            self._alive()
            return LinkSubscription(self.server, *channels)

    def close(self) -> None:
        """Forget the link."""
        if self in self.server.links:
            self.server.links.remove(self)


class LinkSubscription:
    """A subscription to one channel, or to several."""

    def __init__(self, server: Server, *channels: str) -> None:
        self._server = server
        self._messages: queue.Queue[bytes | None] = queue.Queue()
        self._numbers = [next(server.numbers) for _ in channels]
        for number, channel in zip(self._numbers, channels, strict=True):
            server.subscriptions[number] = (channel, self._messages)

    def wait(self, seconds: float) -> bytes | None:
        """Return the next message, or None after some seconds. Raises LinkCut."""
        try:
            body = self._messages.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if body is None:
            raise LinkCut("the subscription was cut")
        return body

    def close(self) -> None:
        """End the subscription."""
        with self._server.lock:
            for number in self._numbers:
                self._server.subscriptions.pop(number, None)


class ServerListener:
    """The probe's subscription: it sees each message, and the value readable at that moment."""

    def __init__(self, server: Server, channels: Sequence[str]) -> None:
        self._server = server
        self._subscriptions = [(channel, LinkSubscription(server, channel)) for channel in channels]

    def collect(self, count: int, timeout: float) -> list[Notification]:
        """Return what has come."""
        deadline = time.monotonic() + timeout
        found: list[Notification] = []
        while len(found) < count and time.monotonic() < deadline:
            for channel, subscription in self._subscriptions:
                body = subscription.wait(0.002)
                if body is not None:
                    found.append(Notification(channel, body, self._server.find(channel)))
        return found

    def close(self) -> None:
        """End the subscriptions."""
        for _, subscription in self._subscriptions:
            subscription.close()


class ServerProbe:
    """A wire probe of a server in memory."""

    def __init__(self, server: Server, prefix: str = "") -> None:
        self.server = server
        self.prefix = prefix

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        return self.get(self.prefix + TASK_KEY_PREFIX + task_id)

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task, without a notification."""
        self.set(self.prefix + TASK_KEY_PREFIX + task_id, payload)

    def read_group(self, group_id: str) -> bytes | None:
        """Return the stored bytes of a group, or None."""
        return self.get(self.prefix + GROUP_KEY_PREFIX + group_id)

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Put bytes under a group."""
        self.set(self.prefix + GROUP_KEY_PREFIX + group_id, payload)

    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key."""
        return self.server.find(key)

    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key."""
        self.server.put(key, value, math.inf)

    def delete(self, *keys: str) -> None:
        """Remove keys."""
        for key in keys:
            self.server.remove(key)

    def keys(self) -> frozenset[str]:
        """Return all keys."""
        with self.server.lock:
            return frozenset(self.server.data)

    def bookkeeping(self, group_id: str) -> dict[str, float]:
        """Return the keys with the id of a group in their names, and the seconds that each will live."""
        with self.server.lock:
            # one whose life is over goes as it is found
            kept = [key for key in list(self.server.data) if group_id in key and self.server.find(key) is not None]
            return {key: self.server.ends.get(key, math.inf) - self.server.now() for key in kept}

    def traffic(self) -> int:
        """Return the bytes that went for records."""
        return self.server.traffic

    def publish(self, channel: str, body: bytes) -> None:
        """Publish a message."""
        self.server.publish(channel, body)

    def listen(self, channels: Sequence[str]) -> ServerListener:
        """Subscribe to channels."""
        with self.server.lock:
            return ServerListener(self.server, channels)

    def subscribers(self, channel: str) -> int:
        """Return how many subscriptions to a channel there are."""
        with self.server.lock:
            return sum(1 for subscribed, _ in self.server.subscriptions.values() if subscribed == channel)

    def cut_connections(self) -> int:
        """Cut every client's connection."""
        return self.server.cut()

    def ping(self) -> None:
        """A server in memory is always there."""

    def close(self) -> None:
        """Nothing to let go of."""


class ServerLifeProbe(ServerProbe):
    """A probe that also sees lives, and can make entries older."""

    def _end(self, task_id: str) -> tuple[str, float]:
        key = self.prefix + TASK_KEY_PREFIX + task_id
        return key, self.server.ends.get(key, math.inf)

    def remaining(self, task_id: str) -> float | None:
        """Return the remaining seconds: infinity means forever, None that no entry exists."""
        if self.read(task_id) is None:
            return None
        return self._end(task_id)[1] - self.server.now()

    def age(self, task_id: str, seconds: float) -> bool:
        """Bring the end of an entry nearer, if it has one."""
        with self.server.lock:
            key, end = self._end(task_id)
            if math.isfinite(end):
                self.server.ends[key] = end - seconds
            return math.isfinite(end)
