"""A target that stays open while pytest runs one check after another."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property

from resultspec import REQUIREMENTS
from resultspec_conformance.pytest_plugin.names import MARK, VERDICT
from resultspec_conformance.report.build import failure_entry
from resultspec_conformance.report.render.failures import failure_text
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.progress import Silent
from resultspec_conformance.runner.run import judge_baseline
from resultspec_conformance.runner.self_check import SelfChecker
from resultspec_conformance.runner.session import opened
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.redaction import redact, redact_text
from resultspec_conformance.verdict.check_results import CheckResult, Failure
from resultspec_conformance.verdict.conclusion import Observed, concluded
from resultspec_conformance.verdict.excuses import Shared
from resultspec_conformance.verdict.selection import Plan, plan, validate
from resultspec_conformance.verdict.verdicts import Judgement


class CheckSession:
    """A target, opened immediately, and the results of the checks that were run so far."""

    def __init__(self, target: str, options: Options) -> None:
        """Open the target. Raises SubjectError."""
        validate(options.selection, all_checks())
        self.target = target
        self.options = options
        self.results: dict[str, CheckResult] = {}
        self._harness: list[str] = []
        self._made: set[str] = set()
        with ExitStack() as stack:
            self._session = stack.enter_context(opened(target, options, self._heard))
            self._worker = self._session.workers[0]
            found = self._session.opened
            self.plan: Plan = plan(options.selection, all_checks(), found.capabilities["classes"], found.available)
            self._stack = stack.pop_all()

    @staticmethod
    def _heard(check: str, line: str) -> None:
        """Pass on what the backend prints: pytest shows it with the test that fails, or at once with -s."""
        if check:
            with suppress(OSError, ValueError):
                print(line, file=sys.stderr)

    @property
    def names(self) -> list[str]:
        """The names of the selected checks, with those that the suite cannot run here for want of a view."""
        unseen = [name for name in self.plan.skipped if name not in self.plan.unclaimed]
        return [*(check.name for check in self.plan.checks), *unseen]

    def marks(self, name: str) -> tuple[str, ...]:
        """Return the marks of a test, given its name: of the suite, and of the classes and requirements that it judges.

        The verdict is about all of them and has only the first.
        """
        if name == VERDICT:
            return (MARK,)
        judged = [cited for cited in all_checks()[name].cites if cited in self.plan.ids]
        classes = dict.fromkeys(REQUIREMENTS[one].conformance_class for one in judged)
        return (MARK, *(f"{MARK}_{one.replace('-', '_')}" for one in classes), *judged)

    def result(self, name: str) -> CheckResult:
        """Run a check, unless it was run before. Raises SubjectError if the target or its store is lost."""
        if not all_checks()[name].first:
            self._make_ordinary_calls()
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
        return self.results[name]

    def _make_ordinary_calls(self) -> None:
        """Run the checks of ordinary calls, which pytest may have in another order, or not at all."""
        for check in self.plan.beforehand:
            if check.name not in self._made:
                self._made.add(check.name)
                self._worker.run_check(check)
        for check in self.plan.checks:
            if check.first:
                self.result(check.name)

    @cached_property
    def shared(self) -> Shared:
        """What the baseline fails, which is judged when a check fails for the first time. Raises SubjectError."""
        baseline = judge_baseline(self.options, self.plan, Silent())
        return baseline.shared if baseline else Shared()

    def excuse(self, result: CheckResult, failure: Failure) -> str:
        """Return why a failure does not count, in words, or an empty text if it does."""
        entry = next((entry for entry in self.options.known if entry.describes(result.name, failure)), None)
        if entry is not None:
            return f"known: {entry.reason}"
        if failure.key in self.shared.kinds:
            return f"shared with the baseline: {failure.requirement}"
        requirement = REQUIREMENTS[failure.requirement]
        return "" if requirement.scored else f"not scored: {failure.requirement}"

    def failure_text(self, result: CheckResult, failures: Sequence[Failure]) -> str:
        """Return the message for a check that failed, with those of its failures that count."""
        session = self._session
        if not failures:
            why = result.reasons or result.message
            return redact_text(f"{result.name} {result.status}: {why}", session.secrets)
        entries = [
            failure_entry(
                result.name, failure, self.target, self.options.settings, session.secrets, construct=session.construct
            )
            for failure in failures
        ]
        return "\n\n".join(failure_text(redact(entry, session.secrets)) for entry in entries)

    def judgement(self) -> Judgement:
        """Run the remaining checks and the self-check, and return all verdicts."""
        self_check = SelfChecker(self.options.seed).judge()
        if not self_check.killed:
            self._harness.append(self_check.complaint)
        for check in self.plan.checks:
            if not self._harness:
                self._run_for_the_verdict(check)
        replayed = {} if self._harness else self._session.try_counterexamples(self.plan)
        found = self._session.opened.available
        observed = Observed(self.results, self._skipped(), self._harness, found, replayed)
        return concluded(self.plan, all_checks(), observed, self.options.known, self.shared).judgement

    def _run_for_the_verdict(self, check: Check) -> None:
        try:
            self.result(check.name)
        except SubjectError:
            # `result` has recorded it for the verdict
            return

    def _skipped(self) -> Mapping[str, str]:
        why = f"was not run: {self._harness[0]}" if self._harness else ""
        missing = {check.name: why for check in self.plan.checks if check.name not in self.results}
        return {**self.plan.skipped, **missing}

    def close(self) -> None:
        """Stop the worker and the servers."""
        self._stack.close()
