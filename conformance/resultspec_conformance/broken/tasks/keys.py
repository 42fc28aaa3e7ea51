"""Backends that break chapter 7: keys, stored bytes and notifications."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from kombu.exceptions import ContentDisallowed

from resultspec_conformance.broken.baseline.server import TASK_KEY_PREFIX
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError
from resultspec_conformance.broken.catalogue import broken

# -- the key -------------------------------------------------------------------------------------


@broken("KEY-1", "id-quoted-in-the-key")
class IdQuoted(Correct):
    """Quotes the id in the key as in a URL, which changes a colon."""

    def key(self, task_id: str) -> str:
        """Return the key with a quoted id."""
        return self.prefix + TASK_KEY_PREFIX + quote(task_id, safe="")


@broken("KEY-1", "long-ids-hashed-in-the-key")
class LongIdsHashed(Correct):
    """Replaces an id of more than 100 characters by a hash."""

    def key(self, task_id: str) -> str:
        """Return the key with the id or its hash."""
        short = task_id if len(task_id) <= 100 else hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()
        return self.prefix + TASK_KEY_PREFIX + short


@broken("KEY-2", "prefix-not-completed")
class PrefixNotCompleted(Correct):
    """Puts the prefix before the key as it is."""

    def complete_prefix(self, prefix: str) -> str:
        """Return the prefix."""
        return prefix


@broken("KEY-2", "prefix-always-completed")
class PrefixAlwaysCompleted(Correct):
    """Puts `_` behind every prefix that does not end in one, also behind a colon."""

    def complete_prefix(self, prefix: str) -> str:
        """Return the prefix with one `_` at its end."""
        return prefix and prefix.rstrip("_") + "_"


@broken("KEY-2", "prefix-twice")
class PrefixTwice(Correct):
    """Puts the prefix before the key twice: in the backend, and in its connection."""

    def key(self, task_id: str) -> str:
        """Return the key with two prefixes."""
        return self.prefix + super().key(task_id)


@broken("KEY-2", "prefix-left-out-where-the-key-begins-so")
class PrefixLeftOut(Correct):
    """Takes a key that begins as the prefix does for one that has it already."""

    def key(self, task_id: str) -> str:
        """Return the key with the prefix, unless it begins so."""
        key = TASK_KEY_PREFIX + task_id
        return key if key.startswith(self.prefix) else self.prefix + key


# -- the value -----------------------------------------------------------------------------------


@broken("KEY-3", "no-task-id-in-the-value")
class NoTaskId(Correct):
    """Leaves `task_id` out of what is stored, as Celery 3.1 did."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Leave it out."""
        return super().dump({name: value for name, value in meta.items() if name != "task_id"})


@broken("KEY-3", "empty-members-left-out")
class EmptyMembersLeftOut(Correct):
    """Stores only those members that have a value."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Leave out what is null."""
        return super().dump({name: value for name, value in meta.items() if value is not None})


@broken("KEY-3", "member-written-twice")
class MemberTwice(Correct):
    """Writes the state once more under the same name, at the end."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Append the state to the map."""
        payload = super().dump(meta)
        if self.serializer != "json" or "status" not in meta:
            return payload
        return payload[:-1] + f', "status": {json.dumps(meta["status"])}}}'.encode()


@broken("KEY-3", "date-without-an-offset")
class DateWithoutOffset(Correct):
    """Stores `date_done` in UTC without saying so, as Celery before 5.4 did."""

    def date_done(self, state: str) -> str | None:
        """Return the moment without an offset."""
        moment = super().date_done(state)
        return moment and moment.removesuffix("+00:00")


# -- the notification ----------------------------------------------------------------------------


