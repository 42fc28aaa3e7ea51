"""What does not count in the verdict of a run: failures that are known, and those that a baseline has as well.

A requirement that was not tested because of such a failure is excused with it, and so is one that is listed as not
tested, or that the baseline could not be tested for either. A class is conformant only without any of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from resultspec_conformance.verdict.check_results import CheckResult, Failure

Excuse = Literal["", "known", "shared"]
"""Why a failure does not count; empty: it counts."""

FailureKey = tuple[str, str, str]
"""A failure among those of a run: the requirement, the kind, and the check that found it."""


@dataclass(frozen=True)
class Shared:
    """What a baseline fails. `kinds`: its failures, by requirement and kind. `gaps`: the requirements not tested."""

    kinds: frozenset[tuple[str, str]] = frozenset()
    gaps: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Excused:
    """What does not count in a run.

    `known`: the failures that are recorded as known. `listed`: the requirements and kinds on the list, with an empty
    kind for all; a call that is not judged in this run may be among them. `gaps`: the requirements that are known not
    to be tested. `shared`: what a baseline fails.
    """

    known: frozenset[FailureKey] = frozenset()
    listed: frozenset[tuple[str, str]] = frozenset()
    gaps: frozenset[str] = frozenset()
    shared: Shared = field(default_factory=Shared)

    def of_failure(self, check: str, failure: Failure) -> Excuse:
        """Return why a failure does not count."""
        if (*failure.key, check) in self.known:
            return "known"
        return "shared" if failure.key in self.shared.kinds else ""

    def of_violation(self, requirement: str, results: Iterable[CheckResult]) -> Excuse:
        """Return why the violation of a requirement does not count: all failures that show it are excused."""
        return _together(
            self.of_failure(result.name, failure)
            for result in results
            for failure in result.failures
            if failure.requirement == requirement
        )

    def of_gap(self, requirement: str, results: Iterable[CheckResult | None]) -> Excuse:
        """Return why it does not count that a requirement was not tested.

        `results` are those of the checks that were to test it; None for one that did not run. Unless the gap is known,
        or shared, whatever ended their examples early has to be excused.
        """
        if requirement in self.gaps:
            return "known"
        because = _together(excuse for result in results for excuse in self._of_result(result))
        return because or ("shared" if requirement in self.shared.gaps else "")

    def _of_result(self, result: CheckResult | None) -> list[Excuse]:
        if result is None or not result.found:
            return [""]
        calls = [self._of_kind(call.requirement, call.how) for call in result.blocked]
        return [*calls, *(self.of_failure(result.name, failure) for failure in result.failures)]

    def _of_kind(self, requirement: str, kind: str) -> Excuse:
        if {(requirement, kind), (requirement, "")} & self.listed:
            return "known"
        return "shared" if (requirement, kind) in self.shared.kinds else ""


def _together(excuses: Iterable[Excuse]) -> Excuse:
    """Return the excuse for several failures: none unless each has one."""
    found = set(excuses)
    if not found or "" in found:
        return ""
    return "shared" if "shared" in found else "known"
