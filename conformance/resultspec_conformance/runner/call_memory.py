"""What the workers of a run remember together: the calls that are known to fail."""

import threading
from collections.abc import Iterable
from dataclasses import replace

from resultspec_conformance.limits import HANGS_UNTIL_GIVEN_UP
from resultspec_conformance.subject.call_failures import HUNG, CallFailure
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.verdict.check_results import Failure


class CallMemory:
    """The calls that are known to fail. Thread-safe: each worker has a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[CallFailure] = []

    @property
    def known(self) -> tuple[CallFailure, ...]:
        """The calls that are known to fail."""
        with self._lock:
            return tuple(self._known)

    @property
    def has_hung(self) -> bool:
        """Whether a call has hung."""
        return any(failure.how == HUNG for failure in self.known)

    def add_failures(self, failures: Iterable[Failure]) -> None:
        """Remember the operations that failed although their arguments were ordinary."""
        with self._lock:
            self._known += [CallFailure.from_json(failure.call) for failure in failures if failure.call is not None]

    def add_loss(self, failure: Failure, check: Check) -> None:
        """Remember a call that hung or ended the process while a check ran.

        If it did so in a check of ordinary calls, no check makes it again, whatever its arguments are. If its arguments
        are not ordinary, no check makes a call with such arguments. Otherwise the cause may lie in what the check did
        before, so only this check does without it, until several checks have met it.
        """
        assert failure.call is not None
        call = CallFailure.from_json(failure.call)
        if check.first:
            call = replace(call, kinds=None)
        elif call.usual and not self._is_met_everywhere(call):
            call = replace(call, check=check.name)
        with self._lock:
            self._known.append(call)

    def _is_met_everywhere(self, call: CallFailure) -> bool:
        met = {one.check for one in self.known if (one.op, one.kinds, one.how) == (call.op, call.kinds, call.how)}
        return len(met) + 1 >= HANGS_UNTIL_GIVEN_UP
