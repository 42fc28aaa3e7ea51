"""A target that stays open while pytest asks for one check after another."""

import secrets
from collections.abc import Mapping
from contextlib import ExitStack

from resultspec import REQUIREMENTS
from resultspec_conformance.report.build import failure_entry
from resultspec_conformance.report.render.console import failure_text
from resultspec_conformance.runner.execute import CheckResult
from resultspec_conformance.runner.run import MOST_LOSSES, Options, ended
from resultspec_conformance.runner.self_check import SelfChecker
from resultspec_conformance.runner.servers import served
from resultspec_conformance.runner.supervisor import OpenTarget, Worker
from resultspec_conformance.runner.targets import load_adapter
from resultspec_conformance.subject import SubjectError, Target
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.redaction import passwords, redact, redact_text
from resultspec_conformance.verdict.known_failures import AS_RECORDED, NOT_JUDGED, KnownFailure, known_pairs, outcome
from resultspec_conformance.verdict.selection import Plan, plan, validate
from resultspec_conformance.verdict.verdicts import Evidence, Judgement, judge


class Bench:
    """A target, opened at once, and the results of the checks that were asked for by now."""

    def __init__(self, target: str, options: Options) -> None:
        """Open the target. Raises SubjectError."""
        validate(options.selection, all_checks())
        self.target = target
        self.options = options
        self.results: dict[str, CheckResult] = {}
        self._harness: list[str] = []
        with ExitStack() as stack:
            place = stack.enter_context(served(target))
            run_id = secrets.token_hex(4)
            worker = Worker(place.target, run_id, options.settings, options.claims, options.sys_path)
            self._worker = stack.enter_context(ended(worker, place))
            self._opened: OpenTarget = worker.start()
            capabilities = self._opened.capabilities
            self.plan: Plan = plan(options.selection, all_checks(), capabilities["classes"], self._opened.available)
            self._secrets = self._opened.secrets | passwords(target, place.target)
            self._construct = load_adapter(Target(place.target, run_id).scheme).construct
            self._stack = stack.pop_all()

    @property
    def names(self) -> list[str]:
        """The names of all checks that are selected, also of those that cannot run here."""
        return [*(check.name for check in self.plan.checks), *self.plan.skipped]

    def result(self, name: str) -> CheckResult:
        """Run a check, if that was not done yet. Raises SubjectError where the target or its store is lost."""
        if name not in self.results:
            if self._harness:
                raise SubjectError(self._harness[0])
            try:
                self.results[name] = self._worker.run_check(all_checks()[name])
            except SubjectError as error:
                self._harness.append(str(error))
                raise
            except BaseException:
                self._worker.kill()
                raise
            if self._worker.losses >= MOST_LOSSES:
                self._harness.append(f"the backend hung or died {MOST_LOSSES} times; the rest was not run")
        return self.results[name]

    def known(self, result: CheckResult) -> KnownFailure | None:
        """Return the entry of the list of known failures that a result is as, or None."""
        return next((entry for entry in self.options.known if entry.matches(result)), None)

    def failure_text(self, result: CheckResult) -> str:
        """Return what is to be told of a check that failed."""
        failure = result.failure
        if failure is None:
            return redact_text(f"{result.name} {result.status}: {result.message}", self._secrets)
        entry = failure_entry(
            result.name, failure, self.target, self.options.settings, self._secrets, construct=self._construct
        )
        return failure_text(redact(entry, self._secrets))

    def judgement(self) -> Judgement:
        """Run whatever was not run yet, and a broken backend, and return all verdicts."""
        sentinel = SelfChecker(self.options.seed).judge()
        if not sentinel.killed:
            self._harness.append(sentinel.complaint)
        checks = all_checks()
        for check in self.plan.checks:
            if not self._harness:
                self._run_for_the_verdict(check)
        replayed = {
            position: self._worker.run_check(checks[entry.counterexample.check], entry.counterexample.example)
            for position, entry in enumerate(self.options.known)
            if entry.counterexample is not None and entry.requirement in self.plan.ids and not self._harness
        }
        said = [
            (entry, outcome(entry, self.results, replayed.get(position), self.plan.ids))
            for position, entry in enumerate(self.options.known)
        ]
        evidence = Evidence(
            results=self.results,
            ids=self.plan.ids,
            available=self._opened.available,
            skipped=self._skipped(),
            known=known_pairs(self.options.known, self.results),
            harness=tuple(self._harness),
            stale=tuple(f"{entry.where}\n{text}" for entry, text in said if text not in (AS_RECORDED, NOT_JUDGED)),
        )
        return judge(REQUIREMENTS, checks, self.plan.classes, evidence)

    def _run_for_the_verdict(self, check: Check) -> None:
        try:
            self.result(check.name)
        except SubjectError:
            # it is noted, and makes the verdict what it is
            return

    def _skipped(self) -> Mapping[str, str]:
        why = f"was not run: {self._harness[0]}" if self._harness else ""
        missing = {check.name: why for check in self.plan.checks if check.name not in self.results}
        return {**self.plan.skipped, **missing}

    def close(self) -> None:
        """Stop the worker and the servers."""
        self._stack.close()
