"""Programs that do not keep the driver protocol: each way has a diagnosis of its own.

What breaks the protocol is a fault, and gives no verdict. What breaks off an operation, or answers it with something
else, is its outcome, and the checks judge it.
"""

import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from resultspec import ERRORS
from resultspec.driver_faults import FAULTS
from resultspec_conformance.runner.execute import execute
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.subject import ClientOptions, Connection, SubjectError, Target, UsageError
from resultspec_conformance.subject.driver import program
from resultspec_conformance.subject.driver.fault import DriverFault
from resultspec_conformance.subject.driver.messages import DriverAnswer, outcome_of
from resultspec_conformance.subject.driver.program import ProgramSubject, open_program
from resultspec_conformance.subject.history import Outcome
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
OUTCOMES = sorted(name for name, sabotage in SABOTAGES.items() if sabotage.found in ERRORS)
LATER = sorted(set(SABOTAGES) - {*AT_THE_START, *OUTCOMES})
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
    """Let a driver that hangs do so for two seconds only."""
    if "hang" in request.node.name:
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
    assert fault.kind == sabotage.found
    assert sabotage.shown in str(fault)
    assert str(fault).endswith(FAULTS[sabotage.found].cure)
    assert str(fault).count("\n") == 1
    assert len(str(fault)) < 900
    assert "secret" not in str(fault)
    assert fault.exit_code == 3


def test_every_fault_is_shown() -> None:
    """There is a sabotaged driver for each fault of the list, but for two that have tests of their own."""
    found = {sabotage.found for sabotage in SABOTAGES.values()}
    assert found - set(ERRORS) == set(FAULTS) - {"cannot-start", "exit"}


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
    assert (result.status, result.failures) == ("error", ())
    assert f"({SABOTAGES[name].found})" in result.message
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
    subject = opened("correct")
    process = subject._processes[0]
    driver = psutil.Process(process.pid)
    driver.suspend()
    with pytest.raises(TimeoutError, match="had not answered store_result after 1 s"):
        process.request("store_result", {"task_id": "t", "result": "x" * 2**20, "state": "SUCCESS"}, 1.0)
    driver.kill()


# -- what is an outcome of an operation ------------------------------------------------------------


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome_of_an_operation(name: str) -> None:
    """Its kind and what was seen are in the outcome, and the client goes on: later calls are answered like this one."""
    connection = opened(name).connect(ClientOptions())
    for _ in range(2):
        outcome = connection.call("get_task_meta", UNKNOWN)
        assert (outcome.kind, outcome.error) == ("info", SABOTAGES[name].found)
        assert SABOTAGES[name].shown in outcome.message
        assert "\n" not in outcome.message
        assert connection.call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}).kind == "ok"


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome_is_judged(name: str) -> None:
    """A check takes it as it takes any other failing operation: as a violation, with the operation in its history."""
    session = Session(opened(name), "run-1")
    result = execute(all_checks()["meta.unknown_task_is_pending"], session, seed_number=0, examples=20)
    session.close()
    assert result.status == "violated"
    assert result.accused == ("META-2",)
    assert SABOTAGES[name].shown in result.failures[0].got


def test_wrong_content_is_handed_on() -> None:
    """A result that a check can look at is the backend's, whatever is in it; what has no result is not looked at."""
    children = {"jsonrpc": "2.0", "id": 1, "result": {"status": "SUCCESS", "result": 1, "children": {"a": 1}}}
    handed_on = outcome_of("get_task_meta", DriverAnswer(1, b"", children["result"]))
    assert (handed_on.kind, handed_on.value) == ("ok", children["result"])
    assert outcome_of("forget", DriverAnswer(1, b"", {"$type": "nonsense"})) == Outcome("ok")


def test_member_that_is_missing_reads_as_null() -> None:
    """So that its absence is seen by the check that asks for it, and by no other."""
    meta = outcome_of("get_task_meta", DriverAnswer(1, b"", {"status": "PENDING"})).value
    assert (meta["result"], meta["task_id"], "result" in meta) == (None, None, False)
    assert meta == {"status": "PENDING"}


