"""A backend that is a Python object with the protocol's methods.

The object has the names of Celery's `BaseBackend`. This module hides three differences between bindings from the
checks: `get_status` is called `get_state` since Celery 4; `wait_for` returns the value or raises the task's exception
in the documented API, but returns the meta in every release; and a group is saved as a handle with `as_tuple()`, but
restored as such a handle or as the tuple itself, of which checks see the tuple.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from resultspec import ERRORS, STATES
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.subject.history import MISSING_METHOD, Outcome
from resultspec_conformance.subject.join_consumer import NotAPair, consume
from resultspec_conformance.subject.outbox import Outbox, Sender
from resultspec_conformance.subject.probe_protocols import Probe
from resultspec_conformance.subject.protocols import ClientOptions, Clock, Connection
from resultspec_conformance.subject.python_arguments import (
    RecordingApp,
    RequestView,
    ResultStandIn,
    request_view,
    stand_in,
    to_python,
)
from resultspec_conformance.wire.values import Value, describe_exception

ERROR_NAMES: Final[Mapping[str, str]] = {
    "ConnectionError": "OperationalError",
    "RedisError": "OperationalError",
    "OSError": "OperationalError",
    "OverflowError": "ValueError",
    "UnsupportedOperation": "NotImplementedError",
}
"""Names of errors of client libraries, and their kind in the closed list."""

OWN_APP_CURE: Final = "Give the backend an application of Celery: MyBackend(app=Celery(set_as_current=False), …)"
"""What to do about a backend that expects more of its app than the suite's stand-in has."""


def error_kind(error: BaseException, names: Mapping[str, str] = ERROR_NAMES) -> str:
    """Return the kind of an exception in the closed list, by the names of its class and bases.

    `names`: kinds by names of classes, or by names of classes after those of their modules.
    """
    for base in type(error).__mro__:
        own = names.get(f"{base.__module__}.{base.__qualname__}", base.__name__)
        name = names.get(own, own)
        if name in ERRORS:
            return name
    return "Unknown"


@dataclass(frozen=True)
class Binding:
    """In what the methods of a backend differ from the documented ones.

    `waits_return_meta`: what a wait returns is the meta, and not the value. `wait_for`: a function
    `(backend, task_id, **options)` by which users wait, if that is not the backend's method. `errors`: kinds of errors
    by the names of their classes, or by those after the names of their modules. `overlap`: whether one client serves
    calls of several threads at once.
    """

    waits_return_meta: bool = False
    wait_for: Callable[..., Any] | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    overlap: bool = True

    def kind_of(self, error: BaseException) -> str:
        """Return the kind of an exception in the closed list."""
        return error_kind(error, {**ERROR_NAMES, **self.errors})


DOCUMENTED: Final = Binding()


def from_python(value: Any) -> Value:
    """Return the value for an object of a backend: an exception becomes data."""
    return describe_exception(value) if isinstance(value, BaseException) else value


def _lists(child: Any) -> Any:
    if hasattr(child, "as_tuple"):
        child = child.as_tuple()
    if not (isinstance(child, (list, tuple)) and len(child) == 2 and isinstance(child[0], (list, tuple))):
        return child
    (task_id, parent), members = child
    return [
        [task_id, _lists(parent) if parent is not None else None],
        [_lists(member) for member in members] if members is not None else None,
    ]


def _children(children: Any) -> Any:
    return [_lists(child) for child in children] if isinstance(children, (list, tuple)) else children


def meta_value(found: Mapping[str, Any]) -> Value:
    """Return the value for a meta of a backend."""
    meta = dict(found)
    for name, convert in (("result", from_python), ("children", _children)):
        if name in meta:
            meta[name] = convert(meta[name])
    return meta


