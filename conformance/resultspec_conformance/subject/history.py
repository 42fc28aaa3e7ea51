"""Performed operations as data: client, operation, arguments, times and outcome."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from resultspec import ERRORS
from resultspec_conformance.wire.results import handed_on, shape_complaint
from resultspec_conformance.wire.values import Value, decode, encode

Kind = Literal["ok", "fail", "info"]

MISSING_METHOD: Final = "the backend has no "
"""The beginning of an outcome's message if the backend lacks a method that the operation needs; its name follows."""


NO_ANSWERS = frozenset({"Died", "MalformedResult"})
"""Errors of operations that the backend itself did not answer: its process ended, or a result is malformed."""


@dataclass(frozen=True)
class Outcome:
    """How an operation ended.

    `ok`: with a value. `fail`: with an error, and certainly without an effect. `info`: with an error,
    and possibly with an effect.
    """

    kind: Kind
    value: Value = None
    error: str = ""
    message: str = ""

    @property
    def raised(self) -> bool:
        """Whether the backend answered with an error. A process that ended, and a malformed result, are no answers."""
        return self.kind != "ok" and self.error not in NO_ANSWERS

    @classmethod
    def of_result(cls, op: str, value: Value) -> "Outcome":
        """Return the outcome for what an operation returned: `ok`, or MalformedResult if no check could look at it."""
        found = shape_complaint(op, value)
        return cls("ok", handed_on(op, value)) if found is None else cls.of_error("MalformedResult", found)

    @classmethod
    def of_error(cls, error: str, message: str) -> "Outcome":
        """Return the outcome for an error: `fail` if its kind is definite, else `info`."""
        known = ERRORS.get(error, ERRORS["Unknown"])
        return cls("fail" if known.definite else "info", error=known.name, message=message)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome by the schema `history`."""
        if self.kind == "ok":
            return {"kind": "ok", "value": encode(self.value)}
        return {"kind": self.kind, "error": self.error, "message": self.message}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Outcome":
        """Return the outcome that `to_json` described."""
        if data["kind"] == "ok":
            return cls("ok", value=decode(data["value"]))
        return cls(data["kind"], error=data["error"], message=data["message"])


@dataclass
class Operation:
    """One call: times are seconds since the history began; `end` and `outcome` are None while it runs."""

    client: str
    op: str
    args: Mapping[str, Value]
    start: float
    end: float | None = None
    outcome: Outcome | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the operation by the schema `history`."""
        return {
            "client": self.client,
            "op": self.op,
            "args": {name: encode(value) for name, value in self.args.items()},
            "start": round(self.start, 6),
            "end": None if self.end is None else round(self.end, 6),
            "outcome": None if self.outcome is None else self.outcome.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Operation":
        """Return the operation that `to_json` described."""
        outcome = data["outcome"]
        return cls(
            client=data["client"],
            op=data["op"],
            args={name: decode(value) for name, value in data["args"].items()},
            start=data["start"],
            end=data["end"],
            outcome=None if outcome is None else Outcome.from_json(outcome),
        )


@dataclass
class History:
    """The operations of one example, in the order of their starts. Recording is thread-safe.

    `clients` has those options of each client that differ from their defaults.
    """

    operations: list[Operation] = field(default_factory=list)
    clients: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    origin: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def introduce(self, client: str, options: Mapping[str, Value]) -> str:
        """Record a client and return its name here, which differs if a client with other options has that name."""
        name, number = client, 2
        while self.clients.setdefault(name, options) != options:
            name, number = f"{client}{number}", number + 1
        return name

    def begin(self, client: str, op: str, args: Mapping[str, Value]) -> Operation:
        """Record that an operation starts now."""
        with self._lock:
            operation = Operation(client, op, args, time.monotonic() - self.origin)
            self.operations.append(operation)
        return operation

    def finish(self, operation: Operation, outcome: Outcome) -> None:
        """Record that an operation has ended."""
        operation.end = time.monotonic() - self.origin
        operation.outcome = outcome

    def note(self, client: str, op: str, args: Mapping[str, Value], value: Value = None) -> None:
        """Record what the suite itself did or saw in the store through its probe."""
        operation = self.begin(client, op, args)
        self.finish(operation, Outcome("ok", value))

    def __iter__(self) -> Iterator[Operation]:
        return iter(list(self.operations))

    def __len__(self) -> int:
        return len(self.operations)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the history by the schema `history`."""
        return [operation.to_json() for operation in self]
