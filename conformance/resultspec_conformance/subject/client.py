"""The client of a check: every call is recorded, timed and watched."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from resultspec_conformance.limits import CALL_SECONDS
from resultspec_conformance.subject.call_failures import CallFailure, are_usual, first_that_covers, kinds_of
from resultspec_conformance.subject.history import History, Operation, Outcome
from resultspec_conformance.subject.protocols import ClientOptions, Connection
from resultspec_conformance.wire.values import Value


class RunEnded(BaseException):
    """The run has ended, so the check has to stop. Neither checks nor Hypothesis catch a BaseException."""


class InFlight:
    """The calls that have not returned yet, each with the time at which it counts as hung.

    `short_timeout` is the limit of a call whose arguments are unusual: it does no more than others, and may well hang.

    Each process that runs checks has one; a watchdog thread calls `overdue`. `seconds` is the time in which at least
    one call was running, so concurrent calls count once. `known` are the calls that are known to fail, `check` is the
    name of the running check. `journal` is called when a call begins, if it is set.
    """

    def __init__(self, call_timeout: float = CALL_SECONDS) -> None:
        self.call_timeout = call_timeout
        self.short_timeout = call_timeout
        self.seconds = 0.0
        self.calls = 0
        self.ended = False
        self.known: tuple[CallFailure, ...] = ()
        self.check = ""
        self.journal: Callable[[Operation, History], object] | None = None
        self._lock = threading.Lock()
        self._running: dict[int, tuple[float, Operation, History]] = {}
        self._busy_since = 0.0

    def enter(self, operation: Operation, history: History, extra: float = 0.0) -> None:
        """Record that a call begins, which may take `extra` seconds more than others.

        Raises RunEnded once `ended` is set, so that no call begins after that.
        """
        if self.ended:
            raise RunEnded
        if self.journal is not None:
            self.journal(operation, history)
        now = time.monotonic()
        with self._lock:
            if not self._running:
                self._busy_since = now
            self._running[id(operation)] = (now + self._limit(operation) + extra, operation, history)

    def _limit(self, operation: Operation) -> float:
        if self.short_timeout == self.call_timeout or are_usual(kinds_of(operation.args)):
            return self.call_timeout
        return self.short_timeout

    def leave(self, operation: Operation) -> None:
        """Record that a call has returned."""
        with self._lock:
            self._running.pop(id(operation), None)
            self.calls += 1
            if not self._running:
                self.seconds += time.monotonic() - self._busy_since

    def overdue(self) -> tuple[Operation, History] | None:
        """Return the first call that has exceeded its time limit, or None."""
        now = time.monotonic()
        with self._lock:
            for deadline, operation, history in self._running.values():
                if now > deadline:
                    return operation, history
        return None


class UnexpectedOutcome(Exception):
    """An operation that should have ended `ok` and did not."""

    def __init__(self, operation: Operation, outcome: Outcome) -> None:
        super().__init__(f"{operation.op} ended {outcome.kind}: {outcome.message}")
        self.operation = operation
        self.outcome = outcome


def require_ok(operation: Operation) -> Value:
    """Return the value of an operation that has to have ended `ok`. Raises UnexpectedOutcome."""
    outcome = operation.outcome or Outcome("info", error="Unknown", message="it has not ended")
    if outcome.kind != "ok":
        raise UnexpectedOutcome(operation, outcome)
    return outcome.value


CLEANUP_EXTRA_SECONDS: Final = 10.0
"""Seconds that a cleanup may take more than other calls: it may also read entries of other users of the store."""

MOST_CLEANUP_SECONDS: Final = 40.0
"""Seconds that a cleanup may take more than other calls where this store, or this machine, is slow."""


def _extra_seconds(op: str, args: Mapping[str, Value], spent: float) -> float:
    """Return the seconds that a call may take more than others: its own timeout, if that is a reasonable number.

    A cleanup may look at each entry that was stored in the `spent` seconds, and so take as long again.
    """
    if op == "cleanup":
        return min(CLEANUP_EXTRA_SECONDS + spent, MOST_CLEANUP_SECONDS)
    timeout = args.get("timeout")
    if isinstance(timeout, (int, float)) and 0 < timeout < 60:
        return float(timeout)
    return 0.0


class Client:
    """A recorded client. `attempt`, `perform` and `record` accept any outcome; the others require `ok`.

    A call that fails as it is known to fail is added to `troubles`.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        options: ClientOptions,
        history: History,
        in_flight: InFlight,
        troubles: list[CallFailure] | None = None,
    ) -> None:
        self.name = name
        self.connection = connection
        self.options = options
        self._history = history
        self._in_flight = in_flight
        self._troubles = [] if troubles is None else troubles

    def attempt(self, op: str, /, **args: Value) -> Outcome:
        """Perform an operation and return how it ended."""
        return self._perform(op, args)[1]

    def perform(self, op: str, /, **args: Value) -> Operation:
        """Perform an operation and return its record: its start, its end and its outcome."""
        return self._perform(op, args)[0]

    def record(self, op: str, args: Mapping[str, Value], perform: Callable[[], Outcome]) -> Operation:
        """Record and watch a call that does not use the connection's `call`, and return its record."""
        return self._watched(op, args, perform)[0]

    def _perform(self, op: str, args: Mapping[str, Value]) -> tuple[Operation, Outcome]:
        return self._watched(op, args, lambda: self.connection.call(op, args))

    def _watched(self, op: str, args: Mapping[str, Value], perform: Callable[[], Outcome]) -> tuple[Operation, Outcome]:
        operation = self._history.begin(self.name, op, args)
        outcome = self._refused(op, args) or self._made(operation, perform)
        self._history.finish(operation, outcome)
        return operation, outcome

    def _refused(self, op: str, args: Mapping[str, Value]) -> Outcome | None:
        """Return the outcome of a call that is not made because it is known to hang or to end the process."""
        known = first_that_covers(self._in_flight.known, op, args, self._in_flight.check)
        if known is None:
            return None
        self._troubles.append(known)
        return known.outcome

    def _made(self, operation: Operation, perform: Callable[[], Outcome]) -> Outcome:
        """Make a call under the eyes of the watchdog, and note whether it fails as it is known to."""
        self._in_flight.enter(
            operation, self._history, _extra_seconds(operation.op, operation.args, self._in_flight.seconds)
        )
        try:
            outcome = perform()
        finally:
            self._in_flight.leave(operation)
        if outcome.kind != "ok":
            self._troubles.extend(known for known in self._in_flight.known if known.explains(operation.op, outcome))
        return outcome

    def call(self, op: str, /, **args: Value) -> Value:
        """Perform an operation that has to end `ok` and return its value. Raises UnexpectedOutcome."""
        return require_ok(self._perform(op, args)[0])

    def store(
        self,
        task_id: Value,
        result: Value = None,
        state: Value = "SUCCESS",
        *,
        traceback: Value = None,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        """`store_result` that has to be accepted or silently dropped; arguments that are None are not passed."""
        optional = {"traceback": traceback, "request": request}
        given = {name: value for name, value in optional.items() if value is not None}
        self.call("store_result", task_id=task_id, result=result, state=state, **given)

    def meta(self, task_id: Value) -> dict[str, Value]:
        """`get_task_meta`."""
        found: dict[str, Value] = self.call("get_task_meta", task_id=task_id)
        return found

    def member(self, task_id: Value, name: str) -> Outcome:
        """`get_task_meta`, with a member of the meta as the value: `get_state` and the like have their own checks."""
        outcome = self.attempt("get_task_meta", task_id=task_id)
        return replace(outcome, value=outcome.value.get(name)) if outcome.kind == "ok" else outcome

    def state(self, task_id: Value) -> Value:
        """The state of a task, by `get_task_meta`."""
        return self.meta(task_id).get("status")

    def result(self, task_id: Value) -> Value:
        """The result of a task, by `get_task_meta`."""
        return self.meta(task_id).get("result")

    def forget(self, task_id: Value) -> None:
        """`forget`."""
        self.call("forget", task_id=task_id)

    def save_group(self, group_id: Value, group: Value) -> None:
        """`save_group`; the group is a result tuple."""
        self.call("save_group", group_id=group_id, result=group)

    def restore_group(self, group_id: Value, **options: Value) -> Value:
        """`restore_group`: the result tuple, or None."""
        return self.call("restore_group", group_id=group_id, **options)

    def wait(self, task_id: Value, timeout: Value = 5.0, **options: Value) -> Value:
        """`wait_for`; the value is `{"returned": …}` or `{"raised": …}`."""
        return self.call("wait_for", task_id=task_id, timeout=timeout, **options)
