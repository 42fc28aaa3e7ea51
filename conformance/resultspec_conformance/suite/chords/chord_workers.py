"""Checks of chapter 14 that take a chord: what the calls of a worker count.

What comes of a chord is for chapter 12 to say. Here a second chord is played beside each one, whose parts are stored
and counted by calls of their own: the two must end alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.testkit.chords import FLAT_HEADERS, Chord
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.wire.values import ExceptionData, Opaque, Value, show

BOOM = ExceptionData("ValueError", "builtins", ("boom",))
REVOKED = ExceptionData("TaskRevokedError", "celery.exceptions", ("called off",))
RESULTS: Mapping[str, Value] = {"SUCCESS": {"sum": 7}, "FAILURE": BOOM, "RETRY": BOOM, "REVOKED": REVOKED}


def _say(client: Client, task_id: str, request: Mapping[str, Any], state: str, result: Value) -> Outcome:
    """Have a worker say how a task has ended, by the one call that it makes."""
    if state == "REVOKED":
        return client.attempt("mark_as_revoked", task_id=task_id, request=request, reason="called off")
    if state == "SUCCESS":
        return client.attempt("mark_as_done", task_id=task_id, request=request, result=result)
    op = "mark_as_failure" if state == "FAILURE" else "mark_as_retry"
    return client.attempt(op, task_id=task_id, request=request, exc=result)


def _end(ctx: Context, client: Client, chord: Chord, index: int, state: str) -> None:
    """Let a part end by the call of a worker. Raises Unobserved where that fails for a task without a chord as well."""
    outcome = _say(client, chord.ids[index], chord.request(index), state, RESULTS[state])
    if outcome.kind != "ok":
        alone = ctx.new_id()
        if _say(client, alone, {"id": alone}, state, RESULTS[state]).kind != "ok":
            raise Unobserved(f"the call for {state} fails for any task")
    ctx.require("WORK-13", outcome.kind == "ok", got=ctx.describe(outcome), allowed=f"the call for {state} succeeds")


def _became(chord: Chord, client: Client) -> str:
    """Return what has become of a chord, in words that are the same for two that have ended alike."""
    chord.settle(client)
    calls = [show(list(sent.args)) for sent in chord.calls]
    state = client.member(chord.body_id, "status")
    return f"{len(calls)} calls of the body {' '.join(calls)}, which is {state.value or state.error}"


def _beside(ctx: Context, client: Client, ends: Sequence[tuple[int, str]]) -> list[str]:
    """Return what becomes of a chord with each of these ends, if they are stored and counted by two calls."""
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    became = []
    for index, state in ends:
        chord.store(client, index, RESULTS[state], state)
        chord.count(client, index, RESULTS[state], state)
        became.append(_became(chord, client))
    if became[-1] in became[:-1]:
        raise Unobserved("the last part does not decide the chord, whatever counts it")
    return became


def _require_alike(ctx: Context, ends: Sequence[tuple[int, str]]) -> None:
    client, worker = ctx.client("client"), ctx.client("worker")
    expected = _beside(ctx, client, ends)
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    for (index, state), allowed in zip(ends, expected, strict=True):
        _end(ctx, worker, chord, index, state)
        became = _became(chord, client)
        ctx.require("WORK-13", became == allowed, got=f"{became}, after the call for {state}", allowed=allowed)


@check("WORK-13", cases=[{"retries": 0}, {"retries": 2}])
def part_that_is_done_is_counted(ctx: Context, retries: int) -> None:
    """Parts are counted by `mark_as_done` alone; one that is retried counts when it is done."""
    _require_alike(ctx, [(0, "SUCCESS"), *[(1, "RETRY")] * retries, (1, "SUCCESS")])


@check("WORK-13", cases=[{"state": state, "first": first} for state in ("FAILURE", "REVOKED") for first in (0, 1)])
def part_that_has_failed_is_counted(ctx: Context, state: str, first: int) -> None:
    """`mark_as_failure` and `mark_as_revoked` count a part, too, so that its chord fails and nobody waits for it."""
    _require_alike(ctx, [(turn, state if turn == first else "SUCCESS") for turn in (0, 1)])


@check("WORK-13", needs=["counted"])
def part_that_ignores_its_result_is_counted(ctx: Context) -> None:
    """A part whose request ignores its value still counts: its chord is decided."""
    client, worker = ctx.client("client"), ctx.client("worker")
    control = Chord.of(ctx, FLAT_HEADERS[1]).apply(client)
    before = _became(control, client)
    control.count(client, 0, RESULTS["SUCCESS"], "SUCCESS")
    if _became(control, client) == before:
        raise Unobserved("a part without a stored result does not decide the chord, whatever counts it")
    chord = Chord.of(ctx, FLAT_HEADERS[1]).apply(client)
    request = {**chord.request(0), "ignore_result": True}
    outcome = _say(worker, chord.ids[0], request, "SUCCESS", RESULTS["SUCCESS"])
    after = _became(chord, client)
    got = f"{after}, after mark_as_done: {outcome.kind}"
    ctx.require("WORK-13", after != before, got=got, allowed="a call of the body, or FAILURE")


@check("WORK-13", needs=["opaque"])
def part_that_cannot_be_stored_is_not_counted(ctx: Context) -> None:
    """A part whose value cannot be stored has not returned: its chord is as it was."""
    client, worker = ctx.client("client"), ctx.client("worker")
    chord = Chord.of(ctx, FLAT_HEADERS[1]).apply(client)
    before = _became(chord, client)
    refused = _say(worker, chord.ids[0], chord.request(0), "SUCCESS", Opaque("<a socket>"))
    if refused.kind == "ok" or client.state(chord.ids[0]) != "PENDING":
        raise Unobserved("mark_as_done takes the value, or leaves something behind")
    after = _became(chord, client)
    ctx.require("WORK-13", after == before, got=f"{after}, after {ctx.describe(refused)}", allowed=before)