@dataclass
class PythonConnection:
    """A client that is a Python object, and its app."""

    backend: Any
    binding: Binding = DOCUMENTED
    app: RecordingApp = field(default_factory=RecordingApp)

    @property
    def sender(self) -> Sender:
        """The part of the app that sends."""
        return self.app.sender

    def call(self, op: str, args: Mapping[str, Value]) -> Outcome:
        """Perform an operation with the method that the binding names."""
        try:
            return Outcome.of_result(op, getattr(self, f"_{op}")(**args))
        except NotAPair as error:
            return Outcome.of_error("MalformedResult", str(error))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a backend raises is an outcome, even SystemExit
            return self.outcome_of(error)

    def outcome_of(self, error: BaseException) -> Outcome:
        """Return the outcome of a call of the backend that ended in an error."""
        if isinstance(error, AttributeError) and error.obj is self.backend:
            return Outcome.of_error("Unknown", f"{MISSING_METHOD}{error.name}")
        return Outcome.of_error(*self._kind_and_text(error))

    def _kind_and_text(self, error: BaseException) -> tuple[str, str]:
        return self.binding.kind_of(error), f"{type(error).__name__}: {show_message(error)}{cure_of(error, self.app)}"

    def close(self) -> None:
        """Close the backend if it can be closed."""
        close = getattr(self.backend, "close", None)
        if callable(close):
            close()

    def _store_result(
        self,
        task_id: Value,
        result: Value,
        state: Value,
        traceback: Value = None,
        request: Value = None,
        current: Value = None,
    ) -> None:
        with self.app.running(current):
            self.backend.store_result(
                task_id, to_python(result), state, traceback=traceback, request=request_view(request)
            )

    def _get_task_meta(self, task_id: Value, cache: bool = True) -> Value:
        found = self.backend.get_task_meta(task_id) if cache else self.backend.get_task_meta(task_id, cache=False)
        return meta_value(found) if isinstance(found, Mapping) else found

    def _get_state(self, task_id: Value) -> Value:
        get_state = getattr(self.backend, "get_state", None) or self.backend.get_status
        return get_state(task_id)

    def _get_result(self, task_id: Value) -> Value:
        return from_python(self.backend.get_result(task_id))

    def _get_traceback(self, task_id: Value) -> Value:
        return self.backend.get_traceback(task_id)

    def _get_children(self, task_id: Value) -> Value:
        return _children(self.backend.get_children(task_id))

    def _forget(self, task_id: Value) -> None:
        self.backend.forget(task_id)

    def _is_cached(self, task_id: Value) -> Value:
        return self.backend.is_cached(task_id)

    def _reload_task_result(self, task_id: Value) -> None:
        self.backend.reload_task_result(task_id)

    def _save_group(self, group_id: Value, result: Value) -> None:
        self.backend.save_group(group_id, stand_in(result))

    def _restore_group(self, group_id: Value, **cache: Value) -> Value:
        return _lists(self.backend.restore_group(group_id, **cache))

    def _delete_group(self, group_id: Value) -> None:
        self.backend.delete_group(group_id)

    def _get_group_meta(self, group_id: Value, **cache: Value) -> Value:
        found = self.backend.get_group_meta(group_id, **cache)
        if not isinstance(found, Mapping) or "result" not in found:
            return found
        return {**found, "result": _lists(found["result"])}

    def _reload_group_result(self, group_id: Value) -> None:
        self.backend.reload_group_result(group_id)

    def _cleanup(self) -> None:
        self.backend.cleanup()

    def _expire(self, task_id: Value, life: Value) -> None:
        self.backend.expire(self.backend.get_key_for_task(task_id), life)

    def _apply_chord(self, group_id: Value, header: Value, body: Value) -> Value:
        _, members = header
        letter = self.app.signature(body)
        self.backend.apply_chord((group_id, [ResultStandIn(member) for member in members]), letter)
        return letter.id

    def _set_chord_size(self, group_id: Value, size: Value) -> None:
        self.backend.set_chord_size(group_id, size)

    def _add_to_chord(self, group_id: Value, result: Value) -> None:
        self.backend.add_to_chord(group_id, ResultStandIn(result))

    def _on_chord_part_return(self, request: Value, state: Value, result: Value) -> None:
        self.backend.on_chord_part_return(RequestView(request), state, to_python(result))

    def _settle(self, deadline: float) -> None:
        settle = getattr(self.backend, "settle", None)
        if callable(settle):
            settle(deadline)

    def _as_uri(self) -> Value:
        return self.backend.as_uri()

    def _mark_as_started(self, task_id: Value, meta: Value = None) -> None:
        self.backend.mark_as_started(task_id, **(meta or {}))

    def _mark_as_done(self, task_id: Value, result: Value, request: Value = None) -> None:
        self.backend.mark_as_done(task_id, to_python(result), request=request_view(request))

    def _mark_as_failure(self, task_id: Value, exc: Value, traceback: Value = None, request: Value = None) -> None:
        self.backend.mark_as_failure(task_id, to_python(exc), traceback=traceback, request=request_view(request))

    def _mark_as_retry(self, task_id: Value, exc: Value, traceback: Value = None, request: Value = None) -> None:
        self.backend.mark_as_retry(task_id, to_python(exc), traceback=traceback, request=request_view(request))

    def _mark_as_revoked(self, task_id: Value, reason: Value = None, request: Value = None) -> None:
        given = {} if reason is None else {"reason": reason}
        self.backend.mark_as_revoked(task_id, request=request_view(request), **given)

    def _fail_from_current_stack(self, task_id: Value, raised: Value = None, exc: Value = None) -> None:
        given = {} if exc is None else {"exc": to_python(exc)}
        if raised is None:
            self.backend.fail_from_current_stack(task_id, **given)
            return
        try:
            raise to_python(raised)
        except BaseException:  # noqa: BLE001 - a task may raise anything
            self.backend.fail_from_current_stack(task_id, **given)

    def _process_cleanup(self) -> None:
        self.backend.process_cleanup()

    def _on_task_call(self, task_id: Value) -> Value:
        found = self.backend.on_task_call(None, task_id)
        return dict(found) if isinstance(found, Mapping) else found

    def _current_task_children(self, request: Value = None, current: Value = None) -> Value:
        with self.app.running(current):
            given = {} if request is None else {"request": request_view(request)}
            return _children(self.backend.current_task_children(**given))

    def _wait_for(self, task_id: Value, **options: Value) -> Value:
        try:
            found = (self.binding.wait_for or _wait_for)(self.backend, task_id, **options)
        except BaseException as error:  # a task may have failed with SystemExit, which is then raised
            if not self._is_outcome_of(task_id, error):
                raise
            return {"raised": describe_exception(error)}
        if not self.binding.waits_return_meta:
            return {"returned": from_python(found)}
        if not isinstance(found, Mapping) or not {"status", "result"} <= found.keys():
            return found
        ended = "raised" if found["status"] in STATES.sets["PROPAGATE"] else "returned"
        return {ended: from_python(found["result"])}

    def _get_many(
        self, task_ids: Value, delay: float = 0.0, pause: float = 0.0, take: int | None = None, **options: Value
    ) -> Value:
        if "ready_states" in options:
            options["READY_STATES"] = frozenset(options.pop("ready_states"))
        items = self.backend.get_many(task_ids, **options)
        return consume(items, meta_value, self._kind_and_text, delay=delay, pause=pause, take=take)

    def _is_outcome_of(self, task_id: Value, error: BaseException) -> bool:
        """Whether `wait_for` raised the task's exception and not an error of the wait itself."""
        try:
            meta = self.backend.get_task_meta(task_id, cache=False)
            failed, stored = meta["status"] in STATES.sets["PROPAGATE"], from_python(meta["result"])
        except Exception:  # noqa: BLE001 - an entry that cannot be read has no outcome
            return False
        # an exception that would end the client, such as SystemExit, may be wrapped in an Exception (EXC-10)
        return failed and (type(error) is Exception or getattr(stored, "type", None) == type(error).__qualname__)


