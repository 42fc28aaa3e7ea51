"""Chords that many processes count at once, with and without processes that are killed in the middle.

Each process takes deliveries from a queue in a Redis and counts them, in that Redis or in a PostgreSQL. A delivery that
was taken and not finished is delivered again, as by a broker that did not get an acknowledgement. The calls of the
processes are appended to a file.
"""

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.adapters.chord_worker import backend_for, count_parts

from resultspec_conformance.subject.outbox import Outbox, SentCall
from resultspec_reference import App
from resultspec_reference.base import BaseBackend

PROCESSES, CHORDS, PARTS = 32, 200, 5
FEWER = {"processes": 6, "chords": 40}
LEASE = 1.5
"""Seconds after which a process that was killed counts as dead."""

IMPORTED = ["tests.adapters.chord_worker", "resultspec_adapters.redis.backend", "resultspec_adapters.sql.backend"]
"""What the processes need, and have from the one that they are forked from."""


class Fleet:
    """Processes that count."""

    def __init__(self, *arguments: Any) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(IMPORTED)
        self._arguments = arguments
        self.running: list[BaseProcess] = []

    def start(self, count: int) -> None:
        """Start `count` more processes."""
        started = [self._context.Process(target=count_parts, args=self._arguments, daemon=True) for _ in range(count)]
        for process in started:
            process.start()
        self.running += started

    def kill(self, process: BaseProcess) -> int | None:
        """Kill one, wherever it is; return its id."""
        process.kill()
        process.join()
        self.running.remove(process)
        return process.pid

    def wait(self, seconds: float) -> None:
        """Let them work for a moment; fail if one of them has ended by itself, and so will never be done."""
        time.sleep(seconds)
        ended = [process.exitcode for process in self.running if not process.is_alive()]
        assert not ended, f"processes ended with {ended}"

    def stop(self) -> None:
        """Kill all."""
        for process in list(self.running):
            self.kill(process)


@pytest.fixture(name="outbox")
def make_outbox(tmp_path: Path) -> Outbox:
    """Return an outbox that processes share."""
    return Outbox(tmp_path / "outbox")


@dataclass(frozen=True)
class Store:
    """Where chords are counted. `left` returns the seconds that each of their keys or rows will live, by its name."""

    url: str
    prefix: str
    backend: BaseBackend
    left: Callable[[], dict[str, float]]


def in_redis(url: str, raw: Any) -> Iterator[Store]:
    """Yield a Redis."""
    prefix = f"test-{uuid4().hex}:"
    backend: Any = backend_for(App(), url, prefix)

    def left() -> dict[str, float]:
        lives = {key.decode(): raw.pttl(key) for key in raw.scan_iter(match=f"{prefix}c*", count=1000)}
        # one that has ended between the two looks has -2
        return {key: life / 1000 for key, life in lives.items() if life != -2}

    yield Store(url, prefix, backend, left)
    backend.remove_all(prefix)


def in_tables(url: str) -> Iterator[Store]:
    """Yield a database."""
    import sqlalchemy as sa

    prefix = f"test_{uuid4().hex[:12]}_"
    backend: Any = backend_for(App(), url, prefix)

    def left() -> dict[str, float]:
        with backend.database.connect() as connection:
            ends = connection.execute(sa.text(f"SELECT group_id, expires FROM {backend.names.chord}")).all()
            parts = connection.execute(sa.text(f"SELECT task_id FROM {backend.names.part}")).scalars()
            return {**{group_id: end / 1000 - time.time() for group_id, end in ends}, **dict.fromkeys(parts, -1.0)}

    backend.make_tables()
    yield Store(url, prefix, backend, left)
    backend.remove_tables()


@pytest.fixture(name="store", params=["redis", "postgresql"])
def store_of_chords(request: pytest.FixtureRequest, redis_url: str, raw: Any) -> Iterator[Store]:
    """Yield each store that processes share."""
    if request.param == "redis":
        yield from in_redis(redis_url, raw)
    else:
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")
        yield from in_tables(request.getfixturevalue("server_url")(request.param))


def apply_all(backend: BaseBackend, chords: int, dice: random.Random) -> list[str]:
    """Apply the chords; return the deliveries of their parts, one to three of each, in a random order."""
    deliveries = []
    for number in range(chords):
        body = {"task": "t.body", "args": [], "kwargs": {}, "options": {"task_id": f"body-{number}"}}
        group_id, ids = f"g{number}", [f"p{number}-{index}" for index in range(PARTS)]
        backend.apply_chord(ids, (), group_id, body)
        backend.set_chord_size(group_id, PARTS)
        for index, task_id in enumerate(ids):
            request = {"id": task_id, "group": group_id, "group_index": index, "chord": body}
            deliveries += [json.dumps([request, f"{task_id}!"])] * dice.randint(1, 3)
    dice.shuffle(deliveries)
    return deliveries


