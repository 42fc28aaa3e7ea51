"""Whether a store was refused for what it says, or for the entry that is there: and by which rule."""

from collections.abc import Callable

import pytest

from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.refusals import rule_of_refusal
from resultspec_conformance.testkit.task_model import Model, Write

Open = Callable[[str], Context]
TASK = "task-1"


def stored(ctx: Context, state: str) -> str:
    """Store a state, and return how that ended."""
    return ctx.client("writer").attempt("store_result", task_id=TASK, result=None, state=state).kind


def test_a_store_that_had_to_lose_is_refused_for_the_entry(context_of: Open) -> None:
    """An error instead of a silent refusal violates the sentence on that, and leaves no trace in the history."""
    ctx = context_of("refused-store-raises")
    assert (stored(ctx, "SUCCESS"), stored(ctx, "STARTED")) == ("ok", "fail")
    before = len(ctx.history)
    assert rule_of_refusal(ctx, list(ctx.history)[-1]) == "STATE-10"
    assert len(ctx.history) == before


def test_a_store_that_fails_alone_too_is_not_refused_for_the_entry(context_of: Open) -> None:
    """It is the state that this backend does not take."""
    ctx = context_of("custom-states-refused")
    assert (stored(ctx, "STARTED"), stored(ctx, "UPLOADING")) == ("ok", "fail")
    assert rule_of_refusal(ctx, list(ctx.history)[-1]) is None


def test_the_first_store_of_a_task_meets_no_entry(context_of: Open) -> None:
    """There is nothing there that it could be refused for."""
    ctx = context_of("custom-states-refused")
    assert stored(ctx, "UPLOADING") == "fail"
    assert rule_of_refusal(ctx, list(ctx.history)[-1]) is None


def test_an_entry_of_the_probe_is_not_followed(context_of: Open) -> None:
    """What another writer stored may be anything: the model does not know it."""
    ctx = context_of("refused-store-raises")
    stored(ctx, "SUCCESS")
    ctx.plant(TASK, b"{}")
    stored(ctx, "SUCCESS")
    assert stored(ctx, "STARTED") == "fail"
    assert rule_of_refusal(ctx, list(ctx.history)[-1]) is None


@pytest.mark.parametrize(
    ("before", "arrives", "rule"),
    [
        ("SUCCESS", "FAILURE", "STATE-10"),
        ("STARTED", "SUCCESS", "STATE-4"),
        ("FAILURE", "STARTED", "STATE-7"),
    ],
)
def test_an_error_violates_what_decides_the_pair(before: str, arrives: str, rule: str) -> None:
    """A store that must be accepted, and one that must lose without an error."""
    model = Model("latest")
    model.store(TASK, Write(1, before))
    assert model.rule_of_error(TASK, Write(2, arrives)) == rule


def test_an_error_after_a_forget_violates_that_a_new_store_is_taken() -> None:
    """The task is as one that nobody has stored."""
    model = Model("latest")
    model.store(TASK, Write(1, "SUCCESS"))
    model.forget(TASK)
    assert model.rule_of_error(TASK, Write(2, "STARTED")) == "STATE-11"
