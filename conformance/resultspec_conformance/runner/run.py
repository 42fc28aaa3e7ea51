"""A run: open the target, judge a broken backend as a self-check, run the checks, and build the report."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime

from resultspec import REQUIREMENTS
from resultspec_conformance.report.build import RunFindings, assemble
from resultspec_conformance.report.document import Report
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.progress import Observer, Silent
from resultspec_conformance.runner.self_check import SelfChecker
from resultspec_conformance.runner.session import TargetSession, prepared
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.known_failures import KnownFailure, known_pairs, outcomes, stale
from resultspec_conformance.verdict.selection import Plan, plan, validate
from resultspec_conformance.verdict.self_check import SelfCheckResult
from resultspec_conformance.verdict.verdicts import Evidence, judge


@dataclass
class _Execution:
    """The checks of a run while they run, and their results so far."""

    observer: Observer
    results: dict[str, CheckResult] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    harness: list[str] = field(default_factory=list)
    given_up: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, workers: Sequence[Worker], planned: Plan) -> None:
        """Let the workers take the checks one after another, until none is left.

        The checks of ordinary calls run first: what fails there, the others need not find again.
        """
        self._share(workers, planned.beforehand, judged=False)
        self._share(workers, [check for check in planned.checks if check.first])
        self._share(workers, [check for check in planned.checks if not check.first])

    def _share(self, workers: Sequence[Worker], checks: Sequence[Check], *, judged: bool = True) -> None:
        left = deque(checks)
        with ThreadPoolExecutor(len(workers)) as pool:
            futures = [pool.submit(self._work, worker, left, judged=judged) for worker in workers]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._give_up("the run was interrupted")
                # dismiss all workers before waiting for one: a second interruption may end this process in between
                for worker in workers:
                    worker.dismiss()
                for worker in workers:
                    worker.end()
                raise
            for future in done:
                future.result()

    def _work(self, worker: Worker, left: "deque[Check]", *, judged: bool) -> None:
        while True:
            with self._lock:
                check = left.popleft() if left else None
            if check is None:
                return
            if self.given_up:
                self.skipped[check.name] = f"was not run: {self.given_up}"
                continue
            if judged:
                self.observer.began(check.name)
            result = self._result(check, worker)
            if judged and result is not None:
                self.results[check.name] = result
                self.observer.ended(result)

    def _result(self, check: Check, worker: Worker) -> CheckResult | None:
        """Run one check and return its result, or None if the target is lost."""
        try:
            return worker.run_check(check)
        except SubjectError as error:
            first = str(error).partition("\n")[0]
            with self._lock:
                if not self.given_up:
                    self.harness.append(str(error))
            self._give_up(first)
            self.skipped[check.name] = f"was not finished: {first}"
            return None

    def _give_up(self, reason: str) -> None:
        with self._lock:
            self.given_up = self.given_up or reason


def _open(session: TargetSession) -> SelfCheckResult | None:
    """Open the target in all workers and judge a broken backend, all at the same time. Raises SubjectError.

    A helper that cannot open the target is left out.
    """
    first, *helpers = session.workers
    checker = SelfChecker(session.options.seed) if session.options.self_check else None
    with ThreadPoolExecutor(len(helpers) + 2) as pool:
        try:
            opening = pool.submit(first.start)
            helping = [pool.submit(helper.start) for helper in helpers]
            judging = pool.submit(checker.judge) if checker else None
            opening.result()
            self_check = judging.result() if judging else None
            wait(helping)
        except BaseException:
            for worker in [first, *helpers, *([checker.worker] if checker else [])]:
                worker.kill()
            raise
    session.workers = [
        first,
        *(helper for helper, future in zip(helpers, helping, strict=True) if future.exception() is None),
    ]
    return self_check


def _judge_target(
    session: TargetSession, self_check: SelfCheckResult | None, observer: Observer
) -> tuple[Plan, Evidence, tuple[tuple[KnownFailure, str], ...]]:
    """Run the checks. Return the plan, the evidence, and the outcome of each known failure."""
    target, options = session.opened, session.options
    planned = plan(options.selection, all_checks(), target.capabilities["classes"], target.available)
    observer.planned(len(planned.checks))
    execution = _Execution(observer, skipped=dict(planned.skipped))
    replayed: Mapping[int, CheckResult] = {}
    if self_check is not None and not self_check.killed:
        execution.harness.append(self_check.complaint)
        execution.skipped |= {check.name: "was not run: the self-check failed" for check in planned.checks}
    else:
        replayed = session.try_counterexamples(planned.ids)
        execution.run(session.workers, planned)
        complaints = [complaint for worker in session.workers if (complaint := worker.stop())]
        if complaints and not execution.harness:
            execution.harness.append(complaints[0])
    known = outcomes(options.known, execution.results, replayed, planned.ids)
    evidence = Evidence(
        results={
            check.name: execution.results[check.name] for check in planned.checks if check.name in execution.results
        },
        ids=planned.ids,
        available=target.available,
        deselected=planned.deselected,
        skipped=execution.skipped,
        known=known_pairs(options.known, execution.results),
        harness=tuple(execution.harness),
        stale=stale(known),
    )
    return planned, evidence, known


def run(target: str, options: Options | None = None, observer: Observer | None = None) -> Report:
    """Judge a target and return the report. Raises UsageError or SubjectError if there is nothing to report.

    If interrupted, it stops the workers and servers that it has started, removes what it has
    written, and raises the interruption again.
    """
    options, observer = options or Options(), observer or Silent()
    validate(options.selection, all_checks())
    started, began = datetime.now(UTC), time.monotonic()
    try:
        observer.stage("opening the target, and judging a broken backend first")
        with prepared(target, options, options.jobs, observer.heard) as session:
            self_check = _open(session)
            planned, evidence, known = _judge_target(session, self_check, observer)
            return assemble(
                RunFindings(
                    target=target,
                    origin=session.place.origin,
                    opened=session.opened,
                    selection=options.selection,
                    settings=options.settings,
                    started=started,
                    duration=time.monotonic() - began,
                    self_check=self_check,
                    judgement=judge(REQUIREMENTS, all_checks(), planned.classes, evidence),
                    evidence=evidence,
                    planned=planned,
                    known=known,
                    checks=all_checks(),
                    secrets=session.secrets,
                    construct=session.construct,
                )
            )
    finally:
        observer.close()
