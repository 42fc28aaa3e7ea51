"""The report for a terminal: causes come before requirements, and one defect fits on one screen."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resultspec_conformance.report.causes import causes_of
from resultspec_conformance.report.document import Report
from resultspec_conformance.report.render import console
from resultspec_conformance.report.render.causes import listed, ranges
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.verdict.selection import Selection

SCREEN = 50

WRONG_SIGNATURE = """
def store_result(self, task_id, result, state):
    return super().store_result(task_id, result, state)
"""

WITHOUT_FORGET = """
def __getattribute__(self, name):
    if name == "forget":
        raise AttributeError("forget", name="forget", obj=self)
    return super().__getattribute__(name)
"""


@pytest.fixture
def judged(backend: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Return a function that judges a backend with the given methods."""
    monkeypatch.chdir(tmp_path)

    def judge(body: str, *patterns: str, classes: tuple[str, ...] = ()) -> Report:
        return run(backend(body), Options(Selection(classes, patterns), examples=5, seed=1))

    return judge


def with_failures(report: Report, number: int) -> Report:
    """Return a report with the failure of another requirement for each of `number` requirements."""
    found = copy.deepcopy(report)
    ids = [f"{prefix}-{n}" for prefix in ("WAIT", "GROUP") for n in range(1, 9)][:number]
    found["failures"] = [{**report["failures"][0], "requirement": one} for one in ids]
    found["causes"] = causes_of(found["failures"], found["requirements"], found["checks"])
    return found


def test_a_wrong_signature_is_named_in_three_lines_and_fits_on_one_screen(judged: Callable[..., Report]) -> None:
    """It breaks nearly every check of core: one cause, shown once."""
    report = judged(WRONG_SIGNATURE, classes=("core",))
    lines = console.render(report).splitlines()
    assert len(lines) <= SCREEN, "\n".join(lines)
    _, verdict, cause = lines[:3]
    assert verdict.startswith("not conformant: 1 cause, ")
    assert " not tested because of it" in verdict
    assert "store_result: TypeError: Backend.store_result() got an unexpected keyword argument" in cause
    untested = sum(entry["verdict"] == "not tested" for entry in report["requirements"])
    assert len(report["causes"][0]["not_tested"]) >= 0.9 * untested > 10


def test_a_missing_method_is_the_headline_and_needs_no_history(judged: Callable[..., Report]) -> None:
    """Its requirement is named, and what else cannot be tested; `--all` has the histories."""
    report = judged(WITHOUT_FORGET, "READ-4", "STATE-11")
    lines = console.render(report).splitlines()
    assert lines[1:3] == [
        "not conformant: 1 cause, 1 requirement violated, 1 not tested because of it",
        "   1  the backend has no forget  [wrong-answer: READ-4, 1 not tested]",
    ]
    assert "resultspec replay" not in "\n".join(lines)
    assert "resultspec replay" in console.render(report, everything=True)


def test_every_cause_has_a_line_and_ten_have_a_history(broken_report: Report) -> None:
    """The rest is shown on demand."""
    report = with_failures(broken_report, 12)
    lines = console.render(report).splitlines()
    assert [line.split()[0] for line in lines[2:14]] == [str(number) for number in range(1, 13)]
    assert sum(line.startswith("resultspec replay") for line in lines) == console.MOST_SHOWN == 10
    assert "2 more failures of these causes, shown by --all, --html and --report" in lines
    everything = console.render(report, everything=True).splitlines()
    assert sum(line.startswith("resultspec replay") for line in everything) == 12
    assert not any("--all" in line for line in everything)


def test_a_cause_shows_its_smallest_failure_and_names_the_rest(broken_report: Report) -> None:
    """Other requirements that it violates, what follows from these, and what was not tested because of it."""
    report = copy.deepcopy(broken_report)
    report["failures"] = [{**report["failures"][0], "requirement": one} for one in ("KEY-1", "KEY-2", "KEY-8")]
    report["causes"] = causes_of(report["failures"], [], [])
    report["causes"][0]["not_tested"] = ["STATE-1", "STATE-2", "STATE-3", "STATE-5"]
    text = console.render(report)
    assert "   1  KEY-8: " in text
    assert text.count("\nKEY-") == 1
    assert "    follows  KEY-1, KEY-2\n    untested STATE-1 to STATE-3, STATE-5\n" in text


def test_a_reason_for_many_requirements_is_given_once(broken_report: Report) -> None:
    """Also where it names the requirement; what belongs to a cause is not among them."""
    report = copy.deepcopy(broken_report)
    entry = report["requirements"][0]
    said = "meta.m passed, but did not exercise {}"
    report["requirements"] = [
        {**entry, "id": one, "verdict": "not tested", "reason": said.format(one)}
        for one in ("META-1", "META-2", "META-3")
    ]
    report["causes"][0]["not_tested"] = ["META-2"]
    text = console.render(report)
    assert "  not tested: META-1, META-3: meta.m passed, but did not look\n" in text
    assert text.count("meta.m") == 1


def test_a_process_that_died_is_shown_beside_violations(broken_report: Report) -> None:
    """Reasons that are not about one requirement stand at the end, whatever the verdict."""
    report = copy.deepcopy(broken_report)
    report["reasons"] += ["STATE-1 was not tested: no", "meta.m died: killed by signal 9"]
    *_, verdict, remark = console.render(report).splitlines()
    assert verdict.startswith("broken:success-overwritten: not conformant")
    assert remark == "  meta.m died: killed by signal 9"


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["ID-1"], ["ID-1"]),
        (["ID-1", "ID-2"], ["ID-1", "ID-2"]),
        (["ID-1", "ID-2", "ID-3", "META-4", "META-6"], ["ID-1 to ID-3", "META-4", "META-6"]),
    ],
)
def test_consecutive_ids_are_a_range(ids: list[str], said: list[Any]) -> None:
    """From three on."""
    assert ranges(ids) == said


def test_a_long_list_of_ids_is_cut_and_counted() -> None:
    """It says how many there are."""
    assert listed([f"ID-{number}" for number in range(1, 99, 2)], 12) == "ID-1, ID-3 and more, 49 in all"
