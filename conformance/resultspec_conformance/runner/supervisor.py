"""The parent's side of a worker: starting it, sending it checks, and reporting how it ended if it does not answer."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from resultspec_conformance.limits import OPEN_SECONDS, TARGET_CLOSE_SECONDS, WORKER_EXIT_SECONDS, check_seconds
from resultspec_conformance.runner.backend_output import BackendOutput
from resultspec_conformance.subject.errors import SubjectError, UsageError
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import CheckResult
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


@dataclass
class Worker:
    """A worker process with an open target. If it has died, it is started again.

    `claims` are capabilities that replace the subject's own (`classes`, `choices`); `sys_path` has additional
    directories for modules. `losses` counts the processes that hung or died. `helps`: another worker of the run is
    the first one. `traces`: whether the store may still have what checks have written. `heard` is called by
    any thread, and must not raise.
    """

    target: str
    run: str
    settings: CheckSettings
    claims: Mapping[str, Any] = field(default_factory=dict)
    sys_path: Sequence[str] = ()
    helps: bool = False
    opened: TargetDescription | None = None
    losses: int = 0
    retired: bool = False
    traces: bool = False
    heard: Heard = unheard
    _running: str = ""
    _process: "subprocess.Popen[str] | None" = None
    _answers: "queue.Queue[str | None]" = field(default_factory=queue.Queue)
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
        self.target, self.run = target, run
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
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )
        threading.Thread(target=self._read_answers, args=(self._process, self._answers), daemon=True).start()
        self._output = BackendOutput(self._process.stderr, lambda line: self.heard(self._running, line))

    def _open(self) -> TargetDescription:
        command = {
            "do": "open",
            "target": self.target,
            "run": self.run,
            "role": "helper" if self.helps else "again" if self.traces else "first",
            "call_timeout": self.settings.call_timeout,
            "claims": dict(self.claims),
            "sys_path": list(self.sys_path),
        }
        try:
            answer = self._ask(command, OPEN_SECONDS + self.settings.call_timeout)
        except WorkerDied as error:
            self.kill()
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
        """Run a check. If the backend hangs or dies, the status of the result says so.

        Raises SubjectError if the store itself is lost, or the target can no longer be opened.
        """
        if self._process is None:
            self.start()
        self.traces = True
        command = {
            "do": "check",
            "name": check.name,
            "seed": self.settings.seed,
            "examples": self.settings.examples,
            "most_cases": self.settings.most_cases,
            "example": example,
        }
        self._running = check.name
        try:
            limit = check_seconds(check.deadline, self.settings.examples, self.settings.call_timeout)
            answer = self._ask(command, limit)
        except WorkerDied as death:
            self.kill()
            self.losses += 1
            return CheckResult(check.name, "hung" if death.hung else "died", message=str(death))
        finally:
            self._running = ""
        if "error" in answer:
            raise SubjectError(answer["error"])
        if answer.get("lost"):
            raise SubjectError(f"during {check.name}: {answer['lost']}")
        if answer.get("hung"):
            self.kill()
            self.losses += 1
        return CheckResult.from_json(answer["result"])

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
            line = self._answers.get(timeout=timeout)
            self._drain_output()
        except queue.Empty:
            raise WorkerDied(f"no answer within {timeout:.0f} s", hung=True) from None
        except (OSError, ValueError):
            # the worker has ended, or was dismissed by another thread
            line = None
        if line is None:
            raise WorkerDied(f"the process of the backend ended {self._exit_text(process)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

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
