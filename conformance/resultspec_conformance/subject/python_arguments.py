"""What a backend that is a Python object is given: an app, requests, results and exceptions, as Celery has them."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from resultspec_conformance.subject import exception_samples as samples
from resultspec_conformance.subject.outbox import CallableSignature, Outbox, Sender
from resultspec_conformance.subject.protocols import ClientOptions
from resultspec_conformance.wire.values import ExceptionData, Value

DEFAULT_OPTIONS = ClientOptions()


class RecordingApp:
    """The application that the suite passes to a factory: it has settings, and records what it sends.

    `options`: the options of the client, some of which are settings of the application.
    """

    def __init__(self, options: ClientOptions = DEFAULT_OPTIONS, sender: Sender | None = None) -> None:
        self.sender = sender or Sender(Outbox())
        self.conf = SimpleNamespace(
            result_serializer="json",
            result_accept_content=None,
            accept_content=["json"],
            result_expires=options.expires,
            result_cache_max=-1,
            result_extended=options.extended,
            result_backend_transport_options={},
            timezone=options.timezone,
            enable_utc=options.timezone is None,
        )
        self.main = "resultspec"
        self._running = threading.local()

    @property
    def current_task(self) -> Any:
        """The task that runs in this thread, which has a request, or None, as in Celery's apps."""
        return getattr(self._running, "task", None)

    @contextmanager
    def running(self, request: Mapping[str, Any] | None) -> Iterator[None]:
        """Let a task with a request be the current one in this thread during the block; None: no task."""
        self._running.task = None if request is None else SimpleNamespace(request=RequestView(request))
        try:
            yield
        finally:
            self._running.task = None

    def signature(self, varies: Mapping[str, Any]) -> CallableSignature:
        """Return a signature that can be called."""
        return CallableSignature(varies, self.sender)


class ResultStandIn:
    """A task or group, as a backend sees it: an id, a parent, and `as_tuple()`."""

    def __init__(self, as_list: list[Any]) -> None:
        self._as_list = as_list
        (self.id, parent), _ = as_list
        self.parent = None if parent is None else stand_in(parent)

    def as_tuple(self) -> Any:
        """Return the result tuple, with tuples and lists in the same places as Celery's results."""
        return _tuples(self._as_list)


class GroupStandIn(ResultStandIn):
    """A group, as a backend sees it: it also has members, possibly none."""

    @cached_property
    def results(self) -> list[ResultStandIn]:
        """The members."""
        return [stand_in(member) for member in self._as_list[1]]

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[ResultStandIn]:
        return iter(self.results)


def stand_in(as_list: list[Any]) -> ResultStandIn:
    """Return the object that a backend gets for a result tuple."""
    return ResultStandIn(as_list) if as_list[1] is None else GroupStandIn(as_list)


def _tuples(as_list: list[Any]) -> Any:
    (task_id, parent), members = as_list
    return (
        (task_id, _tuples(parent) if parent is not None else None),
        [_tuples(member) for member in members] if members is not None else None,
    )


class RequestView:
    """A request as a backend sees it: its members are attributes, absent ones are None."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        known = dict(request)
        if "name" in known:
            known["task"] = known["name"]
        if known.get("children") is not None:
            known["children"] = [stand_in(child) for child in known["children"]]
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return {"children": [], "retries": 0, "errbacks": None}.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a member as a mapping would."""
        return self.__dict__.get(name, default)


def request_view(request: Value) -> RequestView | None:
    """Return a request as a backend sees it, None as None."""
    return None if request is None else RequestView(request)


def to_python(value: Value) -> Any:
    """Return the object that a backend gets for a value: an exception becomes an instance."""
    return samples.instance(value) if isinstance(value, ExceptionData) else value
