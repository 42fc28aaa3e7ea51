"""The parent's side of a worker: starting it, sending it checks, and reporting how it ended if it does not answer."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from resultspec_conformance.limits import (
    CALL_SECONDS_AFTER_HANG,
    MAX_HANGS_OF_A_CHECK,
    OPEN_SECONDS,
    TARGET_CLOSE_SECONDS,
    WORKER_EXIT_SECONDS,
    stalled_seconds,
)
from resultspec_conformance.runner.backend_output import BackendOutput
from resultspec_conformance.runner.call_memory import CallMemory
from resultspec_conformance.subject.call_failures import DIED, HUNG, CallFailure
from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import (
    CheckResult,
    Failure,
    Status,
    each_reason_once,
    worst_first,
)
from resultspec_conformance.verdict.settings import CheckSettings
from resultspec_conformance.verdict.target_description import TargetDescription


class WorkerDied(Exception):
    """The worker ended, or, if `hung`, did not answer in time."""

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


Heard = Callable[[str, str], None]
"""What is called with each line that a backend prints: the name of the check that runs, if any, and the line."""


def unheard(check: str, line: str) -> None:
    """Pass over a line that the backend prints during a check."""


@dataclass(frozen=True)
class Loss:
    """A process that hung or died during a check. `failure` is that of the call that did this, if it is known."""

    status: Status
    message: str
    failure: Failure | None = None


def with_losses(result: CheckResult, losses: Sequence[Failure]) -> CheckResult:
    """Return the result of a check that also lost processes to calls that hung or ended them."""
    if not losses:
        return result
    failures = {failure.key: failure for failure in reversed([*losses, *result.failures])}
    calls = [CallFailure.from_json(loss.call) for loss in losses if loss.call is not None]
    return replace(
        result,
        status="error" if result.status == "error" else "violated",
        failures=tuple(worst_first(failures.values())),
        blocked=each_reason_once([*calls, *result.blocked]),
    )


@dataclass
class Worker:
    """A worker process with an open target. If it has died, it is started again.

    `claims` are capabilities that replace the subject's own (`classes`, `choices`); `sys_path` has additional
    directories for modules. `helps`: another worker of the run is the first one. `memory`: the calls that are known to
    fail, which the workers of a run share. `scratch`: the directory for temporary files of the process, or empty for
    the usual one. `openings` counts how often the target was opened. `traces`: whether the store may still have what
    checks have written. `heard` is called by any thread, and must not raise.
    """

    target: str
    run: str
    settings: CheckSettings
    claims: Mapping[str, Any] = field(default_factory=dict)
    sys_path: Sequence[str] = ()
    helps: bool = False
    opened: TargetDescription | None = None
    memory: CallMemory = field(default_factory=CallMemory)
    scratch: str = ""
    openings: int = 0
    retired: bool = False
    dismissed: bool = False
    traces: bool = False
    heard: Heard = unheard
    _running: str = ""
    _process: "subprocess.Popen[str] | None" = None
    _answers: "queue.Queue[str | None]" = field(default_factory=queue.Queue)
    _last_call: Failure | None = None
    _output: BackendOutput | None = None

    def start(self) -> TargetDescription:
        """Start the process and open the target.

        Raises SubjectError or UsageError with the error of the target.
        """
        if self.retired:
            raise SubjectError("the worker was ended")
        self._start_process()
        return self._open()

    def switch_to(self, target: str, run: str) -> TargetDescription:
        """Close the target, and open another one in the same process, if that still runs. Raises as `start` does."""
        self.target, self.run, self.memory, self.opened = target, run, CallMemory(), None
        return self.start() if self._process is None else self._open()

    def _start_process(self) -> None:
        self._answers = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "resultspec_conformance.runner.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
            env=self._environment(),
        )
        threading.Thread(target=self._read_answers, args=(self._process, self._answers), daemon=True).start()
        self._output = BackendOutput(self._process.stderr, lambda line: self.heard(self._running, line))

    def _environment(self) -> dict[str, str]:
        # a process that is killed removes no temporary file, so those of a run are in one place, which the run removes
        scratch = {"TMPDIR": self.scratch} if self.scratch else {}
        return {**os.environ, "PYTHONFAULTHANDLER": "1", **scratch}

    def _open(self, *, without_first_calls: bool = False) -> TargetDescription:
        """Open the target. If the process ends during the first calls, open it again without them: checks will tell.

        Raises SubjectError or UsageError with the error of the target.
        """
        first_calls = self.opened is None and not without_first_calls
        self.openings += 1
        command = {
            "do": "open",
            "target": self.target,
            "run": self.run,
            "opening": str(self.openings),
            "role": "helper" if self.helps else "again" if self.traces else "first",
            "call_timeout": self.settings.call_timeout,
            "claims": dict(self.claims),
            "sys_path": list(self.sys_path),
            "round_trip": 0.0 if self.opened is None else self.opened.round_trip,
            "first_calls": first_calls,
        }
        try:
            answer = self._ask(command, OPEN_SECONDS + self.settings.call_timeout)
        except WorkerDied as error:
            self.kill()
            if first_calls and not error.hung:
                self._start_process()
                return self._open(without_first_calls=True)
            raise SubjectError(f"the target could not be opened: {error}") from error
        if "error" in answer:
            self.kill()
            raise (UsageError if answer["exit_code"] == 2 else SubjectError)(answer["error"])
        self.opened = TargetDescription(
            capabilities=answer["capabilities"],
            available=frozenset(answer["available"]),
            round_trip=answer["round_trip"],
            secrets=frozenset(answer["secrets"]),
        )
        return self.opened

    def run_check(self, check: Check, example: Mapping[str, Any] | None = None) -> CheckResult:
        """Run a check. A call that hangs or ends the process is a failure, after which the check is run again.

        Raises SubjectError if the store itself is lost, or the target can no longer be opened.
        """
        losses: list[Failure] = []
        unexplained = ""
        for _ in range(MAX_HANGS_OF_A_CHECK):
            ended = self._run_once(check, example, journal=bool(unexplained))
            if isinstance(ended, CheckResult):
                if check.first:
                    self.memory.add_failures(ended.failures)
                if unexplained and ended.status == "passed":
                    ended = replace(ended, status="died", message=f"{unexplained}, and did not when it was run again")
                return with_losses(ended, losses)
            if self.dismissed:
                raise SubjectError("the run was interrupted")
            if ended.failure is not None:
                losses.append(ended.failure)
                self.memory.add_loss(ended.failure, check)
                unexplained = ""
            elif unexplained:
                return with_losses(CheckResult(check.name, ended.status, message=ended.message), losses)
            else:
                # a process that has ended says no more; the next one reports each call before it makes it
                unexplained = ended.message
        return with_losses(CheckResult(check.name, "blocked"), losses)

    def _run_once(self, check: Check, example: Mapping[str, Any] | None, *, journal: bool) -> CheckResult | Loss:
        """Run a check in one process. Return its result, or what ended the process."""
        if self._process is None:
            self.start()
        self.traces = True
        patience = self.settings.call_timeout
        short = min(patience, CALL_SECONDS_AFTER_HANG) if self.memory.has_hung else patience
        command = {
            "do": "check",
            "name": check.name,
            "seed": self.settings.seed,
            "examples": self.settings.examples,
            "most_cases": self.settings.most_cases,
            "example": example,
            "call_timeout": short if check.first else patience,
            "short_timeout": short,
            "known": [failure.to_json() for failure in self.memory.known],
            "journal": journal,
        }
        self._last_call = None
        self._running = check.name
        try:
            answer = self._ask(command, stalled_seconds(check.deadline, self.settings.call_timeout))
        except WorkerDied as death:
            self.kill()
            return Loss("hung" if death.hung else "died", str(death), self._call_that_ended(death))
        finally:
            self._running = ""
        if "error" in answer:
            raise SubjectError(answer["error"])
        if answer.get("lost"):
            raise SubjectError(f"during {check.name}: {answer['lost']}")
        if "hung" in answer:
            self.kill()
            failure = Failure.from_json(answer["hung"])
            return Loss("hung", failure.got, failure)
        return CheckResult.from_json(answer["result"])

    def _call_that_ended(self, death: WorkerDied) -> Failure | None:
        """Return the failure of the call during which the process ended, or hung, if it kept a journal."""
        failure = self._last_call
        if failure is None or failure.call is None:
            return None
        how = HUNG if death.hung else DIED
        ended = str(death).partition("\n")[0]
        call = {**failure.call, "how": how, "text": ended}
        return replace(failure, kind=how, call=call, got=f"{failure.got}: {death}")

    def stop(self) -> str:
        """Let the worker clean up, and end it. Return the error of the subject in doing so, or an empty text."""
        complaint = ""
        if self._process is not None and self._process.poll() is None and self.opened is not None:
            with suppress(WorkerDied):
                complaint = self._ask({"do": "close"}, TARGET_CLOSE_SECONDS).get("error", "")
                self.traces = False
        self.kill()
        return complaint

    def dismiss(self) -> None:
        """Signal the end of the run: the worker stops its check, cleans up and exits, even without this process."""
        process = self._process
        self.dismissed = True
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()

    def end(self) -> None:
        """Dismiss the worker, and kill it if it does not end in time."""
        process = self._process
        if process is None:
            return
        self.dismiss()
        with suppress(subprocess.TimeoutExpired):
            self.traces = process.wait(WORKER_EXIT_SECONDS) != 0 and self.traces
        self.kill()

    def end_for_good(self) -> None:
        """End the worker permanently: threads that still use it get SubjectError."""
        self.retired = True
        self.kill()

    def kill(self) -> None:
        """Kill the worker and everything that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
        self._drain_output()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    # -- the conversation ----------------------------------------------------------------------

    def _ask(self, command: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerDied("the worker is not running")
        try:
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            answer = self._answer(timeout)
            self._drain_output()
        except queue.Empty:
            raise WorkerDied(f"no progress within {timeout:.0f} s", hung=True) from None
        except (OSError, ValueError):
            # the worker has ended, or was dismissed by another thread
            answer = None
        if answer is None:
            raise WorkerDied(f"the process of the backend ended {self._exit_text(process)}")
        return answer

    def _answer(self, timeout: float) -> dict[str, Any] | None:
        """Return the next answer, or None if there will be none. Raises queue.Empty without progress for so long."""
        until = time.monotonic() + timeout
        while True:
            line = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            answer: dict[str, Any] | None = None if line is None else json.loads(line)
            if answer is None or "event" not in answer:
                return answer
            if answer["event"] == "call":
                self._last_call = Failure.from_json(answer["failure"])
            if answer["event"] == "call" or answer["progress"]:
                until = time.monotonic() + timeout

    def _exit_text(self, process: "subprocess.Popen[str]") -> str:
        code = process.wait(timeout=10)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        said = self._output.last_words() if self._output is not None else []
        return "\n".join([f"{how}; it last said: {said[0]}", *said[1:]]) if said else f"{how}, without output"

    def _drain_output(self) -> None:
        if self._output is not None:
            self._output.drain()

    @staticmethod
    def _read_answers(process: "subprocess.Popen[str]", answers: "queue.Queue[str | None]") -> None:
        try:
            for line in process.stdout or ():
                answers.put(line)
        except ValueError:
            pass  # closed while reading: the worker was ended on purpose
        answers.put(None)
