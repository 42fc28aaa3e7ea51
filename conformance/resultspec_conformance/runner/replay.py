"""Replaying a recorded failure: its check runs again on its example, in a worker, against the same target."""

from dataclasses import dataclass

from resultspec_conformance.report.build import failure_entry
from resultspec_conformance.report.document import FailureEntry
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.session import opened, run_until_failure
from resultspec_conformance.runner.supervisor import Heard, unheard
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.text.redaction import redact
from resultspec_conformance.text.suggestions import did_you_mean
from resultspec_conformance.verdict.check_results import CheckResult, Failure
from resultspec_conformance.verdict.replay_token import Counterexample


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replay. `failure` is None if the check did not fail."""

    result: CheckResult
    failure: FailureEntry | None
    attempts: int


def replay_counterexample(counterexample: Counterexample, target: str = "", heard: Heard = unheard) -> ReplayResult:
    """Replay a counterexample, against another target if one is given. Raises SubjectError and UsageError.

    `heard` is called with each line that the backend prints.
    """
    where = target or counterexample.target
    if not where:
        raise UsageError(
            "the token does not name the target, whose URL had a password.\nGive it: resultspec replay … --target T"
        )
    checks = all_checks()
    if counterexample.check not in checks:
        hint = did_you_mean(counterexample.check, checks)
        raise UsageError(f"this version has no check {counterexample.check!r}.{hint}")
    check = checks[counterexample.check]
    options = Options(
        examples=counterexample.examples, seed=counterexample.seed, call_timeout=counterexample.call_timeout
    )
    with opened(where, options, heard) as session:
        missing = check.lacks(session.opened.available)
        if missing:
            raise UsageError(f"{check.name} needs {', '.join(sorted(missing))}, which this target does not have.")
        result, attempts = run_until_failure(session.workers[0], check, counterexample.example)
        failure = None
        found = _same(result, counterexample.requirement)
        if found is not None:
            entry = failure_entry(
                check.name, found, where, options.settings, session.secrets, construct=session.construct
            )
            failure = redact(entry, session.secrets)
        return ReplayResult(result, failure, attempts)


def _same(result: CheckResult, requirement: str) -> Failure | None:
    """Return the failure of a requirement, or else the worst one."""
    return next((failure for failure in result.failures if failure.requirement == requirement), None) or next(
        iter(result.failures), None
    )
