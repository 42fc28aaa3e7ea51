"""Chords on a Redis, counted by many processes at once, with and without processes that are killed in the middle.

Each process takes deliveries from a queue in the Redis and counts them. A delivery that was taken and not done is
delivered again, as by a broker that was not told that it was done. What the processes call lands in a file, to which
they all append.
"""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resultspec_adapters.redis import RedisBackend
from resultspec_conformance.outbox import Outbox, Sent
from resultspec_reference import App

PROCESSES, CHORDS, PARTS = 32, 200, 5
FEWER = {"processes": 6, "chords": 40}
LEASE = 1.5
"""Seconds after which a process that was killed counts as dead."""

WORKER = """
import json, os, random, sys, time
from pathlib import Path
import redis
from resultspec_adapters.redis import RedisBackend
from resultspec_conformance.outbox import Letter, Outbox, Sender
from resultspec_reference import App

url, prefix, path, lease, crash = sys.argv[1:]


class Recording(App):
    def __init__(self):
        super().__init__()
        self.sender = Sender(Outbox(Path(path)))

    def signature(self, varies):
        return Letter(varies, self.sender)


backend = RedisBackend(Recording(), url, global_keyprefix=prefix, chord_lease=float(lease), chord_crash=crash)
queue, taken = prefix + "queue", f"{prefix}taken-{os.getpid()}"
raw = redis.Redis.from_url(url)
while True:
    found = raw.lmove(queue, taken, "LEFT", "RIGHT")
    if found is None:
        time.sleep(0.01)
        continue
    request, value = json.loads(found)
    backend.store_result(request["id"], value, "SUCCESS")
    backend.on_chord_part_return(request, "SUCCESS", value)
    raw.lrem(taken, 1, found)
    raw.incr(prefix + "handled")
"""


class Fleet:
    """Processes that count."""

    def __init__(self, url: str, prefix: str, path: Path, crash: str, lease: float) -> None:
        self.arguments = [sys.executable, "-c", WORKER, url, prefix, str(path), str(lease), crash]
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, count: int) -> None:
        """Start so many more."""
        self.running += [subprocess.Popen(self.arguments) for _ in range(count)]

    def kill(self, process: "subprocess.Popen[bytes]") -> int:
        """Kill one, wherever it is; return its id."""
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.running.remove(process)
        return process.pid

    def stop(self) -> None:
        """Kill all."""
        for process in list(self.running):
            self.kill(process)


@pytest.fixture(name="outbox")
def make_outbox(tmp_path: Path) -> Outbox:
    """Return an outbox that processes share."""
    return Outbox(tmp_path / "outbox")


@pytest.fixture(name="backend")
def make_backend(redis_url: str, prefix: str) -> Iterator[RedisBackend]:
    """Yield the client's backend."""
    backend = RedisBackend(App(), redis_url, global_keyprefix=prefix)
    yield backend
    backend.remove_all(prefix)


def apply_all(backend: RedisBackend, chords: int, dice: random.Random) -> list[str]:
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


def wait_until_handled(raw: Any, prefix: str, count: int, seconds: float) -> None:
    """Return when so many deliveries were handled; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while int(raw.get(f"{prefix}handled") or 0) < count:
        assert time.monotonic() < deadline, f"{raw.get(f'{prefix}handled')} of {count} deliveries were handled"
        time.sleep(0.05)


def of_body(outbox: Outbox, chords: int) -> list[list[Sent]]:
    """Return the calls of each body."""
    by_id: dict[str, list[Sent]] = {f"body-{number}": [] for number in range(chords)}
    for sent in outbox.sent():
        (task_id,) = sent.task_ids
        by_id[task_id].append(sent)
    return list(by_id.values())


@pytest.mark.slow
@pytest.mark.parametrize("crash", ["at-least-once", "at-most-once"])
def test_every_body_is_called_exactly_once(
    redis_url: str, raw: Any, prefix: str, backend: RedisBackend, outbox: Outbox, tmp_path: Path, crash: str
) -> None:
    """32 processes, 200 chords, every part delivered one to three times: one call each, complete and in order."""
    many = crash == "at-least-once"
    processes, chords = (PROCESSES, CHORDS) if many else (FEWER["processes"], FEWER["chords"])
    deliveries = apply_all(backend, chords, random.Random(7))
    raw.rpush(f"{prefix}queue", *deliveries)
    # nobody dies here, so nobody counts as dead, however long the machine lets a process wait
    fleet = Fleet(redis_url, prefix, tmp_path / "outbox", crash, lease=300.0)
    try:
        fleet.start(processes)
        wait_until_handled(raw, prefix, len(deliveries), 240.0)
    finally:
        fleet.stop()
    for number, calls in enumerate(of_body(outbox, chords)):
        assert [list(sent.args) for sent in calls] == [[[f"p{number}-{index}!" for index in range(PARTS)]]]
    keys = list(raw.scan_iter(match=f"{prefix}c*", count=1000))
    # a key that has ended between the two looks has no time left either, which is -2
    assert all(raw.pttl(key) != -1 for key in keys)
    assert not [key for key in keys if key[-2:] in (b".j", b".d", b".s", b".t")]


@pytest.mark.slow
@pytest.mark.parametrize("crash", ["at-least-once", "at-most-once"])
def test_killed_processes_do_what_the_mode_promises(
    redis_url: str, raw: Any, prefix: str, backend: RedisBackend, outbox: Outbox, tmp_path: Path, crash: str
) -> None:
    """Processes are killed at random, and what they had taken is delivered again: the crash table holds."""
    dice = random.Random(11)
    deliveries = apply_all(backend, FEWER["chords"], dice)
    raw.rpush(f"{prefix}queue", *deliveries)
    fleet = Fleet(redis_url, prefix, tmp_path / "outbox", crash, LEASE)
    killed = 0
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
            time.sleep(0.002)
        # what is still in hand is done, and then one part of each chord is delivered once more, after every lease
        while raw.exists(*[f"{prefix}taken-{process.pid}" for process in fleet.running]):
            time.sleep(0.01)
        time.sleep(LEASE)
        again = {json.loads(delivery)[0]["group"]: delivery for delivery in deliveries}
        raw.delete(f"{prefix}handled")
        raw.rpush(f"{prefix}queue", *again.values())
        wait_until_handled(raw, prefix, len(again), 120.0)
    finally:
        fleet.stop()
    assert killed >= 5
    for number, calls in enumerate(of_body(outbox, FEWER["chords"])):
        expected: list[Any] = [[f"p{number}-{index}!" for index in range(PARTS)]]
        assert all(list(sent.args) == expected for sent in calls)
        assert len(calls) >= 1 if crash == "at-least-once" else len(calls) <= 1
    twice = sum(len(calls) > 1 for calls in of_body(outbox, FEWER["chords"]))
    assert twice <= killed, "a body can be called once more for each process that died"
