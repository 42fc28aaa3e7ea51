"""The list of known failures: what a subject is known to violate, and must still violate in the same way.

A TOML file:

    [[known]]
    requirement = "STATE-3"
    kind = "wrong"                  # optional: only failures of this kind
    check = "states.every_pair"     # optional: only failures of this check
    reason = "overwrites SUCCESS; to be fixed in 2.1"
    replay = "eNqr…"                # optional: the concrete counterexample, as a report gives it

An entry of the kind "not tested" says that the requirement is known not to be tested, for its reason.

Entries are executed, not skipped. An entry with a counterexample is tried first, and what it shows then is evidence as
if a check had found it: so it does not depend on chance. An entry that matches no failure is reported, with the line of
the file and the cure.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resultspec import REQUIREMENTS
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.suggestions import did_you_mean
from resultspec_conformance.verdict.check_results import CheckResult, Failure, worst_first
from resultspec_conformance.verdict.excuses import FailureKey
from resultspec_conformance.verdict.replay_token import Counterexample, ReplayError, decode_token

MEMBERS = frozenset({"requirement", "kind", "check", "reason", "replay"})

ENTRY_HEAD = re.compile(r"\s*\[\[\s*known\s*\]\]")
"""The line with which an entry begins."""

UNTESTED = "not tested"
"""The kind of an entry whose requirement is known not to be tested."""

AS_RECORDED = "failed as recorded"
STILL_UNTESTED = "not tested, as recorded"
TESTED = "tested in this run: remove the entry if it always is"
"""Not a stale entry: whether something can be tested may depend on how fast the machine is."""
NOT_JUDGED = "not judged in this run"
NOT_TRIED = "not tried, since a call of its counterexample is known to fail"
"""The counterexample contains a call that fails for another reason, behind which nothing can be seen."""


@dataclass(frozen=True)
class KnownFailure:
    """One entry. `check` and `kind` may be empty; `where` quotes the file it comes from."""

    requirement: str
    reason: str
    check: str = ""
    counterexample: Counterexample | None = None
    where: str = ""
    kind: str = ""

    def describes(self, check: str, failure: Failure) -> bool:
        """Whether a failure that a check found is the one that the entry describes."""
        same = failure.requirement == self.requirement and self.check in ("", check)
        return same and self.kind in ("", failure.kind)

    def matches(self, result: CheckResult) -> bool:
        """Whether a result has the failure that the entry describes."""
        return any(self.describes(result.name, failure) for failure in result.failures)


def _quote(path: str, lines: list[str], start: int, end: int) -> str:
    """Return the position of an entry: the line with its requirement, as written in the file."""
    for number in range(start, end):
        if re.match(r"\s*requirement\s*=", lines[number]):
            return f"{path}, line {number + 1}: {lines[number].strip()}"
    return f"{path}, line {start + 1}: {lines[start].strip()}"


def _places(path: str, text: str, count: int) -> list[str]:
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if ENTRY_HEAD.match(line)]
    if len(heads) != count:
        raise UsageError(f"{path}: write each entry below a line [[known]] of its own.")
    ends = [*heads, len(lines)][1:]
    return [_quote(path, lines, start, end) for start, end in zip(heads, ends, strict=True)]


def _entry(entry: Any, where: str, checks: Mapping[str, Check]) -> KnownFailure:
    if not isinstance(entry, dict) or not {"requirement", "reason"} <= set(entry):
        raise UsageError(f"{where}\nAn entry needs a requirement and a reason.")
    unknown = set(entry) - MEMBERS
    if unknown:
        raise UsageError(f"{where}\nAn entry has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(MEMBERS))}.")
    if not all(isinstance(value, str) and value for value in entry.values()):
        raise UsageError(f"{where}\nEvery value of an entry must be non-empty text.")
    requirement, check = entry["requirement"], entry.get("check", "")
    if requirement not in REQUIREMENTS:
        raise UsageError(f"{where}\nNo requirement has this id.{did_you_mean(requirement, REQUIREMENTS)}")
    if check and check not in checks:
        raise UsageError(f"{where}\nNo check is named {check!r}.{did_you_mean(check, checks)}")
    counterexample = None
    if "replay" in entry:
        try:
            counterexample = decode_token(entry["replay"])
        except ReplayError as error:
            raise UsageError(f"{where}\n{error}") from error
        if counterexample.check not in checks:
            raise UsageError(
                f"{where}\nIts counterexample is for the check {counterexample.check!r}, which no longer exists."
            )
    return KnownFailure(requirement, entry["reason"], check, counterexample, where, entry.get("kind", ""))


def parse(text: str, name: str, checks: Mapping[str, Check]) -> tuple[KnownFailure, ...]:
    """Return the entries of a file's text. Raises UsageError with the invalid line."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name} is not TOML: {error}") from error
    entries = document.pop("known", [])
    if document or not isinstance(entries, list):
        odd = ", ".join(document) or "known"
        raise UsageError(f"{name}: unexpected {odd}. A list of known failures has entries [[known]] and nothing else.")
    places = _places(name, text, len(entries))
    return tuple(_entry(entry, where, checks) for entry, where in zip(entries, places, strict=True))


