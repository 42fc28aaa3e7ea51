"""Writing the list of known failures: what is new gets an entry, what is still known stays as it was written."""

import copy
from pathlib import Path
from typing import Any

import pytest

from resultspec_conformance.report.document import Report
from resultspec_conformance.report.known_list import known_list, new_failures, new_gaps
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.known_failures import AS_RECORDED, UNTESTED, KnownFailure, parse

BEFORE = """# the list of a backend

# at its head
[[known]]
requirement = "STATE-3"   # by hand
reason = "late results; issue 12"

[[known]]
requirement = "ID-1"
reason = "gone"

# at its end
[[known]]
requirement = "ID-2"
reason = "not looked at"
"""


def read(text: str) -> tuple[KnownFailure, ...]:
    """Return the entries of a list."""
    return parse(text, "known.toml", all_checks())


def changed(report: Report, **requirement: Any) -> Report:
    """Return a report with another first requirement."""
    found = copy.deepcopy(report)
    found["requirements"][0].update(requirement)  # type: ignore[typeddict-item]
    return found


def outcomes(report: Report, *said: str) -> Report:
    """Return a report in which the entries of BEFORE have these outcomes."""
    found = copy.deepcopy(report)
    names = ("STATE-3", "ID-1", "ID-2")
    found["known_failures"] = [
        {"requirement": one, "kind": "", "check": "", "reason": "", "outcome": outcome}
        for one, outcome in zip(names, said, strict=True)
    ]
    return found


def test_each_kind_of_failure_gets_one_entry_with_its_counterexample(broken_report: Report) -> None:
    """Whichever checks found it; the one with the fewest steps is kept, whole."""
    report = copy.deepcopy(broken_report)
    longer = copy.deepcopy(report["failures"][0])
    longer["history"] = longer["history"] * 3
    report["failures"].insert(0, longer)
    (entry,) = read(known_list(report))
    assert (entry.requirement, entry.kind, entry.check) == ("STATE-3", "wrong", "")
    assert entry.reason.startswith("recorded on 20")
    assert entry.counterexample is not None
    assert entry.counterexample.example == new_failures(report)[0]["example"]
    assert len(new_failures(report)[0]["history"]) == min(len(one["history"]) for one in report["failures"])


def test_a_counterexample_in_which_every_call_was_made_is_preferred(broken_report: Report) -> None:
    """A call that is known to hang is not made again: such a history shows less than a longer one."""
    report = copy.deepcopy(broken_report)
    short = copy.deepcopy(report["failures"][0])
    short["history"] = short["history"][:1]
    short["history"][0]["outcome"] = {"kind": "info", "error": "Unknown", "message": "not called again, since it hung"}
    report["failures"] = [short, report["failures"][0]]
    assert new_failures(report) == report["failures"][1:]


def test_the_counterexample_is_kept_however_long_it_is(broken_report: Report) -> None:
    """The token on a terminal has only the seed then; one of which a password was left out stays without example."""
    report = copy.deepcopy(broken_report)
    for failure in report["failures"]:
        failure["example"]["program"] = [f"{number:x}" for number in range(3000)]
        failure["replay"]["exact"] = False
    (entry,) = read(known_list(report))
    assert entry.counterexample is not None
    assert entry.counterexample.example == report["failures"][0]["example"]
    for failure in report["failures"]:
        failure["example"]["program"] = ["[redacted]"]
    (entry,) = read(known_list(report))
    assert entry.counterexample is not None
    assert entry.counterexample.example != report["failures"][0]["example"]


@pytest.mark.parametrize("change", [{"known": True}, {"shared": True}])
def test_what_does_not_count_gets_no_entry(broken_report: Report, change: dict[str, Any]) -> None:
    """It is on the list already, or is the baseline's."""
    report = copy.deepcopy(broken_report)
    for failure in report["failures"]:
        failure.update(change)  # type: ignore[typeddict-item]
    assert known_list(report) == "\n"


def test_what_is_not_tested_for_a_reason_of_its_own_gets_an_entry(broken_report: Report) -> None:
    """What follows from a failure does not: it is excused with that. Nor does anything if a check broke down."""
    gap = {"verdict": UNTESTED, "reason": 'a check observed nothing: "x"\n', "consequence": False}
    report = changed(broken_report, **gap)
    entry = read(known_list(report))[-1]
    assert (entry.requirement, entry.kind) == (report["requirements"][0]["id"], UNTESTED)
    assert entry.counterexample is None
    assert new_gaps(changed(broken_report, **{**gap, "consequence": True})) == []
    assert new_gaps(changed(broken_report, **gap, known=True)) == []
    assert new_gaps(changed(broken_report, **gap, level="MAY")) == []
    report["checks"][0]["status"] = "died"
    assert new_gaps(report) == []


def test_what_is_still_known_stays_as_it_was_written(broken_report: Report) -> None:
    """With its reason, its comments and its place; an entry that is stale goes, with the comment above it."""
    report = outcomes(broken_report, AS_RECORDED, "it did not fail: remove the entry", "not judged in this run")
    report["failures"] = []
    kept = BEFORE.replace('[[known]]\nrequirement = "ID-1"\nreason = "gone"\n\n', "")
    assert known_list(report, BEFORE) == kept
    report["failures"] = broken_report["failures"]
    assert known_list(report, BEFORE).startswith(kept)
    assert [entry.requirement for entry in read(known_list(report, BEFORE))] == ["STATE-3", "ID-2", "STATE-3"]


def test_after_a_run_that_broke_down_nothing_is_taken_from_the_list(broken_report: Report) -> None:
    """An entry may have matched nothing since its check did not run."""
    report = outcomes(broken_report, *["it did not fail: remove the entry"] * 3)
    report["failures"] = []
    report["checks"][0]["status"] = "skipped"
    report["checks"][0]["message"] = "was not run: the store is gone"
    assert known_list(report, BEFORE) == BEFORE
    report["checks"][0]["message"] = "needs probe"
    assert known_list(report, BEFORE) == "# the list of a backend\n"


def test_the_list_is_toml_whatever_a_backend_said(broken_report: Report, tmp_path: Path) -> None:
    """Neither a remark nor a reason can end its line or its text."""
    odd = 'x"\n[[known]]\n\x00\u2028\ud800\\'
    report = changed(broken_report, verdict=UNTESTED, reason=odd, consequence=False)
    for failure in report["failures"]:
        failure["got"] = odd
    path = tmp_path / "known.toml"
    path.write_text(known_list(report), encoding="utf-8")
    assert len(read(path.read_text(encoding="utf-8"))) == len(new_failures(report)) + 1
