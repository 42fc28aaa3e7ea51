"""A join's view of its keys in a Redis: one connection to read, and one that is subscribed to all channels.

Each command subscribes to many channels, or reads many keys. The body of a message is ignored: the name of its channel
says which key has changed.

A key of another type than a string reads as absent, since `MGET` does not distinguish the two; `get` reports it. This
is accepted: no result backend stores such a key, and asking for the `TYPE` of every absent key would double the cost of
each pass of a join.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, cast

from resultspec_adapters.redis.connection import Server, WaiterConnection
from resultspec_adapters.redis.watch import RedisWatch
from resultspec_reference.joining.loop import JoinAnswer
from resultspec_reference.keyvalue import KeyValueStoreBackend

CHANNELS_PER_COMMAND: Final = 1000
"""Channels that are subscribed to by one command."""

MAX_MESSAGES: Final = 10_000
"""Messages that are received at most before their keys are read."""


class RedisJoinWatch(RedisWatch):
    """A join's view of its tasks. It subscribes only when it is asked to."""

    def __init__(self, backend: KeyValueStoreBackend, server: Server) -> None:
        super().__init__(server)
        self._backend = backend
        self._task_ids: dict[bytes, str] = {}
        self._changed: set[str] = set()

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:
        """Subscribe to the channels of tasks, and return when the server has confirmed them all."""
        limit = self._step_timeout.limit(limit)
        self._task_ids = {self._backend.get_key_for_task(task_id): task_id for task_id in task_ids}
        listener = self._listen(limit)
        channels = iter(self._task_ids)
        while some := list(islice(channels, CHANNELS_PER_COMMAND)):
            listener.send("SUBSCRIBE", *some)
            confirmed = 0
            while confirmed < len(some):
                confirmed += self._receive(listener, limit) == b"subscribe"

    def read(self, task_ids: Sequence[str], limit: float) -> Iterator[JoinAnswer]:
        """Read the keys of tasks by one command."""
        return self._backend.answers(task_ids, lambda keys: self._mget(keys, limit))

    def _mget(self, keys: Sequence[bytes], limit: float) -> Sequence[bytes | None]:
        return cast("Sequence[bytes | None]", self._execute(limit, "MGET", *keys))

    def rest(self, seconds: float) -> Iterable[str]:
        """Return the tasks of the messages that have arrived, as soon as there are any."""
        if self._listener is not None and (self._changed or self._listener.has_input(seconds)):
            for _ in range(MAX_MESSAGES):
                if not self._listener.has_input(0):
                    break
                self._receive(self._listener, self._step_timeout.minimum)
        changed, self._changed = self._changed, set()
        return changed

    def _receive(self, listener: WaiterConnection, limit: float) -> bytes:
        """Receive the next reply or message, and return its kind."""
        kind, channel, _ = listener.receive(limit)
        if kind == b"message" and channel in self._task_ids:
            self._changed.add(self._task_ids[channel])
        return cast(bytes, kind)
