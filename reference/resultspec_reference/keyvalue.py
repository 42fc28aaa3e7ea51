"""`KeyValueStoreBackend`: result backends over a store of bytes under keys.

A subclass defines `get`, `set` and `delete` (`resultspec_reference.store`), and may define `mget`,
`store_if` and `subscribe`. The key of a task is `celery-task-meta-` and its id, the key of a group
`celery-taskset-meta-` and its id, after the global prefix if there is one (KEY-1, GROUP-17).
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from resultspec_reference.app import setting
from resultspec_reference.entries import groups, meta
from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.entries.unreadable import naming
from resultspec_reference.errors import DecodeError, SecurityError
from resultspec_reference.ids import task_id_text
from resultspec_reference.joining.backend import JoiningBackend
from resultspec_reference.joining.loop import JoinAnswer, JoinWatch
from resultspec_reference.state_guard import Guard
from resultspec_reference.store import KeysSubscription, Subscription
from resultspec_reference.waiting.loop import Watch

PREFIX_SEPARATORS: Final = (":", "_", "-", ".")
"""The last characters of a global prefix; if it ends in another one, an underscore follows (KEY-2)."""


def completed_prefix(prefix: str) -> str:
    """Return a global key prefix with its separator."""
    return prefix if not prefix or prefix.endswith(PREFIX_SEPARATORS) else f"{prefix}_"


class _Polling:
    """The subscription of a store that does not notify."""

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


class _PollingKeys:
    """The subscription to several keys of a store that does not notify."""

    def wait(self, seconds: float) -> tuple[()]:
        time.sleep(seconds)
        return ()


class _KeyWatch:
    def __init__(self, backend: "KeyValueStoreBackend", task_id: str, subscription: Subscription) -> None:
        self._backend = backend
        self._task_id = task_id
        self._subscription = subscription

    def read(self, limit: float) -> TaskMeta:  # noqa: ARG002 - the store has no way to limit a read
        return self._backend.get_task_meta(self._task_id)

    def rest(self, seconds: float) -> None:
        self._subscription.wait(seconds)


class _KeysWatch:
    """A join's view of the keys of its tasks."""

    def __init__(self, backend: "KeyValueStoreBackend", resources: ExitStack) -> None:
        self._backend = backend
        self._resources = resources
        self._task_ids: dict[bytes, str] = {}
        self._subscription: KeysSubscription = _PollingKeys()

    def subscribe(self, task_ids: Iterable[str], limit: float) -> None:  # noqa: ARG002 - no way to limit it
        self._task_ids = {self._backend.get_key_for_task(task_id): task_id for task_id in task_ids}
        self._subscription = self._resources.enter_context(self._backend.subscribe_many(self._task_ids))

    def read(self, task_ids: Sequence[str], limit: float) -> Iterator[JoinAnswer]:  # noqa: ARG002 - as above
        return self._backend.answers(task_ids, self._backend.mget)

    def rest(self, seconds: float) -> Iterable[str]:
        return [self._task_ids[key] for key in self._subscription.wait(seconds)]


