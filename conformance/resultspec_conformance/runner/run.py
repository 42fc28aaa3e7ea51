"""A run: open the target, judge a broken backend to see that the suite bites, run the checks, join it all
to a report.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from string import ascii_lowercase
from typing import Any

from resultspec import REQUIREMENTS
from resultspec_conformance.report.build import Findings, assemble
from resultspec_conformance.report.document import Report
from resultspec_conformance.runner.execute import CheckResult
from resultspec_conformance.runner.progress import Observer, Silent
from resultspec_conformance.runner.self_check import SelfChecker, Sentinel
from resultspec_conformance.runner.servers import Served, served
from resultspec_conformance.runner.supervisor import CheckSettings, OpenTarget, Worker
from resultspec_conformance.runner.targets import load_adapter
from resultspec_conformance.subject import SubjectError, Target
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.redaction import passwords
from resultspec_conformance.verdict.known_failures import AS_RECORDED, NOT_JUDGED, KnownFailure, known_pairs, outcome
from resultspec_conformance.verdict.selection import Plan, Selection, plan, validate
from resultspec_conformance.verdict.verdicts import Evidence, judge

MOST_LOSSES = 3
"""After so many hangs and deaths of the backend the rest of the checks is given up."""


JOBS = 2
"""Worker processes of a run: half of the time is spent in waits, so this pays on a single processor too."""

MOST_JOBS = len(ascii_lowercase)
"""Each worker has a letter behind the id of the run."""


@dataclass(frozen=True)
class Options:
    """How a target is judged. ``claims``: capabilities said in the place of the target's own, see ``claims``.

    ``sys_path``: where modules of the target are looked for too. ``self_check``: judge a broken backend
    first. ``jobs``: in how many processes the checks run, 1 to MOST_JOBS; it changes no verdict.
    """

    selection: Selection = field(default_factory=Selection)
    examples: int = 100
    seed: int = 0
    call_timeout: float = 10.0
    known: tuple[KnownFailure, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    sys_path: Sequence[str] = ()
    self_check: bool = True
    jobs: int = JOBS

    @property
    def settings(self) -> CheckSettings:
        """What a worker needs of it."""
        return CheckSettings(self.examples, self.seed, self.call_timeout)


@dataclass
class _Execution:
    """The checks of a run while they are run, and what is known of them by now."""

    observer: Observer
    results: dict[str, CheckResult] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    harness: list[str] = field(default_factory=list)
    given_up: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, workers: Sequence[Worker], checks: Sequence[Check]) -> None:
        """Have the workers take the checks one after another, until none is left."""
        left = deque(checks)
        with ThreadPoolExecutor(len(workers)) as pool:
            futures = [pool.submit(self._work, worker, left, workers) for worker in workers]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._give_up("the run was interrupted")
                # all are told before the first is waited for: a second interruption may end us in between
                for worker in workers:
                    worker.dismiss()
                for worker in workers:
                    worker.end()
                raise
            for future in done:
                future.result()

    def _work(self, worker: Worker, left: "deque[Check]", workers: Sequence[Worker]) -> None:
        while True:
            with self._lock:
                check = left.popleft() if left else None
            if check is None:
                return
            if self.given_up:
                self.skipped[check.name] = f"was not run: {self.given_up}"
                continue
            self.observer.began(check.name)
            self._take(check, worker)
            if sum(each.losses for each in workers) >= MOST_LOSSES:
                self._give_up(f"the backend hung or died {MOST_LOSSES} times")

    def _take(self, check: Check, worker: Worker) -> None:
        """Run one check and note what became of it."""
        try:
            result = worker.run_check(check)
        except SubjectError as error:
            first = str(error).partition("\n")[0]
            with self._lock:
                if not self.given_up:
                    self.harness.append(str(error))
            self._give_up(first)
            self.skipped[check.name] = f"was not finished: {first}"
            return
        self.results[check.name] = result
        self.observer.ended(result)

    def _give_up(self, reason: str) -> None:
        with self._lock:
            self.given_up = self.given_up or reason


def _remove_traces(worker: Worker) -> None:
    """Remove what a worker has written that could not do it itself: the target is opened once more, and closed."""
    with suppress(SubjectError):
        worker.kill()
        worker.start()
        worker.stop()


@contextmanager
def ended(worker: Worker, target: Served) -> Iterator[Worker]:
    """Stop a worker at the end of the block, also if that is interrupted."""
    try:
        yield worker
        worker.stop()
    finally:
        if target.throw_away:
            worker.kill()
        else:
            worker.end()
            if worker.traces:
                _remove_traces(worker)


@contextmanager
def opened(target: Served, run_id: str, options: Options) -> Iterator[Worker]:
    """Open a target in a worker and stop the worker at the end of the block. Raises SubjectError."""
    with ended(Worker(target.target, run_id, options.settings, options.claims, options.sys_path), target) as worker:
        worker.start()
        yield worker


@dataclass
class _Crew:
    """The workers of a run, all of them open, and the verdict on the suite itself."""

    workers: list[Worker]
    sentinel: Sentinel | None

    @property
    def found(self) -> OpenTarget:
        """What the target said of itself."""
        found = self.workers[0].opened
        assert found is not None
        return found


def _assemble_crew(first: Worker, helpers: Sequence[Worker], options: Options) -> _Crew:
    """Open the target in all workers and judge a broken backend, all at the same time. Raises SubjectError.

    A helper that cannot open the target as well is left out.
    """
    self_check = SelfChecker(options.seed) if options.self_check else None
    with ThreadPoolExecutor(len(helpers) + 2) as pool:
        try:
            opening = pool.submit(first.start)
            helping = [pool.submit(helper.start) for helper in helpers]
            judging = pool.submit(self_check.judge) if self_check else None
            opening.result()
            sentinel = judging.result() if judging else None
            wait(helping)
        except BaseException:
            for worker in [first, *helpers, *([self_check.worker] if self_check else [])]:
                worker.kill()
            raise
    able = [helper for helper, future in zip(helpers, helping, strict=True) if future.exception() is None]
    return _Crew([first, *able], sentinel)


def _try_counterexamples(worker: Worker, options: Options, planned: Plan) -> dict[int, CheckResult]:
    """Try the concrete counterexamples of known failures that the run judges, by their places in the list."""
    checks = all_checks()
    return {
        position: worker.run_check(checks[entry.counterexample.check], entry.counterexample.example)
        for position, entry in enumerate(options.known)
        if entry.counterexample is not None and entry.requirement in planned.ids
    }


def _judge_target(crew: _Crew, options: Options, observer: Observer) -> tuple[Plan, Evidence, list[str]]:
    """Run the checks. Returns the plan, what was seen, and what became of each known failure."""
    target = crew.found
    planned = plan(options.selection, all_checks(), target.capabilities["classes"], target.available)
    observer.planned(len(planned.checks))
    execution = _Execution(observer, skipped=dict(planned.skipped))
    replayed: dict[int, CheckResult] = {}
    if crew.sentinel is not None and not crew.sentinel.killed:
        execution.harness.append(crew.sentinel.complaint)
        execution.skipped |= {check.name: "was not run: the self-check failed" for check in planned.checks}
    else:
        replayed = _try_counterexamples(crew.workers[0], options, planned)
        execution.run(crew.workers, planned.checks)
        complaints = [complaint for worker in crew.workers if (complaint := worker.stop())]
        if complaints and not execution.harness:
            execution.harness.append(complaints[0])
    outcomes = [
        outcome(entry, execution.results, replayed.get(position), planned.ids)
        for position, entry in enumerate(options.known)
    ]
    evidence = Evidence(
        results={
            check.name: execution.results[check.name] for check in planned.checks if check.name in execution.results
        },
        ids=planned.ids,
        available=target.available,
        skipped=execution.skipped,
        known=known_pairs(options.known, execution.results),
        harness=tuple(execution.harness),
        stale=tuple(
            f"{entry.where}\n{said}"
            for entry, said in zip(options.known, outcomes, strict=True)
            if said not in (AS_RECORDED, NOT_JUDGED)
        ),
    )
    return planned, evidence, outcomes


def run(target: str, options: Options | None = None, observer: Observer | None = None) -> Report:
    """Judge a target and return the report. Raises UsageError or SubjectError where there is nothing to report.

    Interrupted, it stops the workers and servers that it has started, removes what it has written, and lets the
    interruption go on.
    """
    options, observer = options or Options(), observer or Silent()
    validate(options.selection, all_checks())
    started, began = datetime.now(UTC), time.monotonic()
    run_id = secrets.token_hex(4)
    try:
        observer.stage("opening the target, and judging a broken backend first")
        with served(target) as place, ExitStack() as stack:
            first, *helpers = [
                stack.enter_context(
                    ended(
                        Worker(
                            place.target,
                            run_id + letter,
                            options.settings,
                            options.claims,
                            options.sys_path,
                            helps=letter != ascii_lowercase[0],
                        ),
                        place,
                    )
                )
                for letter in ascii_lowercase[: options.jobs]
            ]
            crew = _assemble_crew(first, helpers, options)
            planned, evidence, outcomes = _judge_target(crew, options, observer)
            return assemble(
                Findings(
                    target=target,
                    origin=place.origin,
                    opened=crew.found,
                    selection=options.selection,
                    settings=options.settings,
                    started=started,
                    duration=time.monotonic() - began,
                    sentinel=crew.sentinel,
                    judgement=judge(REQUIREMENTS, all_checks(), planned.classes, evidence),
                    evidence=evidence,
                    planned=planned,
                    known=tuple(zip(options.known, outcomes, strict=True)),
                    secrets=crew.found.secrets | passwords(target, place.target),
                    construct=load_adapter(Target(place.target, run_id).scheme).construct,
                )
            )
    finally:
        observer.close()
