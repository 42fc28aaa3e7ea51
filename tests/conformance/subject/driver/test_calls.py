"""A driver that reports what its backend calls."""

import sys

from resultspec_conformance.runner.targets import open_target
from resultspec_conformance.subject import ClientOptions

BODY = {"task": "t", "options": {"task_id": "b"}}


def test_a_driver_reports_calls_before_its_answer(redis_url: str) -> None:
    """So that the call is found as soon as the answer has come."""
    subject = open_target(f"exec:{sys.executable} -m resultspec_adapters.python_driver {redis_url}", "outbox")
    try:
        client = subject.connect(ClientOptions())
        outcome = client.call("apply_chord", {"group_id": "g", "header": [["g", None], []], "body": BODY})
        assert (outcome.kind, outcome.value) == ("ok", "b")
        (sent,) = subject.outbox.calls("b")
        assert list(sent.args) == [[]]
        client.close()
    finally:
        subject.close()
