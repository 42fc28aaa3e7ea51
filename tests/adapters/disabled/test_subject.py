"""The disabled backend as a subject."""

from resultspec_adapters.disabled.subject import adapter
from resultspec_conformance.subject import ClientOptions, Target


def test_it_writes_and_refuses_to_read() -> None:
    """And claims nothing but its own class."""
    subject = adapter.open(Target("disabled://", "run"))
    connection = subject.connect(ClientOptions(serializer="yaml", prefix="p"))
    assert subject.capabilities.classes == ("disabled",)
    assert connection.call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}).kind == "ok"
    assert connection.call("forget", {"task_id": "t"}).kind == "ok"
    assert connection.call("get_result", {"task_id": "t"}).error == "NotImplementedError"
    assert connection.call("wait_for", {"task_id": "t", "timeout": 0}).error == "NotImplementedError"
    assert connection.call("as_uri", {}).value == "disabled://"
