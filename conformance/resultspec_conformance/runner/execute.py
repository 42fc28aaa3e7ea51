"""Executing one check against an open subject: its examples, the smallest failing ones, and its record."""

import hashlib
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky, HypothesisException
from hypothesis.strategies import fixed_dictionaries

from resultspec import REQUIREMENTS
from resultspec_conformance.limits import (
    EXAMPLES,
    EXAMPLES_PER_BATCH,
    EXPLORE_SECONDS,
    MAX_FAILURES,
    MINIMISE_SECONDS,
    NEXT_SHRINK_SECONDS,
    SHRINK_SECONDS,
)
from resultspec_conformance.runner.minimise import without_superfluous_steps
from resultspec_conformance.runner.recording import failure_of
from resultspec_conformance.subject.call_failures import CallFailure, kinds_of, sentence_about, signature
from resultspec_conformance.subject.client import UnexpectedOutcome
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.testkit.context import Context, Session
from resultspec_conformance.testkit.refusals import rule_of_refusal
from resultspec_conformance.testkit.registry import Check, Example
from resultspec_conformance.verdict.check_results import CheckResult, Failure, Status, each_reason_once, worst_first
from resultspec_conformance.wire.values import decode

FEWEST_EXAMPLES: Final = 5
"""Examples of a property that are tried however slow the store is."""

Key = tuple[str, str]
"""What tells failures apart: the requirement and the kind."""


class _ShrinkingTimeOver(BaseException):
    """The time for shrinking a failing example is over. Hypothesis does not catch a BaseException, and stops."""


class _ExploringTimeOver(BaseException):
    """The time for trying examples of a property is over."""


class _Failing(Exception):
    """An example failed in the way that is being searched for or shrunk."""


@dataclass
class _Run:
    """The run of one check: the number of its examples, and the smallest failure of each kind so far."""

    check: Check
    session: Session
    examples: int = 0
    exercised: set[str] = field(default_factory=set)
    looked: set[str] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)
    unobserved: list[str] = field(default_factory=list)
    blocked: list[CallFailure] = field(default_factory=list)
    failures: dict[Key, Failure] = field(default_factory=dict)

    def try_example(self, example: Example, broken: frozenset[str] = frozenset()) -> Failure | None:
        """Run the check on one example, with what is `broken` masked. Return its failure, which is not recorded yet."""
        self.examples += 1
        self.session.example = example
        ctx = Context(self.session, self.check.principal, broken=broken)
        try:
            failure = self._judge(ctx, example)
        finally:
            ctx.close()
        self.looked |= ctx.looked
        self.fired |= ctx.fired if failure is not None else frozenset()
        return failure

    def look_past(self, failure: Failure) -> None:
        """Run the examples again that have failed in one way, until all that the check cites was looked at.

        Each goes on where it failed before. What fails from there on may follow from that, and accuses nothing.
        """
        accused = frozenset(one.requirement for one in self.failures.values())
        for example in (failure.example, *failure.also) if failure.kind == "wrong" else ():
            if set(self.check.cites) <= self.exercised | accused:
                return
            ctx = Context(self.session, self.check.principal, past=accused)
            # any error: the check was not written to go on from here
            with suppress(Exception):
                self.check.function(ctx, **{name: decode(value) for name, value in example.items()})
                self.exercised |= frozenset() if ctx.troubles else ctx.exercised
            ctx.close()

    def _judge(self, ctx: Context, example: Example) -> Failure | None:
        try:
            self.check.function(ctx, **example)
        except Unobserved as reason:
            self.unobserved.append(str(reason))
        except Violation as violation:
            return self._violated(ctx, example, violation)
        except UnexpectedOutcome as unexpected:
            return self._failed(ctx, example, unexpected)
        else:
            if ctx.troubles:
                self.blocked.append(ctx.troubles[0])
            else:
                self.exercised |= ctx.exercised
        return self._known_to_hang(ctx, example)

    def _violated(self, ctx: Context, example: Example, violation: Violation) -> Failure | None:
        """Return the failure of a requirement, unless a call that is known to fail explains it."""
        failure = failure_of(ctx, example, violation.requirement, violation.got, violation.allowed)
        if not ctx.troubles:
            return failure
        same = next((one for one in ctx.troubles if one.requirement == violation.requirement), None)
        if same is not None:
            return replace(failure, kind=same.how, call=same.to_json())
        return self._in_trouble(ctx, example)

    def _in_trouble(self, ctx: Context, example: Example) -> Failure | None:
        """Return the failure of an example that was stopped by a call which is known to fail.

        If the check is about what that call violates, it has found this once more; otherwise it could not look.
        """
        about = next((one for one in ctx.troubles if one.requirement in self.check.cites), None)
        if about is not None:
            got = f"{about.call} {about.said}"
            failure = failure_of(ctx, example, about.requirement, got, f"{about.op} succeeds")
            return replace(failure, kind=about.how, call=about.to_json())
        self.blocked.append(ctx.troubles[0])
        return self._known_to_hang(ctx, example)

    def _failed(self, ctx: Context, example: Example, unexpected: UnexpectedOutcome) -> Failure | None:
        """Return the failure of an operation that has to succeed: of the act that is tested, or of the operation."""
        operation, outcome = unexpected.operation, unexpected.outcome
        if ctx.troubles:
            return self._in_trouble(ctx, example)
        about = sentence_about(operation.op, operation.args, outcome.error)
        disabled = REQUIREMENTS[ctx.principal].conformance_class == "disabled"
        tested = ctx.principal if disabled or operation.op in self.check.acts else ""
        refusal = rule_of_refusal(ctx, operation) if (operation.op, outcome.kind) == ("store_result", "fail") else None
        requirement = ctx.act or tested or refusal or about
        call = CallFailure(
            operation.op, kinds_of(operation.args), outcome.error, requirement, text=signature(outcome.message)
        )
        if not ctx.act and not tested:
            self.blocked.append(call)
        got = f"{operation.op} ended in {ctx.describe(outcome)}"
        failure = failure_of(ctx, example, requirement, got, f"{operation.op} succeeds")
        step = next((place for place, one in enumerate(ctx.history) if one is operation), failure.step)
        return replace(failure, kind=outcome.error, call=call.to_json(), step=step)

    def _known_to_hang(self, ctx: Context, example: Example) -> Failure | None:
        """Return the failure of a check that names what a hang violates, if a call is known to hang."""
        hang = next((one for one in ctx.troubles if one.blames(self.check.blame_hang)), None)
        if hang is None:
            return None
        got = f"{hang.call} {hang.said}"
        failure = failure_of(ctx, example, self.check.blame_hang, got, "the call returns")
        return replace(failure, kind=hang.how, call=hang.to_json())

    def record(self, failure: Failure) -> None:
        """Keep a failure in place of a larger one of its kind."""
        self.failures[failure.key] = failure


