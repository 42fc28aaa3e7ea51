"""A run: open the target, judge a broken backend as a self-check, run the checks, and build the report."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from resultspec_conformance.report.baseline import Baseline, is_report_file, load_baseline
from resultspec_conformance.report.build import RunFindings, assemble
from resultspec_conformance.report.document import Report
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.progress import Observer, OfBaseline, Silent
from resultspec_conformance.runner.self_check import SelfChecker
from resultspec_conformance.runner.session import TargetSession, prepared
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.conclusion import Observed, concluded
from resultspec_conformance.verdict.selection import Plan, plan, validate
from resultspec_conformance.verdict.self_check import SelfCheckResult


@dataclass
class _Execution:
    """The checks of a run while they run, and their results so far."""

    observer: Observer
    results: dict[str, CheckResult] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    harness: list[str] = field(default_factory=list)
    given_up: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, workers: Sequence[Worker], checks: Sequence[Check], *, judged: bool = True) -> None:
        """Let the workers take the checks one after another, until none is left."""
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

    def run_in_parts(self, workers: Sequence[Worker], checks: Sequence[Check], *, judged: bool = True) -> None:
        """Run checks, and then, when no other runs, those that clean up: a cleanup may remove what lives."""
        self.run(workers, [check for check in checks if not check.cleans], judged=judged)
        self.run(workers[:1], [check for check in checks if check.cleans], judged=judged)

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


def _observe(session: TargetSession, planned: Plan, self_check: SelfCheckResult | None, observer: Observer) -> Observed:
    """Run the checks, and in between try the counterexamples of known failures."""
    observer.planned(len(planned.checks))
    execution = _Execution(observer, skipped=dict(planned.skipped))
    replayed: Mapping[int, CheckResult] = {}
    if self_check is not None and not self_check.killed:
        execution.harness.append(self_check.complaint)
        execution.skipped |= {check.name: "was not run: the self-check failed" for check in planned.checks}
    else:
        # the checks of ordinary calls run first: what fails there, the others need not find again
        execution.run_in_parts(session.workers, planned.beforehand, judged=False)
        execution.run_in_parts(session.workers, [check for check in planned.checks if check.first])
        if not execution.given_up:
            replayed = session.try_counterexamples(planned)
        execution.run_in_parts(session.workers, [check for check in planned.checks if not check.first])
        complaints = [complaint for worker in session.workers if (complaint := worker.stop())]
        if complaints and not execution.harness:
            execution.harness.append(complaints[0])
    return Observed(execution.results, execution.skipped, execution.harness, session.opened.available, replayed)


def judge_baseline(options: Options, planned: Plan, observer: Observer) -> Baseline | None:
    """Return the baseline of a run, judged by the same requirements as far as it claims them; None if there is none.

    Raises SubjectError and UsageError.
    """
    if not options.baseline or is_report_file(options.baseline):
        return load_baseline(options.baseline) if options.baseline else None
    selection = replace(options.selection, classes=planned.classes, lenient=True)
    same = replace(options, selection=selection, known=(), claims={}, self_check=False, baseline="")
    try:
        return Baseline(options.baseline, _judge(options.baseline, same, OfBaseline(observer)))
    except SubjectError as error:
        raise type(error)(f"the baseline {options.baseline}: {error}") from error


def _judge(target: str, options: Options, observer: Observer) -> Report:
    started, began = datetime.now(UTC), time.monotonic()
    observer.stage("opening the target, and judging a broken backend first")
    with prepared(target, options, options.jobs, observer.heard) as session:
        self_check = _open(session)
        found = session.opened
        planned = plan(options.selection, all_checks(), found.capabilities["classes"], found.available)
        baseline = judge_baseline(options, planned, observer)
        observed = _observe(session, planned, self_check, observer)
        shared = baseline.shared if baseline else None
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
                conclusion=concluded(planned, all_checks(), observed, options.known, shared),
                baseline=baseline,
                checks=all_checks(),
                secrets=session.secrets,
                construct=session.construct,
            )
        )


def run(target: str, options: Options | None = None, observer: Observer | None = None) -> Report:
    """Judge a target and return the report. Raises UsageError or SubjectError if there is none.

    If interrupted, it stops the workers and servers that it has started, removes what it has
    written, and raises the interruption again.
    """
    options, observer = options or Options(), observer or Silent()
    validate(options.selection, all_checks())
    if options.baseline and is_report_file(options.baseline):
        load_baseline(options.baseline)  # a file that is no baseline is refused before the run
    try:
        return _judge(target, options, observer)
    finally:
        observer.close()
