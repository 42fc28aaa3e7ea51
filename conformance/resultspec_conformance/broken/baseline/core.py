"""The core of the small correct backend: identifiers, states, bytes, exceptions, reads and waiting for one task.

It shares no code with the reference implementation: a mistake must not hide in both. Each decision is a method of its
own, so that a broken backend can override exactly one.
"""

import datetime as dt
import inspect
import json
import math
import pickle
import re
import sys
import time
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

from kombu import serialization
from kombu.exceptions import ContentDisallowed

from resultspec import STATES
from resultspec_conformance.broken.baseline.server import TASK_KEY_PREFIX, Link, LinkCut, LinkSubscription, Server

_kombu: Any = serialization
"""kombu has no types for mypy to go by."""

COMPRESSED = b"\x00celery-compressed\x00"
MAX_DEPTH = 160
SPLIT_CHARACTER = re.compile("[\ud800-\udbff][\udc00-\udfff]")
MEMBERS = ("status", "result", "traceback", "children", "date_done", "task_id")


class EncodeError(Exception):
    """The serializer cannot carry the value."""


class DecodeError(Exception):
    """The entry cannot be decoded."""


class SecurityError(Exception):
    """The entry names something that must not be called."""


class WaitTimeout(Exception):
    """The wait ran out of time."""


WaitTimeout.__name__ = "TimeoutError"


