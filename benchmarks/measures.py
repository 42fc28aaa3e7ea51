"""What is measured: each measure prepares outside of the clock, and returns the seconds of its calls."""

import functools
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.contender import Client

T = TypeVar("T")

WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Clients:
    """The two clients of a contender, and a function that counts the subscribers to a task."""

    writer: Client
    waiter: Client
    subscribers: Callable[[str], int]
    kept: list[str] = field(default_factory=list)
    """Ids of tasks that are stored once and read in every round."""


@dataclass(frozen=True)
class Measure:
    """One thing that is measured. `run(table, calls)` returns the seconds of the median call.

    `goal`: the minimum ratio of the bare client's time to ours, or 0. `limit`: the maximum of our time in seconds, or
    0. `share`: the share of the configured number of calls in one turn. `every`: it is measured in every n-th round.
    `parts`: the size of the chord, if one is measured. `compares`: `run` returns not a time, but the ratio of two
    times, and `limit` is the maximum of that.
    """

    name: str
    run: Callable[[Clients, int], float]
    goal: float = 0.0
    limit: float = 0.0
    share: float = 1.0
    every: int = 1
    parts: int = 0
    compares: bool = False

    @property
    def kind(self) -> str:
        """The name, which is the same for chords of all sizes."""
        return "chord" if self.parts else self.name


def _ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def _timed(action: Callable[[T], object], given: Iterable[T]) -> float:
    """Return the seconds of the median call, since other work of the machine delays few calls, but those much."""
    took = []
    for one in given:
        began = time.perf_counter()
        action(one)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def first_store(clients: Clients, calls: int) -> float:
    """Store SUCCESS for a new task."""
    return _timed(lambda task_id: clients.writer.store(task_id, "SUCCESS"), _ids(calls))


def overwrite(clients: Clients, calls: int) -> float:
    """SUCCESS, where STARTED is."""
    task_ids = _ids(calls)
    for task_id in task_ids:
        clients.writer.store(task_id, "STARTED")
    return _timed(lambda task_id: clients.writer.store(task_id, "SUCCESS"), task_ids)


def _kept(clients: Clients, count: int) -> list[str]:
    for task_id in _ids(count - len(clients.kept)):
        clients.writer.store(task_id, "SUCCESS")
        clients.kept.append(task_id)
    return clients.kept[:count]


def get(clients: Clients, calls: int) -> float:
    """The entry of a SUCCESS."""
    return _timed(clients.writer.get, _kept(clients, calls))


def get_many(clients: Clients, calls: int, *, many: int) -> float:
    """The entries of many tasks that are ready, at once."""
    task_ids = _kept(clients, many)

    def join(_: int) -> None:
        if clients.writer.get_many(task_ids) != many:
            raise RuntimeError("some of the entries were not there")

    return _timed(join, range(calls))


def wake_up(clients: Clients, calls: int) -> float:
    """From the moment at which a result is given to the store until a waiter in another thread has it."""
    return statistics.median(_one_wake_up(clients, task_id) for task_id in _ids(calls))


def _one_wake_up(clients: Clients, task_id: str) -> float:
    ended: list[float] = []

    def wait() -> None:
        clients.waiter.wait(task_id, WAIT_SECONDS)
        ended.append(time.perf_counter())

    thread = threading.Thread(target=wait)
    thread.start()
    while not clients.subscribers(task_id) and thread.is_alive():
        time.sleep(0.0005)
    # the waiter has subscribed, and now has the time to read and to rest
    time.sleep(0.005)
    began = time.perf_counter()
    clients.writer.store(task_id, "SUCCESS")
    thread.join()
    if not ended:
        raise RuntimeError(f"the waiter for {task_id} did not get the result")
    return ended[0] - began


def chord(clients: Clients, calls: int, *, parts: int) -> float:  # noqa: ARG001 - a chord is as long as it is
    """One part of a chord: all of them are delivered one after the other, and the last one calls the body."""
    return _parts(clients, _begun(clients, parts), range(parts), parts)


def growth(clients: Clients, calls: int, *, small: int, large: int) -> float:  # noqa: ARG001 - as above
    """How many times the time of a part of a small chord one of a large chord takes.

    As many parts of the large one as make a small one are delivered, then a small one, and so on, so that both meet the
    same moods of the machine.
    """
    group_id = _begun(clients, large)
    slices = [range(first, min(first + small, large)) for first in range(0, large, small)]
    return statistics.median(_parts(clients, group_id, some, large) / chord(clients, 0, parts=small) for some in slices)


def _begun(clients: Clients, parts: int) -> str:
    (group_id,) = _ids(1)
    clients.writer.begin_chord(group_id, parts)
    return group_id


def _parts(clients: Clients, group_id: str, indexes: Iterable[int], parts: int) -> float:
    return _timed(lambda index: clients.writer.part_returned(group_id, index, parts), indexes)


GROWTH = 1.2
"""The most that a part of the largest chord may cost, as a multiple of that of the smallest."""


KINDS = ("first store", "overwrite", "get", "get_many", "wake-up", "chord")


def measures(sizes: Sequence[int], many: int = 1000) -> list[Measure]:
    """Return all measures: `many` is how many a join reads; `sizes` are the parts of chords.

    Long chords are measured in fewer rounds.
    """
    always = (
        Measure("first store", first_store, goal=0.8),
        Measure("overwrite", overwrite),
        Measure("get", get, goal=0.8),
        Measure("get_many", functools.partial(get_many, many=many), goal=0.8, share=0.02),
        Measure("wake-up", wake_up, limit=0.005, share=0.1),
    )
    chords = [
        Measure(
            f"chord {parts:,}", functools.partial(chord, parts=parts), 0.5, every=max(1, parts // 1000), parts=parts
        )
        for parts in sorted(sizes)
    ]
    small, large = min(sizes), max(sizes)
    comparison = Measure(
        f"chord {large:,} to chord {small:,}",
        functools.partial(growth, small=small, large=large),
        limit=GROWTH,
        every=max(1, large // 500),
        parts=large,
        compares=True,
    )
    return [*always, *chords, *([comparison] if small < large else [])]
