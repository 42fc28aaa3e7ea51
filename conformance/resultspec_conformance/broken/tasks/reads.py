"""Backends that break chapter 8: reads, and the cache of a client."""

import copy
from collections.abc import Mapping
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec_conformance.broken.baseline.whole import Correct, DecodeError
from resultspec_conformance.broken.catalogue import broken

# -- the store -----------------------------------------------------------------------------------


@broken("READ-1", "wait-takes-the-result-along", also=["ID-5", "WAIT-10", "WAIT-11", "JOIN-17"])
class WaitConsumes(Correct):
    """Removes a SUCCESS when somebody has waited for it, as a queue does."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Wait, then remove."""
        meta = super().await_ready(task_id, timeout, interval, on_interval)
        if meta is not None and meta["status"] == "SUCCESS":
            self.link.delete(self.key(task_id))
        return meta


@broken("READ-1", "children-are-given-once")
class ChildrenGivenOnce(Correct):
    """Removes the children of a task from its entry when `get_children` has returned them."""

    def get_children(self, task_id: Any) -> Any:
        """Return the children, then write the entry without them."""
        key = self.key(self.normal_id(task_id))
        children = super().get_children(task_id)
        payload = self.link.get(key)
        if children and payload is not None:
            self.link.put(key, self.dump({**self.parse(payload), "children": None}), lambda _: False)
        return children


@broken("READ-2", "results-go-with-their-writer")
class ResultsGoWithWriter(Correct):
    """Removes on closing what it has stored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.written: set[str] = set()

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Remember what was written."""
        self.written.add(task_id)
        return super().write(task_id, payload, state)

    def close(self) -> None:
        """Remove all of it."""
        for task_id in self.written:
            self.steadily(lambda task_id=task_id: self.link.delete(self.key(task_id)))
        super().close()


@broken("READ-3", "children-of-success-only")
class ChildrenOfSuccessOnly(Correct):
    """Answers `get_children` for a SUCCESS only, though the meta has the children of other states too."""

    def get_children(self, task_id: Any) -> Any:
        """Return the children of a SUCCESS."""
        meta = self.get_task_meta(task_id)
        return meta["children"] if meta["status"] == "SUCCESS" else None


@broken("READ-3", "no-traceback-without-an-error")
class NoTracebackWithoutError(Correct):
    """Answers `get_traceback` for the states of an exception only."""

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback of an exception."""
        meta = self.get_task_meta(task_id)
        return meta["traceback"] if meta["status"] in ("FAILURE", "RETRY", "REVOKED") else None


@broken("READ-3", "get-result-raises", also=["EXC-1", "EXC-2", "EXC-5", "EXC-6", "EXC-7"])
class GetResultRaises(Correct):
    """Raises the exception of a task in RETRY, which `get_result` is to return."""

    def get_result(self, task_id: Any) -> Any:
        """Return or raise."""
        meta = self.get_task_meta(task_id)
        if meta["status"] == "RETRY" and isinstance(meta["result"], Exception):
            raise meta["result"]
        return meta["result"]


@broken("READ-4", "forgetting-twice-raises")
class ForgettingTwiceRaises(Correct):
    """Raises KeyError when a task is forgotten a second time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.forgotten: set[str] = set()

    def forget(self, task_id: Any) -> None:
        """Insist on an entry that was not forgotten yet."""
        text = self.normal_id(task_id)
        if text in self.forgotten and self.link.get(self.key(text)) is None:
            raise KeyError(task_id)
        self.forgotten.add(text)
        super().forget(task_id)


@broken("READ-4", "forget-leaves-what-runs")
class ForgetLeavesRunning(Correct):
    """Does not forget a task that runs, since its worker may need the entry."""

    def forget(self, task_id: Any) -> None:
        """Remove the key, unless the task runs."""
        if self.get_state_there(self.normal_id(task_id)) not in ("STARTED", "RECEIVED"):
            super().forget(task_id)

    def get_state_there(self, task_id: str) -> str | None:
        """Return the state in the store, None where there is none that can be read."""
        payload = self.link.get(self.key(task_id))
        try:
            return None if payload is None else str(self.load(payload, task_id)["status"])
        except (DecodeError, ContentDisallowed):
            return None


