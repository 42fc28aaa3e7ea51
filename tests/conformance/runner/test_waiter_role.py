"""The role of the waiter: the suite stores what a subject reads, and judges only how it reads and waits."""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from resultspec_conformance.report.document import Report
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.runner.targets import open_target
from resultspec_conformance.subject import ClientOptions, Subject, UsageError, WireProbe
from resultspec_conformance.subject.capabilities import Capabilities, CapabilitiesError
from resultspec_conformance.verdict.selection import Selection
from resultspec_conformance.wire.stored_meta import examine

WAITER = Path(__file__).parents[1] / "subject" / "driver" / "waiter_only.py"
NODE_DRIVER = Path(__file__).parents[3] / "drivers" / "node" / "driver.mjs"
PYTHON_DRIVER = [sys.executable, "-m", "resultspec_adapters.python_driver"]


def waiter(name: str, *command: str) -> str:
    """Return the target of a client library that only waits."""
    return "exec:" + shlex.join([sys.executable, "-S", "-E", str(WAITER), name, *command])


def entries(target: str, *classes: str, **options: Any) -> tuple[Report, dict[str, Any]]:
    """Judge a target, and return the report and its requirements by id."""
    report = run(target, Options(selection=Selection(classes=classes, **options), examples=5, seed=1))
    return report, {entry["id"]: entry for entry in report["requirements"]}


def test_client_library_is_judged_as_a_waiter(redis_url: str) -> None:
    """One that reads and waits is conformant, though it refuses to store; what is about storing is not applicable."""
    report, found = entries(waiter("right", "node", str(NODE_DRIVER), redis_url))
    assert report["failures"] == []
    assert (report["verdict"], report["exit_code"]) == ("conformant", 0)
    assert report["capabilities"]["role"] == "waiter"
    judged = ("WAIT-1", "WAIT-9", "WAIT-12", "META-14", "VALUE-1", "VALUE-6", "READ-3", "ID-1", "KEY-7")
    assert {found[name]["verdict"] for name in judged} == {"passed"}
    for name in ("STATE-3", "READ-4", "KEY-3", "ID-3"):
        assert found[name]["verdict"] == "not applicable"
        assert found[name]["reason"] == "the subject only waits: the suite stores what it reads"


def test_joins_of_a_waiter_are_judged(redis_url: str) -> None:
    """`get_many` is judged with tasks that the suite stores."""
    report, found = entries(waiter("right", *PYTHON_DRIVER, redis_url), "join")
    assert report["failures"] == []
    assert {found[name]["verdict"] for name in ("JOIN-1", "JOIN-3", "JOIN-14", "JOIN-16")} == {"passed"}


def test_waiter_that_never_wakes_up_is_found(redis_url: str) -> None:
    """A wait that misses what is stored during it violates the bound of waking up."""
    target = waiter("never-wakes", "node", str(NODE_DRIVER), redis_url)
    _, found = entries(target, patterns=("wakeups.store_wakes_the_waiter",))
    assert found["WAIT-9"]["verdict"] == "violated"


@contextmanager
def opened(redis_url: str) -> Iterator[Subject]:
    """Open a client library that only waits."""
    subject = open_target(waiter("right", "node", str(NODE_DRIVER), redis_url), f"t{time.monotonic_ns()}")
    try:
        yield subject
    finally:
        subject.close()


def test_suite_writes_as_a_worker_of_celery_does(redis_url: str) -> None:
    """What the suite stores has the keys, the bytes and the notification of the specification, and a guard."""
    with opened(redis_url) as subject:
        client, probe = subject.connect(ClientOptions()), subject.probe
        assert isinstance(probe, WireProbe)
        key = f"{subject.capabilities.prefix}celery-task-meta-t"
        listener = probe.listen([key])
        assert client.call("store_result", {"task_id": "t", "result": {"sum": 3}, "state": "SUCCESS"}).kind == "ok"
        client.call("store_result", {"task_id": "t", "result": "late", "state": "FAILURE"})
        payload = probe.read("t") or b""
        assert examine(payload) == []
        assert json.loads(payload)["result"] == {"sum": 3}
        assert [message.body for message in listener.collect(2, 0.5)] == [payload]
        listener.close()
        assert client.call("wait_for", {"task_id": "t", "timeout": 1}).value == {"returned": {"sum": 3}}
        assert client.call("forget", {"task_id": "t"}).kind == "ok"
        assert client.call("get_state", {"task_id": "t"}).value == "PENDING"


REDIS = {"spec": "0.1", "role": "waiter", "classes": ["core", "waiting"], "store": "redis://127.0.0.1:6379/0"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"classes": ["core", "atomic"]}, "atomic"),
        ({"features": ["worker-calls"]}, "worker-calls"),
        ({"features": ["cache"]}, "cache"),
        ({"role": "writer"}, "writer"),
    ],
)
def test_waiter_claims_only_what_it_can_have(changes: dict[str, Any], named: str) -> None:
    """A subject that only waits claims no class and no feature that is about storing."""
    assert Capabilities.from_json(REDIS).role == "waiter"
    with pytest.raises(CapabilitiesError, match=named):
        Capabilities.from_json({**REDIS, **changes})


@pytest.mark.parametrize("store", ["sqlite:///{}/results.db", None])
def test_store_without_keys_is_refused(store: str | None, tmp_path: Path) -> None:
    """The suite says so if it cannot write into the store of a subject that only waits."""
    factory = tmp_path / "factory_in_tables.py"
    document = {**REDIS, "store": store and store.format(tmp_path)}
    factory.write_text(f"def make(app, **options): ...\nmake.capabilities = {document!r}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="a Redis, a memcached or a folder of files"):
        open_target(f"python:{factory}:make", "t1")