def _wait_for(backend: Any, task_id: Any, **options: Any) -> Any:
    return backend.wait_for(task_id, **options)


class ConnectionForEachCall:
    """A client that serves one call at a time: while one is running, another call gets a connection of its own."""

    def __init__(self, connect: Callable[[], PythonConnection]) -> None:
        self._connect = connect
        self._first = connect()
        self._opened = [self._first]
        self._idle = [self._first]
        self._lock = threading.Lock()

    @property
    def backend(self) -> Any:
        """The backend of the first connection."""
        return self._first.backend

    @property
    def app(self) -> RecordingApp:
        """The app of all connections."""
        return self._first.app

    @property
    def sender(self) -> Sender:
        """The part of the app that sends."""
        return self.app.sender

    def outcome_of(self, error: BaseException) -> Outcome:
        """Return the outcome of a call of the backend that ended in an error."""
        return self._first.outcome_of(error)

    def call(self, op: str, args: Mapping[str, Value]) -> Outcome:
        """Perform an operation."""
        connection = self._take()
        try:
            return connection.call(op, args)
        finally:
            with self._lock:
                self._idle.append(connection)

    def _take(self) -> PythonConnection:
        with self._lock:
            if not self._idle:
                self._idle.append(self._connect())
                self._opened.append(self._idle[-1])
            return self._idle.pop()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._opened:
            connection.close()


