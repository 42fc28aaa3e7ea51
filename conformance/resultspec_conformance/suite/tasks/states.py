"""Checks of chapter 3: which states there are, and what a store does for every pair of them."""

from collections.abc import Mapping
from functools import partial

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import (
    custom_states,
    portable_values,
    requests,
    results_for,
    scalar_text,
    states,
)
from resultspec_conformance.testkit.task_model import Model, Write, complaint, left_over
from resultspec_conformance.wire.values import ExceptionData, Value, same, show

CUSTOM = "PROGRESS"
SPELLED = [CUSTOM if row == "custom" else row for row in STATES.transitions if row != "absent"]


def _write(number: int, state: str, *, bare: bool = False) -> Write:
    """Return a write that shares no member with one of another number; a bare one has only a result."""
    failed = state in STATES.sets["EXCEPTION"]
    result: Value = ExceptionData("ValueError", "builtins", (f"run {number}",)) if failed else {"run": number}
    if bare:
        return Write(number, state, result)
    return Write(
        number,
        state,
        result,
        traceback=f"Traceback of run {number}\n",
        children=([[f"child-{number}", None], None],),
        group_id=f"group-{number}",
        parent_id=f"parent-{number}",
    )


PAIRS = [
    {"there": there, "arrives": arrives, "bare": bare}
    for there in [None, *SPELLED]
    for arrives in SPELLED
    for bare in (True, False)
]


@check("STATE-1", "STATE-3", "STATE-4", "STATE-5", "STATE-6", "STATE-7", "STATE-8", "STATE-9", "STATE-10", cases=PAIRS)
def every_pair(ctx: Context, there: str | None, arrives: str, bare: bool) -> None:
    """Every pair of a stored and an arriving state ends as the table of the spec says, with a whole entry."""
    writer, other = ctx.client("writer"), ctx.client("other")
    task_id = ctx.new_id()
    first, second = _write(1, there or "", bare=False), _write(2, arrives, bare=bare)
    if there is not None:
        writer.call("store_result", **first.as_args(task_id))
    before = other.meta(task_id)
    outcome = other.attempt("store_result", **second.as_args(task_id))
    action = STATES.decide(there, arrives, late_unready=ctx.capabilities.choice("late_unready"))
    rule = STATES.requirement(there, arrives)
    if action == "replace":
        ctx.require(rule, outcome.kind == "ok", got=ctx.describe(outcome), allowed=f"a write of {arrives} is accepted")
    after = writer.meta(task_id)
    kept, expected = (first, f"{there} stays") if action == "keep" else (second, f"{arrives} is stored")
    ctx.require(rule, after["status"] == kept.state, got=f"state {show(after['status'])}", allowed=expected)
    stayed = there is not None and same(after["result"], before["result"])
    ctx.require(rule, stayed == (action == "keep"), got=after, allowed=f"the entry of run {kept.number}")
    if action == "keep":
        ctx.require("STATE-9", after == before, got=after, allowed=f"the entry as it was: {show(before)}")
        # what an error does not keep from being seen was looked at first
        ctx.require(
            "STATE-10", outcome.kind == "ok", got=ctx.describe(outcome), allowed="the write returns without an error"
        )
    else:
        remains = left_over(second, [first], after)
        got = ", ".join(f"{name} {show(after[name])}" for name in remains)
        ctx.require("STATE-8", not remains, got=got, allowed="nothing of run 1")


@check("STATE-1", given={"state": custom_states, "result": portable_values})
def custom_state_comes_back(ctx: Context, state: str, result: Value) -> None:
    """A custom state of 1 to 50 characters is stored and read back by its name."""
    client, task_id = ctx.client(), ctx.new_id()
    client.store(task_id, result, state)
    found = client.state(task_id)
    ctx.require("STATE-1", found == state, got=found, allowed=f"the state {show(state)}")


@check(
    "STATE-1", "STATE-4",
    cases=[{"state": state} for state in ("success", "S", "x" * STATES.custom_max_length, "mIxEd", "à é")],
)  # fmt: skip
def odd_state_comes_back(ctx: Context, state: str) -> None:
    """States that look like named ones, and those at the limits of length, are custom states like any other."""
    client, task_id = ctx.client(), ctx.new_id()
    client.store(task_id, 1, state)
    found = client.state(task_id)
    ctx.require("STATE-1", found == state, got=found, allowed=f"the state {show(state)}")
    client.store(task_id, 2, "SUCCESS")
    final = client.state(task_id)
    ctx.require("STATE-4", final == "SUCCESS", got=final, allowed="SUCCESS, which replaces every state but itself")


def _require_state_refused(ctx: Context, requirement: str, state: Value) -> None:
    client, task_id = ctx.client(), ctx.new_id()
    client.store(task_id, "kept", "STARTED")
    outcome = client.attempt("store_result", task_id=task_id, result="lost", state=state)
    ctx.require_refused(requirement, outcome, "ValueError", "TypeError")
    found = client.meta(task_id)
    ctx.require(requirement, found["result"] == "kept", got=found, allowed="the existing entry, unchanged")


