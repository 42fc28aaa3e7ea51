"""The suite's own view of a store, independent of the backend: one protocol for each thing that a probe may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from resultspec_conformance.wire.values import Value


class Probe(Protocol):
    """The suite's own view of the store: the raw bytes of a task's entry.

    If an entry consists of several columns of a table, it is still read and written as one payload: a meta in
    json if the columns can be read as one, else only the bytes of the result.
    """

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        ...

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task, without a notification; the bytes that `read` returned restore the same entry."""
        ...

    def ping(self) -> None:
        """Raise SubjectError if the store itself cannot be reached, does not accept writes, or has lost data."""
        ...

    def close(self) -> None:
        """Release the connection. Idempotent."""
        ...


@dataclass(frozen=True)
class Notification:
    """A message on a channel, and the value that the key of the same name had when it came."""

    channel: str
    body: bytes
    value_then: bytes | None


class Listener(Protocol):
    """The suite's own subscription to a set of channels."""

    def collect(self, count: int, timeout: float) -> Sequence[Notification]:
        """Return at least `count` messages, or those that have come after `timeout` seconds."""
        ...

    def close(self) -> None:
        """End the subscription."""
        ...


@runtime_checkable
class CuttingProbe(Probe, Protocol):
    """A probe that can cut connections."""

    def cut_connections(self) -> int:
        """Cut all connections of the subject's clients, but not the probe's own; return their number."""
        ...


@runtime_checkable
class GroupProbe(Probe, Protocol):
    """A probe of a store that keeps a group as one value: it also sees those raw bytes."""

    def read_group(self, group_id: str) -> bytes | None:
        """Return the stored bytes of a group, or None."""
        ...

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Put bytes under a group."""
        ...


@runtime_checkable
class RowProbe(Probe, Protocol):
    """A probe of tables: the rows of tasks, each a map of columns to values."""

    def rows(self, task_id: str) -> Sequence[Mapping[str, Value]]:
        """Return the rows of a task, which should be one at most."""
        ...

    def columns(self) -> frozenset[str]:
        """Return the columns of the table."""
        ...

    def put_row(self, row: Mapping[str, Value]) -> None:
        """Replace the rows with the same `task_id` by a row; columns that it does not name are null.

        Columns that the table does not have are ignored.
        """
        ...


@runtime_checkable
class KeyProbe(Probe, Protocol):
    """A probe of a key/value store: it also sees keys, and what is stored under each."""

    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key, or None."""
        ...

    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key."""
        ...

    def delete(self, *keys: str) -> None:
        """Remove keys, if they exist."""
        ...

    def keys(self) -> frozenset[str]:
        """Return all keys of the store, including those of other users."""
        ...


@runtime_checkable
class WireProbe(KeyProbe, CuttingProbe, Protocol):
    """A probe of a key/value store that publishes: it also sees channels and connections."""

    def publish(self, channel: str, body: bytes) -> None:
        """Publish a message."""
        ...

    def listen(self, channels: Sequence[str]) -> Listener:
        """Subscribe to channels; return when the subscription is active."""
        ...

    def subscribers(self, channel: str) -> int:
        """Return the number of subscriptions to a channel."""
        ...


@runtime_checkable
class LifeProbe(Probe, Protocol):
    """A probe that sees how long entries live, and can make them older."""

    def remaining(self, task_id: str) -> float | None:
        """Return the seconds that the store will keep an entry: infinity means forever, None that there is no entry."""
        ...

    def age(self, task_id: str, seconds: float) -> bool:
        """Make an entry as old as if it had been stored `seconds` earlier.

        Returns False, and changes nothing, if the store has not recorded an expiry for the entry.
        """
        ...


@runtime_checkable
class BookkeepingProbe(Probe, Protocol):
    """A probe that sees the bookkeeping of a chord."""

    def bookkeeping(self, group_id: str) -> Mapping[str, float]:
        """Return the bookkeeping of a chord: the names of keys or rows, and the remaining seconds of each.

        Infinity means forever. Raises Unobserved if it cannot see the bookkeeping.
        """
        ...


@runtime_checkable
class TrafficProbe(Probe, Protocol):
    """A probe that measures the traffic between the store and its clients."""

    def traffic(self) -> int:
        """Return the number of bytes transferred so far, which may include those of other users.

        0 if the probe does not see the subject's clients.
        """
        ...
