"""Patients: how they are drawn, how the suite's verdict on them is scored, and one of them for real."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from resultspec import REQUIREMENTS
from resultspec_conformance.broken import CATALOGUE
from resultspec_conformance.broken.combined import can_live_together, changed_by, parsed, shown_by
from resultspec_conformance.broken.faults import FAULTS
from resultspec_conformance.broken.interplay import SHOWN_WITH
from resultspec_conformance.report.document import Report
from resultspec_conformance.selftest.hospital import judge_patients
from resultspec_conformance.selftest.patients import SIZES, STORES, Patient, drawn, hidden_by
from resultspec_conformance.selftest.render import diagnosis_lines, table_lines
from resultspec_conformance.selftest.scores import Diagnosis, diagnosis, score, table, to_json, undiagnosed

MANY = list(drawn(48, seed=7))
PATIENT = Patient(3, 5, parsed("failure-is-final+unready-tasks-dated+lacks-forget@sqlite"))


# -- drawing -----------------------------------------------------------------------------------


def test_the_seed_decides_everything() -> None:
    """Another seed draws others, and the first ones of many are those of few."""
    assert MANY[:8] == list(drawn(8, seed=7))
    assert list(drawn(48, seed=8)) != MANY


def test_all_sizes_are_drawn_on_all_stores() -> None:
    """Twelve patients suffice for that."""
    seen = {(patient.size, patient.combination.store) for patient in MANY[: len(SIZES) * len(STORES)]}
    assert seen == {(size, store) for size in SIZES for store in STORES}


@pytest.mark.parametrize("patient", MANY, ids=lambda patient: f"{patient.number}")
def test_the_defects_of_a_patient_can_live_together(patient: Patient) -> None:
    """Its name makes it, and no fault hides another defect."""
    combination = patient.combination
    assert parsed(combination.name) == combination
    assert len(combination.parts) == patient.size or combination.specimens[0].in_tables
    assert not patient.broken & patient.out_of_sight
    assert len({fault.operation for fault in combination.faults}) == len(combination.faults)
    never_work = {fault.operation for fault in combination.faults if not fault.argument}
    assert not any(never_work & changed_by(specimen) for specimen in combination.specimens)
    for position, one in enumerate(combination.specimens):
        assert all(can_live_together(one, other) for other in combination.specimens[:position])


def test_faults_of_every_kind_are_drawn() -> None:
    """And some patients of two defects have none."""
    assert {fault.kind for patient in MANY for fault in patient.combination.faults} == {"hangs", "dies", "lacks"}
    assert any(not patient.combination.faults for patient in MANY)
    assert any(patient.combination.specimens[0].in_tables for patient in MANY)


def test_a_fault_hides_what_is_about_its_operation() -> None:
    """But not the sentence that it breaks, and nothing where only some calls meet it."""
    assert "VALUE-8" in hidden_by(FAULTS["lacks-forget"])
    assert "READ-4" not in hidden_by(FAULTS["lacks-forget"])
    assert {"JOIN-3", "JOIN-17"} <= hidden_by(FAULTS["hangs-get_many"])
    assert {"WAIT-1", "KEY-7"} <= hidden_by(FAULTS["hangs-wait_for"])
    assert not hidden_by(FAULTS["hangs-get_many-timeout=0"])


def test_what_is_expected_is_what_each_defect_is_there_to_break() -> None:
    """What follows from it by the catalogue and the register may be found as well."""
    assert PATIENT.broken == {"STATE-4", "META-9", "READ-4"}
    assert {"STATE-12", "STATE-13"} <= PATIENT.consequences
    assert not PATIENT.consequences & PATIENT.broken


# -- scoring -----------------------------------------------------------------------------------


def report(verdicts: Mapping[str, str], failures: Mapping[str, str] = {}) -> Report:
    """Return as much of a report as is scored."""
    requirements = [
        {"id": one, "level": REQUIREMENTS[one].level, "provisional": False, "verdict": verdict, "reason": f"of {one}"}
        for one, verdict in verdicts.items()
    ]
    found = [
        {"requirement": one, "check": check, "got": "this", "replay": {"line": f"replay {one}"}}
        for one, check in failures.items()
    ]
    return cast(Report, {"requirements": requirements, "failures": found})


VERDICTS = {
    "META-9": "violated",
    "STATE-4": "passed",
    "STATE-13": "violated",
    "READ-4": "not tested",
    "VALUE-8": "not tested",
    "VALUE-7": "not tested",
    "ID-1": "violated",
    "ID-2": "passed",
    "META-3": "violated",
    "META-15": "not observable",
}
SEEN = diagnosis(PATIENT, report(VERDICTS, {"META-9": "right", "ID-1": "wrong"}), 1.0)


def test_what_is_broken_and_what_is_reported_are_compared() -> None:
    """Only MUSTs that were to be judged count."""
    assert SEEN.broken == {"META-9", "STATE-4", "READ-4"}
    assert SEEN.consequences == {"STATE-13"}
    assert SEEN.reported == {"META-9", "STATE-13", "ID-1"}
    assert SEEN.judged == set(VERDICTS) - {"META-3", "META-15"}


def test_a_miss_names_the_defect_that_should_have_shown_it() -> None:
    """And says whether the requirement was acquitted or not tested."""
    assert [(miss.requirement, miss.verdict, miss.defects) for miss in SEEN.misses] == [
        ("STATE-4", "passed", ("failure-is-final",)),
        ("READ-4", "not tested", ("lacks-forget",)),
    ]


def test_a_false_accusation_can_be_replayed() -> None:
    """It says which check made it, and of what."""
    (false,) = SEEN.false
    assert (false.requirement, false.check, false.got, false.replay) == ("ID-1", "wrong", "this", "replay ID-1")


def test_what_a_defect_hides_is_out_of_sight() -> None:
    """Where nothing ends, nobody can see when."""
    patient = Patient(4, 2, parsed("nothing-ends+failure-is-final"))
    assert "EXP-10" in patient.out_of_sight
    assert "EXP-2" not in patient.out_of_sight


@pytest.mark.parametrize(
    ("defect", "operations"),
    [
        ("wait-takes-the-result-along", {"wait_for"}),
        ("parents-of-members-dropped", {"save_group"}),
        ("no-traceback-without-an-error", {"get_traceback"}),
    ],
)
def test_a_defect_that_one_operation_shows_is_not_drawn_without_it(defect: str, operations: set[str]) -> None:
    """Though it is in a member that is not an operation itself."""
    assert shown_by(CATALOGUE[defect]) == operations
    for patient in MANY:
        gone = {fault.operation for fault in patient.combination.faults if not fault.argument}
        assert not any(shown_by(one) and shown_by(one) <= gone for one in patient.combination.specimens)


def test_a_defect_that_shows_only_after_another_operation_is_not_drawn_without_it() -> None:
    """The two have no member in common, so the table says it."""
    assert {*SHOWN_WITH} <= {*CATALOGUE}
    for patient in MANY:
        gone = {fault.operation for fault in patient.combination.faults if not fault.argument}
        assert not any(SHOWN_WITH.get(one.name) in gone for one in patient.combination.specimens)


def test_what_an_operation_hides_is_told_apart() -> None:
    """Without `forget`, nobody can know whether it removes what cannot be decoded."""
    assert set(SEEN.blind) == {"READ-4", "VALUE-8", "VALUE-7"}
    assert set(SEEN.needless) == {"READ-4", "VALUE-7"}


def test_the_scores_are_shares_of_sums() -> None:
    """Of all patients together, so that one with many defects counts more."""
    whole = diagnosis(PATIENT, report({"META-9": "violated"}), 2.0)
    found = score([SEEN, whole])
    assert (found.patients, found.seconds) == (2, 3.0)
    assert found.recall == 2 / 4
    assert found.recall_of_consequences == 1
    assert found.precision == 3 / 4
    assert found.whole_blindness == pytest.approx(3 / 9)
    assert found.blindness == pytest.approx(2 / 8)
    assert not found.holds
    assert score([whole]).holds


def test_no_patients_show_nothing() -> None:
    """Nothing tried is nothing shown."""
    assert not score([]).holds


def test_a_patient_that_is_not_judged_is_missed_as_a_whole() -> None:
    """A run that ends without a report must not count as one that accuses nobody."""
    found = undiagnosed(PATIENT, ["core"], "it broke", 1.0)
    assert {"META-9", "STATE-4", "READ-4"} <= found.broken
    assert {miss.requirement for miss in found.misses} == found.broken
    assert not found.reported
    assert set(found.blind) == found.judged
    assert any("not judged: it broke" in line for line in diagnosis_lines(found, 80))


def test_the_table_has_rows_by_size_and_by_store() -> None:
    """And one of all."""
    assert list(table([SEEN])) == ["5 defects", "in sqlite", "all"]
    assert list(table_lines([SEEN]))[-2].startswith("| all | 1 | 3 | 33.3% | 66.7% |")


def test_the_text_names_everything_that_is_wrong() -> None:
    """The line of the command is whole, so that it can be copied."""
    text = list(diagnosis_lines(SEEN, 60))
    assert f"  resultspec check {PATIENT.target}" in text
    assert any(line.startswith("  missed: STATE-4 is passed; failure-is-final") for line in text)
    assert any(line.startswith("  false: ID-1 by wrong, got this") for line in text)
    assert "  blind: READ-4, VALUE-7" in text


# -- for real ----------------------------------------------------------------------------------


def test_a_patient_is_judged_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its store is removed afterwards, and its diagnosis is data."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    seen: list[Diagnosis] = []
    (found,) = judge_patients(1, examples=3, seed=3, jobs=1, progress=seen.append)
    assert seen == [found]
    assert not found.trouble
    assert found.broken & found.reported
    (entry,) = cast(list[Any], to_json([found])["patients"])
    assert entry["target"] == found.patient.target
    assert not list(tmp_path.glob("resultspec-broken-*"))


@pytest.mark.slow
def test_the_verdict_on_a_few_patients() -> None:
    """One of each size. `make patients` is the whole measure: a new backend of the catalogue draws all of them anew."""
    found = judge_patients(len(SIZES), seed=31, jobs=2)
    assert not [one.trouble for one in found if one.trouble]
    scored = score(found)
    assert scored.recall >= 0.85
    assert scored.precision >= 0.85
    assert scored.blindness <= 0.08
