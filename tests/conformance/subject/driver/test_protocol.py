"""The protocol as it is spoken: the chapter's examples, the driver in Python, and what the suite itself sends."""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from resultspec import ERRORS, OPERATIONS, PROTOCOL
from resultspec.driver_faults import FAULTS
from resultspec.schemas import complaint, schema
from resultspec_conformance.limits import CALL_SECONDS
from resultspec_conformance.runner.execute import execute
from resultspec_conformance.subject import ClientOptions, LifeProbe, Subject, Target, UsageError, WireProbe
from resultspec_conformance.subject.driver import process
from resultspec_conformance.subject.driver.messages import (
    LINE_LIMIT,
    DriverAnswer,
    outcome_of,
    read_initialized,
    read_line,
    request_line,
)
from resultspec_conformance.subject.driver.program import MAX_DEATHS, START_SECONDS, open_program
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.context import Session
from resultspec_conformance.wire.values import ExceptionData

ROOT = Path(__file__).parents[4]
CHAPTER = (ROOT / "spec" / "17-driver.md").read_text(encoding="utf-8")
SABOTAGED = Path(__file__).with_name("sabotaged.py")
PYTHON_DRIVER = [sys.executable, "-m", "resultspec_adapters.python_driver"]


def conversation() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the requests of the chapter's conversation with their answers."""
    block = re.search(r"```json driver\n(.*?)```", CHAPTER, re.DOTALL)
    assert block is not None
    lines = [json.loads(line) for line in block[1].splitlines()]
    return list(zip(lines[::2], lines[1::2], strict=True))


def params_complaint(request: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a request, by its schema and by that of its operation's parameters."""
    found = complaint(request, "driver-request")
    if found is None and request["method"] in OPERATIONS:
        found = complaint(request["params"], OPERATIONS[request["method"]].params)
    return found


class Spoken:
    """A driver that is spoken to by hand, each answer validated."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def ask(self, request: Mapping[str, Any]) -> DriverAnswer:
        """Send a request and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert complaint(json.loads(line), "driver-response") is None
        answer = read_line(line)
        assert isinstance(answer, DriverAnswer)
        assert answer.id == request["id"]
        return answer


@contextmanager
def spoken_to(*command: str) -> Iterator[Spoken]:
    """Start a driver, and see that it ends at the end of its input."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Spoken(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


# -- the chapter ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("request_", "answer"), conversation())
def test_conversation_of_the_chapter(request_: dict[str, Any], answer: dict[str, Any]) -> None:
    """Each request of the chapter is valid, and its answer is one to it."""
    assert params_complaint(request_) is None
    assert complaint(answer, "driver-response") is None
    assert request_["id"] == answer["id"]
    read = read_line(json.dumps(answer).encode())
    assert isinstance(read, DriverAnswer)
    if request_["method"] == "initialize":
        assert read_initialized(read)["protocol"] == PROTOCOL == request_["params"]["protocol"]
    else:
        outcome_of(request_["method"], read)


def tables() -> list[list[str]]:
    """Return the rows of all tables of the chapter as their cells."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in CHAPTER.splitlines() if line.startswith("|")
    ]


def test_tables_of_the_chapter() -> None:
    """The chapter lists the methods, the kinds of errors and the faults of the data, word by word and in its order."""
    rows = tables()
    for name, entry in OPERATIONS.items():
        assert [f"`{name}`", entry.summary] in rows
    for name, kind in ERRORS.items():
        assert [f"`{name}`", "definite" if kind.definite else "indefinite", kind.meaning] in rows
    faults = [row[0].strip("`") for row in rows if row[0].strip("`") in FAULTS]
    assert faults == list(FAULTS)
    for name, fault in FAULTS.items():
        assert [f"`{name}`", fault.meaning, fault.cure] in rows


def test_numbers_of_the_chapter() -> None:
    """The bounds that the chapter names are those of the suite."""
    assert f"| {START_SECONDS:g} s, including" in CHAPTER
    assert f"| an operation | {CALL_SECONDS:g} s, or" in CHAPTER
    assert f"have ended during operations {MAX_DEATHS} times" in FAULTS["exit"].meaning
    assert f"| `close` | {process.SHUTDOWN_SECONDS:g} s |" in CHAPTER
    assert f"| `shutdown` | {process.SHUTDOWN_SECONDS:g} s," in CHAPTER
    assert f"at most {LINE_LIMIT // 2**20} MiB long" in CHAPTER
    assert f"longer than {LINE_LIMIT // 2**20} MiB" in FAULTS["oversize-line"].meaning


def test_request_schema_names_the_operations() -> None:
    """The schema of requests has the methods of the table of operations, and the three of the protocol itself."""
    assert set(schema("driver-request")["properties"]["method"]["enum"]) == {
        *OPERATIONS,
        "initialize",
        "close",
        "shutdown",
    }


