"""Executing one check against an open subject: its examples, the smallest failing one, and its record."""

import hashlib
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky, HypothesisException
from hypothesis.strategies import fixed_dictionaries

from resultspec_conformance.limits import EXAMPLES_PER_BATCH, SHRINK_SECONDS
from resultspec_conformance.subject.client import UnexpectedOutcome
from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.subject.history import History
from resultspec_conformance.subject.probe_protocols import GroupProbe
from resultspec_conformance.testkit.context import Context, Session
from resultspec_conformance.testkit.registry import Check, Example
from resultspec_conformance.verdict.check_results import CheckResult, Failure, Status
from resultspec_conformance.wire.values import decode, encode, show


def stored_bytes(ctx: Context, limit: int = 8) -> dict[str, str]:
    """Return what the probe finds under the ids of a history, as text, for up to `limit` tasks and as many groups."""
    probe = ctx.session.subject.probe
    if probe is None:
        return {}
    tasks = {task_id: _looked_up(probe.read, task_id) for task_id in _ids(ctx, "task_id")[:limit]}
    if not isinstance(probe, GroupProbe):
        return tasks
    return tasks | {
        f"group {group_id}": _looked_up(probe.read_group, group_id) for group_id in _ids(ctx, "group_id")[:limit]
    }


def _ids(ctx: Context, name: str) -> list[str]:
    return list(dict.fromkeys(str(operation.args[name]) for operation in ctx.history if name in operation.args))


def _looked_up(read: Callable[[str], bytes | None], name: str) -> str:
    try:
        payload = read(name)
    except Exception as error:  # noqa: BLE001 - a report without these bytes is better than none
        return f"(cannot be read: {type(error).__name__})"
    return "(nothing)" if payload is None else show(payload, 600)


def failure_of(
    requirement: str, got: str, allowed: str, example: Example, history: History, stored: Mapping[str, str]
) -> Failure:
    """Return the record of a failure."""
    encoded = {name: encode(value) for name, value in example.items()}
    clients = {name: encode(options) for name, options in history.clients.items()}
    return Failure(requirement, got, allowed, encoded, history.to_json(), stored, clients)


class _ShrinkingTimeOver(BaseException):
    """The time for shrinking a failing example is over. Hypothesis does not catch a BaseException, and stops."""


@dataclass
class _Run:
    """The run of one check: the number of its examples, and the smallest failure so far."""

    check: Check
    session: Session
    examples: int = 0
    exercised: set[str] = field(default_factory=set)
    unobserved: list[str] = field(default_factory=list)
    failure: Failure | None = None
    first_failure_at: float = 0.0

    def try_example(self, example: Example) -> None:
        """Run the check on one example. Raises Violation."""
        if self.failure is not None and time.monotonic() - self.first_failure_at > SHRINK_SECONDS:
            raise _ShrinkingTimeOver
        self.examples += 1
        self.session.example = example
        ctx = Context(self.session, self.check.principal)
        try:
            self._judge(ctx, example)
        finally:
            ctx.close()
            self.exercised |= ctx.exercised

    def _judge(self, ctx: Context, example: Example) -> None:
        try:
            self.check.function(ctx, **example)
        except Unobserved as reason:
            self.unobserved.append(str(reason))
        except Violation as violation:
            self._record(ctx, example, violation)
            raise
        except UnexpectedOutcome as unexpected:
            ctx.exercised.add(ctx.principal)
            got = f"{unexpected.operation.op} ended in {ctx.describe(unexpected.outcome)}"
            blamed = Violation(ctx.principal, got, f"{unexpected.operation.op} succeeds")
            self._record(ctx, example, blamed)
            raise blamed from None

    def _record(self, ctx: Context, example: Example, violation: Violation) -> None:
        if self.failure is None:
            self.first_failure_at = time.monotonic()
        self.failure = failure_of(
            violation.requirement, violation.got, violation.allowed, example, ctx.history, stored_bytes(ctx)
        )


def seed_of(seed_number: int, batch: int) -> int:
    """Return the seed of a batch of examples: the run's seed for the first one, derived seeds for the others."""
    if not batch:
        return seed_number
    return int.from_bytes(hashlib.sha256(f"{seed_number}/{batch}".encode()).digest()[:8], "big")


def _explore(run: _Run, seed_number: int, examples: int) -> None:
    """Let Hypothesis search for a failing example, in independent batches."""
    wanted = max(1, round(examples * run.check.effort))
    for batch, tried in enumerate(range(0, wanted, EXAMPLES_PER_BATCH)):
        if batch:
            run.session.renew()
        _explore_batch(run, seed_of(seed_number, batch), min(EXAMPLES_PER_BATCH, wanted - tried))


def _explore_batch(run: _Run, seed_number: int, examples: int) -> None:
    """Let Hypothesis search for a failing example, and shrink it."""

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
    @given(example=fixed_dictionaries(dict(run.check.given)))
    def explore(example: dict[str, Any]) -> None:
        run.try_example(example)

    explore()


def spread_sample(cases: Sequence[Example], most: int, seed_number: int = 0) -> Sequence[Example]:
    """Return at most `most` cases, spread evenly over all of them, depending on the seed; 0: all."""
    if not most or len(cases) <= most:
        return cases
    return [cases[(seed_number + place * len(cases) // most) % len(cases)] for place in range(most)]


def _try_all(run: _Run, seed_number: int, examples: int, most_cases: int, replay: Mapping[str, Any] | None) -> None:
    if replay is not None:
        run.try_example({name: decode(value) for name, value in replay.items()})
    elif run.check.given:
        _explore(run, seed_number, examples)
    else:
        for example in spread_sample(run.check.cases, most_cases, seed_number) or ({},):
            run.try_example(example)


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
    message = ""
    try:
        _try_all(run, seed_number, examples, most_cases, replay)
    except (Violation, _ShrinkingTimeOver):
        pass
    except Flaky:
        # the failure did happen, and is recorded; if the same example passed later, the cause is a race, not a mistake
        pass
    except SubjectError as error:
        message = str(error)
    except (Exception, HypothesisException) as error:  # noqa: BLE001 - an error of the suite must not end the run
        # after a recorded failure Hypothesis may still raise when it prints the example, which may have no `repr`
        if run.failure is None:
            message = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-6)}"
    return CheckResult(
        name=check.name,
        status=_status(run, message),
        seconds=time.monotonic() - began,
        backend_seconds=session.in_flight.seconds - backend,
        calls=session.in_flight.calls - calls,
        examples=run.examples,
        exercised=tuple(sorted(run.exercised)),
        message=message or "; ".join(sorted(set(run.unobserved))),
        failure=run.failure,
    )


def _status(run: _Run, message: str) -> Status:
    if run.failure is not None:
        return "violated"
    if message:
        return "error"
    if run.unobserved and not run.exercised:
        return "unobserved"
    return "passed"
