"""The baseline of a run: which failures it has, what is said of the comparison, and which files are refused."""

import copy
import json
from pathlib import Path

import pytest

from resultspec import REQUIREMENTS
from resultspec_conformance.report.baseline import Baseline, is_report_file, load_baseline
from resultspec_conformance.report.document import Report, dump
from resultspec_conformance.subject import UsageError
from resultspec_conformance.verdict.excuses import Excuse
from resultspec_conformance.verdict.verdicts import RequirementVerdict, Verdict


def verdict(requirement: str, found: Verdict, excuse: Excuse = "") -> RequirementVerdict:
    """Return the verdict on a requirement."""
    return RequirementVerdict(REQUIREMENTS[requirement], found, "", (), excuse)


def test_a_baseline_has_kinds_of_failures_and_gaps(broken_report: Report) -> None:
    """By requirement and kind, whichever check found them."""
    report = copy.deepcopy(broken_report)
    report["requirements"][0]["verdict"] = "not tested"
    shared = Baseline("memory://", report).shared
    assert shared.kinds == {("STATE-3", "wrong")}
    assert shared.gaps == {report["requirements"][0]["id"]}


def test_violations_are_shared_or_own_or_mended(broken_report: Report) -> None:
    """What is known is none of the three: it was on the list before."""
    verdicts = (
        verdict("STATE-3", "violated", "shared"),
        verdict("ID-1", "violated"),
        verdict("ID-2", "violated", "known"),
        verdict("META-2", "passed"),
    )
    found = Baseline("r.json", broken_report).compared(verdicts)
    assert (found["shared"], found["own"], found["mended"], found["violated"]) == (["STATE-3"], ["ID-1"], [], 1)
    found = Baseline("r.json", broken_report).compared((verdict("STATE-3", "passed"),))
    assert (found["shared"], found["own"], found["mended"]) == ([], [], ["STATE-3"])


def test_a_report_is_a_file_and_a_target_is_none(tmp_path: Path) -> None:
    """A file that does not exist is taken for one by its name, so that the complaint is about it."""
    (tmp_path / "report").touch()
    assert is_report_file(str(tmp_path / "report"))
    assert is_report_file("no-such.json")
    assert not is_report_file("memory://")
    assert not is_report_file("python:mine.py:factory")


def test_a_report_is_read(broken_report: Report, tmp_path: Path) -> None:
    """As it was written by a run."""
    path = tmp_path / "r.json"
    path.write_text(dump(broken_report))
    assert load_baseline(str(path)) == Baseline(str(path), json.loads(dump(broken_report)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "--baseline: cannot read"),
        ("{", "is not JSON"),
        ("{}", "is not a report of this version of resultspec"),
        ("other", "was judged by the specification 9.9, not"),
    ],
)
def test_another_file_is_refused(broken_report: Report, tmp_path: Path, content: str | None, said: str) -> None:
    """In a line, before anything is judged."""
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(dump({**broken_report, "spec_version": "9.9"}) if content == "other" else content)
    with pytest.raises(UsageError) as raised:
        load_baseline(str(path))
    assert said in str(raised.value)