def wait_until_handled(fleet: Fleet, raw: Any, prefix: str, count: int, seconds: float) -> None:
    """Return when that number of deliveries was handled; fail if it takes too long."""
    deadline = time.monotonic() + seconds
    while int(raw.get(f"{prefix}handled") or 0) < count:
        assert time.monotonic() < deadline, f"{raw.get(f'{prefix}handled')} of {count} deliveries were handled"
        fleet.wait(0.05)


def of_body(outbox: Outbox, chords: int) -> list[list[SentCall]]:
    """Return the calls of each body."""
    by_id: dict[str, list[SentCall]] = {f"body-{number}": [] for number in range(chords)}
    for sent in outbox.sent():
        (task_id,) = sent.task_ids
        by_id[task_id].append(sent)
    return list(by_id.values())


@pytest.mark.slow
@pytest.mark.parametrize("crash", ["at-least-once", "at-most-once"])
def test_every_body_is_called_exactly_once(
    redis_url: str, raw: Any, store: Store, outbox: Outbox, tmp_path: Path, crash: str
) -> None:
    """32 processes, 200 chords, every part delivered one to three times: one call each, complete and in order."""
    many = crash == "at-least-once"
    processes, chords = (PROCESSES, CHORDS) if many else (FEWER["processes"], FEWER["chords"])
    deliveries = apply_all(store.backend, chords, random.Random(7))
    raw.rpush(f"{store.prefix}queue", *deliveries)
    # nobody dies here, so nobody counts as dead, however long the machine lets a process wait
    fleet = Fleet(redis_url, store.url, store.prefix, tmp_path / "outbox", crash, 300.0)
    try:
        fleet.start(processes)
        wait_until_handled(fleet, raw, store.prefix, len(deliveries), 240.0)
    finally:
        fleet.stop()
    for number, calls in enumerate(of_body(outbox, chords)):
        assert [list(sent.args) for sent in calls] == [[[f"p{number}-{index}!" for index in range(PARTS)]]]
    left = store.left()
    assert all(life > 0 for life in left.values())
    assert not [key for key in left if key.endswith((".j", ".d", ".s", ".t"))]


@pytest.mark.slow
@pytest.mark.parametrize("crash", ["at-least-once", "at-most-once"])
def test_killed_processes_do_what_the_mode_promises(
    redis_url: str, raw: Any, store: Store, outbox: Outbox, tmp_path: Path, crash: str
) -> None:
    """Processes are killed at random, and what they had taken is delivered again: the crash table holds."""
    dice = random.Random(11)
    deliveries = apply_all(store.backend, FEWER["chords"], dice)
    prefix, killed = store.prefix, 0
    raw.rpush(f"{prefix}queue", *deliveries)
    fleet = Fleet(redis_url, store.url, prefix, tmp_path / "outbox", crash, LEASE)
    try:
        fleet.start(FEWER["processes"])
        while raw.llen(f"{prefix}queue"):
            handled = int(raw.get(f"{prefix}handled") or 0)
            if killed < 15 and handled > 10 * killed + 5:
                pid = fleet.kill(dice.choice(fleet.running))
                killed += 1
                while raw.lmove(f"{prefix}taken-{pid}", f"{prefix}queue", "LEFT", "RIGHT"):
                    continue
                fleet.start(1)
            fleet.wait(0.002)
        # what is still in hand is done, and then one part of each chord is delivered once more, after every lease
        while raw.exists(*[f"{prefix}taken-{process.pid}" for process in fleet.running]):
            fleet.wait(0.01)
        fleet.wait(LEASE)
        again = {json.loads(delivery)[0]["group"]: delivery for delivery in deliveries}
        raw.delete(f"{prefix}handled")
        raw.rpush(f"{prefix}queue", *again.values())
        wait_until_handled(fleet, raw, prefix, len(again), 120.0)
    finally:
        fleet.stop()
    assert killed >= 5
    for number, calls in enumerate(of_body(outbox, FEWER["chords"])):
        expected: list[Any] = [[f"p{number}-{index}!" for index in range(PARTS)]]
        assert all(list(sent.args) == expected for sent in calls)
        assert len(calls) >= 1 if crash == "at-least-once" else len(calls) <= 1
    twice = sum(len(calls) > 1 for calls in of_body(outbox, FEWER["chords"]))
    assert twice <= killed, "a body can be called once more for each process that died"
