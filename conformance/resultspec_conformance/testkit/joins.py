"""Joins as checks see them: what was yielded, when, and how it ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.history import Operation
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.waits import final_outcome, seconds
from resultspec_conformance.wire.values import Value

SHORT_TIMEOUT = 0.03
"""The timeout in seconds of a join that may run out of it. Whatever is ready is yielded even so."""


@dataclass(frozen=True)
class Item:
    """An id and a meta that a join yielded, and when, in seconds since the first item was requested."""

    task_id: Value
    meta: dict[str, Value]
    at: float


@dataclass(frozen=True)
class Joined:
    """A join that has ended. `ended`: `exhausted`, `closed`, or the kind of an error with its `message`.

    A join whose call raised yielded nothing and ended in that error.
    """

    operation: Operation
    items: tuple[Item, ...]
    ended: str
    message: str

    @property
    def ids(self) -> list[Value]:
        """The ids in the order in which they came."""
        return [item.task_id for item in self.items]

    @property
    def took(self) -> float:
        """Seconds from the request for the first item to the end."""
        return seconds(self.operation) - float(self.operation.args.get("delay", 0.0))

    @property
    def refused(self) -> bool:
        """Whether the call itself raised, before it returned an iterator."""
        return final_outcome(self.operation).kind != "ok"

    def came_at(self, task_id: str) -> float:
        """Return when an id was yielded, in seconds of the history; infinite if it was not."""
        return min((self.operation.start + item.at for item in self.items if item.task_id == task_id), default=_NEVER)

    def describe(self) -> str:
        """Describe in words what happened."""
        items = ", ".join(f"{item.task_id!r} {item.meta.get('status')} at {item.at:.3f} s" for item in self.items[:12])
        more = f" and {len(self.items) - 12} more" if len(self.items) > 12 else ""
        why = f" ({self.message})" if self.message else ""
        return f"{self.ended}{why} after {self.took:.3f} s, yielded: {items or 'nothing'}{more}"


_NEVER = float("inf")


def joined(operation: Operation) -> Joined:
    """Return the record of a join that has ended."""
    outcome = final_outcome(operation)
    if outcome.kind != "ok":
        return Joined(operation, (), outcome.error, outcome.message)
    value = outcome.value
    items = tuple(Item(item["task_id"], item["meta"], item["at"]) for item in value["yielded"])
    return Joined(operation, items, value["ended"], value["message"])


def join(client: Client, task_ids: Sequence[Value], **options: Value) -> Joined:
    """Join tasks."""
    return joined(client.perform("get_many", task_ids=list(task_ids), **options))


def join_in_process(client: Client, task_ids: Iterable[Any], shown: Value, **options: Any) -> Joined:
    """Join with the method of a Python object; the ids may be any iterable, and options may be functions.

    The history has `shown` instead of the ids.
    """
    recorded = {name: value for name, value in options.items() if not callable(value)}
    call = {"task_ids": task_ids, **options}
    performed = client.record(
        "get_many", {"task_ids": shown, **recorded}, lambda: client.connection.call("get_many", call)
    )
    return joined(performed)


def require_yielded(ctx: Context, requirement: str, found: Joined, expected: Iterable[Value], ended: str) -> None:
    """Require that a join yielded these ids, each once and in any order, and ended in this way."""
    wanted = sorted(expected)
    # only texts can be sorted
    holds = sorted(map(str, found.ids)) == wanted and all(isinstance(one, str) for one in found.ids)
    names = ", ".join(map(repr, wanted)) or "nothing"
    ctx.require(
        requirement,
        holds and found.ended == ended,
        got=found.describe(),
        allowed=f"{names}, each once, then {ended}",
    )
