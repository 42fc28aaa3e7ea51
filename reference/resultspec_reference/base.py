"""`BaseBackend`: the members that every result backend has. A subclass connects them to its store.

Names, signatures, defaults and meanings are those of the API reference of Celery 3.1; where Celery 5 has
another name for a member, that name works too. A subclass has to define `_store_result`, `_get_task_meta_for`
and `_forget`, and may define `_open_watch` if its store notifies.
"""

import functools
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeVar

from resultspec_reference import errors, expiry, states, uri
from resultspec_reference.app import AppProtocol, current_app, current_request, send, setting, time_zone
from resultspec_reference.cache import MetaCache
from resultspec_reference.chords import counter as counting
from resultspec_reference.chords import header as chord_header
from resultspec_reference.chords.ledger import DEFAULT_LEASE, ChordStore, ChordTerms
from resultspec_reference.entries import exceptions, extended, groups, meta
from resultspec_reference.entries.encoding import Encoding
from resultspec_reference.entries.meta import TaskMeta
from resultspec_reference.ids import task_id_text
from resultspec_reference.per_process import PerProcess
from resultspec_reference.waiting.loop import PollingWatch, WaitLoop, Watch, timed_out
from resultspec_reference.waiting.machine import DEFAULT_INTERVAL, Terms, Wait

P = ParamSpec("P")
R = TypeVar("R")


class ExceptionInfo(NamedTuple):
    """What `BaseBackend.fail_from_current_stack` stored: the exception, and its traceback as text."""

    type: type[BaseException]
    exception: BaseException
    traceback: str


