"""Correct backends that do things differently: a check that accuses one of them is wrong."""

import datetime as dt
import json
import math
import threading
import time
import urllib.parse
import zlib
from collections.abc import Mapping
from typing import Any

from resultspec import DOMAINS, STATES
from resultspec_conformance.broken.baseline.disabled import CorrectDisabled
from resultspec_conformance.broken.baseline.server import LinkSubscription
from resultspec_conformance.broken.baseline.whole import COMPRESSED, MEMBERS, Correct, EncodeError
from resultspec_conformance.broken.catalogue import EVERYTHING, variation


@variation("no-op")
class NoOp(Correct):
    """The small correct backend, unchanged."""


@variation("disabled")
class Disabled(CorrectDisabled):
    """The small correct disabled backend, unchanged."""


@variation("disabled-prepares-null")
class DisabledPreparesNull(CorrectDisabled):
    """Returns null where a task is about to be sent."""

    def on_task_call(self, producer: Any, task_id: Any) -> Any:
        """Return nothing."""
        return None


@variation("other-key-order")
class OtherKeyOrder(Correct):
    """Writes the members of the meta in another order."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Encode in reverse order."""
        return super().dump(dict(reversed(list(meta.items()))))


@variation("extra-members")
class ExtraMembers(Correct):
    """Writes members into the meta that the specification does not know."""

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Add members."""
        built = super().build(task_id, result, state, traceback, request)
        return {"x_written_by": "extra-members", **built, "x_revision": 7}


@variation("ready-sticky", choices={"late_unready": "ready-sticky"})
class ReadySticky(Correct):
    """Keeps FAILURE and REVOKED when an unready state arrives, and declares it."""

    def keeps(self, there: str, arriving: str) -> bool:
        """Decide by the other choice."""
        return STATES.decide(there, arriving, late_unready="ready-sticky") == "keep"


@variation("slow", wake_up=0.5)
class Slow(Correct):
    """Takes a few milliseconds for every step, as a distant store does."""

    def steadily(self, step: Any) -> Any:
        """Take a step, slowly."""
        time.sleep(0.003)
        return super().steadily(step)


@variation("polling", wake_up=0.25, features=frozenset({"cache", "uuid", "surrogates", "base-exceptions", "prefix"}))
class Polling(Correct):
    """Neither publishes nor subscribes: a waiter polls."""

    reread = 0.02

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write without a message."""
        return self.link.put(self.key(task_id), payload, lambda there: self.stays(there, state), publish=False)


@variation("dates-as-datetime")
class DatesAsDatetime(Correct):
    """Returns `date_done` as an aware datetime in another time zone."""

    def read_date(self, stored: Any) -> Any:
        """Return the same instant as a datetime."""
        text = super().read_date(stored)
        zone = dt.timezone(dt.timedelta(hours=9))
        return None if text is None else dt.datetime.fromisoformat(text).astimezone(zone)


@variation("hands-on-what-is-stored")
class HandsOnWhatIsStored(Correct):
    """Returns stored members as they are, as Celery does, and names no id in the error of what cannot be decoded."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Look for a state and a result only."""
        return {**dict.fromkeys(MEMBERS[2:]), "status": found["status"], "result": found["result"], **found}

    def load(self, payload: bytes, task_id: str) -> dict[str, Any]:
        """Decode for a task without a name."""
        return super().load(payload, "?")

    def read(self, task_id: str) -> dict[str, Any]:
        """Return the entry with its own id."""
        payload = self.steadily(lambda: self.link.get(self.key(task_id)))
        named = None if payload is None else self.load(payload, task_id)["task_id"]
        return {**super().read(task_id), "task_id": task_id if payload is None else named}


@variation("two-members-for-unknown")
class TwoMembersForUnknown(Correct):
    """Returns only the state and the result for an unknown task, as Celery's key/value stores do."""

    def unknown(self, task_id: str) -> dict[str, Any]:
        """Return two members."""
        return {"status": "PENDING", "result": None}

    def get_traceback(self, task_id: Any) -> Any:
        """Return the traceback, where there is one."""
        return self.get_task_meta(task_id).get("traceback")

    def get_children(self, task_id: Any) -> Any:
        """Return the children, where there are any."""
        return self.get_task_meta(task_id).get("children")


@variation("empty-children-are-null")
class EmptyChildrenAreNull(Correct):
    """Stores an empty list of children as null."""

    def children_of(self, request: Any) -> Any:
        """Return the children, or None."""
        return super().children_of(request) or None