def test_calls_that_overlap_die_together(until: Until) -> None:
    """All open calls of a process that ends have died, and their client gets one new process for all of them."""
    subject = opened("correct")
    connection = subject.connect(ClientOptions())
    process = subject._processes[0]
    driver = psutil.Process(process.pid)
    driver.suspend()
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(connection.call, op, UNKNOWN) for op in ("get_task_meta", "forget")]
        assert until(lambda: len(process._open) == 2)
        driver.kill()
        assert [call.result().error for call in calls] == ["Died", "Died"]
    assert connection.call("forget", UNKNOWN).kind == "ok"
    assert subject._deaths == 1


def test_process_that_ends_between_two_calls(until: Until) -> None:
    """The next call finds the process ended, and the one after it goes to another process."""
    subject = opened("correct")
    connection = subject.connect(ClientOptions())
    process = subject._processes[0]
    psutil.Process(process.pid).kill()
    assert until(lambda: process._how_it_ended)
    outcome = connection.call("get_task_meta", UNKNOWN)
    assert (outcome.error, outcome.message) == ("Died", "the driver was ended by SIGKILL while nothing was asked")
    assert connection.call("get_task_meta", UNKNOWN).kind == "ok"


def test_driver_that_ends_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver is not started again without end: after many deaths it is at fault."""
    monkeypatch.setattr(program, "MAX_DEATHS", 3)
    connection = opened("exits-in-the-middle").connect(ClientOptions())
    for _ in range(2):
        assert connection.call("get_task_meta", UNKNOWN).error == "Died"
    with pytest.raises(DriverFault, match=r"\(exit\): 3 of its processes have ended"):
        connection.call("get_task_meta", UNKNOWN)


def test_driver_that_cannot_be_started_again(until: Until, tmp_path: Path) -> None:
    """A client whose new process does not start fails with every call, and the driver is still not at fault.

    Its path is long: the reason, which the interpreter names behind it, is shown nevertheless.
    """
    script = tmp_path / ("long" * 50) / "driver.py"
    script.parent.mkdir()
    script.write_bytes(PROGRAM.read_bytes())
    subject = open_program(Target("exec:" + shlex.join([sys.executable, str(script), "exits-in-the-middle"]), "run-1"))
    assert isinstance(subject, ProgramSubject)
    _opened.append(subject)
    connection = subject.connect(ClientOptions())
    script.unlink()
    for _ in range(3):
        assert connection.call("get_task_meta", UNKNOWN).error == "Died"
    with pytest.raises(SubjectError, match=r"a client could not be opened: .*No such file") as refused:
        subject.connect(ClientOptions(max_cached_results=1))
    assert refused.value.refusal == "Died"


def test_worker_reports_a_hang_as_one_of_the_backend() -> None:
    """An operation that is not answered hangs, as it would in a Python object: it is named, and the driver is not."""
    worker = Worker(command("hangs"), "run-1", CheckSettings(call_timeout=1.0))
    worker.start()
    result = worker.run_check(all_checks()["reads.forgetting_is_idempotent"])
    worker.stop()
    assert (result.accused, result.failures[0].kind) == (("READ-4",), "hung")
    assert "forget by client" in result.failures[0].got


# -- the notification `log`, and the worker --------------------------------------------------------


def test_log_is_not_a_fault() -> None:
    """The notification `log` is taken, and its last message shown where the driver fails."""
    source = (
        "import sys\n"
        'print(\'{"jsonrpc": "2.0", "method": "log", "params": {"message": "out of luck"}}\', flush=True)\n'
        "sys.stdin.readline()\n"
    )
    with pytest.raises(DriverFault, match=r"early-exit.*exit code 0.*out of luck"):
        open_program(Target("exec:" + shlex.join([sys.executable, "-c", source]), "run-1"))


@pytest.mark.parametrize("name", ["exits-at-once", "greets", "logs-to-stdout"])
def test_worker_reports_the_fault(name: str) -> None:
    """The fault passes unchanged through the worker's process."""
    worker = Worker(command(name), "run-1", CheckSettings(examples=3))
    try:
        with pytest.raises(SubjectError, match=SABOTAGES[name].found):
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
