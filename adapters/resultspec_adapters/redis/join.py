"""A join's view of its keys in a Redis: one connection to read, and one that is subscribed to all channels.

Channels are subscribed to many at a time, and so are keys read. What is in a message is not looked at: its channel says
which key has changed.

A key that holds something else than a string reads as absent, since `MGET` says no more; `get` tells of it. That
is left so: nobody who keeps results puts such a thing there, and to ask `TYPE` of each key that is absent would make
every pass of a join that waits for many as dear as two.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, cast

from resultspec_adapters.redis.connection import Line, Server
from resultspec_adapters.redis.watch import RedisWatch
from resultspec_reference.joining.loop import JoinAnswer
from resultspec_reference.keyvalue import KeyValueStoreBackend

CHANNELS: Final = 1000
"""Channels that are subscribed to by one command."""

MESSAGES: Final = 10_000
"""Messages that are taken in at most before the keys that they speak of are read."""


class RedisJoinWatch(RedisWatch):
    """A join's view of its tasks. A subscription is not made before it is asked for."""

    def __init__(self, backend: KeyValueStoreBackend, server: Server) -> None:
        super().__init__(server)
        self._backend = backend
        self._task_ids: dict[bytes, str] = {}
        self._changed: set[str] = set()

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:
        """Subscribe to the channels of tasks, and return when the server has confirmed them all."""
        limit = self._patience.limit(limit)
        self._task_ids = {self._backend.get_key_for_task(task_id): task_id for task_id in task_ids}
        listener = self._listen(limit)
        channels = iter(self._task_ids)
        while some := list(islice(channels, CHANNELS)):
            listener.send("SUBSCRIBE", *some)
            confirmed = 0
            while confirmed < len(some):
                confirmed += self._take_in(listener, limit) == b"subscribe"

    def read(self, task_ids: Sequence[str], limit: float) -> Iterator[JoinAnswer]:
        """Read the keys of tasks by one command."""
        return self._backend.answers(task_ids, lambda keys: self._mget(keys, limit))

    def _mget(self, keys: Sequence[bytes], limit: float) -> Sequence[bytes | None]:
        return cast("Sequence[bytes | None]", self._ask(limit, "MGET", *keys))

    def rest(self, seconds: float) -> Iterable[str]:
        """Return the tasks of the messages that have come, once there are any."""
        if self._listener is not None and (self._changed or self._listener.is_heard(seconds)):
            for _ in range(MESSAGES):
                if not self._listener.is_heard(0):
                    break
                self._take_in(self._listener, self._patience.least)
        changed, self._changed = self._changed, set()
        return changed

    def _take_in(self, listener: Line, limit: float) -> bytes:
        """Take the next reply or message, and return of which kind it is."""
        kind, channel, _ = listener.hear(limit)
        if kind == b"message" and channel in self._task_ids:
            self._changed.add(self._task_ids[channel])
        return cast(bytes, kind)
