"""What is measured: each measure prepares outside of the clock, and returns the seconds of its calls."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.contender import Client

WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Table:
    """Where a contender sits: its two clients, and how many wait for a task."""

    writer: Client
    waiter: Client
    subscribers: Callable[[str], int]
    kept: list[str] = field(default_factory=list)
    """Ids of tasks that were stored once and are read in every round."""


@dataclass(frozen=True)
class Measure:
    """One thing that is measured. ``run(table, calls)`` returns the seconds of one call, on average or in the median.

    ``goal``: the least ratio of the yardstick's time to that of ours, or 0. ``limit``: the most seconds that ours may
    take, or 0. ``share``: the part of the configured number of calls that makes a round.
    """

    name: str
    run: Callable[[Table, int], float]
    goal: float = 0.0
    limit: float = 0.0
    share: float = 1.0


def _ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def _timed(action: Callable[[str], object], task_ids: Sequence[str]) -> float:
    began = time.perf_counter()
    for task_id in task_ids:
        action(task_id)
    return (time.perf_counter() - began) / len(task_ids)


def first_store(table: Table, calls: int) -> float:
    """SUCCESS, where there is nothing."""
    return _timed(lambda task_id: table.writer.store(task_id, "SUCCESS"), _ids(calls))


def overwrite(table: Table, calls: int) -> float:
    """SUCCESS, where STARTED is."""
    task_ids = _ids(calls)
    for task_id in task_ids:
        table.writer.store(task_id, "STARTED")
    return _timed(lambda task_id: table.writer.store(task_id, "SUCCESS"), task_ids)


def get(table: Table, calls: int) -> float:
    """The entry of a SUCCESS."""
    task_ids = _ids(calls)
    for task_id in task_ids:
        table.writer.store(task_id, "SUCCESS")
    return _timed(table.writer.get, task_ids)


MANY = 1000


def get_many(table: Table, calls: int) -> float:
    """The entries of a thousand tasks that are ready, at once."""
    while len(table.kept) < MANY:
        (task_id,) = _ids(1)
        table.writer.store(task_id, "SUCCESS")
        table.kept.append(task_id)
    began = time.perf_counter()
    for _ in range(calls):
        if table.writer.get_many(table.kept) != MANY:
            raise RuntimeError("some of the entries were not there")
    return (time.perf_counter() - began) / calls


def wake_up(table: Table, calls: int) -> float:
    """From the moment at which a result is given to the store until a waiter in another thread has it: the median."""
    took = sorted(_one_wake_up(table, task_id) for task_id in _ids(calls))
    return took[len(took) // 2]


def _one_wake_up(table: Table, task_id: str) -> float:
    ended: list[float] = []

    def wait() -> None:
        table.waiter.wait(task_id, WAIT_SECONDS)
        ended.append(time.perf_counter())

    thread = threading.Thread(target=wait)
    thread.start()
    while not table.subscribers(task_id) and thread.is_alive():
        time.sleep(0.0005)
    # the waiter has subscribed, and now has the time to read and to rest
    time.sleep(0.005)
    began = time.perf_counter()
    table.writer.store(task_id, "SUCCESS")
    thread.join()
    if not ended:
        raise RuntimeError(f"the waiter for {task_id} did not get the result")
    return ended[0] - began


MEASURES = (
    Measure("first store", first_store, goal=0.8),
    Measure("overwrite", overwrite),
    Measure("get", get, goal=0.8),
    Measure("get_many", get_many, goal=0.8, share=0.02),
    Measure("wake-up", wake_up, limit=0.005, share=0.1),
)
