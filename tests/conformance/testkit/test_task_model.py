"""The oracle: what the sequential model allows, and what it blames."""

import itertools
from typing import Any

import pytest

from resultspec import STATES
from resultspec_conformance.testkit.task_model import (
    NOTHING,
    Model,
    Write,
    after_store,
    complaint,
    expected_result,
    instant,
)
from resultspec_conformance.wire.values import ExceptionData

SPELLED = ["PROGRESS" if row == "custom" else row for row in STATES.transitions if row != "absent"]


def meta_of(write: Write) -> dict[str, Any]:
    """Return the meta that a correct reader finds for a write."""
    return {
        "status": write.state,
        "result": expected_result(write),
        "traceback": write.traceback,
        "children": None if write.children is None else list(write.children),
        "group_id": write.group_id,
        "parent_id": write.parent_id,
    }


@pytest.mark.parametrize(("there", "arrives"), [*itertools.product([None, *SPELLED], SPELLED)])
def test_an_undeclared_choice_allows_what_either_choice_allows(there: str | None, arrives: str) -> None:
    """Where `late_unready` is not declared, both outcomes are possible, and no other."""
    first = Write(1, there) if there is not None else None
    second = Write(2, arrives)
    either = after_store(first, second, None)
    assert either == after_store(first, second, "latest") | after_store(first, second, "ready-sticky")
    assert either <= {first, second}


def test_a_read_distinguishes_undeclared_choices() -> None:
    """After a read has shown what a store did, the other outcome is no longer possible."""
    model = Model(None)
    model.store("t", Write(1, "FAILURE", ExceptionData("ValueError", "builtins", ("x",))))
    model.store("t", Write(2, "STARTED", 5))
    assert len(model.possible("t")) == 2
    assert model.read("t", meta_of(Write(2, "STARTED", 5)))[1] is None
    assert {write.number for write in model.possible("t") if write} == {2}
    assert model.read("t", meta_of(Write(1, "FAILURE", ExceptionData("ValueError", "builtins", ("x",)))))[1]


def test_a_store_whose_fate_is_unknown_leaves_both_outcomes() -> None:
    """An outcome `info` may or may not have taken effect."""
    model = Model("latest")
    model.store("t", Write(1, "STARTED", 1))
    model.store("t", Write(2, "SUCCESS", 2), certain=False)
    assert {write.number for write in model.possible("t") if write} == {1, 2}


def test_blame_falls_on_the_sentence_that_decided() -> None:
    """The requirement that a wrong read breaks is the one that decides the last pair, or that forbids mixing."""
    model = Model("latest")
    model.store("t", Write(1, "SUCCESS", 1))
    model.store("t", Write(2, "FAILURE", ExceptionData("ValueError", "builtins", ()), traceback="of 2"))
    assert model.read("t", {"status": "FAILURE", "result": None})[0] == "STATE-3"
    assert model.read("t", {**meta_of(Write(1, "SUCCESS", 1)), "traceback": "of 2"})[0] == "STATE-9"
    assert model.read("t", {**meta_of(Write(1, "SUCCESS", 1)), "traceback": "of none"})[0] == "META-5"
    model.forget("t")
    assert model.possible("t") == NOTHING
    assert model.read("t", meta_of(Write(1, "SUCCESS", 1)))[0] == "READ-4"
    model.store("t", Write(3, "STARTED", 3, traceback="3"))
    assert model.read("t", {"status": "PENDING", "result": None})[0] == "STATE-11"
    assert model.read("t", meta_of(Write(3, "STARTED", 3, traceback="3")))[1] is None
    model.store("t", Write(4, "STARTED", 4))
    assert model.read("t", {**meta_of(Write(4, "STARTED", 4)), "traceback": "3"})[0] == "STATE-8"
    assert model.read("t", meta_of(Write(3, "STARTED", 3, traceback="3")))[0] == "STATE-5"


