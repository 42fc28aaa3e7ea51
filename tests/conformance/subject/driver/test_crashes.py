"""Chords of a driver: the suite stands in for its broker, and kills it at the moment when it calls a body."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.subject import ClientOptions, Target
from resultspec_conformance.subject.driver.program import ProgramSubject, open_program
from resultspec_conformance.subject.protocols import SendingConnection
from resultspec_conformance.verdict.selection import Selection

CARELESS = Path(__file__).with_name("careless.py")
PYTHON_DRIVER = [sys.executable, "-m", "resultspec_adapters.python_driver"]
ABOUT_THE_BROKER = ("CHORD-13", "CHORD-17", "CHORD-18")
BODY = {"task": "t", "args": [], "kwargs": {}, "options": {"task_id": "body"}}
"""A body, and the id by which it is looked for in the outbox."""


def port(name: str, url: str) -> str:
    """Return the target of a careless port on a Redis."""
    return "exec:" + shlex.join([sys.executable, "-S", "-E", str(CARELESS), name, *PYTHON_DRIVER, url])


def verdicts(target: str, *patterns: str) -> dict[str, str]:
    """Return the verdicts on the requirements about the broker, and on what else is selected."""
    report = run(target, Options(selection=Selection(patterns=patterns), seed=1))
    return {entry["id"]: entry["verdict"] for entry in report["requirements"]}


def test_careful_driver_passes(redis_url: str) -> None:
    """A driver that waits for the answer to each call survives a crash at the call, and a broker that refuses it."""
    others = ("chord_failures.refused_errback_keeps_nothing_back", "chords.older_run_does_not_decide_the_new")
    found = verdicts(port("careful", redis_url), *ABOUT_THE_BROKER, *others)
    assert {found[name] for name in (*ABOUT_THE_BROKER, "CHORD-7", "CHORD-11")} == {"passed"}


def test_body_that_is_called_too_late_is_lost(redis_url: str) -> None:
    """A driver that finishes a chord before it calls the body loses it when it is killed, and is found by CHORD-18."""
    found = verdicts(port("calls-too-late", redis_url), "CHORD-18")
    assert found["CHORD-18"] == "violated"


def test_refusals_that_are_ignored_are_found(redis_url: str) -> None:
    """A driver that takes a refused call for accepted leaves the body pending, and is found by CHORD-13."""
    found = verdicts(port("ignores-refusals", redis_url), "CHORD-13")
    assert found["CHORD-13"] == "violated"


def test_driver_that_does_not_wait_is_not_observable(redis_url: str) -> None:
    """A driver that only notifies keeps its verdict, and the requirements about the broker are not observable."""
    selection = Selection(patterns=(*ABOUT_THE_BROKER, "CHORD-9"))
    report = run(port("notifies", redis_url), Options(selection=selection, seed=1))
    found = {entry["id"]: entry for entry in report["requirements"]}
    assert {found[name]["verdict"] for name in ABOUT_THE_BROKER} == {"not observable"}
    assert found["CHORD-18"]["reason"] == "observable only with broker"
    assert found["CHORD-9"]["verdict"] == "passed"


def opened(name: str, url: str) -> ProgramSubject:
    """Open a careless port in this process."""
    subject = open_program(Target(port(name, url), f"t{time.monotonic_ns()}"))
    assert isinstance(subject, ProgramSubject)
    return subject


def counted(subject: ProgramSubject, client: SendingConnection) -> Any:
    """Apply a chord of one part, and return the outcome of counting it."""
    client.call("apply_chord", {"group_id": "g", "header": [["g", None], [[["p", None], None]]], "body": BODY})
    client.call("set_chord_size", {"group_id": "g", "size": 1})
    request = {"id": "p", "group": "g", "group_index": 0, "chord": {**BODY, "chord_size": 1}}
    return client.call("on_chord_part_return", {"request": request, "state": "SUCCESS", "result": 3})


@pytest.mark.parametrize(("crashes", "calls"), [("before", 0), ("after", 1)])
def test_killed_driver_is_started_again(crashes: Any, calls: int, redis_url: str) -> None:
    """The call of a driver that is killed counts or does not, as was asked, and the client goes on in a new process."""
    subject = opened("careful", redis_url)
    try:
        client = subject.connect(ClientOptions())
        assert isinstance(client, SendingConnection)
        client.sender.crashes = crashes
        outcome = counted(subject, client)
        assert (outcome.kind, outcome.error) == ("info", "Died")
        assert outcome.message == "the suite killed the driver at the moment when it called a task"
        assert len(subject.outbox.calls("body")) == calls
        assert client.call("get_state", {"task_id": "p"}).kind == "ok"
        assert subject._deaths == 0, "what the suite has killed does not count against the driver"
    finally:
        subject.close()


def test_refusal_reaches_the_driver(redis_url: str) -> None:
    """The error of the broker is the answer to the call, and the body fails with its text."""
    subject = opened("careful", redis_url)
    try:
        client = subject.connect(ClientOptions())
        assert isinstance(client, SendingConnection)
        client.sender.broker_error = ConnectionError("no broker here")
        counted(subject, client)
        meta = client.call("get_task_meta", {"task_id": "body"}).value
        assert meta["status"] == "FAILURE"
        assert "no broker here" in str(meta["result"].args)
        assert subject.outbox.sent() == []
    finally:
        subject.close()
