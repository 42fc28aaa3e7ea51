"""Writing the list of known failures from a report: an entry for each kind of failure, with its counterexample."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from resultspec_conformance.report.document import FailureEntry, Report, RequirementEntry, is_new
from resultspec_conformance.report.plain_text import printable
from resultspec_conformance.subject.call_failures import NOT_CALLED_AGAIN
from resultspec_conformance.text.redaction import REDACTED
from resultspec_conformance.verdict.known_failures import ENTRY_HEAD, UNTESTED, is_stale
from resultspec_conformance.verdict.replay_token import Counterexample, encode_token

LONGEST_REMARK = 110

_ENDED = frozenset({"passed", "violated", "blocked", "unobserved"})


def known_list(report: Report, before: str = "") -> str:
    """Return the text of the list after a run: what is still known, as it was written, and what is new.

    `before` is the text of the list that the run was given. Its stale entries are left out, if every check has run to
    its end: otherwise an entry may match nothing for that reason.
    """
    complete = _is_complete(report)
    stale = [complete and is_stale(entry["outcome"]) for entry in report["known_failures"]]
    kept = _kept(before, stale)
    parts = [*kept, *(_entry(report, one) for one in new_failures(report)), *(_gap(one) for one in new_gaps(report))]
    return "\n\n".join(filter(None, [part.strip("\n") for part in parts])) + "\n"


def new_failures(report: Report) -> list[FailureEntry]:
    """Return the failures of a report that get an entry: for each requirement and kind that with the fewest steps.

    One in which every call was made has precedence. Those that are not scored get an entry as well, since they may keep
    others from being tested.
    """
    found: dict[tuple[str, str], FailureEntry] = {}
    for failure in sorted(filter(is_new, report["failures"]), key=_shows_less):
        found.setdefault((failure["requirement"], failure["kind"]), failure)
    return [one for one in report["failures"] if found.get((one["requirement"], one["kind"])) is one]


def _shows_less(failure: FailureEntry) -> tuple[bool, int]:
    """Return the order in which a failure is preferred as a counterexample."""
    messages = ((step["outcome"] or {}).get("message") or "" for step in failure["history"])
    return any(message.startswith(NOT_CALLED_AGAIN) for message in messages), len(failure["history"])


def new_gaps(report: Report) -> list[RequirementEntry]:
    """Return the requirements that get an entry since they were not tested, and not as a consequence of failures.

    There is none if a check did not run to its end, since that may be a matter of the machine or the store.
    """
    if not _is_complete(report):
        return []
    gaps = (entry for entry in report["requirements"] if entry["verdict"] == UNTESTED and not entry["consequence"])
    return [one for one in gaps if one["level"] != "MAY" and not one["provisional"] and is_new(one)]


def _is_complete(report: Report) -> bool:
    """Whether every check ran to its end, unless the target does not claim what it needs."""
    return all(
        check["status"] in _ENDED or (check["status"] == "skipped" and check["message"].startswith("needs "))
        for check in report["checks"]
    )


def _kept(text: str, stale: Sequence[bool]) -> Iterator[str]:
    """Yield what stands before the first entry, and each entry that is not stale, with the comment above it."""
    lines = text.splitlines()
    heads = [_with_comment(lines, number) for number, line in enumerate(lines) if ENTRY_HEAD.match(line)]
    yield "\n".join(lines[: heads[0]] if heads else lines)
    for start, end, is_gone in zip(heads, [*heads, len(lines)][1:], stale, strict=True):
        if not is_gone:
            yield "\n".join(lines[start:end])


def _with_comment(lines: Sequence[str], head: int) -> int:
    """Return the number of the first line of the comment above an entry, or that of the entry."""
    while head and lines[head - 1].lstrip().startswith("#"):
        head -= 1
    return head


def _entry(report: Report, failure: FailureEntry) -> str:
    members = {
        "requirement": failure["requirement"],
        "kind": failure["kind"],
        "reason": f"recorded on {report['started'][:10]}; not looked at yet",
        "replay": _token(report, failure),
    }
    return _written(f"{failure['check']}: {failure['got']}", members)


def _gap(requirement: RequirementEntry) -> str:
    members = {
        "requirement": requirement["id"],
        "kind": UNTESTED,
        "reason": requirement["reason"],
    }
    return _written(f"not tested: {requirement['statement']}", members)


def _written(remark: str, members: Mapping[str, str]) -> str:
    """Return an entry, behind a remark in one line."""
    line = printable(re.sub(r"\s+", " ", remark))
    lines = [f"{name} = {_quoted(value)}" for name, value in members.items()]
    return "\n".join([f"# {line[:LONGEST_REMARK]}", "[[known]]", *lines])


def _token(report: Report, failure: FailureEntry) -> str:
    """Return the token of a failure, in which the example may be long; without it if a password was left out of it."""
    if failure["replay"]["exact"] or REDACTED in json.dumps(failure["example"]):
        return failure["replay"]["token"]
    counterexample = Counterexample(
        target=report["target"],
        check=failure["check"],
        requirement=failure["requirement"],
        example=failure["example"],
        seed=failure["seed"],
        examples=failure["examples"],
        call_timeout=report["settings"]["call_timeout"],
    )
    return encode_token(counterexample, longest=None)[0]


def _quoted(text: str) -> str:
    """Return a text as a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(printable(text), ensure_ascii=False)
