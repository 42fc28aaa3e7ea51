"""Programs that do not keep the driver protocol: each way has a diagnosis of its own, and none leads to a verdict."""

import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from resultspec.driver_faults import FAULTS
from resultspec_conformance.runner.execute import execute
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.subject import ClientOptions, Connection, SubjectError, Target, UsageError
from resultspec_conformance.subject.driver import program
from resultspec_conformance.subject.driver.fault import DriverFault
from resultspec_conformance.subject.driver.program import ProgramSubject, open_program
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.context import Session
from resultspec_conformance.verdict.settings import CheckSettings

Until = Callable[[Callable[[], object]], bool]

PROGRAM = Path(__file__).with_name("sabotaged.py")
_spec = importlib.util.spec_from_file_location("sabotaged", PROGRAM)
assert _spec is not None
assert _spec.loader is not None
sabotaged = importlib.util.module_from_spec(_spec)
sys.modules["sabotaged"] = sabotaged
_spec.loader.exec_module(sabotaged)

SABOTAGES = sabotaged.SABOTAGES
AT_THE_START = sorted(name for name, sabotage in SABOTAGES.items() if sabotage.at == "initialize")
LATER = sorted(name for name, sabotage in SABOTAGES.items() if sabotage.at != "initialize")
BEHIND_THE_ANSWER = ("answers-twice", "answers-unasked")
"""The fault of these comes after a good answer, so the next call raises it."""

UNKNOWN = {"task_id": "t"}


def command(name: str) -> str:
    """Return the target of a sabotaged driver."""
    return "exec:" + shlex.join([sys.executable, "-S", "-E", str(PROGRAM), name])


def opened(name: str) -> ProgramSubject:
    """Return the subject behind a sabotaged driver."""
    subject = open_program(Target(command(name), "run-1"))
    assert isinstance(subject, ProgramSubject)
    _opened.append(subject)
    return subject


