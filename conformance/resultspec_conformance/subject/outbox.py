"""The outbox: the calls that the backend under test makes, of the body of a chord or of an errback.

A backend gets an app that sends nothing: every signature that it calls is put into the outbox of the subject, with the
arguments of the call. So the suite counts *calls*. Whether the task then runs is not the backend's responsibility.

A backend behind a driver reports its calls by a notification. Several processes share an outbox through a file, to
which each of them appends lines.
"""

import copy
import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resultspec_conformance.wire.values import Value, decode, describe_exception, encode


@dataclass(frozen=True)
class SentCall:
    """A signature that was called, and the positional arguments of the call, which come before the signature's own."""

    signature: Mapping[str, Any]
    args: Sequence[Value]

    @property
    def task_ids(self) -> frozenset[str]:
        """The ids of the tasks in the signature: one, unless it is a group, a chain or a chord."""
        return frozenset(_ids(self.signature))


def _ids(signature: Mapping[str, Any]) -> Iterator[str]:
    found = (signature.get("options") or {}).get("task_id")
    if found is not None:
        yield str(found)
    given = signature.get("kwargs") or {}
    for member in (*(given.get("tasks") or ()), given.get("body")):
        if isinstance(member, Mapping) and signature.get("subtask_type"):
            yield from _ids(member)


class Outbox:
    """Calls, in order. Thread-safe; with a `path`, also shared between processes."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sent: list[SentCall] = []
        self._by_id: defaultdict[str, list[SentCall]] = defaultdict(list)
        self._listener: Callable[[SentCall], None] | None = None

    def put(self, sent: SentCall) -> None:
        """Add a call."""
        if self._path is not None:
            self._append(sent)
        else:
            with self._lock:
                self._sent.append(sent)
                for task_id in sent.task_ids:
                    self._by_id[task_id].append(sent)
        if self._listener is not None:
            self._listener(sent)

    def listen(self, listener: Callable[[SentCall], None]) -> None:
        """Call a function for each call from now on."""
        self._listener = listener

    def calls(self, task_id: str) -> list[SentCall]:
        """Return the calls of signatures that contain a task with this id."""
        if self._path is None:
            with self._lock:
                return list(self._by_id.get(task_id, ()))
        return [sent for sent in self.sent() if task_id in sent.task_ids]

    def sent(self) -> list[SentCall]:
        """Return all calls."""
        if self._path is None:
            with self._lock:
                return list(self._sent)
        if not self._path.exists():
            return []
        return [_read(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def _append(self, sent: SentCall) -> None:
        line = json.dumps({"signature": encode(sent.signature), "args": encode(list(sent.args))}) + "\n"
        # one write in append mode: lines of several processes do not mix, and survive the death of their writer
        descriptor = os.open(str(self._path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def _read(line: str) -> SentCall:
    found = json.loads(line)
    return SentCall(decode(found["signature"]), decode(found["args"]))


class SimulatedCrash(BaseException):
    """Ends a worker at the point where the suite lets it crash. A BaseException, so that no backend catches it."""


class CallableSignature(dict[str, Any]):
    """A signature as the backend sees it: a map that can be called, like Celery's signatures."""

    def __init__(self, varies: Mapping[str, Any], sender: "Sender") -> None:
        super().__init__(copy.deepcopy(dict(varies)))
        self.setdefault("args", [])
        self.setdefault("kwargs", {})
        self.setdefault("options", {})
        self._sender = sender

    @property
    def options(self) -> dict[str, Any]:
        """The options of the signature."""
        found: dict[str, Any] = self["options"]
        return found

    @property
    def id(self) -> str | None:
        """The id of the task."""
        return self.options.get("task_id")

    @property
    def task(self) -> str:
        """The name of the task."""
        return str(self["task"])

    def apply_async(self, args: Sequence[Any] = (), kwargs: Any = None, **options: Any) -> None:  # noqa: ARG002
        """Call the signature."""
        merged = {**self, "options": {**self.options, **options}}
        self._sender.send(SentCall(merged, [_value(argument) for argument in args]))

    def delay(self, *args: Any, **kwargs: Any) -> None:
        """Call the signature."""
        self.apply_async(args, kwargs)


def _value(value: Any) -> Value:
    if isinstance(value, BaseException):
        return describe_exception(value)
    if isinstance(value, (list, tuple)):
        return [_value(item) for item in value]
    return copy.deepcopy(value)


class Sender:
    """The part of an app that sends. `crashes` says when the worker crashes: before or after the next call.

    `broker_error` is the error of an unreachable broker, raised for the tasks with the ids in `refused`, or, if that
    is empty, for all. `while_sending` is called once, during the next call.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.crashes: Literal["", "before", "after"] = ""
        self.broker_error: Exception | None = None
        self.refused: frozenset[str] = frozenset()
        self.while_sending: Callable[[], None] | None = None

    def send(self, sent: SentCall) -> None:
        """Put a call into the outbox."""
        if self.crashes == "before":
            raise SimulatedCrash
        if self.broker_error is not None and (not self.refused or self.refused & sent.task_ids):
            raise self.broker_error
        self.outbox.put(sent)
        while_sending, self.while_sending = self.while_sending, None
        if while_sending is not None:
            while_sending()
        if self.crashes == "after":
            raise SimulatedCrash