# -- properties --------------------------------------------------------------------------------


def seed_of(seed_number: int, batch: int) -> int:
    """Return the seed of a batch of examples: the run's seed for the first one, derived seeds for the others."""
    if not batch:
        return seed_number
    return int.from_bytes(hashlib.sha256(f"{seed_number}/{batch}".encode()).digest()[:8], "big")


@dataclass
class _Search:
    """One search for a failure that is not masked: the first kind that is found is shrunk, the others are noted.

    `until`: when trying new examples has to end. `shrink_seconds`: how long the failure may be shrunk.
    """

    run: _Run
    masked: frozenset[Key]
    until: float
    shrink_seconds: float
    found: Key | None = None
    shrink_until: float = 0.0

    def try_example(self, example: Example) -> None:
        """Try one example. Raises _Failing if it fails in the way that is searched for."""
        now = time.monotonic()
        if self.found is not None and now > self.shrink_until:
            raise _ShrinkingTimeOver
        if self.found is None and now > self.until and self.run.examples >= FEWEST_EXAMPLES:
            raise _ExploringTimeOver
        failure = self.run.try_example(example, frozenset(requirement for requirement, _ in self.masked))
        if failure is None or failure.key in self.masked:
            return
        if self.found is None:
            self.found, self.shrink_until = failure.key, time.monotonic() + self.shrink_seconds
        if failure.key == self.found:
            self.run.record(failure)
            raise _Failing
        if failure.key not in self.run.failures:
            self.run.record(failure)

    def explore(self, seed_number: int, examples: int) -> None:
        """Let Hypothesis try examples, and shrink the first that fails."""

        @seed(seed_number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            print_blob=False,
            report_multiple_bugs=False,
        )
        @given(example=fixed_dictionaries(dict(self.run.check.given)))
        def tried(example: dict[str, Any]) -> None:
            self.try_example(example)

        try:
            tried()
        except (_Failing, _ShrinkingTimeOver, _ExploringTimeOver, Flaky):
            # Flaky: the failure did happen, and is recorded; if the example passed later, the cause is a race
            pass
        except (Exception, HypothesisException):
            # after a failure Hypothesis may still raise when it prints the example, which may have no `repr`
            if self.found is None:
                raise


