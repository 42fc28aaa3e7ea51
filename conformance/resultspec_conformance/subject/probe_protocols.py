"""The suite's own view of a store, behind the backend's back: one protocol for each thing that a probe may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from resultspec_conformance.wire.values import Value


class Probe(Protocol):
    """The suite's own view of the store: the raw bytes of a task's entry.

    Where an entry is several columns, as in a table, it is read and written as one payload all the same: a meta in
    json for columns that can be read as one, and otherwise the bytes of the result alone.
    """

    def read(self, task_id: str) -> bytes | None:
        """Return the stored bytes of a task, or None."""
        ...

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task, without a notification; what `read` returned makes the same entry again."""
        ...

    def ping(self) -> None:
        """Raise SubjectError if the store itself cannot be reached, takes no writes, or has lost what was in it."""
        ...

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        ...


@dataclass(frozen=True)
class Notification:
    """A message seen on a channel, with the value that was readable under the key of that name when it
    came.
    """

    channel: str
    body: bytes
    value_then: bytes | None


class Listener(Protocol):
    """A subscription of the suite's own to a set of channels."""

    def collect(self, count: int, timeout: float) -> Sequence[Notification]:
        """Return what has come: at least `count` messages, or what there is after `timeout` seconds."""
        ...

    def close(self) -> None:
        """End the subscription."""
        ...


@runtime_checkable
class CuttingProbe(Probe, Protocol):
    """A probe that can cut connections."""

    def cut_connections(self) -> int:
        """Cut all connections of other clients that belong to the subject; return how many there were."""
        ...


@runtime_checkable
class GroupProbe(Probe, Protocol):
    """A probe of a store that keeps a group as one value: its raw bytes, too."""

    def read_group(self, group_id: str) -> bytes | None:
        """Return the stored bytes of a group, or None."""
        ...

    def write_group(self, group_id: str, payload: bytes) -> None:
        """Put bytes under a group."""
        ...


@runtime_checkable
class RowProbe(Probe, Protocol):
    """A probe of tables: the rows of tasks, a map of columns to values each."""

    def rows(self, task_id: str) -> Sequence[Mapping[str, Value]]:
        """Return the rows of a task, of which there should be one at most."""
        ...

    def columns(self) -> frozenset[str]:
        """Return the columns of the table."""
        ...

    def put_row(self, row: Mapping[str, Value]) -> None:
        """Put a row in the place of those with its `task_id`; columns that it does not name are null.

        Columns that the table does not have are left out.
        """
        ...


@runtime_checkable
class WireProbe(CuttingProbe, Protocol):
    """A probe of a key/value store: keys, channels and connections too."""

    def get(self, key: str) -> bytes | None:
        """Return the raw value of a key, or None."""
        ...

    def set(self, key: str, value: bytes) -> None:
        """Set the raw value of a key."""
        ...

    def delete(self, *keys: str) -> None:
        """Remove keys; absent ones are no error."""
        ...

    def keys(self) -> frozenset[str]:
        """Return all keys of the store, of others too."""
        ...

    def publish(self, channel: str, body: bytes) -> None:
        """Publish a message."""
        ...

    def listen(self, channels: Sequence[str]) -> Listener:
        """Subscribe to channels; returns when the subscription is in force."""
        ...

    def subscribers(self, channel: str) -> int:
        """Return how many subscriptions to a channel there are."""
        ...


@runtime_checkable
class LifeProbe(Probe, Protocol):
    """A probe that sees how long entries live, and can make them older."""

    def remaining(self, task_id: str) -> float | None:
        """Return the seconds that the store will keep an entry: infinity for ever, None for no entry."""
        ...

    def age(self, task_id: str, seconds: float) -> bool:
        """Make an entry as old as if it had been stored so many seconds earlier.

        Returns False, and changes nothing, where the store has nothing written down by which the entry ends.
        """
        ...


@runtime_checkable
class BookkeepingProbe(Probe, Protocol):
    """A probe that sees what is kept for a chord."""

    def bookkeeping(self, group_id: str) -> Mapping[str, float]:
        """Return what is kept for a chord, by the names of keys or rows, and the seconds that each of them will live.

        Infinity is for ever. Raises Unobserved where it cannot tell what is kept.
        """
        ...


@runtime_checkable
class TrafficProbe(Probe, Protocol):
    """A probe that sees what goes back and forth between the store and its clients."""

    def traffic(self) -> int:
        """Return the bytes that went back and forth so far, in which those of others may be.

        0 where the probe sees nothing of the subject's clients.
        """
        ...
