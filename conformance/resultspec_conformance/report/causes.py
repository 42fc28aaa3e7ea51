"""The causes of the failures in a report: what one defect takes along. Pure functions.

Failures in which the same operation ended in the same error have one cause, and so have those that met the same missing
method. A wrong answer is a cause by its requirement; a violated requirement that another violated one entails follows
from the cause of that one. A check that a known failure stopped leaves requirements untested: these belong to the cause
as well.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from resultspec import REQUIREMENTS
from resultspec.requirements import SEVERITIES, with_entailed
from resultspec_conformance.report.document import CauseEntry, CheckEntry, FailureEntry, RequirementEntry, is_new
from resultspec_conformance.subject.call_failures import DIED, HUNG, NOT_CALLED_AGAIN, signature
from resultspec_conformance.subject.history import MISSING_METHOD

_UNEXPECTED: Final = frozenset({"Unknown", "Died", "MalformedResult"})
"""Errors that no operation may end in: a requirement that such an outcome violates is violated because of it."""

_NAMED: Final = re.compile(r"\(([A-Z]+-[1-9][0-9]*)\)$")
"""The requirement at the end of a message of a check that could not look, because a call did not do its work."""

_ORDER: Mapping[str, int] = {requirement: position for position, requirement in enumerate(REQUIREMENTS)}

Kind = Literal["missing method", "call", "wrong answer"]
Key = tuple[Kind, str]
"""What tells causes apart: the kind, and the method, the call with its error, or the requirement."""


@dataclass
class _Cause:
    """A cause while it is being put together; `failures` are positions in the report."""

    key: Key
    failures: list[int] = field(default_factory=list)
    violated: set[str] = field(default_factory=set)
    follows: set[str] = field(default_factory=set)
    not_tested: set[str] = field(default_factory=set)


# -- which cause a failure has -----------------------------------------------------------------


def _message(step: Mapping[str, Any]) -> str:
    message: str = (step["outcome"] or {}).get("message") or ""
    return message


def _differing_step(failure: FailureEntry) -> Mapping[str, Any] | None:
    step = failure["step"]
    return None if step is None or step >= len(failure["history"]) else failure["history"][step]


def _error_of(step: Mapping[str, Any]) -> str:
    error: str = (step["outcome"] or {}).get("error") or ""
    return error


def _call_of(step: Mapping[str, Any]) -> str:
    """Return a call that ended in an error as a cause names it; an empty text for any other."""
    error = _error_of(step)
    return error and f"{step['op']}: {signature(_message(step)) or error}"


def _key(failure: FailureEntry, calls: frozenset[str]) -> Key | None:
    """Return the cause of a failure, unless it is a wrong answer. `calls` are the calls that are known to fail.

    A history in which such a call, or a missing method, occurs does not show another defect.
    """
    messages = map(_message, failure["history"])
    missing = next((text for text in messages if text.startswith(MISSING_METHOD)), "")
    if missing:
        return "missing method", missing
    if failure["cause"] and failure["kind"] not in (HUNG, DIED):
        return "call", failure["cause"]
    known = next((call for step in failure["history"] if (call := _call_of(step)) in calls), failure["cause"])
    if known:
        return "call", known
    step = _differing_step(failure)
    return ("call", _call_of(step)) if step and _error_of(step) in _UNEXPECTED else None


def _roots(wrong: set[str], keys: Mapping[str, Key]) -> Iterator[tuple[str, Key]]:
    """Yield for each requirement with a wrong answer the cause: its own, or that of the violated one that entails it.

    `keys` are the causes of all violated requirements, in which a wrong answer has precedence.
    """
    for one in wrong:
        above = {other for other in keys if one in with_entailed([other]) and other not in with_entailed([one])}
        tops = [other for other in above if not any(other in with_entailed([top]) for top in above - {other})]
        yield one, keys[min(tops, key=_ORDER.__getitem__)] if tops else ("wrong answer", one)


def _failing_calls(failures: Sequence[FailureEntry]) -> frozenset[str]:
    """Return the calls that are causes: those that had to succeed, and those that break several requirements.

    That a wait runs out of time says nothing about why: it may do so too early, and too late.
    """
    found: dict[str, set[str]] = {}
    for failure in failures:
        step = _differing_step(failure)
        if step and _error_of(step) not in ("", "TimeoutError"):
            found.setdefault(_call_of(step), set()).add(failure["requirement"])
    shared = {call for call, requirements in found.items() if len(requirements) > 1}
    return frozenset({failure["cause"] for failure in failures if failure["cause"]} | shared)


def _gathered(failures: Sequence[FailureEntry]) -> dict[Key, _Cause]:
    calls = _failing_calls(failures)
    found = [(failure["requirement"], _key(failure, calls)) for failure in failures]
    wrong = {requirement for requirement, key in found if key is None}
    keys: dict[str, Key] = {requirement: key for requirement, key in reversed(found) if key is not None}
    roots = dict(_roots(wrong, keys | {one: ("wrong answer", one) for one in wrong}))
    causes: dict[Key, _Cause] = {}
    for position, (requirement, key) in enumerate(found):
        chosen = key or roots[requirement]
        cause = causes.setdefault(chosen, _Cause(chosen))
        cause.failures.append(position)
        follows = key is None and chosen != ("wrong answer", requirement)
        (cause.follows if follows else cause.violated).add(requirement)
    return causes


# -- what was not tested because of a cause ----------------------------------------------------


@dataclass
class _Index:
    """The causes by what the checks say that were stopped: by reasons, errors, requirements, and the checks' names."""

    by_reason: dict[str, Key] = field(default_factory=dict)
    by_error: dict[str, Key] = field(default_factory=dict)
    by_requirement: dict[str, Key] = field(default_factory=dict)
    by_check: dict[str, set[Key]] = field(default_factory=dict)

    @classmethod
    def of(cls, causes: Iterable[_Cause], failures: Sequence[FailureEntry]) -> "_Index":
        """Return the index of the causes of failures."""
        index = cls()
        for cause in causes:
            for failure in (failures[position] for position in cause.failures):
                index.by_reason[failure["blocks"]] = cause.key
                index.by_requirement[failure["requirement"]] = cause.key
                index.by_check.setdefault(failure["check"], set()).add(cause.key)
                for step in failure["history"]:
                    if cause.key[0] != "wrong answer" and cause.key[1] in (_call_of(step), _message(step)):
                        index.by_error[_message(step).partition("\n")[0] or _error_of(step)] = cause.key
        return index

    def stopped(self, check: CheckEntry) -> set[Key]:
        """Return the causes because of which a check did not look."""
        if check["blocked"]:
            return {self.by_reason[reason] for reason in check["blocked"] if reason in self.by_reason}
        if check["name"] in self.by_check:
            return self.by_check[check["name"]]
        said = {key for error, key in self.by_error.items() if error in check["message"]}
        named = {one[1] for part in check["message"].split("; ") if (one := _NAMED.search(part))}
        return said or {self.by_requirement[one] for one in named if one in self.by_requirement}


