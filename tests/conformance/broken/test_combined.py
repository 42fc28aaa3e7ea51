"""Backends with several defects: their names, what fits together, and what they are made of."""

from dataclasses import replace

import pytest

from resultspec_conformance.broken import CATALOGUE, VARIATIONS, open_broken
from resultspec_conformance.broken.combined import Combination, can_live_together, combined, parsed
from resultspec_conformance.broken.faults import FAULTS
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.subject.protocols import ClientOptions, Target

FINAL = CATALOGUE["failure-is-final"]
OVERWRITTEN = CATALOGUE["success-overwritten"]
DATED = CATALOGUE["unready-tasks-dated"]


@pytest.mark.parametrize(
    "name", ["failure-is-final", "unready-tasks-dated+failure-is-final+hangs-forget@sqlite", "no-op@files"]
)
def test_a_combination_is_found_by_its_name(name: str) -> None:
    """So a patient can be judged on the command line."""
    assert parsed(name).name == name


def test_a_name_says_defects_faults_and_the_store() -> None:
    """Faults and defects may stand in any order; a store may be a URL."""
    found = parsed("hangs-forget+failure-is-final@redis://localhost:1/0")
    assert found == Combination((FINAL,), (FAULTS["hangs-forget"],), "redis://localhost:1/0")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("failure-is-finl", "no broken backend is named 'failure-is-finl'; did you mean failure-is-final"),
        ("no-op+hangs-forgets", "did you mean hangs-forget"),
        ("no-op@sqlit", "entries are kept in memory, files, sqlite, redis, not in 'sqlit'"),
        ("success-overwritten+failure-is-final", "success-overwritten and failure-is-final change the same thing"),
        ("disabled@files", "a disabled backend has one defect, and no store"),
    ],
)
def test_a_name_that_cannot_be_made_is_told(name: str, message: str) -> None:
    """The message says why."""
    with pytest.raises(UsageError, match=message):
        open_broken(Target(f"broken:{name}", "run"))


def test_defects_that_change_the_same_thing_cannot_live_together() -> None:
    """One would hide the other; a backend over tables is another family, and a disabled one stands alone."""
    assert can_live_together(FINAL, DATED)
    assert not can_live_together(FINAL, FINAL)
    assert not can_live_together(FINAL, OVERWRITTEN)
    assert not can_live_together(FINAL, CATALOGUE["unready-rows-dated"])
    assert not can_live_together(FINAL, VARIATIONS["disabled"])


def test_claims_that_contradict_each_other_cannot_live_together() -> None:
    """The subject declares one value of each member."""
    one, same, other = (
        replace(specimen, capabilities=replace(specimen.capabilities, wake_up=seconds))
        for specimen, seconds in ((FINAL, 1.0), (DATED, 1.0), (DATED, 2.0))
    )
    assert can_live_together(one, same)
    assert can_live_together(one, DATED)
    assert not can_live_together(one, other)
    assert combined([DATED, one]).capabilities.wake_up == 1.0


def test_a_combination_has_all_defects() -> None:
    """Each of them is a base of its class."""
    made = combined([FINAL, DATED])
    assert issubclass(made.backend, FINAL.backend)
    assert issubclass(made.backend, DATED.backend)
    assert combined([FINAL]) is FINAL
    assert combined([]) is VARIATIONS["no-op"]


def test_a_combination_does_what_each_defect_does() -> None:
    """A date in STARTED is one defect, the other keeps FAILURE."""
    subject = open_broken(Target("broken:unready-tasks-dated+failure-is-final@files", "combined"))
    try:
        client = subject.connect(ClientOptions())
        for task_id, states in {"one": ["STARTED"], "two": ["FAILURE", "SUCCESS"]}.items():
            for state in states:
                client.call("store_result", {"task_id": task_id, "result": None, "state": state})
        started = client.call("get_task_meta", {"task_id": "one"}).value
        failed = client.call("get_task_meta", {"task_id": "two"}).value
    finally:
        subject.close()
    assert isinstance(started, dict)
    assert started["date_done"] is not None
    assert isinstance(failed, dict)
    assert failed["status"] == "FAILURE"