_opened: list[ProgramSubject] = []


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let a driver that hangs do so for a second only."""
    if "hang" in request.node.name:
        monkeypatch.setattr(program, "REQUEST_SECONDS", 1.0)
        monkeypatch.setattr(program, "START_SECONDS", 2.0)


@pytest.fixture(autouse=True)
def no_process_is_left(until: Until) -> Iterator[None]:
    """Whatever a driver does, its processes are gone when its subject is closed."""
    before = set(psutil.Process().children(recursive=True))
    yield
    while _opened:
        with suppress(DriverFault):
            _opened.pop().close()
    assert until(lambda: set(psutil.Process().children(recursive=True)) <= before)


def call_until_it_shows(subject: ProgramSubject, connection: Connection, name: str, until: Until) -> None:
    """Call, and once more if the fault stands behind a good answer. Raises DriverFault."""
    connection.call("get_task_meta", UNKNOWN)
    if name in BEHIND_THE_ANSWER:
        assert until(lambda: subject.fault)
        connection.call("get_task_meta", UNKNOWN)


def assert_is_diagnosed(fault: DriverFault, name: str) -> None:
    """The fault is of the right kind, shows what was seen, and names the cure; it is an error of the environment."""
    sabotage = SABOTAGES[name]
    assert fault.kind == sabotage.fault
    assert sabotage.shown in str(fault)
    assert str(fault).endswith(FAULTS[sabotage.fault].cure)
    assert str(fault).count("\n") == 1
    assert len(str(fault)) < 900
    assert "secret" not in str(fault)
    assert fault.exit_code == 3


def test_every_fault_is_shown() -> None:
    """There is a sabotaged driver for each fault of the list, but for the command that cannot be started."""
    assert {sabotage.fault for sabotage in SABOTAGES.values()} == set(FAULTS) - {"cannot-start"}


@pytest.mark.parametrize("name", AT_THE_START)
def test_fault_at_the_start(name: str) -> None:
    """A driver that cannot say what it is, is not opened."""
    with pytest.raises(DriverFault) as raised:
        opened(name)
    assert_is_diagnosed(raised.value, name)


@pytest.mark.parametrize("name", LATER)
def test_fault_later(name: str, until: Until) -> None:
    """A driver that fails in the middle ends the subject: calls, new clients and the close raise the same fault."""
    subject = opened(name)
    connection = subject.connect(ClientOptions())
    with pytest.raises(DriverFault) as raised:
        call_until_it_shows(subject, connection, name, until)
    assert_is_diagnosed(raised.value, name)
    for attempt in (
        lambda: connection.call("get_task_meta", UNKNOWN),
        lambda: subject.connect(ClientOptions(max_cached_results=1)),
        subject.close,
    ):
        with pytest.raises(DriverFault) as again:
            attempt()
        assert str(again.value) == str(raised.value)


@pytest.mark.parametrize("name", LATER)
def test_fault_gives_no_verdict(name: str, until: Until) -> None:
    """A check of a subject whose driver is at fault ends as an error that names it: neither passed nor violated."""
    subject = opened(name)
    session = Session(subject, "run-1")
    result = execute(all_checks()["meta.unknown_task_is_pending"], session, seed_number=0, examples=20)
    if name in BEHIND_THE_ANSWER and result.status == "passed":
        assert until(lambda: subject.fault)
        result = execute(all_checks()["meta.unknown_task_is_pending"], session, seed_number=0, examples=1)
    assert (result.status, result.failure) == ("error", None)
    assert f"({SABOTAGES[name].fault})" in result.message
    with pytest.raises(DriverFault):
        session.close()


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("exec:resultspec-no-such-program --fast", "'resultspec-no-such-program': No such file or directory"),
        (f"exec:{PROGRAM}", "Permission denied"),
        ("exec:/", "Permission denied"),
    ],
)
def test_command_that_cannot_be_started(target: str, shown: str) -> None:
    """A command that does not exist, or is not a program, is reported as such."""
    with pytest.raises(DriverFault, match="cannot-start") as raised:
        open_program(Target(target, "run-1"))
    assert shown in str(raised.value)


@pytest.mark.parametrize("target", ["exec:", "exec:  ", "exec:node 'driver.mjs"])
def test_no_command(target: str) -> None:
    """A target without a command, or with half a quote, is wrong use."""
    with pytest.raises(UsageError, match="exec:"):
        open_program(Target(target, "run-1"))


def test_words_of_a_command() -> None:
    """A command is split into words as by a shell, and nothing in it is expanded."""
    assert program.split_command("a 'b c' \"d\" $HOME *") == ["a", "b c", "d", "$HOME", "*"]


def test_deaf_driver_is_a_hang() -> None:
    """A driver that does not read a long request has not answered it in time either."""
    subject = opened("hangs")
    connection = subject.connect(ClientOptions())
    client = subject._processes[0]
    psutil.Process(client.pid).suspend()
    with pytest.raises(DriverFault, match="had not answered store_result"):
        connection.call("store_result", {"task_id": "t", "result": "x" * 2**20, "state": "SUCCESS"})


def test_log_is_not_a_fault() -> None:
    """The notification `log` is taken, and its last message shown where the driver fails."""
    source = (
        "import sys\n"
        'print(\'{"jsonrpc": "2.0", "method": "log", "params": {"message": "out of luck"}}\', flush=True)\n'
        "sys.stdin.readline()\n"
    )
    with pytest.raises(DriverFault, match=r"early-exit.*exit code 0.*out of luck"):
        open_program(Target("exec:" + shlex.join([sys.executable, "-c", source]), "run-1"))


@pytest.mark.parametrize("name", ["exits-in-the-middle", "greets"])
def test_worker_reports_the_fault(name: str) -> None:
    """The fault also passes unchanged through the worker's process, both when opening and in a check."""
    worker = Worker(command(name), "run-1", CheckSettings(examples=3))
    try:
        with pytest.raises(SubjectError, match=SABOTAGES[name].fault):
            worker.start()
    finally:
        worker.stop()


def driver_of(worker: Worker) -> psutil.Process:
    """Return the process of the driver that a worker has started."""
    assert worker._process is not None
    return psutil.Process(worker._process.pid).children(recursive=True)[0]


def test_driver_ends_with_a_worker_that_is_killed(until: Until) -> None:
    """A driver notices the end of its input when the worker dies without a word."""
    worker = Worker(command("correct"), "run-1", CheckSettings())
    worker.start()
    driver = driver_of(worker)
    assert worker._process is not None
    psutil.Process(worker._process.pid).kill()
    assert until(lambda: not driver.is_running() or driver.status() == psutil.STATUS_ZOMBIE)
    worker.kill()


def test_stopped_driver_ends_with_its_worker(until: Until) -> None:
    """A driver that does not react at all is ended with the process group of its worker."""
    worker = Worker(command("correct"), "run-1", CheckSettings())
    worker.start()
    driver = driver_of(worker)
    driver.suspend()
    worker.kill()
    assert until(lambda: not driver.is_running() or driver.status() == psutil.STATUS_ZOMBIE)