class _Publishes(Correct):
    """Writes without a message, and publishes in a step of its own."""

    def message(self, payload: bytes, state: str) -> bytes | None:
        """Return what is published, or None for nothing."""
        return payload

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write, then publish."""
        key = self.key(task_id)
        written = self.link.put(key, payload, lambda there: self.stays(there, state), publish=False)
        message = self.message(payload, state)
        if written and message is not None:
            self.link.publish(key, message)
        return written


@broken("KEY-4", "message-says-only-that-it-is-ready")
class MessageWithoutMeta(_Publishes):
    """Publishes the state and not the stored bytes."""

    def message(self, payload: bytes, state: str) -> bytes | None:
        """Return the state."""
        return state.encode()


@broken("KEY-4", "unready-states-not-published")
class UnreadyNotPublished(_Publishes):
    """Publishes ready states only."""

    def message(self, payload: bytes, state: str) -> bytes | None:
        """Return the bytes if the state is ready."""
        return payload if state in ("SUCCESS", "FAILURE", "REVOKED") else None


@broken("KEY-5", "published-before-it-is-set")
class PublishedBeforeSet(Correct):
    """Publishes first and sets the value a round trip later."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Publish, then write."""
        key = self.key(task_id)
        there = self.link.get(key)
        if there is not None and self.stays(there, state):
            return False
        self.link.publish(key, payload)
        time.sleep(0.004)
        return self.link.put(key, payload, lambda there: self.stays(there, state), publish=False)


@broken("KEY-6", "refused-payload-published")
class RefusedPublished(_Publishes):
    """Publishes also where the store was refused."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Publish in any case."""
        written = super().write(task_id, payload, state)
        if not written:
            self.link.publish(self.key(task_id), payload)
        return written


class _Told(Exception):
    """A message with the outcome of a wait has come."""

    def __init__(self, meta: dict[str, Any]) -> None:
        super().__init__()
        self.meta = meta


@broken("KEY-9", "believes-the-message")
class BelievesTheMessage(Correct):
    """Takes the result out of the message and does not look into the store."""

    def await_ready(self, task_id: str, timeout: Any, interval: Any, on_interval: Any) -> dict[str, Any] | None:
        """Return what was told, or what was read."""
        try:
            return super().await_ready(task_id, timeout, interval, on_interval)
        except _Told as told:
            return told.meta

    def heard(self, task_id: str, body: bytes) -> None:
        """Believe what decodes."""
        try:
            meta = self.load(body, task_id)
        except (DecodeError, ContentDisallowed):
            return
        if self.ends_wait(meta):
            raise _Told({**meta, "result": self.restore(meta["result"], meta["status"])})


@broken("KEY-7", "message-that-does-not-decode-ends-the-wait")
class UndecodableEndsWait(Correct):
    """Decodes each message to see whether it is worth a look, and hands the error to the caller."""

    def heard(self, task_id: str, body: bytes) -> None:
        """Decode, and do no more."""
        self.load(body, task_id)


@broken("KEY-9", "resolves-the-task-named-in-the-message")
class ResolvesTheNamed(Correct):
    """Hands each message to the wait for the task that is named in it, as Celery's result consumer does."""

    reread = 0.02

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.named: dict[str, dict[str, Any]] = {}

    def heard(self, task_id: str, body: bytes) -> None:
        """Keep messages about another task for its waiters."""
        try:
            meta = self.load(body, task_id)
        except (DecodeError, ContentDisallowed):
            return
        if meta["task_id"] not in (task_id, None) and self.ends_wait(meta):
            self.named[meta["task_id"]] = meta

    def read(self, task_id: str) -> dict[str, Any]:
        """Return what was said of the task, or else what is in the store."""
        said = self.named.pop(task_id, None)
        return super().read(task_id) if said is None else said


# -- other people's keys -------------------------------------------------------------------------


@broken("KEY-8", "index-of-tasks-beside-them")
class WritesAnIndex(Correct):
    """Keeps a second key for each task, with the moment at which it was stored."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write twice."""
        written = super().write(task_id, payload, state)
        stamp = self.now().isoformat().encode()
        self.link.put(f"{self.prefix}celery-task-stored-{task_id}", stamp, lambda _: False)
        return written


@broken("KEY-8", "forget-goes-beyond-the-prefix", also=["STATE-13"])
class ForgetsWithoutPrefix(Correct):
    """Removes also the key without the prefix, which may be left from the time before there was one."""

    def forget(self, task_id: Any) -> None:
        """Remove both."""
        super().forget(task_id)
        self.link.delete(TASK_KEY_PREFIX + self.normal_id(task_id))