def _state_is_status(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method with the parameter `status` also take the keyword `state`, its name in Celery 5."""

    @functools.wraps(method)
    def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
        if "state" in kwargs:
            kwargs["status"] = kwargs.pop("state")
        return method(*args, **kwargs)

    return renamed


def _either_shape(method: Callable[P, R]) -> Callable[P, R]:
    """Let `BaseBackend.apply_chord` take `(header_result, body)` too, as Celery 5 calls it."""

    @functools.wraps(method)
    def shaped(*args: Any, **kwargs: Any) -> R:
        if len(args) == 3:
            this, header, body = args
            return method(this, header, (), None, body, **kwargs)  # type: ignore[arg-type]
        return method(*args, **kwargs)

    return shaped


def unpickle_backend(cls: type["BaseBackend"], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "BaseBackend":
    """Return a new backend for the current app, with the options of the pickled one."""
    return cls(current_app(), *args, **kwargs)


class BaseBackend(Encoding):
    """A result backend.

    `app` has the settings (`resultspec_reference.app`), `serializer` is the name of one of kombu's serializers,
    `max_cached_results` the size of the client's cache (None: the setting, 0: no limit, -1: no cache),
    `accept` the content types that may be read, `url` the URL of the store, `expires` the lifetime of an
    entry (None: the setting `result_expires`). Several threads may share one instance. Raises
    ImproperlyConfigured for options that are not supported.
    """

    READY_STATES = states.READY_STATES
    UNREADY_STATES = states.UNREADY_STATES

    TimeoutError = errors.TimeoutError

    subpolling_interval: float | None = None
    supports_native_join = False
    supports_autoexpire = False
    persistent = True
    retry_policy: Mapping[str, Any] = MappingProxyType(
        {"max_retries": 20, "interval_start": 0, "interval_step": 1, "interval_max": 1}
    )

    late_unready: ClassVar[states.LateUnready] = states.LATE_UNREADY
    """The declared choice for an unready state that arrives when the entry is in FAILURE or REVOKED."""

    reread_interval: float = math.inf
    """The longest rest of a waiter in seconds, whatever its interval; for stores that notify."""

    _constructed: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> "BaseBackend":
        """Keep the arguments of the constructor, so that pickling preserves every option of every subclass."""
        self = super().__new__(cls)
        options = {name: value for name, value in kwargs.items() if name != "app"}
        self._constructed = (args if "app" in kwargs else args[1:], options)
        return self

    def __init__(
        self,
        app: AppProtocol,
        serializer: str | None = None,
        max_cached_results: int | None = None,
        accept: Iterable[str] | None = None,
        url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(app, serializer, accept)
        self.url = url
        self.chord_terms = ChordTerms(
            kwargs.get("chord_crash", "at-least-once"), kwargs.get("chord_lease", DEFAULT_LEASE)
        )
        self.extended = bool(setting(app, "result_extended"))
        self._zone = time_zone(app)
        self.expires: float | None = self.prepare_expires(kwargs.get("expires"))
        limit = setting(app, "result_cache_max") if max_cached_results is None else max_cached_results
        self._caches = PerProcess(lambda: MetaCache(limit, self.encode, self.decode))
        self._group_caches = PerProcess(lambda: MetaCache(limit, self.encode, self.decode, keeps=bool))
        self._cache  # noqa: B018 - so that a wrong limit raises here and not at the first read

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the options, and no open resource."""
        return unpickle_backend, (type(self), *self._constructed)

    @property
    def _cache(self) -> MetaCache:
        return self._caches.get()

    @property
    def _group_cache(self) -> MetaCache:
        return self._group_caches.get()

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URI of the store, without password and query unless `include_password` is true."""
        return self.url or "" if include_password else uri.sanitize(self.url)

    # -- settings ------------------------------------------------------------------------------

    def prepare_persistent(self, enabled: bool | None = None) -> bool:
        """Return whether results outlive the client: the argument, else the setting, else `persistent`."""
        for found in (enabled, setting(self.app, "result_persistent")):
            if found is not None:
                return bool(found)
        return self.persistent

    def prepare_expires(self, value: Any, type: Callable[[float], Any] | None = None) -> Any:
        """Return the lifetime in seconds that a value, by default the setting `result_expires`, means; None: forever.

        `type` converts the number: with `int` a fraction is rounded up (EXP-7). Raises ImproperlyConfigured.
        """
        seconds = expiry.life(setting(self.app, "result_expires") if value is None else value)
        if seconds is None or type is None:
            return seconds
        return type(expiry.units(seconds, 1.0) if type is int else seconds)

    # -- writing -------------------------------------------------------------------------------

    @_state_is_status
    def store_result(
        self,
        task_id: Any,
        result: Any,
        status: str,
        traceback: Any = None,
        request: object | None = None,
        **kwargs: Any,
    ) -> Any:
        """Store the state and result of a task; return the encoded result, even if the store kept its entry.

        Raises ValueError and TypeError for a wrong id or state and EncodeError for a result that the
        serializer cannot carry, each before the store is accessed. Rules: chapters 2 to 6.
        """
        task_id, status = task_id_text(task_id), states.check_state(status)
        encoded = self.encode_result(result, status)
        self._store_result(task_id, encoded, status, exceptions.traceback_text(traceback), request, **kwargs)
        return encoded

    def _build_meta(
        self, task_id: str, result: Any, status: str, traceback: str | None, request: object | None
    ) -> TaskMeta:
        """Return the meta to store; a traceback that the serializer cannot carry gets escapes (META-6)."""
        if traceback is not None and not self._codec.carries(traceback):
            traceback = exceptions.printable(traceback)
        more = extended.members(request, self._codec.carries) if self.extended else meta.NO_EXTENDED_MEMBERS
        running = current_request(self.app)
        own = running if extended.member_of(running, "id") == task_id else None
        return meta.build(task_id, status, result, traceback, request, self._zone, more, own)

    # -- the calls of a worker -----------------------------------------------------------------

    def mark_as_started(self, task_id: Any, **meta: Any) -> Any:
        """Store STARTED; the result is the map of the other keyword arguments (WORK-1)."""
        return self.store_result(task_id, meta, states.STARTED)

    def mark_as_done(self, task_id: Any, result: Any, request: object | None = None) -> Any:
        """Store SUCCESS and the result, unless the request ignores it (WORK-2, WORK-5)."""
        stored = None
        if not extended.member_of(request, "ignore_result"):
            stored = self.store_result(task_id, result, states.SUCCESS, request=request)
        self._task_ended(request, states.SUCCESS, result)
        return stored

    def mark_as_failure(self, task_id: Any, exc: Any, traceback: Any = None, request: object | None = None) -> Any:
        """Store FAILURE and the exception (WORK-2)."""
        stored = self.store_result(task_id, exc, states.FAILURE, traceback=traceback, request=request)
        self._task_ended(request, states.FAILURE, exc)
        return stored

    def mark_as_retry(self, task_id: Any, exc: Any, traceback: Any = None, request: object | None = None) -> Any:
        """Store RETRY and the exception that was its cause, if any (WORK-2)."""
        return self.store_result(task_id, exc, states.RETRY, traceback=traceback, request=request)

    def mark_as_revoked(self, task_id: Any, reason: Any = "", request: object | None = None) -> Any:
        """Store REVOKED; the exception is a TaskRevokedError with the reason (WORK-3)."""
        error = errors.TaskRevokedError(reason)
        stored = self.store_result(task_id, error, states.REVOKED, request=request)
        self._task_ended(request, states.REVOKED, error)
        return stored

    def _task_ended(self, request: object | None, state: str, result: Any) -> None:
        """Count the task as a part of its chord, if it is one: after its entry was stored, and not if that failed."""
        if extended.member_of(request, "chord"):
            self.on_chord_part_return(request, state, result)

    def fail_from_current_stack(self, task_id: Any, exc: BaseException | None = None) -> ExceptionInfo:
        """Store FAILURE with `exc`, or with the exception that is being handled if none is given.

        Raises ValueError if no exception is given and none is being handled.
        """
        info = self._failure_of(exc)
        self.mark_as_failure(task_id, info.exception, traceback=info.traceback)
        return info

    def _failure_of(self, exc: BaseException | None) -> ExceptionInfo:
        handled = sys.exc_info()[1]
        error = handled if exc is None else exc
        if error is None:
            raise ValueError("no exception was given, and none is being handled")
        return ExceptionInfo(type(error), error, exceptions.format_failure(error, handled))

    def forget(self, task_id: Any) -> None:
        """Remove the entry of a task and this client's copy of it, if they exist (READ-4, READ-7)."""
        task_id = task_id_text(task_id)
        try:
            self._forget(task_id)
        finally:
            self._cache.drop(task_id)

    # -- reading -------------------------------------------------------------------------------

    def get_task_meta(self, task_id: Any, cache: bool = True) -> TaskMeta:
        """Return the meta of a task, from the client's cache if it is there and `cache` is true.

        Raises DecodeError, ContentDisallowed and SecurityError for an entry that cannot be read.
        """
        return self._fetch(task_id_text(task_id), self._get_task_meta_for, cache)

    def _fetch(self, task_id: str, read: Callable[[str], TaskMeta], cache: bool = True) -> TaskMeta:
        if not cache:
            return read(task_id)
        held = self._cache.get(task_id)
        if held is not None:
            return held
        ticket = self._cache.ticket()
        found = read(task_id)
        self._cache.put(task_id, found, ticket)
        return found

    def reload_task_result(self, task_id: Any) -> None:
        """Read the store and not the cache, and cache what is found as any read would (READ-6)."""
        task_id = task_id_text(task_id)
        self._cache.drop(task_id)
        self._fetch(task_id, self._get_task_meta_for)

    def is_cached(self, task_id: Any) -> bool:
        """Whether this client has the SUCCESS of a task in its cache."""
        return task_id_text(task_id) in self._cache

    def get_state(self, task_id: Any) -> str:
        """Return the state of a task."""
        status: str = self.get_task_meta(task_id)["status"]
        return status

    def get_status(self, task_id: Any) -> str:
        """Return the state of a task. Before Celery 4, `get_state` had this name."""
        return self.get_state(task_id)

    def get_result(self, task_id: Any) -> Any:
        """Return the result of a task; the exception of a failed task is returned and not raised."""
        return self.get_task_meta(task_id)["result"]

    def get_traceback(self, task_id: Any) -> str | None:
        """Return the traceback of a failed task."""
        traceback: str | None = self.get_task_meta(task_id)["traceback"]
        return traceback

    def get_children(self, task_id: Any) -> list[Any] | None:
        """Return the result tuples of the tasks that a task sent, None if they are not known."""
        children: list[Any] | None = self.get_task_meta(task_id)["children"]
        return children

    # -- groups --------------------------------------------------------------------------------

    def save_group(self, group_id: Any, result: Any) -> Any:
        """Save a group, which is a handle with `as_tuple()` or a result tuple, and return it. It replaces an older one.

        Raises ValueError and TypeError for a wrong id and for anything but a group, before the
        store is accessed. Rules: chapter 11.
        """
        group_id, entry = groups.group_id_text(group_id), groups.to_entry(result)
        try:
            self._save_group(group_id, entry)
        finally:
            self._group_cache.drop(group_id)
        return result

    def restore_group(self, group_id: Any, cache: bool = True) -> Any:
        """Return the handle of a saved group, or None if it was not saved; see `get_group_meta`."""
        found = self.get_group_meta(group_id, cache=cache)
        return None if found is None else found["result"]

    def delete_group(self, group_id: Any) -> None:
        """Remove a saved group and this client's copy of it, if they exist (GROUP-6)."""
        group_id = groups.group_id_text(group_id)
        try:
            self._delete_group(group_id)
        finally:
            self._group_cache.drop(group_id)

    def get_group_meta(self, group_id: Any, cache: bool = True) -> dict[str, Any] | None:
        """Return the entry of a saved group, its `result` a handle, or None if it was not saved.

        The entry comes from the client's cache if it is there and `cache` is true. The handle is Celery's if the app
        is. Raises DecodeError and ContentDisallowed for an entry that cannot be read.
        """
        group_id = groups.group_id_text(group_id)
        found = self._fetch_group(group_id) if cache else self._restore_group(group_id)
        return None if found is None else {**found, "result": groups.handle(found["result"], self.app)}

    def _fetch_group(self, group_id: str) -> dict[str, Any] | None:
        held = self._group_cache.get(group_id)
        if held is not None:
            return held
        ticket = self._group_cache.ticket()
        found = self._restore_group(group_id)
        if found is not None:
            self._group_cache.put(group_id, found, ticket)
        return found

    def reload_group_result(self, group_id: Any) -> None:
        """Read the store and not the cache, and cache the group that is found as any read would (GROUP-14)."""
        group_id = groups.group_id_text(group_id)
        self._group_cache.drop(group_id)
        self._fetch_group(group_id)

    # -- waiting -------------------------------------------------------------------------------

    def wait_for(
        self,
        task_id: Any,
        timeout: float | None = None,
        interval: float | None = DEFAULT_INTERVAL,
        no_ack: bool = True,  # noqa: ARG002 - reading a store never consumes
        on_interval: Callable[[], object] | None = None,
    ) -> Any:
        """Wait until a task is ready; return its result, or raise its exception.

        `timeout` and `interval` are in seconds; without a timeout there is no deadline. `on_interval` is
        called between reads. Raises TimeoutError after the deadline, TypeError and ValueError for wrong
        arguments, and what reading raises. An exception that would end the client is wrapped in an
        Exception. Rules: chapter 9.
        """
        task_id, terms = task_id_text(task_id), Terms.of(timeout, interval)
        found = self._wait_for_meta(task_id, terms, on_interval)
        if found["status"] not in states.PROPAGATE_STATES:
            return found["result"]
        result = found["result"]
        raise exceptions.raisable(result if isinstance(result, BaseException) else Exception(result))

    def _wait_for_meta(self, task_id: str, terms: Terms, on_interval: Callable[[], object] | None) -> TaskMeta:
        wait = Wait(terms, time.monotonic(), self.reread_interval)
        watch = self._look if terms.timeout <= 0 else self._open_watch
        retries = None if math.isfinite(wait.deadline) else self.retry_policy["max_retries"]
        loop = WaitLoop(wait, functools.partial(watch, task_id), on_interval, retries)
        found = loop.run()
        if found is not None:
            return found
        if loop.last_error is not None and terms.timeout <= 0:
            raise loop.last_error
        raise timed_out(task_id, terms.timeout, loop.last_error) from loop.last_error

    def _look(self, task_id: str, limit: float) -> AbstractContextManager[Watch]:  # noqa: ARG002 - one read has none
        """Return the watch of a wait with a timeout of 0: it reads once, without retries."""
        return PollingWatch(lambda: self._fetch(task_id, self._get_task_meta_for))

    def _open_watch(self, task_id: str, limit: float) -> AbstractContextManager[Watch]:  # noqa: ARG002 - as above
        """Return the watch of a wait; stores that notify have their own."""
        return PollingWatch(lambda: self._fetch(task_id, self._get_task_meta_for))

    def cleanup(self) -> None:
        """Remove the ready tasks that have expired; does nothing, for stores that expire entries themselves."""

    # -- chords --------------------------------------------------------------------------------

    @property
    def chord_store(self) -> ChordStore | None:
        """The store that counts the parts of chords; None if there is none, and a task has to poll for the results."""
        return None

    @_either_shape
    def apply_chord(self, header: Any, partial_args: Iterable[Any], group_id: Any, body: Any, **options: Any) -> Any:
        """Begin a run of a chord, before any part of it is sent.

        `header` is the result of the group of its tasks; a callable header, such as a group of
        signatures, is called with the partial arguments, and what it returns is returned. If `group_id` is
        None, the header has the id. Raises TypeError and ValueError for an invalid header or id. Rules: chapter 12.
        """
        results = header.freeze(group_id) if callable(header) else header
        known = chord_header.group_id_of(results) if group_id is None else group_id
        if self.chord_store is None:
            self.fallback_chord_unlock(known, body, result=chord_header.members_of(results), **options)
        else:
            counting.apply(self, self.chord_store, known, results, body)
        return header(*partial_args, task_id=known, **options) if callable(header) else None

    def set_chord_size(self, group_id: Any, chord_size: int) -> None:
        """Set the number of parts of a chord, before the last of them is sent. Raises TypeError and ValueError."""
        if self.chord_store is not None:
            counting.resize(self.chord_store, group_id, chord_size)

    def add_to_chord(self, chord_id: Any, result: Any) -> None:  # noqa: ARG002 - a counter needs no result
        """Add one part to a chord, before the part that adds it returns.

        Raises NotImplementedError if the store cannot count.
        """
        if self.chord_store is None:
            raise NotImplementedError(f"{type(self).__name__} cannot add to a chord that has begun")
        self.chord_store.add(groups.group_id_text(chord_id), 1)

    def on_chord_part_return(self, task: Any, state: str, result: Any, propagate: bool | None = False) -> None:  # noqa: ARG002 - a failed part always fails the chord
        """Count a part of a chord that has returned, and call the body if it was the last one.

        `task` is a request, or a task that has one. Returns when parts are missing or the chord is decided;
        it waits while another worker decides. Rules: chapter 12.
        """
        if self.chord_store is not None:
            request = getattr(task, "request", None) or task
            counting.part_returned(self, self.chord_store, self.chord_terms, request, state, result)

    def fallback_chord_unlock(
        self, group_id: Any, body: Any, result: Any = None, countdown: float = 1, **kwargs: Any
    ) -> None:
        """Send the task that polls for the results of a chord and completes it, for a store that cannot count.

        The first argument may also be the result of the header, as in Celery 5. `countdown` is in seconds.
        """
        members = result
        if not isinstance(group_id, str) and members is None:
            members, group_id = chord_header.members_of(group_id), chord_header.group_id_of(group_id)
        signature = counting.unlock_signature(groups.group_id_text(group_id), body, members, countdown, kwargs)
        send(self.app, signature)

    def chord_error_from_stack(self, callback: Any, exc: BaseException | None = None) -> ExceptionInfo:
        """Fail the body of a chord with an exception, by default the one that is being handled; call its errbacks.

        Raises ValueError if no exception is given and none is being handled.
        """
        info = self._failure_of(exc)
        counting.fail_body(self, callback, info.exception, info.traceback)
        counting.call_errbacks(self.app, callback)
        return info

    def process_cleanup(self) -> None:
        """Release what is held for a task: nothing (WORK-10)."""

    def on_task_call(self, producer: Any, task_id: Any) -> dict[str, Any]:  # noqa: ARG002 - nothing has to be prepared
        """Return what a task message needs so that the result comes to this backend: nothing (WORK-11)."""
        return {}

    def current_task_children(self, request: object | None = None) -> list[Any] | None:
        """Return the result tuples of the children of a request, by default of the running task (WORK-8)."""
        return meta.children(current_request(self.app) if request is None else request)

    # -- what a subclass defines ---------------------------------------------------------------

    def _store_result(
        self,
        task_id: str,
        result: Any,
        status: str,
        traceback: str | None,
        request: object | None,
        **kwargs: Any,
    ) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not store results")

    def _get_task_meta_for(self, task_id: str) -> TaskMeta:
        raise NotImplementedError(f"{type(self).__name__} does not read results")

    def _forget(self, task_id: str) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not forget results")

    def _save_group(self, group_id: str, entry: dict[str, Any]) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not save groups")

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        raise NotImplementedError(f"{type(self).__name__} does not restore groups")

    def _delete_group(self, group_id: str) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not delete groups")
