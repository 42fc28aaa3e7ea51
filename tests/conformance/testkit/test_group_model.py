"""The oracle of groups: what may be read, by whom, and what a wrong read breaks."""

from typing import Any

import pytest

from resultspec_conformance.testkit.group_model import GroupModel


def group(*names: str) -> Any:
    """Return a group of tasks."""
    return [["g", None], [[[name, None], None] for name in names]]


FIRST, SECOND, EMPTY = group("a"), group("b"), group()


def test_what_is_saved_is_read() -> None:
    """By every client, and nothing else is."""
    model = GroupModel()
    assert model.read("a", "g", None, cached=False) is None
    model.save("a", "g", FIRST)
    assert model.read("b", "g", FIRST, cached=False) is None
    assert model.read("b", "g", None, cached=False) == "GROUP-1"
    model.save("b", "g", SECOND)
    assert model.read("a", "g", FIRST, cached=False) == "GROUP-5"
    model.delete("a", "g")
    assert model.read("b", "g", SECOND, cached=False) == "GROUP-6"


def test_what_is_lost_of_a_group_that_is_alone_is_no_matter_of_others() -> None:
    """Otherwise the group before has to do with it."""
    halved = [*group("a", "b")[:1], group("a")[1]]
    model = GroupModel()
    model.save("a", "g", FIRST)
    model.save("a", "g", group("a", "b"))
    assert model.read("a", "g", halved, cached=False, alone=lambda _: halved) == "GROUP-1"
    assert model.read("a", "g", halved, cached=False, alone=lambda saved: saved) == "GROUP-5"
    assert model.read("a", "g", None, cached=False, alone=lambda _: None) == "GROUP-1"


def test_nothing_and_an_empty_group_are_two() -> None:
    """Each has its own sentence."""
    model = GroupModel()
    assert model.read("a", "g", EMPTY, cached=False) == "GROUP-4"
    model.save("a", "g", EMPTY)
    assert model.read("a", "g", None, cached=False) == "GROUP-2"


def test_a_cache_may_be_stale_and_may_forget() -> None:
    """What was restored once may come again, until something newer has come."""
    model = GroupModel()
    model.save("w", "g", FIRST)
    assert model.read("c", "g", FIRST, cached=True) is None
    model.save("w", "g", SECOND)
    assert model.allowed("c", "g", cached=True) == [SECOND, FIRST]
    assert model.read("c", "g", FIRST, cached=True) is None
    assert model.read("c", "g", SECOND, cached=True) is None
    assert model.read("c", "g", FIRST, cached=True) is not None


@pytest.mark.parametrize(("do", "broken"), [("save", "GROUP-13"), ("delete", "GROUP-13"), ("reload", "GROUP-14")])
def test_own_changes_end_what_a_cache_may_hold(do: str, broken: str) -> None:
    """The client that made them has to know."""
    model = GroupModel()
    model.save("w", "g", FIRST)
    model.read("c", "g", FIRST, cached=True)
    if do == "reload":
        model.save("w", "g", SECOND)
    getattr(model, do)("c", "g", *([SECOND] if do == "save" else []))
    assert model.read("c", "g", FIRST, cached=True) == broken


def test_a_cache_that_is_passed_by_gives_what_is_saved() -> None:
    """The content of a cache does not count."""
    model = GroupModel(frozenset("c"))
    model.save("w", "g", FIRST)
    model.read("c", "g", FIRST, cached=True)
    model.save("w", "g", SECOND)
    assert model.read("c", "g", FIRST, cached=False) == "GROUP-14"


def test_absence_is_not_cached() -> None:
    """A group that was not there may come."""
    model = GroupModel()
    assert model.read("c", "g", None, cached=True) is None
    model.save("w", "g", FIRST)
    assert model.read("c", "g", None, cached=True) == "GROUP-13"
    assert model.read("c", "g", FIRST, cached=True) is None
