"""Correct backends that do things differently: a check that accuses one of them is wrong."""

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.catalogue import variation
from resultspec_conformance.broken.correct import Correct, CorrectDisabled


@variation("no-op")
class NoOp(Correct):
    """The small correct backend as it is: a mutant that changes nothing."""


@variation("disabled")
class Disabled(CorrectDisabled):
    """The small correct disabled backend as it is."""


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
    """Takes a few milliseconds for every step, as a store on another continent does."""

    def steadily(self, step: Any) -> Any:
        """Take a step, slowly."""
        time.sleep(0.003)
        return super().steadily(step)


@variation("polling", wake_up=0.25, features=frozenset({"cache", "uuid", "surrogates", "base-exceptions", "prefix"}))
class Polling(Correct):
    """Publishes nothing and subscribes to nothing: a waiter looks again and again."""

    reread = 0.02

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write without a message."""
        return self.link.put(self.key(task_id), payload, lambda there: self.stays(there, state), publish=False)


@variation("dates-as-datetime")
class DatesAsDatetime(Correct):
    """Returns `date_done` as an aware datetime, in another zone."""

    def read_date(self, stored: Any) -> Any:
        """Return the same instant as a datetime."""
        text = super().read_date(stored)
        zone = dt.timezone(dt.timedelta(hours=9))
        return None if text is None else dt.datetime.fromisoformat(text).astimezone(zone)


@variation("two-members-for-unknown")
class TwoMembersForUnknown(Correct):
    """Returns no more than state and result for an unknown task, as key/value stores of Celery do."""

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
        if len(text) > 155 or not all(c.isascii() and (c.isalnum() or c in "-_.:~") for c in text):
            raise ValueError("this store takes ids of the portable domain only")
        return text


@variation("synthesizes-what-is-no-exception")
class SynthesizesNonExceptions(Correct):
    """Returns a synthesized exception where the stored name is that of something else."""

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