def test_requests_are_ascii() -> None:
    """No line that the suite writes has a character that some reader takes for the end of it."""
    line = request_line(1, "forget", {"task_id": "\u2028\u0085é\x0b"})
    assert line.isascii()
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line)["params"]["task_id"] == "\u2028\u0085é\x0b"


# -- the driver in Python ------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_python_driver_holds_the_conversation(store: str, request: pytest.FixtureRequest) -> None:
    """Asked as in the chapter, the driver in Python answers as in the chapter, but for instants and capabilities."""
    target = "memory://" if store == "memory" else request.getfixturevalue("redis_url")
    run = f"t{time.monotonic_ns()}"
    with spoken_to(*PYTHON_DRIVER, target) as driver:
        for asked, expected in conversation():
            if asked["method"] == "initialize":
                asked["params"]["run"] = run
            answer = driver.ask(asked)
            assert answer.failed == ("error" in expected)
            if answer.failed:
                assert answer.error["data"] == expected["error"]["data"]
            elif asked["method"] == "initialize":
                assert {"core", "waiting", "atomic"} <= set(read_initialized(answer)["capabilities"]["classes"])
            else:
                assert without_instants(answer.result) == without_instants(expected["result"])
    if store == "redis":
        # the suite, and not the driver, removes what a run has stored
        open_program(Target(program(*PYTHON_DRIVER, target), run)).close()


def without_instants(result: Any) -> Any:
    """Return a result without its `date_done`."""
    if isinstance(result, dict):
        return {name: member for name, member in result.items() if name != "date_done"}
    return result


def test_python_driver_takes_requests_that_overlap() -> None:
    """A read is answered while a wait is open, and both are answered with their own ids."""
    with spoken_to(*PYTHON_DRIVER, "memory://") as driver:
        driver.ask(conversation()[0][0])
        assert driver.process.stdin is not None
        assert driver.process.stdout is not None
        driver.process.stdin.write(request_line(2, "wait_for", {"task_id": "t", "timeout": 1.0}))
        assert (
            driver.ask({"jsonrpc": "2.0", "id": 3, "method": "get_state", "params": {"task_id": "t"}}).result
            == "PENDING"
        )
        assert json.loads(driver.process.stdout.readline())["error"]["data"] == {"kind": "TimeoutError"}


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"method": "get_state", "params": {"task_id": "t"}}, "NotImplementedError"),
        ({"method": "save_group", "params": {}}, "NotImplementedError"),
    ],
)
def test_python_driver_refuses_what_it_cannot_do(asked: dict[str, Any], kind: str) -> None:
    """An operation before `initialize`, or one that does not exist, is an error with a kind."""
    with spoken_to(*PYTHON_DRIVER, "memory://") as driver:
        answer = driver.ask({"jsonrpc": "2.0", "id": 1, **asked})
        assert answer.error["data"] == {"kind": kind}


@pytest.mark.parametrize("arguments", [[], ["memory://", "more"]])
def test_python_driver_says_how_it_is_used(arguments: list[str]) -> None:
    """Wrong use of the program is reported on standard error, with exit code 2."""
    ended = subprocess.run([*PYTHON_DRIVER, *arguments], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "usage" in ended.stderr


# -- the route -----------------------------------------------------------------------------------


def program(*command: str) -> str:
    """Return the target of a command."""
    return "exec:" + shlex.join(command)


@contextmanager
def opened(*command: str) -> Iterator[Subject]:
    """Open the subject behind a command."""
    subject = open_program(Target(program(*command), f"t{time.monotonic_ns()}"))
    try:
        yield subject
    finally:
        subject.close()


def test_store_of_one_process_is_refused() -> None:
    """A store that only threads share cannot be judged by a route on which each client is a process."""
    with pytest.raises(UsageError, match="threads of one process"), opened(*PYTHON_DRIVER, "memory://"):
        pass


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("redis://127.0.0.1:1/0", "cannot be reached"),
        ("nosuch://", "no adapter for 'nosuch'"),
        ("redis://me:secret@127.0.0.1:1/0", "cannot be reached"),
    ],
)
def test_refusal_of_the_driver_is_reported(target: str, told: str) -> None:
    """An error as the answer to `initialize` is not a fault: its message is shown, without the password."""
    with pytest.raises(Exception, match=told) as raised, opened(*PYTHON_DRIVER, target):
        pass
    assert "refused to open a client" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_values_and_errors_cross(redis_url: str) -> None:
    """Values in the tagged encoding, exceptions and errors arrive as the same that they are without a driver."""
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        writer = subject.connect(ClientOptions(serializer="pickle"))
        reader = subject.connect(ClientOptions(serializer="pickle", max_cached_results=5))
        value = {"$type": "no tag", "tuple": (1, 2**70, float("inf")), 3: b"\xff", "surrogate": "\ud800"}
        assert writer.call("store_result", {"task_id": "t", "result": value, "state": "SUCCESS"}).kind == "ok"
        assert reader.call("get_result", {"task_id": "t"}).value == value
        assert reader.call("is_cached", {"task_id": "t"}).value is True
        error = ExceptionData("KeyError", "builtins", ("a", (1,)))
        writer.call("store_result", {"task_id": "e", "result": error, "state": "FAILURE"})
        assert reader.call("wait_for", {"task_id": "e"}).value == {"raised": error}
        refused = reader.call("wait_for", {"task_id": "t", "timeout": float("nan")})
        assert (refused.kind, refused.error) == ("fail", "ValueError")


