"""`KeyValueStoreBackend`: result backends over a store of bytes under keys.

A subclass defines `get`, `set` and `delete` (`resultspec_reference.store`), and may define `mget`,
`store_if` and `subscribe`. The key of a task is ``celery-task-meta-`` and its id, after the global prefix
where there is one (KEY-1).
"""

import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from resultspec_reference import meta
from resultspec_reference.app import setting
from resultspec_reference.base import BaseBackend
from resultspec_reference.errors import ContentDisallowed, DecodeError, SecurityError
from resultspec_reference.guard import Guard
from resultspec_reference.ids import task_id_text
from resultspec_reference.meta import TaskMeta
from resultspec_reference.store import Subscription
from resultspec_reference.watch import Watch

PREFIX_ENDS: Final = (":", "_", "-", ".")
"""What a global prefix may end in; one that ends otherwise is followed by an underscore (KEY-2)."""


def completed_prefix(prefix: str) -> str:
    """Return a global key prefix as it is put before keys."""
    return prefix if not prefix or prefix.endswith(PREFIX_ENDS) else f"{prefix}_"


@contextmanager
def naming(task_id: str) -> Iterator[None]:
    """Name the task in whatever is wrong with its entry (VALUE-6)."""
    try:
        yield
    except (DecodeError, ContentDisallowed, SecurityError) as error:
        raise type(error)(f"the entry of task {task_id!r} cannot be read: {error}") from error


class _Polling:
    """The subscription of a store that does not notify."""

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


class _KeyWatch:
    def __init__(self, backend: "KeyValueStoreBackend", task_id: str, subscription: Subscription) -> None:
        self._backend = backend
        self._task_id = task_id
        self._subscription = subscription

    def read(self, limit: float) -> TaskMeta:  # noqa: ARG002 - the store has no way to limit a read
        return self._backend.get_task_meta(self._task_id)

    def rest(self, seconds: float) -> None:
        self._subscription.wait(seconds)


class KeyValueStoreBackend(BaseBackend):
    """A result backend over keys and values.

    Besides the options of `BaseBackend` it takes ``global_keyprefix``; without it, that of the setting
    ``result_backend_transport_options`` counts.
    """

    task_keyprefix = "celery-task-meta-"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        prefix = kwargs.pop("global_keyprefix", None)
        super().__init__(*args, **kwargs)
        if prefix is None:
            options = setting(self.app, "result_backend_transport_options") or {}
            prefix = options.get("global_keyprefix") or ""
        self.global_keyprefix = completed_prefix(prefix)

    def key_t(self, s: str | bytes) -> bytes:
        """Return a key as the store takes it."""
        return s if isinstance(s, bytes) else s.encode()

    def get_key_for_task(self, task_id: Any, key: str = "") -> bytes:
        """Return the key of a task; ``key`` is put behind it."""
        return self.key_t(f"{self.global_keyprefix}{self.task_keyprefix}{task_id_text(task_id)}{key}")

    # -- the store -----------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes under a key, or None."""
        raise NotImplementedError(f"{type(self).__name__} does not define get")

    def mget(self, keys: Iterable[bytes]) -> Sequence[bytes | None]:
        """Return the bytes under each of the keys, in their order."""
        return [self.get(key) for key in keys]

    def set(self, key: bytes, value: bytes) -> None:
        """Put bytes under a key."""
        raise NotImplementedError(f"{type(self).__name__} does not define set")

    def delete(self, key: bytes) -> None:
        """Remove a key, which may be absent."""
        raise NotImplementedError(f"{type(self).__name__} does not define delete")

    def store_if(self, key: bytes, value: bytes, guard: Guard) -> bool:
        """Put bytes under a key if the guard allows it; return whether it did.

        Here this is a read and a write, which is right for one writer at a time. A subclass whose store can
        do both in one step overrides it; only then the class ``atomic`` may be claimed.
        """
        allowed = guard.allows(self.get(key))
        if allowed:
            self.set(key, value)
        return allowed

    @contextmanager
    def subscribe(self, key: bytes) -> Iterator[Subscription]:  # noqa: ARG002 - for the subclass that notifies
        """Watch a key. Here the watch sleeps; a subclass whose store notifies overrides it."""
        yield _Polling()

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

        Raises ContentDisallowed if a writer may not read what it writes: it cannot know what it would replace.
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

    @contextmanager
    def _open_watch(self, task_id: str, limit: float) -> Iterator[Watch]:  # noqa: ARG002 - as above
        with self.subscribe(self.get_key_for_task(task_id)) as subscription:
            yield _KeyWatch(self, task_id, subscription)