def read(path: Path, checks: Mapping[str, Check]) -> tuple[KnownFailure, ...]:
    """Return the entries of a file. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read the known failures in {path}: {why}") from error
    return parse(text, str(path), checks)


def known_keys(entries: Iterable[KnownFailure], results: Mapping[str, CheckResult]) -> frozenset[FailureKey]:
    """Return the failures of a run that an entry describes."""
    listed = tuple(entries)
    return frozenset(
        (*failure.key, name)
        for name, result in results.items()
        for failure in result.failures
        if any(entry.describes(name, failure) for entry in listed)
    )


def known_gaps(entries: Iterable[KnownFailure]) -> frozenset[str]:
    """Return the requirements that are known not to be tested."""
    return frozenset(entry.requirement for entry in entries if entry.kind == UNTESTED)


def with_replayed(results: Mapping[str, CheckResult], replayed: Iterable[CheckResult]) -> Mapping[str, CheckResult]:
    """Return the results of a run, to which the failures are added that only a counterexample has shown."""
    found = dict(results)
    for shown in replayed:
        result = found.get(shown.name)
        keys = {failure.key for failure in result.failures} if result else set()
        new = [failure for failure in shown.failures if failure.key not in keys]
        if result is not None and new:
            status = result.status if result.status == "error" else "violated"
            found[shown.name] = replace(result, status=status, failures=tuple(worst_first([*result.failures, *new])))
    return found


@dataclass(frozen=True)
class Seen:
    """What a run saw of the failures on a list.

    `results`: by the names of the checks. `replayed`: the results of the counterexamples, by the positions of the
    entries. `verdicts`: the verdict on each requirement that was judged. `masked`: those of which excused failures
    explain that they were not tested.
    """

    results: Mapping[str, CheckResult]
    replayed: Mapping[int, CheckResult]
    verdicts: Mapping[str, str]
    masked: frozenset[str] = frozenset()


def outcome(entry: KnownFailure, seen: Seen, replayed: CheckResult | None) -> str:
    """Return the outcome of an entry, or what is wrong with it and the cure. `replayed`: that of its counterexample.

    An entry whose requirement was not judged, or whose check did not run, is not judged.
    """
    if entry.requirement not in seen.verdicts or not _ran(entry, seen, replayed):
        return NOT_JUDGED
    if entry.kind == UNTESTED:
        return STILL_UNTESTED if seen.verdicts[entry.requirement] == UNTESTED else TESTED
    if replayed is not None and entry.matches(replayed):
        return AS_RECORDED
    matched = any(entry.matches(result) for result in seen.results.values())
    if entry.requirement in seen.masked or (replayed is not None and replayed.blocked):
        return AS_RECORDED if matched else NOT_TRIED
    if replayed is not None:
        broke = f"it now violates {', '.join(replayed.accused)}" if replayed.failures else "it did not fail"
        return f"its counterexample was tried and {broke}: remove the entry, or record the failure again"
    return AS_RECORDED if matched else "no failure of this run matches it: remove the entry if the defect is gone"


def _ran(entry: KnownFailure, seen: Seen, replayed: CheckResult | None) -> bool:
    """Whether the check of an entry ran, if it is about one."""
    recorded = entry.counterexample.check if entry.counterexample and replayed is None else ""
    return all(name in seen.results for name in (entry.check, recorded) if name)


def outcomes(entries: Sequence[KnownFailure], seen: Seen) -> tuple[tuple[KnownFailure, str], ...]:
    """Return each entry with its outcome."""
    return tuple((entry, outcome(entry, seen, seen.replayed.get(position))) for position, entry in enumerate(entries))


def is_stale(outcome: str) -> bool:
    """Whether an entry with an outcome has to be removed or recorded again."""
    return outcome not in (AS_RECORDED, STILL_UNTESTED, TESTED, NOT_JUDGED, NOT_TRIED)


def stale(known: Iterable[tuple[KnownFailure, str]]) -> tuple[str, ...]:
    """Return a message for each entry that did not fail as recorded, with its line in the file and the cure."""
    return tuple(f"{entry.where}\n{said}" for entry, said in known if is_stale(said))