def test_blame_falls_on_the_change_that_did_not_happen() -> None:
    """Also where others came after it, so that it does not matter how small a failing program was made."""
    model = Model("latest")
    stays = Write(1, "FAILURE", ExceptionData("ValueError", "builtins", ()))
    model.store("t", stays)
    model.store("t", Write(2, "STARTED", 2))
    model.store("t", Write(3, "STARTED", 3))
    assert model.read("t", meta_of(stays))[0] == "STATE-7"
    assert model.read("t", meta_of(Write(2, "STARTED", 2)))[0] == "STATE-5"
    model.forget("t")
    assert model.read("t", meta_of(Write(3, "STARTED", 3)))[0] == "READ-4"
    assert model.read("t", meta_of(stays))[0] == "STATE-7"


def test_what_is_lost_of_a_write_does_not_move_the_blame_to_a_later_change() -> None:
    """Its state and its result show which change did not happen."""
    model = Model("latest")
    stays = Write(1, "REVOKED", ExceptionData("ValueError", "builtins", ()), group_id="lost")
    model.store("t", stays)
    for number, state in enumerate(("PROGRESS", "IGNORED", "PROGRESS"), 2):
        model.store("t", Write(number, state, number))
    assert model.read("t", {**meta_of(stays), "group_id": None})[0] == "STATE-7"


def test_blame_falls_on_the_change_that_had_no_right_to_happen() -> None:
    """Also where an entry of long ago had the same members."""
    model = Model("latest")
    for number, state in enumerate(("PENDING", "SUCCESS", "PENDING")):
        model.store("t", Write(number, state))
    assert model.read("t", meta_of(Write(2, "PENDING")))[0] == "STATE-3"


def test_a_member_that_is_lost_of_a_write_that_is_alone_is_no_matter_of_others() -> None:
    """Otherwise another write has taken its place, if only by nothing."""
    first, second = Write(1, "SUCCESS", 1, traceback="of 1"), Write(2, "SUCCESS", 1)
    whole, halved = meta_of(first), meta_of(second)
    model = Model("latest")
    model.store("t", first)
    model.store("t", second)
    assert model.read("t", halved, lambda _: halved)[0] == "META-5"
    assert model.read("t", halved, lambda _: whole)[0] == "STATE-3"
    assert model.read("t", halved)[0] == "STATE-3"


def test_a_pending_write_that_is_read_alone_was_not_accepted() -> None:
    """After `forget` it reads as unknown: not its member is lost, but the write."""
    dropped = Write(1, "PENDING", traceback="of 1")
    model = Model("latest")
    model.store("t", Write(0, "SUCCESS"))
    model.forget("t")
    model.store("t", dropped)
    unknown = {"status": "PENDING", "result": None}
    assert model.read("t", unknown, lambda _: meta_of(dropped))[0] == "STATE-11"
    assert model.read("t", unknown, lambda _: unknown)[0] == "META-5"


def test_what_is_lost_does_not_hide_what_is_left_over() -> None:
    """A store may lose one member and keep another of an earlier write."""
    first, second = Write(1, "STARTED", 1, parent_id="p"), Write(2, "STARTED", 2, traceback="of 2")
    model = Model("latest")
    model.store("t", first)
    model.store("t", second)
    lossy = {**meta_of(second), "traceback": None}
    assert model.read("t", {**lossy, "parent_id": "p"}, lambda _: lossy)[0] == "STATE-8"


def test_null_and_empty_children_are_read_one_for_the_other() -> None:
    """META-8 lets a store give [] for null; nothing else of the meta is as lenient."""
    write = Write(1, "SUCCESS", 1, children=())
    assert complaint(write, {**meta_of(write), "children": None}) is None
    assert complaint(write, {**meta_of(write), "children": [[["c", None], None]]}) is not None
    assert complaint(write, {**meta_of(write), "result": True}) is not None


@pytest.mark.parametrize("naive", ["2026-01-02T03:04:05", "2026-01-02"])
def test_a_date_without_an_offset_names_no_instant(naive: str) -> None:
    """`date_done` as it is returned has an offset."""
    with pytest.raises(ValueError, match="does not name an instant"):
        instant(naive)
