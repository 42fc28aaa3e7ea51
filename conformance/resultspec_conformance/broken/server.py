"""A key/value server in memory, small enough to be seen through: keys, channels, connections that can be cut."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence

from resultspec_conformance.subject import Notification

TASK_KEY_PREFIX = "celery-task-meta-"


class LinkCut(ConnectionError):
    """The connection was cut."""


class Server:
    """Keys and channels. Every method is one atomic step."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.data: dict[str, bytes] = {}
        self.subscriptions: dict[int, tuple[str, queue.Queue[bytes | None]]] = {}
        self.links: list[Link] = []
        self.numbers = itertools.count()

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


class Link:
    """A client's connection to a server. Once cut, its next use raises LinkCut and the one after that works again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_cut = False
        server.links.append(self)

    def _alive(self) -> None:
        if self.is_cut:
            self.is_cut = False
            raise LinkCut("the connection was cut")

    def get(self, key: str) -> bytes | None:
        """Return a value, or None."""
        with self.server.lock:
            self._alive()
            return self.server.data.get(key)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, each of them or None."""
        with self.server.lock:
            self._alive()
            return [self.server.data.get(key) for key in keys]

    def put(self, key: str, value: bytes, keep: Callable[[bytes], bool], *, publish: bool = True) -> bool:
        """Set a value and publish it, unless ``keep`` says that the one that is there stays: one atomic step."""
        with self.server.lock:
            self._alive()
            there = self.server.data.get(key)
            if there is not None and keep(there):
                return False
            self.server.data[key] = value
            if publish:
                self.server.publish(key, value)
            return True

    def delete(self, key: str) -> None:
        """Remove a key."""
        with self.server.lock:
            self._alive()
            self.server.data.pop(key, None)

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
                    found.append(Notification(channel, body, self._server.data.get(channel)))
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

    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key."""
        with self.server.lock:
            return self.server.data.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key."""
        with self.server.lock:
            self.server.data[key] = value

    def delete(self, *keys: str) -> None:
        """Remove keys."""
        with self.server.lock:
            for key in keys:
                self.server.data.pop(key, None)

    def keys(self) -> frozenset[str]:
        """Return all keys."""
        with self.server.lock:
            return frozenset(self.server.data)

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
