"""The list of known failures: what a subject is known to violate, and must still violate in the same way.

A TOML file:

    [[known]]
    requirement = "STATE-3"
    check = "states.every_pair"     # optional: only failures of this check
    reason = "overwrites SUCCESS; to be fixed in 2.1"
    replay = "eNqr…"                # optional: the concrete counterexample, as a report gives it

An entry with a counterexample is tried first, so that it does not depend on chance. Entries are executed, not
skipped: an entry that matches no failure is reported, with the line of the file and the cure.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resultspec import REQUIREMENTS
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.testkit.registry import Check
from resultspec_conformance.text.suggestions import did_you_mean
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.replay_token import Counterexample, ReplayError, decode_token

MEMBERS = frozenset({"requirement", "check", "reason", "replay"})

AS_RECORDED = "failed as recorded"
NOT_JUDGED = "not judged in this run"


@dataclass(frozen=True)
class KnownFailure:
    """One entry. `check` may be empty; `line` and `where` quote the file it comes from."""

    requirement: str
    reason: str
    check: str = ""
    counterexample: Counterexample | None = None
    where: str = ""

    def matches(self, result: CheckResult) -> bool:
        """Whether a result is the failure that the entry describes."""
        return self.requirement in result.accused and self.check in ("", result.name)


def _quote(path: str, lines: list[str], start: int, end: int) -> str:
    """Return the position of an entry: the line with its requirement, as written in the file."""
    for number in range(start, end):
        if re.match(r"\s*requirement\s*=", lines[number]):
            return f"{path}, line {number + 1}: {lines[number].strip()}"
    return f"{path}, line {start + 1}: {lines[start].strip()}"


def _places(path: str, text: str, count: int) -> list[str]:
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"\s*\[\[\s*known\s*\]\]", line)]
    if len(heads) != count:
        return [path] * count
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
    return KnownFailure(requirement, entry["reason"], check, counterexample, where)


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


def known_pairs(entries: Iterable[KnownFailure], results: Mapping[str, CheckResult]) -> frozenset[tuple[str, str]]:
    """Return the pairs of requirement and check whose failure an entry describes."""
    return frozenset(
        (entry.requirement, name) for entry in entries for name, result in results.items() if entry.matches(result)
    )


def outcome(
    entry: KnownFailure, results: Mapping[str, CheckResult], replayed: CheckResult | None, judged: frozenset[str]
) -> str:
    """Return the outcome of an entry: AS_RECORDED, NOT_JUDGED, or what is wrong with it and the cure.

    `replayed` is the result of its counterexample; `judged` has the ids that the run judges.
    """
    if entry.requirement not in judged:
        return NOT_JUDGED
    if replayed is not None and not entry.matches(replayed):
        broke = f"it now violates {', '.join(replayed.accused)}" if replayed.failures else "it did not fail"
        return f"its counterexample was tried and {broke}: remove the entry, or record the failure again"
    if replayed is None and not any(entry.matches(result) for result in results.values()):
        return "no failure of this run matches it: remove the entry if the defect is gone"
    return AS_RECORDED


def outcomes(
    entries: Sequence[KnownFailure],
    results: Mapping[str, CheckResult],
    replayed: Mapping[int, CheckResult],
    judged: frozenset[str],
) -> tuple[tuple[KnownFailure, str], ...]:
    """Return each entry with its outcome; `replayed` is by the positions of the entries."""
    return tuple(
        (entry, outcome(entry, results, replayed.get(position), judged)) for position, entry in enumerate(entries)
    )


def stale(known: Iterable[tuple[KnownFailure, str]]) -> tuple[str, ...]:
    """Return a message for each entry that did not fail as recorded, with its line in the file and the cure."""
    return tuple(f"{entry.where}\n{said}" for entry, said in known if said not in (AS_RECORDED, NOT_JUDGED))