def _explore(run: _Run, seed_number: int, examples: int) -> None:
    """Search for failures in independent batches, in each until no other than the known ones is found."""
    wanted = max(1, round(examples * run.check.effort))
    until = time.monotonic() + EXPLORE_SECONDS * max(1.0, examples / EXAMPLES)
    masked: frozenset[Key] = frozenset()
    for batch, tried in enumerate(range(0, wanted, EXAMPLES_PER_BATCH)):
        if batch:
            run.session.renew()
        while len(masked) < MAX_FAILURES:
            search = _Search(run, masked, until, NEXT_SHRINK_SECONDS if masked else SHRINK_SECONDS)
            search.explore(seed_of(seed_number, batch), min(EXAMPLES_PER_BATCH, wanted - tried))
            if search.found is None:
                break
            _minimise(run, search.found, masked)
            masked |= {search.found}


def _minimise(run: _Run, key: Key, masked: frozenset[Key]) -> None:
    """Leave out every step of a failing example without which it still fails in the same way."""
    broken = frozenset(requirement for requirement, _ in masked)

    def fails(example: Example) -> bool:
        try:
            failure = run.try_example(example, broken)
        except Exception:  # noqa: BLE001 - the check was not written for an example without this step
            return False
        if failure is None or failure.key != key:
            return False
        run.record(failure)
        return True

    example = {name: decode(value) for name, value in run.failures[key].example.items()}
    without_superfluous_steps(example, fails, time.monotonic() + MINIMISE_SECONDS)


# -- listed cases ------------------------------------------------------------------------------


def spread_sample(cases: Sequence[Example], most: int, seed_number: int = 0) -> Sequence[Example]:
    """Return at most `most` cases, spread evenly over all of them, depending on the seed; 0: all."""
    if not most or len(cases) <= most:
        return cases
    return [cases[(seed_number + place * len(cases) // most) % len(cases)] for place in range(most)]


MOST_ALIKE: Final = 20
"""How many other cases a failure names that fail in the same way."""


def _try_cases(run: _Run, cases: Sequence[Example]) -> None:
    """Try all cases; of those that fail in the same way keep the first, with the others beside it."""
    for case in cases:
        failure = run.try_example(case)
        if failure is None:
            continue
        first = run.failures.get(failure.key)
        if first is None:
            run.record(failure)
            continue
        also = (*first.also, failure.example)[:MOST_ALIKE]
        run.record(replace(first, also=also, alike=first.alike + 1))


# -- the check ---------------------------------------------------------------------------------


def _try_all(run: _Run, seed_number: int, examples: int, most_cases: int, replay: Mapping[str, Any] | None) -> None:
    if replay is not None:
        _try_cases(run, [{name: decode(value) for name, value in replay.items()}])
    elif run.check.given:
        _explore(run, seed_number, examples)
    else:
        _try_cases(run, spread_sample(run.check.cases, most_cases, seed_number) or ({},))


def execute(
    check: Check,
    session: Session,
    *,
    seed_number: int,
    examples: int,
    most_cases: int = 0,
    replay: Mapping[str, Any] | None = None,
) -> CheckResult:
    """Run a check on all its examples, or on a recorded one, and return its result.

    `most_cases` limits the listed cases of a check; 0 tries all.
    """
    run = _Run(check, session)
    began, backend, calls = time.monotonic(), session.in_flight.seconds, session.in_flight.calls
    session.in_flight.check = check.name
    message = ""
    try:
        _try_all(run, seed_number, examples, most_cases, replay)
        for failure in tuple(run.failures.values()):
            run.look_past(failure)
    except SubjectError as error:
        message = str(error)
    except (Exception, HypothesisException) as error:  # noqa: BLE001 - an error of the suite must not end the run
        message = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-6)}"
    return CheckResult(
        name=check.name,
        status=_status(run, message),
        seconds=time.monotonic() - began,
        backend_seconds=session.in_flight.seconds - backend,
        calls=session.in_flight.calls - calls,
        examples=run.examples,
        exercised=tuple(sorted(run.exercised)),
        looked=tuple(sorted(run.looked)),
        fired=tuple(sorted(run.fired)),
        message=message or "; ".join(sorted(set(run.unobserved))),
        failures=tuple(worst_first(run.failures.values())),
        blocked=each_reason_once(run.blocked),
    )


def _status(run: _Run, message: str) -> Status:
    if message:
        return "error"
    if run.failures:
        return "violated"
    if run.exercised:
        return "passed"
    if run.blocked:
        return "blocked"
    return "unobserved" if run.unobserved else "passed"