def _note_untested(
    causes: Mapping[Key, _Cause],
    failures: Sequence[FailureEntry],
    requirements: Sequence[RequirementEntry],
    checks: Sequence[CheckEntry],
) -> None:
    """Note at each cause the requirements that were not tested because of it."""
    index, by_name = _Index.of(causes.values(), failures), {check["name"]: check for check in checks}
    for entry in requirements:
        citing = [by_name[name] for name in entry["checks"] if name in by_name]
        if entry["verdict"] == "not tested":
            for check in citing:
                if entry["id"] not in check["exercised"]:
                    for key in index.stopped(check):
                        causes[key].not_tested.add(entry["id"])


# -- the entries of the report -----------------------------------------------------------------


def _severity(requirements: set[str], failures: Iterable[FailureEntry]) -> str:
    """Return the worst severity of requirements; a call that hangs or ends the process is at least a hang."""
    hangs = {"hang" for failure in failures if failure["kind"] in (HUNG, DIED)}
    return min({REQUIREMENTS[one].severity for one in requirements} | hangs, key=SEVERITIES.index)


def _shows_best(
    failures: Sequence[FailureEntry], cause: _Cause
) -> Callable[[int], tuple[bool, bool, bool, bool, int, int]]:
    """Return the order of a cause's failures: new ones first, and those of what is violated itself; then by length."""

    def rank(position: int) -> tuple[bool, bool, bool, bool, int, int]:
        failure = failures[position]
        itself = failure["requirement"] in cause.violated
        as_call = bool(failure["cause"]) or cause.key[0] != "call"
        again = any(_message(step).startswith(NOT_CALLED_AGAIN) for step in failure["history"])
        return not is_new(failure), not itself, again, not as_call, len(failure["history"]) or 1_000_000, position

    return rank


def _text(cause: _Cause, best: FailureEntry) -> str:
    """Return a cause in words: with a whole message, in which numbers and names are not left out."""
    step = next((one for one in best["history"] if _call_of(one) == cause.key[1]), None)
    if step is None or cause.key[0] != "call":
        return cause.key[1]
    return f"{step['op']}: {_message(step).partition(chr(10))[0] or _error_of(step)}"


def _shared(failures: Sequence[FailureEntry]) -> bool:
    """Whether a cause does not count since its failures are known or shared with the baseline, and not all known."""
    return not any(map(is_new, failures)) and any(failure["shared"] for failure in failures)


def _entry(cause: _Cause, failures: Sequence[FailureEntry]) -> CauseEntry:
    order = sorted(cause.failures, key=_shows_best(failures, cause))
    violated = cause.violated | cause.follows
    return CauseEntry(
        text=_text(cause, failures[order[0]]),
        kind=cause.key[0],
        severity=_severity(violated, (failures[position] for position in order)),
        scored=any(REQUIREMENTS[one].scored for one in violated),
        known=all(failures[position]["known"] for position in order),
        shared=_shared([failures[position] for position in order]),
        violated=sorted(cause.violated, key=_ORDER.__getitem__),
        follows=sorted(cause.follows - cause.violated, key=_ORDER.__getitem__),
        not_tested=sorted(cause.not_tested, key=_ORDER.__getitem__),
        failures=order,
    )


def _weight(cause: CauseEntry) -> tuple[bool, bool, bool, int, int, int]:
    takes_along = len(cause["violated"]) + len(cause["follows"]) + len(cause["not_tested"])
    first = min(_ORDER[one] for one in cause["violated"] + cause["follows"])
    missing = cause["kind"] == "missing method"
    return not is_new(cause), not cause["scored"], not missing, SEVERITIES.index(cause["severity"]), -takes_along, first


def causes_of(
    failures: Sequence[FailureEntry], requirements: Sequence[RequirementEntry], checks: Sequence[CheckEntry]
) -> list[CauseEntry]:
    """Return the causes of failures: new ones first, then missing methods, then the worst severity."""
    causes = _gathered(failures)
    _note_untested(causes, failures, requirements, checks)
    return sorted((_entry(cause, failures) for cause in causes.values()), key=_weight)
