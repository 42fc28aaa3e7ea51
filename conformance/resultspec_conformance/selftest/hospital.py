"""Judging patients: each one by the command `resultspec check`, in a process of its own, with its report in a file."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from resultspec_conformance.broken.combined import combined
from resultspec_conformance.limits import SELFTEST_EXAMPLES
from resultspec_conformance.selftest.patients import Patient, drawn
from resultspec_conformance.selftest.scores import Diagnosis, diagnosis, undiagnosed
from resultspec_conformance.selftest.trials import CALL_TIMEOUT, JOBS
from resultspec_conformance.verdict.verdicts import EXIT_CODES


@dataclass
class _Runs:
    """The commands that run at the moment."""

    running: "set[subprocess.Popen[str]]" = field(default_factory=set)
    ended: bool = False

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command; return its exit code, and what it said on standard error."""
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            self.running.add(process)
            if self.ended:
                process.terminate()
            said = process.communicate()[1]
        self.running.discard(process)
        return process.returncode, said

    def end(self) -> None:
        """Let all commands end, as an interruption does: they remove what they have written."""
        self.ended = True
        for process in list(self.running):
            with suppress(ProcessLookupError):
                process.terminate()


def _judge(patient: Patient, runs: _Runs, examples: int, seed: int) -> Diagnosis:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        written = Path(directory) / "report.json"
        options = {
            "--examples": str(examples),
            "--seed": str(seed + patient.number),
            "--call-timeout": str(CALL_TIMEOUT),
            "--jobs": "1",
            "--report": str(written),
        }
        given = [word for option in options.items() for word in option]
        command = [sys.executable, "-m", "resultspec_conformance", "check", patient.target, "--quiet", *given]
        code, said = runs.run(command)
        seconds = time.monotonic() - began
        if code not in EXIT_CODES.values() or not written.exists():
            claimed = combined(patient.combination.specimens).capabilities.classes
            return undiagnosed(patient, claimed, said.strip() or f"exit code {code}", seconds)
        return diagnosis(patient, json.loads(written.read_bytes()), seconds)


def judge_patients(
    count: int,
    *,
    examples: int = SELFTEST_EXAMPLES,
    seed: int = 0,
    jobs: int = JOBS,
    progress: Callable[[Diagnosis], object] = id,
) -> list[Diagnosis]:
    """Draw patients and judge them, some at the same time; `progress` is called with each diagnosis as it is made."""
    runs = _Runs()

    def judged(patient: Patient) -> Diagnosis:
        found = _judge(patient, runs, examples, seed)
        if not runs.ended:
            progress(found)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(judged, patient) for patient in drawn(count, seed)]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runs.end()
            raise