def test_prefix_of_a_client(redis_url: str) -> None:
    """The prefix of a client goes behind that of the run, so that keys of the run stay the run's."""
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        client = subject.connect(ClientOptions(prefix="shop"))
        client.call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"})
        probe = subject.probe
        assert isinstance(probe, WireProbe)
        found = probe.keys()
        assert [key for key in found if key.startswith(subject.capabilities.prefix)] == [
            f"{subject.capabilities.prefix}shop_celery-task-meta-t"
        ]


def test_life_of_a_client(redis_url: str) -> None:
    """A life crosses as a value; one that is none is an error of opening, by its kind; both operations cross too."""
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        with pytest.raises(UsageError) as refused:
            subject.connect(ClientOptions(expires=float("nan")))
        assert refused.value.refusal == "ImproperlyConfigured"
        probe = subject.probe
        assert isinstance(probe, LifeProbe)
        client = subject.connect(ClientOptions(expires=None))
        client.call("store_result", {"task_id": "for-ever", "result": 1, "state": "SUCCESS"})
        assert probe.remaining("for-ever") == float("inf")
        assert client.call("expire", {"task_id": "for-ever", "life": 60}).kind == "ok"
        assert 50 < (probe.remaining("for-ever") or 0) <= 60
        assert client.call("cleanup", {}) == Outcome("ok")


@pytest.mark.parametrize(("name", "processes"), [("correct", 1), ("takes-turns", 2)])
def test_calls_of_one_client_overlap(name: str, processes: int) -> None:
    """Two calls of one client run at the same time: in one process if the driver takes them so, else in two."""
    with opened(sys.executable, "-S", "-E", str(SABOTAGED), name) as subject:
        connection = subject.connect(ClientOptions())
        with ThreadPoolExecutor(2) as pool:
            waits = [pool.submit(connection.call, "wait_for", {"task_id": "t", "timeout": 0.5}) for _ in range(2)]
        assert len({wait.result().value["returned"] for wait in waits}) == processes


def test_process_serves_one_client_after_another(redis_url: str) -> None:
    """A client that is closed takes its cache with it and leaves its process to the next one, and so does a refusal."""
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        cached, processes = ClientOptions(max_cached_results=5), []
        for _ in range(2):
            client = subject.connect(cached)
            assert client.call("is_cached", {"task_id": "t"}).value is False
            client.call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"})
            client.call("get_result", {"task_id": "t"})
            assert client.call("is_cached", {"task_id": "t"}).value is True
            client.close()
            with pytest.raises(UsageError):
                subject.connect(ClientOptions(expires=float("nan")))
            assert client.call("is_cached", {"task_id": "t"}).error == "Died"
            processes.append([one.pid for one in subject._processes])  # type: ignore[attr-defined]
        assert processes[0] == processes[1]


def test_closing_is_prompt(redis_url: str) -> None:
    """A client that is closed is gone, with its process, in well under a second of its own time."""
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        connection = subject.connect(ClientOptions(prefix="other"))
        connection.call("get_state", {"task_id": "t"})
        began = time.monotonic()
        connection.close()
        connection.close()
        assert time.monotonic() - began < 4.0


def test_run_removes_its_keys(redis_url: str) -> None:
    """What a run has stored is gone when its subject is closed."""
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        subject.connect(ClientOptions()).call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"})
        prefix = subject.capabilities.prefix
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        probe = subject.probe
        assert isinstance(probe, WireProbe)
        found = probe.keys()
        assert not [key for key in found if key.startswith(prefix)]


CHECKS: Sequence[str] = ("states.every_pair", "meta.children_come_back", "waiting.ready_before_the_wait")


@pytest.mark.parametrize("name", CHECKS)
def test_requests_of_checks_are_valid(name: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What checks ask of a driver is valid by the schemas that its author reads."""
    sent: list[bytes] = []

    def recorded(number: int, method: str, params: Mapping[str, Any]) -> bytes:
        sent.append(request_line(number, method, params))
        return sent[-1]

    monkeypatch.setattr(process, "request_line", recorded)
    with opened(*PYTHON_DRIVER, redis_url) as subject:
        session = Session(subject, "t1")
        result = execute(all_checks()[name], session, seed_number=1, examples=10)
        session.close()
    assert (result.status, result.message) == ("passed", "")
    assert len(sent) > 10
    assert [found for line in sent if (found := params_complaint(json.loads(line)))] == []
