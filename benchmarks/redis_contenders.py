"""The contenders on a Redis: bytes by redis-py, the reference's adapter, and the backend that Celery ships."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import redis
from celery import Celery
from celery.result import AsyncResult

from benchmarks.contender import RESULT, CallingApp, Contender, Part, Store
from benchmarks.ours import Ours
from resultspec_adapters.redis.backend import RedisBackend

LIFE_MS = 24 * 3600 * 1000
"""Milliseconds that entries live: the default of all contenders."""


def _key(task_id: str) -> str:
    return f"celery-task-meta-{task_id}"


def _bytes(task_id: str, state: str) -> bytes:
    done = "2026-01-01T00:00:00.000000+00:00" if state == "SUCCESS" else None
    meta = {"status": state, "result": RESULT, "traceback": None, "children": [], "date_done": done, "task_id": task_id}
    return json.dumps(meta).encode()


class BareClient:
    """redis-py with as little around it as leaves the bytes of Celery, and its notification.

    No guard, no check of what is stored, no decision about states: one round trip with SET and PUBLISH, one with GET.
    """

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(url)

    def store(self, task_id: str, state: str) -> None:
        """SET and PUBLISH, in one round trip."""
        key, value = _key(task_id), _bytes(task_id, state)
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.set(key, value, px=LIFE_MS)
            pipeline.publish(key, value)
            pipeline.execute()

    def get(self, task_id: str) -> object:
        """GET, and JSON."""
        return json.loads(self._redis.get(_key(task_id)))

    def get_many(self, task_ids: Sequence[str]) -> int:
        """MGET, and JSON."""
        return len([json.loads(found) for found in self._redis.mget([_key(task_id) for task_id in task_ids])])

    def wait(self, task_id: str, timeout: float) -> object:
        """SUBSCRIBE, and take the first message for the result."""
        with self._redis.pubsub() as pubsub:
            pubsub.subscribe(_key(task_id))
            pubsub.get_message(timeout=timeout)
            message = pubsub.get_message(timeout=timeout)
            if message is None:
                raise TimeoutError(task_id)
            return json.loads(message["data"])

    def begin_chord(self, group_id: str, size: int) -> None:
        """Do nothing."""

    def part_returned(self, group_id: str, index: int, size: int) -> None:  # noqa: ARG002 - nobody looks at the size
        """SADD: one round trip."""
        self._redis.sadd(f"celery-taskset-meta-{group_id}.d", f"{group_id}-{index}")

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


class BareWithoutNotifications(BareClient):
    """Like the bare client, but without notifications, which the protocol requires: for comparison only."""

    def store(self, task_id: str, state: str) -> None:
        """SET."""
        self._redis.set(_key(task_id), _bytes(task_id, state), px=LIFE_MS)


def _ours(url: str) -> Ours:
    backend = RedisBackend(CallingApp(), url=url, max_cached_results=-1)
    return Ours(backend, backend.close)


class CeleryClient:
    """The Redis backend that Celery ships, in a real app, but for the client's cache."""

    def __init__(self, url: str) -> None:
        self._app: Any = Celery(backend=url, broker="memory://", set_as_current=False)
        self._app.conf.result_cache_max = -1

    def store(self, task_id: str, state: str) -> None:
        """Store by `store_result`."""
        self._app.backend.store_result(task_id, RESULT, state)

    def get(self, task_id: str) -> object:
        """Read by `get_task_meta`."""
        return self._app.backend.get_task_meta(task_id)

    def get_many(self, task_ids: Sequence[str]) -> int:
        """Join by `get_many`."""
        return len(list(self._app.backend.get_many(task_ids)))

    def wait(self, task_id: str, timeout: float) -> object:
        """Wait by `AsyncResult.get`, which subscribes."""
        return AsyncResult(task_id, app=self._app).get(timeout=timeout)

    def begin_chord(self, group_id: str, size: int) -> None:
        """Say how many parts it has."""
        self._app.backend.set_chord_size(group_id, size)

    def part_returned(self, group_id: str, index: int, size: int) -> None:  # noqa: ARG002 - the store has the size
        """Count by `on_chord_part_return`."""
        self._app.backend.on_chord_part_return(Part.of(group_id, index), "SUCCESS", RESULT)

    def close(self) -> None:
        """Close the connections."""
        self._app.backend.result_consumer.stop()
        self._app.backend.client.close()
        self._app.close()


def _subscribers(url: str) -> Callable[[str], int]:
    client = redis.Redis.from_url(url)

    def count(task_id: str) -> int:
        return int(cast(Any, client).pubsub_numsub(_key(task_id))[0][1])

    return count


STORE = Store(
    "redis",
    (
        Contender("bare client", BareClient, "#9aa0a6"),
        Contender(
            "SET alone", BareWithoutNotifications, "#d0d4d9", lacks=frozenset({"get", "get_many", "wake-up", "chord"})
        ),
        Contender("resultspec", _ours, "#1a73e8"),
        Contender("Celery", CeleryClient, "#37a34a"),
    ),
    _subscribers,
)
