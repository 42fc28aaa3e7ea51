"""The caches of one client: metas in SUCCESS, and saved groups.

FAILURE and REVOKED may still change, and a cached PENDING would be a hang, so only SUCCESS is kept (READ-5). A meta is
kept as bytes and decoded for each caller, because the caller may change the meta that it got (READ-8).
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from resultspec_reference.errors import EncodeError, ImproperlyConfigured
from resultspec_reference.states import SUCCESS

NO_CACHE: Final = -1
UNLIMITED: Final = 0


def is_final(meta: dict[str, Any]) -> bool:
    """Whether the meta of a task will not change."""
    return bool(meta["status"] == SUCCESS)


class MetaCache:
    """Metas by task id; the least recently used one is evicted first. Thread-safe.

    `limit` is the maximum number of metas: 0 means unlimited, -1 no cache. `keeps` decides whether a meta is cached; by
    default a SUCCESS is. Raises ImproperlyConfigured for any other negative number and for anything but a number.
    """

    def __init__(
        self,
        limit: int,
        freeze: Callable[[Any], bytes],
        thaw: Callable[[bytes], dict[str, Any]],
        keeps: Callable[[dict[str, Any]], bool] = is_final,
    ) -> None:
        if type(limit) is not int or limit < NO_CACHE:
            raise ImproperlyConfigured(f"max_cached_results must be a number of at least -1, not {limit!r}")
        self._limit = {NO_CACHE: 0, UNLIMITED: math.inf}.get(limit, limit)
        self._freeze = freeze
        self._thaw = thaw
        self._keeps = keeps
        self._frozen: OrderedDict[str, bytes] = OrderedDict()
        self._drops = 0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether the cache keeps anything at all."""
        return bool(self._limit)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._frozen

    def get(self, task_id: str) -> dict[str, Any] | None:
        """Return a copy of the cached meta, or None."""
        with self._lock:
            frozen = self._frozen.get(task_id)
            if frozen is None:
                return None
            self._frozen.move_to_end(task_id)
        return self._thaw(frozen)

    def ticket(self) -> int:
        """Return a ticket to be passed to `put`, before the store is read; any `drop` invalidates it."""
        return self._drops

    def put(self, task_id: str, meta: dict[str, Any], ticket: int) -> None:
        """Cache a meta that was read after the ticket was taken, if it may be cached."""
        if not self._limit or not self._keeps(meta):
            return
        try:
            frozen = self._freeze(meta)
        except EncodeError:
            return
        with self._lock:
            if ticket != self._drops:
                return
            self._frozen[task_id] = frozen
            self._frozen.move_to_end(task_id)
            while len(self._frozen) > self._limit:
                self._frozen.popitem(last=False)

    def drop(self, task_id: str) -> None:
        """Forget a task, and do not cache what reads find that are under way (READ-7)."""
        with self._lock:
            self._drops += 1
            self._frozen.pop(task_id, None)