def cure_of(error: BaseException, app: RecordingApp) -> str:
    """Return what to do about an error of a backend that expects an application of Celery, or an empty text."""
    asked = isinstance(error, AttributeError) and (error.obj is app or error.obj is app.conf)
    return f"\n{OWN_APP_CURE}" if asked else ""


def _require_backend(made: object) -> None:
    """Raise UsageError for an object that cannot be a backend."""
    if isinstance(made, type):
        found = f"the class {made.__name__}, not an instance of it"
    elif made is None:
        found = "None; perhaps a `return` is missing"
    elif not callable(getattr(made, "store_result", None)):
        found = f"an object of type {type(made).__name__}, which has no method store_result"
    else:
        return
    raise UsageError(
        f"the factory returned {found}.\nIt is called as factory(app, **options) and must return a backend."
    )


def show_message(error: BaseException) -> str:
    """Return the text of an exception, even if its `__str__` raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - some exceptions have no text
        return "(no text: __str__ raised)"


@dataclass
class PythonSubject:
    """A backend made by `factory(app, **options)`; only options that differ from their defaults are passed."""

    factory: Callable[..., Any]
    capabilities: Capabilities
    probe: Probe | None = None
    on_close: Callable[[], None] | None = None
    binding: Binding = DOCUMENTED
    in_process: bool = True
    broker: bool = True
    clock: Clock | None = None
    outbox: Outbox = field(default_factory=Outbox)

    @property
    def overlap(self) -> bool:
        """Whether one client serves several calls at once."""
        return self.binding.overlap

    def connect(self, options: ClientOptions) -> Connection:
        """Make a backend. Raises SubjectError, which names what the factory raised."""
        app = RecordingApp(options, Sender(self.outbox))
        make = partial(self._make, options, app)
        return make() if self.overlap else ConnectionForEachCall(make)

    def _make(self, options: ClientOptions, app: RecordingApp) -> PythonConnection:
        given = {name: value for name, value in options.non_default().items() if name != "timezone"}
        try:
            backend = self.factory(app, **given)
        except SubjectError:
            raise
        except (Exception, SystemExit) as error:
            raise self._refused(error, given, app) from error
        _require_backend(backend)
        return PythonConnection(backend, self.binding, app)

    def _refused(self, error: BaseException, given: Mapping[str, Value], app: RecordingApp) -> UsageError:
        cure = cure_of(error, app) or (
            "\nIt is called as factory(app, **options) and must return a backend; options are "
            f"{', '.join(given) or 'none'} in this call."
        )
        refused = UsageError(f"the factory raised {type(error).__name__}: {show_message(error)}{cure}")
        refused.refusal = self.binding.kind_of(error)
        return refused

    def close(self) -> None:
        """Call the adapter's `on_close`, then close the probe."""
        if self.on_close is not None:
            self.on_close()
        if self.probe is not None:
            self.probe.close()
