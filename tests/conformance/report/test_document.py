"""The report: it follows its schema, is complete, is sorted by severity, and does not contain passwords."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from resultspec import REQUIREMENTS
from resultspec.requirements import SEVERITIES
from resultspec.schemas import complaint
from resultspec_conformance.report.document import (
    FailureEntry,
    Report,
    ReportError,
    dump,
    load,
    validated,
    worst_first,
)

ORDER = {one: position for position, one in enumerate(REQUIREMENTS)}


def test_a_report_of_a_real_run_follows_its_schema(broken_report: Report) -> None:
    """What is written to a file is valid, and so is each history in it."""
    document = json.loads(dump(broken_report))
    assert complaint(document, "report") is None
    assert document["failures"]
    for failure in document["failures"]:
        assert complaint(failure["history"], "history") is None
        assert failure["history"]


def test_a_report_says_how_it_was_made(broken_report: Report) -> None:
    """Seed, selection, time in the backend, the self-check: everything needed to judge the judgement."""
    assert broken_report["settings"] == {
        "examples": 10, "seed": 7, "call_timeout": 10.0, "classes": [], "select": ["STATE-3", "STATE-1", "META-2"],
        "deselect": [],
    }  # fmt: skip
    assert broken_report["self_check"] is not None
    assert broken_report["self_check"]["killed"]
    assert 0 < broken_report["backend"]["share"] <= 1
    assert 0 < broken_report["backend"]["seconds"] < broken_report["duration"]
    assert broken_report["backend"]["calls"] == sum(check["calls"] for check in broken_report["checks"])
    assert (broken_report["verdict"], broken_report["exit_code"]) == ("violated", 1)


def test_every_selected_requirement_has_a_verdict(broken_report: Report) -> None:
    """What was selected is judged, and the sentence stands beside it."""
    verdicts = {entry["id"]: entry["verdict"] for entry in broken_report["requirements"]}
    assert {"STATE-1", "STATE-3", "META-2"} <= set(verdicts)
    assert verdicts["STATE-3"] == "violated"
    assert all(entry["statement"] == REQUIREMENTS[entry["id"]].statement for entry in broken_report["requirements"])


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "fine"},
        {"exit_code": 0},
        {"requirements": None},
        {"more": 1},
        {"started": "today"},
        {"duration": -1},
    ],
)
def test_a_report_that_breaks_its_schema_is_never_finished(broken_report: Report, change: dict[str, object]) -> None:
    """The code path that writes reports checks each of them."""
    wrong: Report = {**broken_report, **change}  # type: ignore[typeddict-item]
    with pytest.raises(AssertionError, match="schema"):
        validated(wrong, frozenset())


def test_a_finished_report_holds_no_secret(broken_report: Report) -> None:
    """Wherever a password has got into it, it is taken out."""
    leaky = copy.deepcopy(broken_report)
    leaky["target"] = "redis://:s3cret@host"
    leaky["failures"][0]["got"] = "it said s3cret"
    leaky["failures"][0]["history"][0]["args"] = {"task_id": ["s3cret"]}
    leaky["reasons"] = ["redis://me:hunter2@host is gone"]
    text = dump(validated(leaky, frozenset({"s3cret"})))
    assert "s3cret" not in text
    assert "hunter2" not in text


def test_the_worst_failure_comes_first(broken_report: Report) -> None:
    """Those that count before the shared and the known, MUST before SHOULD, then by severity, then by chapter."""

    def failure(requirement: str, **changes: Any) -> FailureEntry:
        changed = {"level": "MUST", "severity": "loss", "known": False, "shared": False, "provisional": False}
        changed |= changes
        changed["requirement"] = requirement
        entry: FailureEntry = {**broken_report["failures"][0], **changed}  # type: ignore[typeddict-item]
        return entry

    wanted = [
        failure("ID-2"),
        failure("STATE-3"),
        failure("WAIT-1", severity="hang"),
        failure("ID-1", severity="wrong-answer"),
        failure("ID-3", level="SHOULD"),
        failure("ID-5", provisional=True),
        failure("ID-6", shared=True),
        failure("ID-4", known=True),
    ]
    assert worst_first(list(reversed(wanted)), ORDER, SEVERITIES) == wanted


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"\xff", "is not JSON"), (b"{", "is not JSON")])
def test_a_file_that_is_not_a_report_is_refused_in_one_line(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Reading names the file and what is wrong with it."""
    path = tmp_path / "report.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReportError, match=said):
        load(path)