# -- the cache -----------------------------------------------------------------------------------


@broken("READ-5", "failure-is-cached")
class FailureCached(Correct):
    """Caches FAILURE and REVOKED like SUCCESS."""

    def cacheable(self, meta: Mapping[str, Any]) -> bool:
        """Take every ready state for final."""
        return bool(meta["status"] in ("SUCCESS", "FAILURE", "REVOKED"))

    def own(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Copy exceptions too where there is a cache."""
        return super().own(meta) if self.max_cached < 0 else copy.deepcopy(meta)


@broken("READ-5", "reload-pins-what-it-finds")
class ReloadPins(Correct):
    """Puts into the cache whatever `reload_task_result` finds, PENDING too, as Celery does."""

    def reload_task_result(self, task_id: Any) -> None:
        """Read the store into the cache."""
        task_id = self.normal_id(task_id)
        meta = self.read(task_id)
        if self.max_cached >= 0:
            self.cache[task_id] = meta


@broken("READ-6", "cache-false-is-ignored")
class CacheFalseIgnored(Correct):
    """Answers from its cache also where it was asked not to."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Look into the cache."""
        return super().get_task_meta(task_id)


@broken("READ-6", "reload-keeps-what-is-cached")
class ReloadKeeps(Correct):
    """Takes what is cached for good, so that `reload_task_result` reads nothing."""

    def reload_task_result(self, task_id: Any) -> None:
        """Read the store where the cache has nothing."""
        self.get_task_meta(task_id)


@broken("READ-7", "forget-leaves-the-cache")
class ForgetLeavesCache(Correct):
    """Removes the entry in the store and not the one in the cache."""

    def forget(self, task_id: Any) -> None:
        """Remove the key."""
        self.steadily(lambda: self.link.delete(self.key(self.normal_id(task_id))))

    def is_cached(self, task_id: Any) -> bool:
        """Look into the cache, and say no where the store has nothing."""
        return super().is_cached(task_id) and self.link.get(self.key(self.normal_id(task_id))) is not None


@broken("READ-7", "cache-keyed-by-the-id-as-it-came")
class CacheKeyedByRawId(Correct):
    """Keys its cache by the id object, so that a UUID and its text are two entries, as in Celery."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Look up the id as it came."""
        self.normal_id(task_id)
        if cache and task_id in self.cache:
            return self.own(self.cache[task_id])
        meta = self.read(self.normal_id(task_id))
        self.remember(task_id, meta)
        return self.own(meta)

    def forget(self, task_id: Any) -> None:
        """Drop the id as it came."""
        self.cache.pop(task_id, None)
        self.steadily(lambda: self.link.delete(self.key(self.normal_id(task_id))))

    def is_cached(self, task_id: Any) -> bool:
        """Look up the id as it came."""
        self.normal_id(task_id)
        return task_id in self.cache


# -- whose meta it is ----------------------------------------------------------------------------


@broken("READ-8", "cached-meta-handed-out")
class CachedMetaHandedOut(Correct):
    """Returns the very map that is in its cache, as Celery does."""

    def own(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Return the map itself."""
        return meta


@broken("READ-8", "shallow-copy-handed-out")
class ShallowCopyHandedOut(Correct):
    """Copies the map that is in its cache and not what is in it."""

    def own(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of the map."""
        return copy.copy(meta)


@broken("READ-9", "is-cached-asks-the-store")
class IsCachedAsksTheStore(Correct):
    """Answers `is_cached` with what the store has."""

    def is_cached(self, task_id: Any) -> bool:
        """Look into the store."""
        return bool(self.read(self.normal_id(task_id))["status"] == "SUCCESS")


@broken("READ-9", "is-cached-is-always-false")
class IsCachedIsFalse(Correct):
    """Has a cache and says that it has not."""

    def is_cached(self, task_id: Any) -> bool:
        """Say no to every id."""
        self.normal_id(task_id)
        return False