class KeyValueStoreBackend(JoiningBackend):
    """A result backend over keys and values.

    Besides the options of `BaseBackend` it takes `global_keyprefix`; the default is that
    of the setting `result_backend_transport_options`.
    """

    task_keyprefix = "celery-task-meta-"
    group_keyprefix = "celery-taskset-meta-"
    chord_keyprefix = "chord-unlock-"

    implements_incr = False
    """Whether `incr` is one atomic step. Chords are counted by `chord_store`, and do not need it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        prefix = kwargs.pop("global_keyprefix", None)
        super().__init__(*args, **kwargs)
        if prefix is None:
            options = setting(self.app, "result_backend_transport_options") or {}
            prefix = options.get("global_keyprefix") or ""
        self.global_keyprefix = completed_prefix(prefix)

    def key_t(self, s: str | bytes) -> bytes:
        """Return a key as bytes, which is what the store takes."""
        return s if isinstance(s, bytes) else s.encode()

    def get_key_for_task(self, task_id: Any, key: str = "") -> bytes:
        """Return the key of a task, with the suffix `key`."""
        return self.key_t(f"{self.global_keyprefix}{self.task_keyprefix}{task_id_text(task_id)}{key}")

    def get_key_for_group(self, group_id: Any, key: str = "") -> bytes:
        """Return the key of a group, with the suffix `key`."""
        return self.key_t(f"{self.global_keyprefix}{self.group_keyprefix}{task_id_text(group_id, 'group id')}{key}")

    def get_key_for_chord(self, group_id: Any, key: str = "") -> bytes:
        """Return the key of the chord of a group, with the suffix `key`."""
        return self.key_t(f"{self.global_keyprefix}{self.chord_keyprefix}{task_id_text(group_id, 'group id')}{key}")

    # -- the store -----------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key, or None."""
        raise NotImplementedError(f"{type(self).__name__} does not define get")

    def mget(self, keys: Iterable[bytes]) -> Sequence[bytes | None]:
        """Return the bytes under each of the keys, in order."""
        return [self.get(key) for key in keys]

    def set(self, key: bytes, value: bytes) -> None:
        """Put bytes under a key."""
        raise NotImplementedError(f"{type(self).__name__} does not define set")

    def delete(self, key: bytes) -> None:
        """Remove a key, which may be absent."""
        raise NotImplementedError(f"{type(self).__name__} does not define delete")

    def expire(self, key: bytes, value: Any) -> None:
        """Let a key, if it exists, expire after a lifetime that begins now (`resultspec_reference.expiry`)."""
        raise NotImplementedError(f"{type(self).__name__} does not define expire")

    def incr(self, key: bytes) -> int:
        """Add one to the number under a key, which is 0 if absent, and return the sum."""
        raise NotImplementedError(f"{type(self).__name__} does not define incr")

    def store_if(self, key: bytes, value: bytes, guard: Guard) -> bool:
        """Put bytes under a key if the guard allows it; return whether it did.

        This is a read and then a write, which is correct for one writer at a time. A subclass whose store can
        do both in one step overrides it; only then may it claim the class `atomic`.
        """
        allowed = guard.allows(self.get(key))
        if allowed:
            self.set(key, value)
        return allowed

    @contextmanager
    def subscribe(self, key: bytes) -> Iterator[Subscription]:  # noqa: ARG002 - for the subclass that notifies
        """Watch a key. This subscription only sleeps; a subclass whose store notifies overrides it."""
        yield _Polling()

    @contextmanager
    def subscribe_many(self, keys: Iterable[bytes]) -> Iterator[KeysSubscription]:  # noqa: ARG002 - as above
        """Watch keys. This subscription only sleeps; a subclass whose store notifies overrides it."""
        yield _PollingKeys()

    def on_chord_part_return(self, task: Any, state: str, result: Any, propagate: bool | None = None) -> None:
        """Count a part of a chord that has returned, as `BaseBackend.on_chord_part_return` says."""
        super().on_chord_part_return(task, state, result, propagate)

    # -- what the base class asks for ----------------------------------------------------------

    def _store_result(
        self,
        task_id: str,
        result: Any,
        status: str,
        traceback: str | None,
        request: object | None,
        **kwargs: Any,  # noqa: ARG002 - options of other backends, as in Celery
    ) -> None:
        payload = self.encode(self._build_meta(task_id, result, status, traceback, request))
        guard = Guard(status, self.late_unready, functools.partial(self._stored_state, task_id))
        self.store_if(self.get_key_for_task(task_id), payload, guard)

    def _stored_state(self, task_id: str, payload: bytes) -> str | None:
        """Return the state of an entry, None if it cannot be decoded.

        Raises ContentDisallowed for a writer that may not read its own content type: it
        cannot know what it would replace.
        """
        try:
            status: str = self._meta_of(task_id, payload)["status"]
        except SecurityError:
            return str(self.decode(payload)["status"])
        except DecodeError:
            return None
        return status

    def _get_task_meta_for(self, task_id: str) -> TaskMeta:
        with naming(task_id):
            return self._meta_of(task_id, self.get(self.get_key_for_task(task_id)))

    def _meta_of(self, task_id: str, payload: bytes | None) -> TaskMeta:
        return meta.unknown(task_id) if payload is None else meta.complete(self.decode_result(payload), task_id)

    def _forget(self, task_id: str) -> None:
        self.delete(self.get_key_for_task(task_id))

    def _save_group(self, group_id: str, entry: dict[str, Any]) -> None:
        self.set(self.get_key_for_group(group_id), self.encode(entry))

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        payload = self.get(self.get_key_for_group(group_id))
        if payload is None:
            return None
        with naming(group_id, "group"):
            return groups.from_entry(self.decode(payload))

    def _delete_group(self, group_id: str) -> None:
        self.delete(self.get_key_for_group(group_id))

    @contextmanager
    def _open_watch(self, task_id: str, limit: float) -> Iterator[Watch]:  # noqa: ARG002 - as above
        with self.subscribe(self.get_key_for_task(task_id)) as subscription:
            yield _KeyWatch(self, task_id, subscription)

    # -- joining -------------------------------------------------------------------------------

    @contextmanager
    def _open_join(self) -> Iterator[JoinWatch]:
        """Open the watch of a join; a store whose reads can be limited in time has its own."""
        with ExitStack() as resources:
            yield _KeysWatch(self, resources)

    def answers(
        self, task_ids: Sequence[str], mget: Callable[[Sequence[bytes]], Sequence[bytes | None]]
    ) -> Iterator[JoinAnswer]:
        """Return the answers for some tasks: from the cache, or else by `mget`, which is called before this returns."""
        return self._answers(task_ids, lambda asked: mget([self.get_key_for_task(task_id) for task_id in asked]))
