"""An open target: its throw-away servers, its workers, and the removal of everything that the run has written."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from resultspec_conformance.limits import REPLAY_ATTEMPTS
from resultspec_conformance.runner.call_memory import CallMemory
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.servers import ServedTarget, served
from resultspec_conformance.runner.supervisor import Heard, Worker, unheard
from resultspec_conformance.runner.targets import load_adapter
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.protocols import Target
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.redaction import passwords
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.selection import Plan
from resultspec_conformance.verdict.target_description import TargetDescription


@dataclass
class TargetSession:
    """A target and the workers of a run. The first worker is required, the others may be left out.

    `target` is the one that was given, `place` the one that is opened.
    """

    target: str
    place: ServedTarget
    options: Options
    workers: list[Worker]

    @property
    def opened(self) -> TargetDescription:
        """The description of the target, once the first worker has opened it."""
        found = self.workers[0].opened
        assert found is not None
        return found

    @property
    def secrets(self) -> frozenset[str]:
        """The passwords that must not be shown or written."""
        found = self.workers[0].opened
        return passwords(self.target, self.place.target) | (found.secrets if found else frozenset())

    @property
    def construct(self) -> str:
        """The source that makes the backend in the standalone script of a failure, or empty. Raises SubjectError."""
        return load_adapter(Target(self.place.target, "").scheme).construct

    def try_counterexamples(self, plan: Plan) -> Mapping[int, CheckResult]:
        """Try the counterexamples of known failures that the run judges; return the results by position in the list.

        One that is too large to be recorded is left to its check, which searches for it.
        """
        checks = {check.name: check for check in plan.checks}
        found: dict[int, CheckResult] = {}
        for position, entry in enumerate(self.options.known):
            recorded = entry.counterexample
            if recorded is None or recorded.example is None or entry.requirement not in plan.ids:
                continue
            if recorded.check in checks:
                found[position], _ = run_until_failure(self.workers[0], checks[recorded.check], recorded.example)
        return found


def run_until_failure(worker: Worker, check: Check, example: Mapping[str, Any] | None) -> tuple[CheckResult, int]:
    """Run a check on an example until it fails, a bounded number of times, and return the result and the number.

    Without an example it is searched for once.
    """
    attempts = 0
    while True:
        attempts += 1
        result = worker.run_check(check, example)
        if result.status != "passed" or attempts == REPLAY_ATTEMPTS or example is None:
            return result, attempts


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="resultspec-", ignore_cleanup_errors=True)


@contextmanager
def prepared(target: str, options: Options, jobs: int = 1, heard: Heard = unheard) -> Iterator[TargetSession]:
    """Start the servers that a target needs, and make the workers, which are not started yet. Raises SubjectError.

    `heard` is called with each line that the backend prints, as `Worker` says.
    However the block ends, workers and servers are stopped, and everything that the run has written is removed.
    """
    run_id, memory = secrets.token_hex(4), CallMemory()
    with served(target) as place, _scratch() as scratch, ExitStack() as stack:
        workers = [
            Worker(
                place.target,
                run_id + letter,
                options.settings,
                options.claims,
                options.sys_path,
                helps=letter != ascii_lowercase[0],
                heard=heard,
                memory=memory,
                scratch=scratch,
            )
            for letter in ascii_lowercase[:jobs]
        ]
        for worker in workers:
            stack.enter_context(stopped_at_end(worker, place))
        yield TargetSession(target, place, options, workers)


@contextmanager
def opened(target: str, options: Options, heard: Heard = unheard) -> Iterator[TargetSession]:
    """Open a target in one worker. `heard` is called with each line that the backend prints. Raises SubjectError."""
    with prepared(target, options, heard=heard) as session:
        session.workers[0].start()
        yield session


@contextmanager
def stopped_at_end(worker: Worker, place: ServedTarget) -> Iterator[None]:
    """Stop a worker at the end of the block, even if that is interrupted."""
    try:
        yield
        worker.stop()
    finally:
        if place.throw_away:
            worker.kill()
        else:
            worker.end()
            if worker.traces:
                _remove_traces(worker)


def _remove_traces(worker: Worker) -> None:
    """Remove what a worker has written and could not remove itself, by opening the target again and closing it."""
    with suppress(SubjectError):
        worker.kill()
        worker.start()
        worker.stop()
