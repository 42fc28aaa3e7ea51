"""Faults of operations: which calls meet them, and which sentence they break."""

import math
from typing import Any

import pytest

from resultspec import OPERATIONS, REQUIREMENTS
from resultspec_conformance.broken.faults import EXIT_CODE, FAULTS, Faulty

NAN = FAULTS["hangs-wait_for-timeout=nan"]


class Backend:
    """A backend whose methods say that they were called."""

    supports_native_join = True

    def forget(self, task_id: str) -> str:
        """Return the id."""
        return task_id

    def get_state(self, task_id: str) -> str:
        """Call another method."""
        return self.forget(task_id)

    def wait_for(self, task_id: str, **options: Any) -> str:
        """Return the id."""
        return task_id


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_of_an_operation_and_breaks_a_sentence(name: str) -> None:
    """Its name says everything; the argument is one that the operation has."""
    fault = FAULTS[name]
    assert fault.name == name
    # only a timeout without end may be refused (WAIT-16), which for a join is an ordinary call (JOIN-1)
    assert REQUIREMENTS[fault.violates].level == ("SHOULD" if fault.violates == "WAIT-16" else "MUST")
    assert fault.violates in fault.breaks
    params = OPERATIONS[fault.operation].params
    assert not fault.argument or fault.argument in params.get("properties", {}) or fault.argument == "cache"


@pytest.mark.parametrize(
    ("name", "value", "applies"),
    [
        ("timeout=nan", math.nan, True),
        ("timeout=nan", 1.0, False),
        ("timeout=nan", "nan", False),
        ("timeout=0", 0.0, True),
        ("timeout=0", False, False),
        ("timeout=inf", math.inf, True),
        ("timeout=inf", -math.inf, False),
        ("timeout=negative", -1, True),
        ("timeout=negative", None, False),
    ],
)
def test_a_fault_of_an_argument_is_met_only_by_such_calls(name: str, value: object, applies: bool) -> None:
    """Also not by calls without the argument."""
    fault = FAULTS[f"hangs-wait_for-{name}"]
    assert fault.applies({"timeout": value}) == applies
    assert not fault.applies({"interval": value})


def test_what_is_lacking_is_reported_as_missing_in_the_backend_itself() -> None:
    """The suite tells a missing method from an AttributeError of a method that is there."""
    backend = Faulty(Backend(), [FAULTS["lacks-forget"]])
    with pytest.raises(AttributeError) as caught:
        backend.forget("id")
    assert (caught.value.name, caught.value.obj) == ("forget", backend)


def test_only_calls_from_outside_meet_a_fault() -> None:
    """So exactly one operation has the fault, and not also those that are made of it."""
    backend = Faulty(Backend(), [FAULTS["lacks-forget"], NAN])
    assert backend.get_state("id") == "id"
    assert backend.wait_for("id", timeout=1.0) == "id"
    assert backend.supports_native_join


def test_a_process_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends at once, without any handler."""
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    Faulty(Backend(), [FAULTS["dies-forget"]]).forget("id")
    assert ended == [EXIT_CODE]
