"""What a defect cuts off or newly comes to, read from the names in its code."""

from importlib import import_module

import pytest

from resultspec_conformance.broken import CATALOGUE
from resultspec_conformance.broken.combined import can_live_together
from resultspec_conformance.broken.interplay import ABOUT_DATES, HIDES, MEETING, disturbed, reached, used_by


class Family:
    """A small family."""

    def store(self) -> None:
        """Ask the guard, then write."""
        if not self.keeps():
            self.write()

    def keeps(self) -> bool:
        """Look at a state."""
        return bool(self.state)

    @property
    def state(self) -> str:
        """A state."""
        return ""

    def write(self) -> None:
        """Write nothing."""

    def read(self) -> str:
        """Read a state."""
        return self.state


class Unguarded(Family):
    """Cuts the guard off."""

    def store(self) -> None:
        """Write."""
        self.write()


class Curious(Family):
    """Reads before it stores."""

    def store(self) -> None:
        """Read, then store."""
        (lambda: self.read())()
        super().store()


def test_a_method_reaches_what_it_uses_directly_or_not() -> None:
    """Properties too, and what is in inner functions."""
    assert reached(Family, ["store"]) == {"store", "keeps", "write", "state"}
    assert "read" in used_by(Curious, "store")


def test_what_is_no_longer_called_is_cut_off() -> None:
    """A defect of it would not show."""
    assert disturbed(Unguarded, Family, frozenset({"store"})) == {"keeps", "state"}


def test_what_is_called_newly_brings_its_defects_along() -> None:
    """With `super`, nothing is cut off."""
    assert disturbed(Curious, Family, frozenset({"store"})) == {"read"}


def test_a_defect_in_what_another_one_newly_uses_cannot_live_with_it() -> None:
    """Group keys that are made like those of tasks would be cut like them, which neither defect does alone."""
    one, other = CATALOGUE["one-namespace-for-tasks-and-groups"], CATALOGUE["long-ids-cut"]
    assert not can_live_together(one, other)
    assert not can_live_together(other, one)


def test_a_defect_in_what_another_one_uses_cannot_live_with_it() -> None:
    """Keys that are made in another way are others for one that looks at keys, too."""
    one, other = CATALOGUE["id-quoted-in-the-key"], CATALOGUE["thousand-kept"]
    assert not can_live_together(one, other)
    assert not can_live_together(other, one)


@pytest.mark.parametrize("pair", MEETING, ids=lambda pair: "+".join(sorted(pair)))
def test_defects_that_meet_cannot_live_together(pair: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The table names pairs that nothing else keeps apart."""
    one, other = (CATALOGUE[name] for name in pair)
    assert not can_live_together(one, other)
    monkeypatch.setattr(import_module("resultspec_conformance.broken.combined"), "MEETING", {})
    assert can_live_together(one, other)


@pytest.mark.parametrize("name", HIDES)
def test_a_defect_does_not_live_with_one_that_it_hides(name: str) -> None:
    """And what is hidden is broken by others of the catalogue: it could be seen without it."""
    hidden = [one for one in CATALOGUE.values() if one.violates in HIDES[name]]
    assert {one.violates for one in hidden} == HIDES[name]
    assert not any(can_live_together(CATALOGUE[name], one) for one in hidden)


@pytest.mark.parametrize("requirement", sorted(ABOUT_DATES))
def test_a_wrong_date_does_not_live_where_lives_end_by_dates(requirement: str) -> None:
    """It would be a wrong life, too, which it is not alone."""
    by_cleanup = CATALOGUE["cleanup-removes-success-only"]
    wrong = [one for one in CATALOGUE.values() if one.violates == requirement and not one.in_tables]
    assert wrong
    assert not any(can_live_together(one, by_cleanup) or can_live_together(by_cleanup, one) for one in wrong)