@check("STATE-2", cases=[{"state": state} for state in (None, 0, 7, True, ["SUCCESS"])])
def wrong_state_is_refused(ctx: Context, state: Value) -> None:
    """A state that is not text is refused, and the existing entry stays."""
    _require_state_refused(ctx, "STATE-2", state)


@check("STATE-16")
def empty_state_is_refused(ctx: Context) -> None:
    """A state that is the empty text is refused, and the existing entry stays."""
    _require_state_refused(ctx, "STATE-16", "")


@check(
    "STATE-11",
    cases=[{"there": there, "arrives": arrives} for there in SPELLED for arrives in ("STARTED", "FAILURE", "SUCCESS")],
)
def forget_resets_the_guard(ctx: Context, there: str, arrives: str) -> None:
    """After a task was forgotten, a write of any state is accepted."""
    client, other, task_id = ctx.client("writer"), ctx.client("other"), ctx.new_id()
    first, second = _write(1, there), _write(2, arrives, bare=True)
    client.call("store_result", **first.as_args(task_id))
    client.forget(task_id)
    other.call("store_result", **second.as_args(task_id))
    wrong = complaint(second, client.meta(task_id))
    ctx.require("STATE-11", wrong is None, got=wrong or "", allowed=f"the {arrives} that was stored after forget")


_store_steps = states.flatmap(
    lambda state: st.fixed_dictionaries(
        {"do": st.just("store"), "state": st.just(state), "result": results_for(state)},
        optional={"traceback": scalar_text, "request": requests},
    )
)
_steps = st.one_of(
    _store_steps,
    _store_steps,
    st.fixed_dictionaries({"do": st.sampled_from(["read", "read", "read", "forget", "reload"])}),
)
_placed_steps = st.tuples(st.sampled_from("ab"), st.integers(0, 1), _steps).map(
    lambda placed: {"client": placed[0], "task": placed[1], **placed[2]}
)


BY_THE_MODEL = (
    "STATE-3", "STATE-1", "STATE-4", "STATE-5", "STATE-6", "STATE-7", "STATE-8", "STATE-9", "STATE-10", "STATE-11",
    "READ-4", "META-2", "META-5", "META-7", "META-11", "VALUE-1", "EXC-1",
)  # fmt: skip


@check(*BY_THE_MODEL, given={"program": st.lists(_placed_steps, min_size=1, max_size=12)}, by_chance=BY_THE_MODEL)
def any_sequence_of_operations(ctx: Context, program: list[dict[str, Value]]) -> None:
    """Any sequence of stores, reads and forgets by two clients reads as the model of the spec says.

    This is the suite's state machine: the program is drawn as data, so that the smallest failing one can be written.
    """
    model = Model(ctx.capabilities.choice("late_unready"), ctx.broken)
    tasks = [ctx.new_id("first"), ctx.new_id("second")]
    for number, step in enumerate(program):
        client, task_id = ctx.client(step["client"]), tasks[step["task"]]
        if step["do"] == "store":
            _store_by_model(ctx, model, client, task_id, number, step)
        elif step["do"] == "forget" and ctx.usable(["forget"]):
            client.forget(task_id)
            model.forget(task_id)
        elif step["do"] == "reload" and "cache" in ctx.capabilities.features and ctx.usable(["reload_task_result"]):
            client.call("reload_task_result", task_id=task_id)
        # the last step is always followed by a read, or it would have been for nothing
        if step["do"] == "read" or number == len(program) - 1:
            rule, wrong = model.read(task_id, client.meta(task_id), partial(_alone, ctx, client))
            ctx.require(rule, wrong is None, got=wrong or "", allowed="what the state table says of the steps before")


def _alone(ctx: Context, client: Client, write: Write) -> Mapping[str, Value] | None:
    """Return how a write is read that is the only one of its task; None, if that fails."""
    with ctx.off_the_record():
        task_id = ctx.new_id("alone")
        client.attempt("store_result", **write.as_args(task_id))
        found = client.attempt("get_task_meta", task_id=task_id)
    return found.value if found.kind == "ok" else None


def _store_by_model(
    ctx: Context, model: Model, client: Client, task_id: str, number: int, step: Mapping[str, Value]
) -> None:
    """Store, in the backend and in the model; a refusal breaks the sentence that decides this pair."""
    args = {name: step[name] for name in ("result", "state", "traceback", "request") if name in step}
    arriving = Write.of(number, args)
    blamed = model.rule_of_error(task_id, arriving)
    model.store(task_id, arriving)
    outcome = client.attempt("store_result", task_id=task_id, **args)
    ctx.require(blamed, outcome.kind == "ok", got=ctx.describe(outcome), allowed="the write returns without an error")
