"""Seeing a recorded failure again: its check is run on its example, in a worker, against the target that it came
from.
"""

import secrets
from dataclasses import dataclass

from resultspec_conformance.report.build import failure_entry
from resultspec_conformance.report.document import FailureEntry
from resultspec_conformance.runner.execute import CheckResult
from resultspec_conformance.runner.run import Options, opened
from resultspec_conformance.runner.servers import served
from resultspec_conformance.runner.targets import load_adapter
from resultspec_conformance.subject import Target, UsageError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.text.redaction import passwords, redact
from resultspec_conformance.verdict.replay_token import Counterexample
from resultspec_conformance.verdict.selection import did_you_mean

ATTEMPTS = 10
"""How often an example is tried until it fails: a race may be won."""


@dataclass(frozen=True)
class Seen:
    """What a counterexample did this time. ``failure`` is None if it did not fail."""

    result: CheckResult
    failure: FailureEntry | None
    attempts: int


def see_again(counterexample: Counterexample, target: str = "") -> Seen:
    """Run a counterexample, against another target if one is given. Raises SubjectError; UsageError without a
    target.
    """
    where = target or counterexample.target
    if not where:
        raise UsageError(
            "the token has no target, since that held a password.\nGive it: resultspec replay … --target T"
        )
    checks = all_checks()
    if counterexample.check not in checks:
        hint = did_you_mean(counterexample.check, checks)
        raise UsageError(f"there is no check {counterexample.check!r} in this version.{hint}")
    check = checks[counterexample.check]
    options = Options(
        examples=counterexample.examples, seed=counterexample.seed, call_timeout=counterexample.call_timeout
    )
    with served(where) as place, opened(place, secrets.token_hex(4), options) as worker:
        found = worker.opened
        missing = check.needs - (found.available if found else frozenset())
        if missing:
            raise UsageError(f"{check.name} needs {', '.join(sorted(missing))}, which this target does not have.")
        attempts = 0
        while True:
            attempts += 1
            result = worker.run_check(check, counterexample.example)
            if result.status != "passed" or attempts == ATTEMPTS or counterexample.example is None:
                break
        hidden = passwords(where, place.target) | (found.secrets if found else frozenset())
        failure = None
        if result.failure is not None:
            construct = load_adapter(Target(place.target, "").scheme).construct
            failure = redact(
                failure_entry(check.name, result.failure, where, options.settings, hidden, construct=construct), hidden
            )
        return Seen(result, failure, attempts)
