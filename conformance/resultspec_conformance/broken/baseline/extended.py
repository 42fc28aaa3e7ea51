"""The part of the small correct backend that stores the extended members of a meta."""

from collections.abc import Mapping
from typing import Any

from resultspec_conformance.broken.baseline.core import MEMBERS, CorrectCore, EncodeError

EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue")
TAKEN = frozenset({*MEMBERS, "group_id", "parent_id", *EXTENDED, "stamped_headers"})


class WithExtended(CorrectCore):
    """A correct client that stores extended members if the option says so."""

    def __init__(self, *args: Any, extended: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.extended = extended

    def build(self, task_id: str, result: Any, state: str, traceback: Any, request: Any) -> dict[str, Any]:
        """Return the meta to store, with the extended members of the request."""
        built = super().build(task_id, result, state, traceback, request)
        if self.stores_members_of(request):
            built |= {**self.told(request), **self.stamps(request)}
        return built

    def stores_members_of(self, request: Any) -> bool:
        """Whether a store has extended members."""
        return self.extended and request is not None

    def told(self, request: Any) -> dict[str, Any]:
        """Return the extended members."""
        told = {
            "name": self.name_of(request),
            "args": request.args,
            "kwargs": request.kwargs,
            "worker": request.hostname,
            "retries": request.retries,
            "queue": self.queue_of(request.delivery_info),
        }
        return {name: self.fitting(value) for name, value in told.items()}

    def name_of(self, request: Any) -> Any:
        """Return the name of the task."""
        return request.task

    def queue_of(self, delivery: Any) -> Any:
        """Return the routing key."""
        return (delivery or {}).get("routing_key")

    def stamps(self, request: Any) -> dict[str, Any]:
        """Return the stamps, and which they are."""
        stamps = {name: self.fitting(value) for name, value in self.declared(request).items()}
        return {**stamps, "stamped_headers": list(stamps)} if stamps else {}

    def declared(self, request: Any) -> dict[str, Any]:
        """Return the stamps of a request that may be stored."""
        stamps: Mapping[str, Any] = request.stamps or {}
        return {name: stamps[name] for name in request.stamped_headers or () if self.is_free(name) and name in stamps}

    def is_free(self, name: str) -> bool:
        """Whether a stamp may have a name."""
        return name not in TAKEN

    def fitting(self, value: Any) -> Any:
        """Return a value as it can be stored."""
        try:
            self.dump({"value": value})
        except EncodeError:
            return self.instead(value)
        return value

    def instead(self, value: Any) -> Any:
        """Return what is stored for a value that cannot be encoded."""
        if isinstance(value, list):
            return [self.fitting(part) for part in value]
        if isinstance(value, dict):
            return {name: self.fitting(part) for name, part in value.items()}
        if isinstance(value, str):
            return value.encode("utf-8", "backslashreplace").decode()
        return f"<{type(value).__name__}>"