class CorrectCore:
    """A correct client of a `Server`, as far as one task at a time goes."""

    TimeoutError = WaitTimeout
    reread = 0.2
    """Seconds after which a waiter reads again though nothing was published."""

    def __init__(
        self,
        server: Server,
        serializer: str = "json",
        accept: tuple[str, ...] | None = None,
        max_cached_results: int = -1,
        prefix: str = "",
        payload_limit: int = 2**21,
    ) -> None:
        self.link = Link(server)
        self.serializer = serializer
        self.accept = _kombu.prepare_accept_content(accept or [serializer])
        self.max_cached = max_cached_results
        self.prefix = self.complete_prefix(prefix)
        self.payload_limit = payload_limit
        self.cache: dict[str, dict[str, Any]] = {}

    # -- identifiers and keys ------------------------------------------------------------------

    def normal_id(self, task_id: Any) -> str:
        """Return the text of an id. Raises TypeError, ValueError."""
        if isinstance(task_id, uuid.UUID):
            return str(task_id)
        if not isinstance(task_id, str):
            raise TypeError(f"a task id is text or a UUID, not {type(task_id).__name__}")
        if not task_id:
            raise ValueError("a task id is not empty")
        return task_id

    def complete_prefix(self, prefix: str) -> str:
        """Return the global prefix as it stands before a key."""
        return prefix if not prefix or prefix[-1] in ":_-." else prefix + "_"

    def key(self, task_id: str) -> str:
        """Return the key of a task."""
        return self.prefix + TASK_KEY_PREFIX + task_id

    # -- the wire ------------------------------------------------------------------------------

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Return a meta in the serializer. Raises EncodeError."""
        try:
            self.check_carried(meta)
            payload = self.serialize(meta)
            if self.serializer != "json":
                self.deserialize(payload)
        except Exception as error:
            # without the text of the error: it may hold the representation of the value, which may raise
            raise EncodeError(f"the value cannot be encoded: {type(error).__name__}") from error
        return payload

    def serialize(self, meta: Mapping[str, Any]) -> bytes:
        """Return what the serializer makes of a meta."""
        payload = _kombu.dumps(meta, serializer=self.serializer)[2]
        return payload if isinstance(payload, bytes) else payload.encode()

    def check_carried(self, value: Any, depth: int = 0) -> None:
        """Raise ValueError for what a serializer takes, though another value would come back."""
        if depth > MAX_DEPTH:
            raise ValueError("nested too deep")
        if self.serializer == "json" and isinstance(value, str) and SPLIT_CHARACTER.search(value):
            raise ValueError("two surrogates in a row would come back as one character")
        if isinstance(value, Mapping):
            self.check_keys(value)
            for member in [*value.keys(), *value.values()]:
                self.check_carried(member, depth + 1)
        elif isinstance(value, (list, tuple)):
            for member in value:
                self.check_carried(member, depth + 1)

    def check_keys(self, value: Mapping[Any, Any]) -> None:
        """Raise ValueError for a map of which json would make one with fewer keys."""
        plain = self.serializer != "json" or all(isinstance(key, str) for key in value)
        if not plain and len(json.loads(json.dumps(dict.fromkeys(value)))) < len(value):
            raise ValueError("two keys would come back as one")

    def load(self, payload: bytes, task_id: str) -> dict[str, Any]:
        """Return the meta that a payload holds. Raises DecodeError, ContentDisallowed."""
        try:
            found = self.parse(self.decompress(payload))
            return self.shape(found)
        except ContentDisallowed:
            raise
        except Exception as error:
            raise DecodeError(f"the entry of task {task_id} cannot be decoded: {error}") from error

    def parse(self, payload: bytes) -> Any:
        """Return what the serializer makes of bytes."""
        self.check_accepted(_kombu.registry._encoders[self.serializer][0])
        return self.deserialize(payload)

    def check_accepted(self, content_type: str) -> None:
        """Refuse a content type that the client does not accept. Raises ContentDisallowed."""
        if content_type not in self.accept:
            raise ContentDisallowed(f"{content_type} is not accepted")

    def deserialize(self, payload: bytes) -> Any:
        """Return what the serializer makes of bytes, whether the client accepts them or not."""
        content_type, encoding, _ = _kombu.registry._encoders[self.serializer]
        if self.serializer == "json":
            if payload.startswith(b"\xef\xbb\xbf"):
                raise ValueError("a byte order mark")
            payload = payload.decode("utf-8")  # type: ignore[assignment]
        return _kombu.loads(payload, content_type, encoding, accept={content_type})

    def decompress(self, payload: bytes) -> bytes:
        """Return a payload without compression. Raises ValueError."""
        if not payload.startswith(COMPRESSED):
            return payload
        content_type, separator, body = payload[len(COMPRESSED) :].partition(b"\x00")
        if not separator or content_type != b"application/x-gzip":
            raise ValueError(f"unknown compression {content_type!r}")
        stream = zlib.decompressobj()
        grown = stream.decompress(body, self.payload_limit)
        if not stream.eof or stream.unused_data:
            raise ValueError("the compressed payload is cut, too large, or followed by other bytes")
        return grown

    def shape(self, found: Any) -> dict[str, Any]:
        """Return a meta with all members it needs. Raises ValueError where it is none."""
        if not isinstance(found, Mapping) or not isinstance(found.get("status"), str) or not found["status"]:
            raise ValueError("it is not a map with a status")
        meta = {**dict.fromkeys(MEMBERS), **found}
        if not isinstance(meta["traceback"], (str, type(None))):
            raise ValueError("its traceback is not text")
        for member in ("group_id", "parent_id"):
            if not isinstance(meta.get(member), (str, type(None))):
                raise ValueError(f"its {member} is not text")
        if meta["children"] is not None:
            meta["children"] = [self.check_child(child) for child in self.list_of(meta["children"])]
        meta["date_done"] = self.read_date(meta["date_done"])
        return meta

    def list_of(self, children: Any) -> Any:
        """Return what is a list. Raises ValueError where it is none."""
        if not isinstance(children, (list, tuple)):
            raise ValueError("its children are not a list")
        return children

    def check_child(self, child: Any) -> Any:
        """Return a result tuple in the form of today. Raises ValueError where it is none."""
        if not isinstance(child, (list, tuple)) or len(child) != 2:
            raise ValueError(f"{child!r} is not a result tuple")
        head, members = child
        if isinstance(head, str) and isinstance(members, list):
            head = [head, None]
        if not isinstance(head, (list, tuple)) or len(head) != 2 or not isinstance(head[0], str) or not head[0]:
            raise ValueError(f"{child!r} is not a result tuple")
        if not isinstance(members, (list, tuple, type(None))):
            raise ValueError(f"{child!r} has members that are not a list")
        parent = None if head[1] is None else self.check_child(head[1])
        return [[head[0], parent], None if members is None else [self.check_child(member) for member in members]]

    def read_date(self, stored: Any) -> Any:
        """Return the moment as text with an offset. Raises ValueError."""
        if stored is None:
            return None
        moment = dt.datetime.fromisoformat(stored)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).isoformat()

    # -- exceptions ----------------------------------------------------------------------------

    def prepare(self, value: Any, state: str) -> Any:
        """Return what is stored for a result."""
        if state in STATES.sets["EXCEPTION"] and isinstance(value, BaseException):
            return self.prepare_exception(value)
        return value

    def prepare_exception(self, error: BaseException) -> Any:
        """Return what is stored for an exception: itself with pickle where that works, else its description."""
        if self.serializer == "pickle":
            try:
                if type(pickle.loads(pickle.dumps(error))) is type(error):
                    return error
            except BaseException:  # noqa: BLE001 - then it is described
                pass
        return {
            "exc_type": type(error).__qualname__,
            "exc_message": [self.prepare_argument(argument) for argument in self.arguments(error)],
            "exc_module": type(error).__module__,
        }

    def arguments(self, error: BaseException) -> list[Any]:
        """Return the arguments that rebuild an exception."""
        if isinstance(error, OSError) and error.filename is not None and len(error.args) == 2:
            names = [error.filename, None, error.filename2] if error.filename2 is not None else [error.filename]
            return [*error.args, *names]
        return list(error.args)

    def prepare_argument(self, argument: Any) -> Any:
        """Return an argument if it can be encoded, and else a text for it."""
        try:
            self.dump({"argument": argument})
        except EncodeError:
            try:
                return repr(argument)
            except Exception:  # noqa: BLE001 - a representation may raise anything
                return f"<{type(argument).__name__}>"
        return argument

    def restore(self, stored: Any, state: str) -> Any:
        """Return the result of an entry: the value, or the exception of an exception state. Raises SecurityError."""
        if state not in STATES.sets["EXCEPTION"] or isinstance(stored, BaseException):
            return stored
        if stored is None and state == "RETRY":
            return None
        if not self.describes_exception(stored):
            return self.wrap(stored)
        return self.restore_exception(stored)

    def describes_exception(self, stored: Any) -> bool:
        """Whether a stored value is the description of an exception."""
        return isinstance(stored, Mapping) and isinstance(stored.get("exc_type"), str) and bool(stored["exc_type"])

    def wrap(self, stored: Any) -> BaseException:
        """Return an exception for a value that is none."""
        return Exception(stored)

    def restore_exception(self, stored: Mapping[str, Any]) -> BaseException:
        """Return an exception for its description. Raises SecurityError."""
        message = stored.get("exc_message", [])
        args = tuple(message) if isinstance(message, (list, tuple)) else (message,)
        cls = self.find_class(stored["exc_type"], stored.get("exc_module"))
        try:
            made = self.construct(cls, args)
        except BaseException:  # noqa: BLE001 - a constructor may raise anything
            made = None
        return made if isinstance(made, BaseException) else Exception(cls.__qualname__, *args)

    def construct(self, cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
        """Call the constructor of a class."""
        return cls(*args)

    def find_class(self, name: str, module: str | None) -> type[BaseException]:
        """Return the class among the loaded modules, or a synthesized one. Raises SecurityError."""
        found: Any = self.loaded_module(module) if isinstance(module, str) else None
        for part in name.split("."):
            found = self.member(found, part)
        if found is None:
            return type(name.rpartition(".")[2], (Exception,), {"__module__": module or "", "__qualname__": name})
        return self.insist_on_exception(found)

    def member(self, holder: Any, name: str) -> Any:
        """Return what a module or class has under a name, without running code of it; None for nothing."""
        return inspect.getattr_static(holder, name, None)

    def loaded_module(self, name: str) -> Any:
        """Return a module if it is loaded, else None."""
        return sys.modules.get(name)

    def insist_on_exception(self, found: Any) -> type[BaseException]:
        """Return what was found if it is an exception class. Raises SecurityError."""
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise SecurityError(f"{found!r} is not an exception class")
        return found

    # -- storing -------------------------------------------------------------------------------

    def check_state(self, state: Any) -> str:
        """Return a state. Raises TypeError, ValueError."""
        if not isinstance(state, str):
            raise TypeError("a state is text")
        if not 1 <= len(state) <= STATES.custom_max_length:
            raise ValueError(f"a state has 1 to {STATES.custom_max_length} characters")
        return state

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Return the meta that is stored."""
        meta: dict[str, Any] = {
            "status": state,
            "result": self.prepare(result, state),
            "traceback": self.prepare_traceback(traceback),
            "children": self.children_of(request),
            "date_done": self.date_done(state),
        }
        for member, source in (("group_id", "group"), ("parent_id", "parent_id")):
            value = getattr(request, source, None)
            if value:
                meta[member] = value
        meta["task_id"] = task_id
        return meta

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return the traceback as it is stored: what cannot be encoded becomes an escape."""
        if traceback is None:
            return None
        try:
            self.dump({"traceback": traceback})
            return traceback
        except EncodeError:
            return traceback.encode("utf-8", "backslashreplace").decode()

    def children_of(self, request: Any) -> Any:
        """Return the children of a request as result tuples."""
        return [child.as_tuple() for child in request.children or ()] if request is not None else None

    def date_done(self, state: str) -> str | None:
        """Return the moment of now if the state is ready."""
        return self.now().isoformat() if STATES.is_ready(state) else None

    def now(self) -> dt.datetime:
        """Return the moment of now."""
        return dt.datetime.now(dt.UTC)

    def keeps(self, there: str, arriving: str) -> bool:
        """Whether the entry in state `there` stays when a store of `arriving` comes."""
        return STATES.decide(there, arriving) == "keep"

    def store_result(self, task_id: Any, result: Any, state: Any, traceback: Any = None, request: Any = None) -> None:
        """Store a task."""
        task_id, state = self.normal_id(task_id), self.check_state(state)
        payload = self.dump(self.build(task_id, result, state, traceback, request))
        self.write(task_id, payload, state)

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write a payload unless the existing entry stays."""
        written: bool = self.steadily(
            lambda: self.link.put(self.key(task_id), payload, lambda there: self.stays(there, state))
        )
        return written

    def stays(self, there: bytes, arriving: str) -> bool:
        """Whether stored bytes stay when a store comes; what cannot be decoded never does."""
        try:
            status = self.load(there, "there")["status"]
        except (DecodeError, ContentDisallowed):
            return False
        return self.keeps(status, arriving)

    def steadily(self, step: Any) -> Any:
        """Take a step, once more if the connection was cut."""
        try:
            return step()
        except LinkCut:
            return step()

    def forget(self, task_id: Any) -> None:
        """Remove a task."""
        task_id = self.normal_id(task_id)
        self.cache.pop(task_id, None)
        self.steadily(lambda: self.link.delete(self.key(task_id)))

    # -- reading -------------------------------------------------------------------------------

    def read(self, task_id: str) -> dict[str, Any]:
        """Return the meta in the store."""
        payload = self.steadily(lambda: self.link.get(self.key(task_id)))
        if payload is None:
            return self.unknown(task_id)
        meta = self.load(payload, task_id)
        meta["result"] = self.restore(meta["result"], meta["status"])
        meta["task_id"] = task_id
        return meta

    def unknown(self, task_id: str) -> dict[str, Any]:
        """Return the meta of an unknown task."""
        return {**dict.fromkeys(MEMBERS), "status": "PENDING", "task_id": task_id}

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return the meta of a task."""
        task_id = self.normal_id(task_id)
        if cache and task_id in self.cache:
            return self.own(self.cache[task_id])
        meta = self.read(task_id)
        self.remember(task_id, meta)
        return self.own(meta)

    def own(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Return a meta that belongs to the caller."""
        copied: dict[str, Any] = self.copied(meta)
        return copied

    def copied(self, value: Any) -> Any:
        """Return a copy of lists and maps, all the way down; what cannot be changed in place is shared."""
        if isinstance(value, Mapping):
            return {key: self.copied(member) for key, member in value.items()}
        if isinstance(value, (list, tuple, set, bytearray)):
            return type(value)(self.copied(member) for member in value)
        return value

    def remember(self, task_id: str, meta: dict[str, Any]) -> None:
        """Put a meta in the cache if it may be there."""
        if self.max_cached >= 0 and self.cacheable(meta):
            self.cache[task_id] = meta

    def cacheable(self, meta: dict[str, Any]) -> bool:
        """Whether a meta may be cached."""
        return bool(meta["status"] == "SUCCESS")

    def reload_task_result(self, task_id: Any) -> None:
        """Read the store, past the cache."""
        task_id = self.normal_id(task_id)
        self.cache.pop(task_id, None)
        self.get_task_meta(task_id, cache=False)

    def is_cached(self, task_id: Any) -> bool:
        """Whether the cache has a task."""
        return self.normal_id(task_id) in self.cache

    def get_state(self, task_id: Any) -> Any:
        """Return the state."""
        return self.get_task_meta(task_id)["status"]

    def get_result(self, task_id: Any) -> Any:
        """Return the result."""
        return self.get_task_meta(task_id)["result"]

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback."""
        return self.get_task_meta(task_id)["traceback"]

    def get_children(self, task_id: Any) -> Any:
        """Return the children."""
        return self.get_task_meta(task_id)["children"]

    def as_uri(self) -> str:
        """Return the location."""
        return "memory://"

    # -- waiting -------------------------------------------------------------------------------

    def check_wait(self, timeout: Any, interval: Any) -> None:
        """Refuse arguments that no wait can have. Raises TypeError, ValueError."""
        for value in (timeout, interval):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise TypeError(f"{value!r} is not a number of seconds")
        # not math.isnan, which takes no integer beyond the floats
        if timeout != timeout:
            raise ValueError("a timeout is not NaN")
        if interval is not None and not interval >= 0:
            raise ValueError("an interval is not negative")

    def wait_for(self, task_id: Any, timeout: Any = None, interval: Any = 0.5, on_interval: Any = None) -> Any:
        """Wait until a task is ready; return its value or raise its exception. Raises TimeoutError."""
        task_id = self.normal_id(task_id)
        self.check_wait(timeout, interval)
        meta = self.await_ready(task_id, timeout, interval, on_interval)
        if meta is None:
            raise self.TimeoutError(f"task {task_id} was not ready in {timeout} seconds")
        if meta["status"] in STATES.sets["PROPAGATE"]:
            raise self.raisable(meta["result"])
        return meta["result"]

    def raisable(self, error: Any) -> Exception:
        """Return an exception that does not end the program."""
        return error if isinstance(error, Exception) else Exception(type(error).__qualname__, *error.args)

    def ends_wait(self, meta: Mapping[str, Any]) -> bool:
        """Whether a wait ends with this meta."""
        return STATES.is_ready(meta["status"])

    def deadline(self, timeout: Any) -> float:
        """Return when a wait has to end, by the monotonic clock."""
        if timeout is None:
            return math.inf
        try:
            return time.monotonic() + float(timeout)
        except OverflowError:
            return math.inf if timeout > 0 else -math.inf

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Subscribe, read, wait, and read again; return the meta of a ready task, or None at the deadline."""
        deadline = self.deadline(timeout)
        called = timeout is not None and timeout <= 0
        subscription = self.subscribe(task_id)
        try:
            while True:
                began = time.monotonic()
                meta = self.read(task_id)
                if self.ends_wait(meta):
                    return meta
                if called and began >= deadline:
                    return None
                if on_interval is not None:
                    on_interval()
                called = True
                subscription = self.rest(task_id, subscription, self.pause(interval, deadline))
        finally:
            self.leave(subscription)

    def pause(self, interval: Any, deadline: float) -> float:
        """Return the seconds after which a waiter reads again though nothing was published."""
        return min(self.reread, deadline - time.monotonic())

    def rest(self, task_id: str, subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Wait for a message; return the subscription, or a new one if it was cut."""
        try:
            body = subscription.wait(seconds)
        except LinkCut:
            return self.subscribe(task_id)
        if body is not None:
            self.heard(task_id, body)
        return subscription

    def heard(self, task_id: str, body: bytes) -> None:
        """Take a message for no more than that the key has changed."""

    def subscribe(self, task_id: str) -> LinkSubscription:
        """Subscribe to a task's channel."""
        subscription: LinkSubscription = self.steadily(lambda: self.link.subscribe(self.key(task_id)))
        return subscription

    def leave(self, subscription: LinkSubscription) -> None:
        """End a subscription."""
        subscription.close()

    def close(self) -> None:
        """Close the connection."""
        self.link.close()
