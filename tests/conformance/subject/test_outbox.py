"""What a backend calls is noted: in memory, in a file that processes share, and by a driver's notification."""

from pathlib import Path

import pytest

from resultspec_conformance.subject.driver.fault import DriverFault
from resultspec_conformance.subject.driver.messages import BodyCalled, read_line
from resultspec_conformance.subject.outbox import CallableSignature, Outbox, Sender, SentCall, SimulatedCrash
from resultspec_conformance.wire.values import ExceptionData

BODY = {"task": "t", "options": {"task_id": "b"}}
GROUP = {"task": "celery.group", "kwargs": {"tasks": [BODY, {"task": "u"}]}, "options": {}, "subtask_type": "group"}


def test_ids_of_a_signature() -> None:
    """One of a single task, those of all tasks of a compound one."""
    assert SentCall(BODY, ()).task_ids == {"b"}
    assert SentCall(GROUP, ()).task_ids == {"b"}
    assert SentCall({"task": "t"}, ()).task_ids == frozenset()
    assert SentCall({**BODY, "kwargs": {"tasks": [{"options": {"task_id": "no"}}]}}, ()).task_ids == {"b"}


@pytest.mark.parametrize("shared", [False, True])
def test_calls_are_noted_in_their_order(tmp_path: Path, shared: bool) -> None:
    """With the arguments as they were, also where one is an exception or not JSON."""
    outbox = Outbox(tmp_path / "outbox" if shared else None)
    assert outbox.sent() == []
    sender, told = Sender(outbox), list[SentCall]()
    outbox.listen(told.append)
    values: list[object] = [1, [b"x", None]]
    letter = CallableSignature(BODY, sender)
    letter.delay(values, ValueError("boom", 3))
    values.append("changed later")
    CallableSignature(GROUP, sender).apply_async(([2],), countdown=4)
    first, second = outbox.sent()
    assert list(first.args) == [[1, [b"x", None]], ExceptionData("ValueError", "builtins", ("boom", 3))]
    assert second.signature["options"] == {"countdown": 4}
    assert [list(sent.args) for sent in outbox.calls("b")] == [list(first.args), [[2]]]
    assert outbox.calls("c") == []
    assert len(told) == 2


def test_a_letter_is_a_map_like_celerys() -> None:
    """What is done to it is not done to what it was made of."""
    letter = CallableSignature(BODY, Sender(Outbox()))
    letter.options["task_id"] = "other"
    assert (str(letter.id), letter.task, BODY["options"]) == ("other", "t", {"task_id": "b"})


def test_a_worker_dies_before_or_after_the_call() -> None:
    """And a broker can refuse it."""
    sender = Sender(Outbox())
    sender.crashes = "before"
    with pytest.raises(SimulatedCrash):
        CallableSignature(BODY, sender).delay()
    assert not sender.outbox.sent()
    sender.crashes = "after"
    with pytest.raises(SimulatedCrash):
        CallableSignature(BODY, sender).delay()
    assert len(sender.outbox.sent()) == 1
    sender.crashes, sender.broker_error = "", ConnectionError("no")
    with pytest.raises(ConnectionError):
        CallableSignature(BODY, sender).delay()
    assert not isinstance(SimulatedCrash(), Exception)


def test_a_notification_is_read() -> None:
    """As a call, its arguments decoded."""
    params = b'{"signature":{"task":"t"},"args":[[{"$type":"int","value":"3"}]]}'
    line = b'{"jsonrpc":"2.0","method":"body_called","params":%s}' % params
    assert read_line(line) == BodyCalled({"task": "t"}, [[3]])


WRONG = [
    "{}",
    '{"signature":{},"args":[]}',
    '{"signature":{"task":"t"}}',
    '{"signature":{"task":"t"},"args":[{"$type":"x"}]}',
]


@pytest.mark.parametrize("params", WRONG)
def test_a_wrong_notification_is_a_fault(params: str) -> None:
    """Of the driver, and of nothing else."""
    with pytest.raises(DriverFault, match="body_called"):
        read_line(b'{"jsonrpc":"2.0","method":"body_called","params":%s}' % params.encode())