@variation("ids-in-the-portable-domain-only")
class PortableIdsOnly(Correct):
    """Refuses every id outside the portable domain."""

    def normal_id(self, task_id: Any) -> str:
        """Refuse what is not portable."""
        text = super().normal_id(task_id)
        if not DOMAINS.has_id(text):
            raise ValueError("this store takes ids of the portable domain only")
        return text


@variation("synthesizes-what-is-no-exception")
class SynthesizesNonExceptions(Correct):
    """Returns a synthesized exception if the stored name is not that of an exception class."""

    def insist_on_exception(self, found: Any) -> type[BaseException]:
        """Return the class, or one of the same name."""
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
        return type(getattr(found, "__name__", "Unknown"), (Exception,), {"__module__": "synthesized"})


@variation("small-values-only")
class SmallValuesOnly(Correct):
    """Refuses a payload of more than 64 KiB, with a definite error."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Refuse what is large."""
        payload = super().dump(meta)
        if len(payload) > 65536:
            raise ValueError("this store takes payloads up to 64 KiB")
        return payload


@variation("ids-percent-encoded", classes=("core", "waiting", "atomic"))
class IdsPercentEncoded(Correct):
    """Percent-encodes an id outside the portable domain, as a store of files can."""

    def key(self, task_id: str) -> str:
        """Return an encoded key."""
        return super().key(urllib.parse.quote(task_id, safe="-_.:~", errors="surrogatepass"))


@variation("ids-of-bytes-too")
class IdsOfBytesToo(Correct):
    """Accepts bytes as ids, as the text that they encode in UTF-8."""

    def normal_id(self, task_id: Any) -> str:
        """Return the text of bytes."""
        return super().normal_id(task_id.decode() if isinstance(task_id, bytes) else task_id)


@variation("plain-json", serializers=("json",), values="json", features=frozenset())
class PlainJson(Correct):
    """Claims only the json serializer and plain values, and no features, as a port would."""


@variation("portable-values-only")
class PortableValuesOnly(Correct):
    """Refuses text with NUL or lone surrogates, numbers that are not finite, and values that plain JSON lacks."""

    def prepare(self, value: Any, state: str) -> Any:
        """Refuse what is not portable."""
        if state not in STATES.sets["EXCEPTION"]:
            self.insist_on_portable(value)
        return super().prepare(value, state)

    def insist_on_portable(self, value: Any) -> None:
        """Raise EncodeError for what is not portable."""
        if isinstance(value, dict):
            for name, member in value.items():
                self.insist_on_portable([name, member] if isinstance(name, str) else ())
        elif isinstance(value, list):
            for member in value:
                self.insist_on_portable(member)
        elif isinstance(value, str):
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise EncodeError("text with characters that are not portable")
        elif not isinstance(value, (int, float, type(None))) or (isinstance(value, float) and not math.isfinite(value)):
            raise EncodeError("a value that is not portable")


@variation("tracebacks-escaped")
class TracebacksEscaped(Correct):
    """Writes escapes for NUL and lone surrogates in a traceback."""

    def prepare_traceback(self, traceback: Any) -> Any:
        """Return text that every store takes."""
        if traceback is None:
            return None
        return super().prepare_traceback(
            traceback.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()
        )


@variation("members-dropped", classes=("core", "waiting", "atomic", "kv-wire"))
class MembersDropped(Correct):
    """Does not return members that it does not know."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Return what is known."""
        shaped = super().shape(found)
        return {name: value for name, value in shaped.items() if name in {*MEMBERS, "group_id", "parent_id"}}


@variation("compressing")
class Compressing(Correct):
    """Writes compressed payloads."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Compress what is encoded."""
        return COMPRESSED + b"application/x-gzip\x00" + zlib.compress(super().dump(meta))


@variation("compact-json")
class CompactJson(Correct):
    """Writes json without blanks and without escapes for letters outside ASCII."""

    def serialize(self, meta: Mapping[str, Any]) -> bytes:
        """Encode, and make it short."""
        payload = super().serialize(meta)
        if self.serializer != "json":
            return payload
        return json.dumps(json.loads(payload), ensure_ascii=False, separators=(",", ":")).encode()


@variation("dates-of-the-west")
class DatesOfTheWest(Correct):
    """Writes dates with a negative offset."""

    def now(self) -> dt.datetime:
        """Return the same instant by another clock."""
        return super().now().astimezone(dt.timezone(dt.timedelta(hours=-5, minutes=-30)))


@variation("dates-of-whole-seconds", time_resolution=1.0)
class DatesOfWholeSeconds(Correct):
    """Writes dates without fractions of a second, and declares it."""

    def now(self) -> dt.datetime:
        """Return the second of now."""
        return super().now().replace(microsecond=0)


@variation("failures-wrapped-by-the-writer")
class FailuresWrappedByTheWriter(Correct):
    """Stores a failure that is not an exception as an exception with one argument, which old readers understand."""

    def prepare(self, value: Any, state: str) -> Any:
        """Return the description of an exception."""
        failed = state in STATES.sets["EXCEPTION"] and not (value is None and state == "RETRY")
        if failed and not isinstance(value, BaseException):
            return {"exc_type": "Exception", "exc_message": [value], "exc_module": "builtins"}
        return super().prepare(value, state)


@variation("base-exceptions-wrapped")
class BaseExceptionsWrapped(Correct):
    """Returns an exception that derives only from BaseException inside an Exception that names it."""

    def restore(self, stored: Any, state: str) -> Any:
        """Return an exception that does not end a client."""
        restored = super().restore(stored, state)
        if isinstance(restored, BaseException) and not isinstance(restored, Exception):
            return Exception(type(restored).__qualname__, *restored.args)
        return restored


@variation("no-constructor-called")
class NoConstructorCalled(Correct):
    """Creates exceptions without calling their constructors, except built-in ones."""

    def construct(self, cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
        """Return an instance with its arguments."""
        if cls.__module__ == "builtins":
            return super().construct(cls, args)
        made: BaseException = cls.__new__(cls)
        made.args = args
        return made


@variation("extended-members-left-out-where-null")
class ExtendedNullsLeftOut(Correct):
    """Does not write extended members that are null."""

    def told(self, request: Any) -> dict[str, Any]:
        """Return what is there."""
        return {name: value for name, value in super().told(request).items() if value is not None}


@variation("extended-members-cut-or-dropped")
class ExtendedShort(Correct):
    """Stores 155 characters of a name, as a column does, and null for arguments that cannot be encoded."""

    def fitting(self, value: Any) -> Any:
        """Cut a text, and drop what is too large."""
        if isinstance(value, str):
            value = value[:155]
        return super().fitting(value)

    def instead(self, value: Any) -> Any:
        """Return nothing for it."""
        return None


@variation("extended-members-as-one-text")
class ExtendedAsText(Correct):
    """Stores one text for all arguments if one of them cannot be encoded, and names all declared headers."""

    def instead(self, value: Any) -> Any:
        """Return a text for the whole."""
        return super().instead(value if isinstance(value, str) else object())

    def stamps(self, request: Any) -> dict[str, Any]:
        """Name all that was declared."""
        stamps = super().stamps(request)
        return stamps and {**stamps, "stamped_headers": list(request.stamped_headers)}


# -- chapters 7 to 9 and 16 ------------------------------------------------------------------------


@variation("publishes-what-was-kept")
class PublishesKept(Correct):
    """Publishes an accepted payload twice, and the kept payload when a write is refused."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Publish once more what is there."""
        written = super().write(task_id, payload, state)
        there = self.link.get(self.key(task_id))
        if there is not None:
            self.link.publish(self.key(task_id), there)
        return written


@variation("reads-far-more-often-than-told")
class ReadsOften(Correct):
    """Reads the store every few milliseconds, although it is also notified."""

    reread = 0.004


@variation("wakes-up-just-in-time", wake_up=0.25, features=EVERYTHING.features - {"notify", "connection"})
class WakesJustInTime(Correct):
    """Is never notified, and polls nearly as rarely as it declares."""

    reread = 0.24

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write without a message."""
        return self.link.put(self.key(task_id), payload, lambda there: self.stays(there, state), publish=False)


@variation("polls-by-the-interval", wake_up=0.6, features=EVERYTHING.features - {"notify", "connection"})
class PollsByInterval(WakesJustInTime):
    """Sleeps for the given interval between two reads, by default for half a second."""

    def pause(self, interval: Any, deadline: float) -> float:
        """Return the interval, cut at the deadline."""
        nap = 0.5 if interval is None else max(interval, 0.001)
        return min(nap, max(deadline - time.monotonic(), 0.0), 3600.0)


@variation("reconnects-at-leisure")
class ReconnectsAtLeisure(Correct):
    """Pauses before it connects again, but never beyond its deadline."""

    def rest(self, task_id: str, subscription: LinkSubscription, seconds: float) -> LinkSubscription:
        """Pause where the connection was cut."""
        began = time.monotonic()
        rested = super().rest(task_id, subscription, seconds)
        if rested is not subscription:
            time.sleep(max(0.0, min(0.1, began + seconds - time.monotonic())))
        return rested


@variation("subscriptions-end-with-the-last-wait")
class SubscriptionsEndTogether(Correct):
    """Gives each wait its own subscription, and ends those to a channel with the last wait on it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lock = threading.Lock()
        self.waits: dict[str, int] = {}
        self.left: dict[str, list[LinkSubscription]] = {}

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Count the waits for a task; the last one to leave cleans up."""
        with self.lock:
            self.waits[task_id] = self.waits.get(task_id, 0) + 1
        try:
            return super().await_ready(task_id, timeout, interval, on_interval)
        finally:
            with self.lock:
                self.waits[task_id] -= 1
                left = [] if self.waits[task_id] else self.left.pop(task_id, [])
            for subscription in left:
                subscription.close()

    def subscribe(self, task_id: str) -> LinkSubscription:
        """Remember what is to be ended by the last wait."""
        subscription = super().subscribe(task_id)
        with self.lock:
            self.left.setdefault(task_id, []).append(subscription)
        return subscription

    def leave(self, subscription: LinkSubscription) -> None:
        """Stay until the last wait leaves."""


@variation("no-cache", features=EVERYTHING.features - {"cache"})
class NoCache(Correct):
    """Has no cache, and declares that."""

    def cacheable(self, meta: Mapping[str, Any]) -> bool:
        """Take nothing."""
        return False


@variation("disabled-knows-no-cache")
class DisabledKnowsNoCache(CorrectDisabled):
    """A disabled backend that also refuses `is_cached`."""

    def is_cached(self, task_id: Any) -> bool:
        """Refuse."""
        return bool(self.nothing())


@variation("refuses-odd-ids-with-errors-of-its-client")
class OddIdsRefusedByTheClient(Correct):
    """Refuses ids that its client library does not take with an error that is not one of the specification."""

    def normal_id(self, task_id: Any) -> str:
        """Take ids that are portable."""
        found = super().normal_id(task_id)
        if set(found) - set(DOMAINS.id_alphabet) or len(found) > DOMAINS.id_max_length:
            raise RuntimeError("illegal key")
        return found


@variation("folds-as-json-does")
class FoldsAsJsonDoes(Correct):
    """Lets json join two surrogates in a row, and keys of a map that become the same text."""

    def check_carried(self, value: Any, depth: int = 0) -> None:
        """Look at the values of other serializers only."""
        if self.serializer != "json":
            super().check_carried(value, depth)


@variation("empty-state-is-pending-and-empty-id-is-not-cached")
class LenientWithEmptyTexts(Correct):
    """Takes an empty state for PENDING, and answers that what is not an id is not cached."""

    def check_state(self, state: Any) -> str:
        """Let the empty text pass."""
        return super().check_state(state if state != "" else "PENDING")

    def is_cached(self, task_id: Any) -> bool:
        """Look it up, whatever it is."""
        try:
            return super().is_cached(task_id)
        except (TypeError, ValueError):
            return False

    def on_task_call(self, producer: Any, task_id: Any) -> Any:
        """Prepare nothing."""
        return None


@variation("no-limit-of-payloads", payload_limit=None)
class NoLimitOfPayloads(Correct):
    """Lets a compressed payload grow without a limit, and declares it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.payload_limit = 2**31


@variation("values-of-json-with-the-calls-of-a-worker", values="json", serializers=("json",))
class PlainValues(Correct):
    """Is given plain JSON only, as a port in another language is."""


@variation("keeps-a-subscription-for-the-next-wait")
class KeepsASubscription(Correct):
    """Leaves the subscription of a wait without an outcome to the next wait for the task, as Celery does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept: dict[str, LinkSubscription] = {}

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Subscribe once more, and unsubscribe when there is an outcome."""
        kept = self.kept.pop(task_id, None) or self.subscribe(task_id)
        meta = super().await_ready(task_id, timeout, interval, on_interval)
        if meta is None:
            self.kept[task_id] = kept
        else:
            self.leave(kept)
        return meta
