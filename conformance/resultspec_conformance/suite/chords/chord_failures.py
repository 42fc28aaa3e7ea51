"""Checks of chapter 12: how a chord fails, which errbacks are called, and late parts."""

from collections.abc import Mapping, Sequence
from typing import Any

from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probe_protocols import BookkeepingProbe
from resultspec_conformance.testkit.chords import FLAT_HEADERS, Chord, chain_of, errback, group_of, signature
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.wire.values import ExceptionData, Value, show


def failure(index: int) -> ExceptionData:
    """Return the exception of a failed part, with a text of its own."""
    return ExceptionData("ValueError", "builtins", (f"boom{index}",))


def revocation(index: int) -> ExceptionData:
    """Return the exception of a revoked part, with a text of its own."""
    return ExceptionData("RuntimeError", "builtins", (f"revoked{index}",))


def _result(index: int, state: str) -> Value:
    if state == "SUCCESS":
        return {"part": index}
    return failure(index) if state == "FAILURE" else revocation(index)


def deliver_all(ctx: Context, chord: Chord, states: Sequence[str], times: int = 1) -> None:
    """Let all parts of a chord return, in these states, so many times in a row."""
    client = ctx.client("client")
    for _ in range(times):
        for index, state in enumerate(states):
            chord.deliver(client, index, _result(index, state), state)
    chord.settle(client)


def require_failed(ctx: Context, requirement: str, task_id: str, *texts: str) -> ExceptionData:
    """Require that a task is FAILURE with an exception that contains one of the texts, if any are given; return it."""
    meta = ctx.client("client").meta(task_id)
    result = meta["result"]
    failed = meta["status"] == "FAILURE" and isinstance(result, ExceptionData)
    told = not texts or any(text in show(result, 10_000) for text in texts)
    got = f"task {task_id} is {meta['status']} with {show(result)}"
    allowed = f"FAILURE with {' or '.join(texts)}" if texts else "FAILURE"
    ctx.require(requirement, failed and told, got=got, allowed=allowed)
    # where a check goes on past this, nothing is in it
    return result if isinstance(result, ExceptionData) else ExceptionData("", "", ())


def _causes(states: Sequence[str]) -> list[str]:
    """Return the texts of the exceptions of the failed parts."""
    return [_result(index, state).args[0] for index, state in enumerate(states) if state != "SUCCESS"]


def _require_named(ctx: Context, task_id: str, part_ids: Sequence[str]) -> None:
    """Require that a task that has failed is so with a ChordError whose message names one of the parts."""
    if ctx.client("client").state(task_id) != "FAILURE":
        raise Unobserved("the body has not failed, as CHORD-10 and CHORD-12 require")
    found = require_failed(ctx, "CHORD-24", task_id)
    message = " ".join(str(argument) for argument in found.args)
    named = found.type == "ChordError" and any(part_id in message for part_id in part_ids)
    allowed = f"a ChordError that names {' or '.join(part_ids)}"
    ctx.require("CHORD-24", named, got=f"a {found.type} with the message {message!r}", allowed=allowed)


FAILED = (
    ["FAILURE"],
    ["REVOKED"],
    ["SUCCESS", "FAILURE"],
    ["FAILURE", "SUCCESS"],
    ["SUCCESS", "REVOKED", "SUCCESS"],
    ["FAILURE", "FAILURE"],
    ["SUCCESS", "FAILURE", "REVOKED"],
    ["FAILURE", "FAILURE", "FAILURE"],
)


@check("CHORD-10", cases=[{"states": states} for states in FAILED])
def failed_part_fails_the_body(ctx: Context, states: list[str]) -> None:
    """Where a part has failed, the body is never called, and is FAILURE with the text of the error of such a part."""
    chord = Chord.of(ctx, FLAT_HEADERS[len(states)]).apply(ctx.client("client"))
    deliver_all(ctx, chord, states)
    chord.require_not_called("CHORD-10", f"parts have returned with {', '.join(states)}")
    require_failed(ctx, "CHORD-10", str(chord.body_id), *_causes(states))


@check("CHORD-3", cases=[{"state": state, "again": again} for state in ("FAILURE", "REVOKED") for again in (1, 3)])
def failure_that_is_delivered_again_stays(ctx: Context, state: str, again: int) -> None:
    """A failed part fails its chord also if it is delivered several times, and does not become a SUCCESS by that."""
    client = ctx.client("client")
    for times, chord in ((1, Chord.of(ctx, FLAT_HEADERS[2])), (1 + again, Chord.of(ctx, FLAT_HEADERS[2]))):
        chord.apply(client)
        for _ in range(times):
            chord.deliver(client, 0, _result(0, state), state)
        chord.deliver(client, 1, _result(1, "SUCCESS"))
        chord.settle(client)
        if times == 1 and chord.calls:
            raise Unobserved("the body is called though a part has failed (CHORD-10)")
    chord.require_not_called("CHORD-3", f"a part has returned with {state}, and again so")


@check("CHORD-24", cases=[{"states": states} for states in FAILED])
def failure_names_the_part(ctx: Context, states: list[str]) -> None:
    """The body of a failed chord fails with a ChordError that names a failed part."""
    chord = Chord.of(ctx, FLAT_HEADERS[len(states)]).apply(ctx.client("client"))
    deliver_all(ctx, chord, states)
    failed = [chord.ids[index] for index, state in enumerate(states) if state != "SUCCESS"]
    _require_named(ctx, str(chord.body_id), failed)


@check("CHORD-11", cases=[{"errbacks": count, "times": times} for count in (1, 2) for times in (1, 3)])
def errbacks_are_called_once(ctx: Context, errbacks: int, times: int) -> None:
    """Each errback of the body is called exactly once, with the id of the body, however often parts are delivered."""
    links = [errback(ctx) for _ in range(errbacks)]
    body = signature(ctx.new_id("body"), link_error=links)
    chord = Chord.of(ctx, FLAT_HEADERS[3], body).apply(ctx.client("client"))
    deliver_all(ctx, chord, ["SUCCESS", "FAILURE", "SUCCESS"], times)
    for link in links:
        calls = ctx.outbox.calls(link["options"]["task_id"])
        got = f"{len(calls)} calls of an errback, with {show([list(call.args) for call in calls])}"
        ctx.require("CHORD-11", len(calls) == 1, got=got, allowed="exactly one call")
        named = chord.body_id in calls[0].args
        ctx.require("CHORD-11", named, got=got, allowed=f"the id of the body, {chord.body_id}, as its argument")


@check(
    "CHORD-11",
    "CHORD-10",
    cases=[{"errbacks": 1, "refused": 0}, *({"errbacks": 3, "refused": at} for at in range(3))],
    needs=["broker"],
)
def refused_errback_keeps_nothing_back(ctx: Context, errbacks: int, refused: int) -> None:
    """Where the broker refuses one errback, every other one is called exactly once, and the body is still FAILURE."""
    client, counter = ctx.client("client"), ctx.fresh_client("counter")
    links = [errback(ctx) for _ in range(errbacks)]
    ids = [link["options"]["task_id"] for link in links]
    chord = Chord.of(ctx, FLAT_HEADERS[2], signature(ctx.new_id("body"), link_error=links)).apply(client)
    chord.deliver(client, 0, _result(0, "SUCCESS"))
    chord.store(counter, 1, failure(1), "FAILURE")
    sender = ctx.sender(counter)
    sender.broker_error, sender.refused = ValueError("the broker refuses this one"), frozenset([ids[refused]])
    # whether the counter hears of it is its own business
    chord.count(counter, 1, failure(1), "FAILURE")
    counter.attempt("settle", deadline=1.0)
    # the error may be that of the errback
    require_failed(ctx, "CHORD-10", str(chord.body_id))
    for task_id in ids[:refused] + ids[refused + 1 :]:
        calls = len(ctx.outbox.calls(task_id))
        got = f"{calls} calls of an errback while another one is refused"
        ctx.require("CHORD-11", calls == 1, got=got, allowed="exactly one call: this one was not refused")


@check("CHORD-11", cases=[{"errbacks": count} for count in (1, 2)], needs=["broker"])
def errbacks_of_a_body_that_cannot_be_called(ctx: Context, errbacks: int) -> None:
    """Where the broker refuses only the body, each errback is called once, with the id of the body."""
    client, counter = ctx.client("client"), ctx.fresh_client("counter")
    links = [errback(ctx) for _ in range(errbacks)]
    chord = Chord.of(ctx, FLAT_HEADERS[2], signature(ctx.new_id("body"), link_error=links)).apply(client)
    chord.deliver(client, 0, _result(0, "SUCCESS"))
    chord.store(counter, 1, _result(1, "SUCCESS"))
    sender = ctx.sender(counter)
    sender.broker_error, sender.refused = ValueError("the broker refuses this one"), frozenset([str(chord.body_id)])
    # whether the counter hears of it is its own business
    chord.count(counter, 1, _result(1, "SUCCESS"), "SUCCESS")
    counter.attempt("settle", deadline=1.0)
    if client.state(chord.body_id) != "FAILURE":
        raise Unobserved("the body was not made FAILURE, as CHORD-13 requires")
    for link in links:
        calls = [list(call.args) for call in ctx.outbox.calls(link["options"]["task_id"])]
        got = f"{len(calls)} calls of an errback, with {show(calls)} when the body was refused"
        called = len(calls) == 1 and chord.body_id in calls[0]
        ctx.require("CHORD-11", called, got=got, allowed=f"exactly one call, with the id of the body, {chord.body_id}")


def _require_errback(ctx: Context, link: Mapping[str, Any], ids: Sequence[str], least: int, most: int) -> None:
    """Require that an errback was called so often, each time with another of some ids."""
    called = [str(argument) for call in ctx.outbox.calls(link["options"]["task_id"]) for argument in call.args]
    holds = least <= len(called) <= most and len(set(called)) == len(called) and set(called) <= set(ids)
    allowed = f"{least} to {most} calls, with {' or '.join(ids)}"
    ctx.require("CHORD-11", holds, got=f"calls of an errback with {show(called)}", allowed=allowed)


@check("CHORD-11", cases=[{"kind": "group"}, {"kind": "chain"}])
def errbacks_of_a_body_of_several_tasks(ctx: Context, kind: str) -> None:
    """Errbacks of the members of a group are called with their ids, those of a chain with the id of the chain."""
    links = [errback(ctx) for _ in range(2)]
    tasks = [signature(ctx.new_id("body"), link_error=[link]) for link in links]
    ids, around = [str(task["options"]["task_id"]) for task in tasks], errback(ctx)
    body = group_of(*tasks) if kind == "group" else chain_of(*tasks)
    body["options"]["link_error"] = [around]
    deliver_all(ctx, Chord.of(ctx, FLAT_HEADERS[2], body).apply(ctx.client("client")), ["SUCCESS", "FAILURE"], 2)
    least = 1 if kind == "group" else 0
    for link, task_id in zip(links, ids, strict=True):
        _require_errback(ctx, link, [task_id], least, 1)
    own = str(body["options"]["task_id"])
    _require_errback(ctx, around, [own, *ids] if kind == "group" else [own], 1, len(ids) if kind == "group" else 1)


@check("CHORD-11")
def errbacks_are_not_called_without_a_failure(ctx: Context) -> None:
    """A chord that succeeds calls no errback."""
    link = errback(ctx)
    chord = Chord.of(ctx, FLAT_HEADERS[2], signature(ctx.new_id("body"), link_error=[link])).apply(
        ctx.client("client"), 2
    )
    deliver_all(ctx, chord, ["SUCCESS", "SUCCESS"])
    calls = ctx.outbox.calls(link["options"]["task_id"])
    ctx.require("CHORD-11", not calls, got=f"{len(calls)} calls of an errback", allowed="no call: nothing has failed")


@check(
    "CHORD-12",
    "CHORD-10",
    cases=[{"kind": kind, "parts": parts} for kind in ("group", "chain", "both") for parts in (1, 2)],
)
def failure_reaches_every_task_of_the_body(ctx: Context, kind: str, parts: int) -> None:
    """Every leaf of a group, and every step of a chain, that is the body of a failed chord is FAILURE."""
    ids = [ctx.new_id("body") for _ in range(3)]
    first, second, third = (signature(task_id) for task_id in ids)
    bodies = {
        "group": group_of(first, second, third),
        "chain": chain_of(first, second, third),
        "both": chain_of(first, group_of(second, third)),
    }
    chord = Chord.of(ctx, FLAT_HEADERS[parts], bodies[kind]).apply(ctx.client("client"))
    states = ["FAILURE", "SUCCESS"][:parts]
    deliver_all(ctx, chord, states)
    chord.require_not_called("CHORD-10", "a part has failed")
    for task_id in ids:
        require_failed(ctx, "CHORD-12", task_id, *_causes(states))


@check("CHORD-1", cases=[{"kind": "group"}, {"kind": "chain"}])
def compound_body_is_called_once(ctx: Context, kind: str) -> None:
    """A body that is a group or a chain is called once, as a whole."""
    first, second = (signature(ctx.new_id("body")) for _ in range(2))
    body = group_of(first, second) if kind == "group" else chain_of(first, second)
    chord = Chord.of(ctx, FLAT_HEADERS[2], body).apply(ctx.client("client"))
    deliver_all(ctx, chord, ["SUCCESS", "SUCCESS"], times=2)
    chord.require_called_once("CHORD-1")


def _fail_inside(ctx: Context, outer: int, *, chain: bool = False) -> Chord:
    """Return a chord of so many parts, the last of which is a chord that has failed; its body may end a chain."""
    client = ctx.client("client")
    around = Chord.of(ctx, FLAT_HEADERS[outer]).apply(client)
    options = {"chord": around.request(outer - 1)["chord"], "group_id": around.group_id, "group_index": outer - 1}
    last = signature(around.ids[outer - 1], **options)
    inner = Chord.of(ctx, FLAT_HEADERS[2], chain_of(signature(ctx.new_id("step")), last) if chain else last)
    inner.apply(client)
    for index in range(outer - 1):
        around.deliver(client, index, "done")
    deliver_all(ctx, inner, ["FAILURE", "SUCCESS"])
    around.settle(client)
    return around


@check("CHORD-12", cases=[{"outer": outer, "chain": chain} for outer in (1, 2) for chain in (False, True)])
def failure_reaches_the_enclosing_chord(ctx: Context, outer: int, chain: bool) -> None:
    """A chord that fails inside another chord counts there as a failed part, also if its body is a chain."""
    around = _fail_inside(ctx, outer, chain=chain)
    around.require_not_called("CHORD-12", "the chord that is a part of it has failed")
    require_failed(ctx, "CHORD-12", str(around.body_id), *_causes(["FAILURE"]))


@check("CHORD-24", cases=[{"outer": outer} for outer in (1, 2)], by_chance=["CHORD-24"])
def failure_names_the_inner_chord(ctx: Context, outer: int) -> None:
    """The failure of an enclosing chord names the body of the chord that failed inside it."""
    around = _fail_inside(ctx, outer)
    _require_named(ctx, str(around.body_id), [around.ids[outer - 1]])


@check("CHORD-14", cases=[{"states": states} for states in (["SUCCESS", "SUCCESS"], ["SUCCESS", "FAILURE"])])
def body_without_an_id_gets_one(ctx: Context, states: list[str]) -> None:
    """A body without an id gets one when the chord is applied, and is called, or fails, under that id."""
    chord = Chord.of(ctx, FLAT_HEADERS[2], signature(None))
    chord.apply(ctx.client("client"))
    got = "the body has no id after the chord was applied"
    ctx.require("CHORD-14", bool(chord.body_id), got=got, allowed="an id, known before a part returns")
    deliver_all(ctx, chord, states)
    if "FAILURE" in states:
        require_failed(ctx, "CHORD-14", str(chord.body_id))
        return
    calls = ctx.outbox.calls(str(chord.body_id))
    got = f"{len(calls)} calls with the id {chord.body_id}"
    ctx.require("CHORD-14", len(calls) == 1, got=got, allowed="one call of the body, with the id that it was given")


# -- duplicates and lifetimes ----------------------------------------------------------------------


def _kept(ctx: Context, chord: Chord) -> frozenset[str]:
    """Return the keys or rows that have to do with a chord, as far as the store can be looked at."""
    probe = ctx.session.subject.probe
    try:
        return frozenset(probe.bookkeeping(chord.group_id)) if isinstance(probe, BookkeepingProbe) else frozenset()
    except Unobserved:
        return frozenset()


def _entry(meta: Mapping[str, Value]) -> str:
    return f"{meta['status']} with {show(meta['result'])}"


ENDINGS = (["SUCCESS"], ["SUCCESS", "SUCCESS"], ["FAILURE", "SUCCESS"], ["SUCCESS", "FAILURE"])


@check("CHORD-15", cases=[{"states": states, "stored": stored} for states in ENDINGS for stored in (False, True)])
def late_duplicate_changes_nothing(ctx: Context, states: list[str], stored: bool) -> None:
    """After the decision, parts that are delivered again call nothing, store nothing, and leave no key or row."""
    client, link = ctx.client("client"), errback(ctx)
    chord = Chord.of(ctx, FLAT_HEADERS[len(states)], signature(ctx.new_id("body"), link_error=[link]))
    chord.apply(client)
    deliver_all(ctx, chord, states)
    if stored and "FAILURE" not in states:
        client.store(chord.body_id, "the body has run")
    calls, kept, before = len(ctx.outbox.sent()), _kept(ctx, chord), client.meta(chord.body_id)
    for name in ("w1", "w2"):
        for index, state in enumerate(states):
            chord.deliver(ctx.client(name), index, _result(index, state), state)
        chord.settle(client)
    after, more = client.meta(chord.body_id), len(ctx.outbox.sent()) - calls
    ctx.require("CHORD-15", more == 0, got=f"{more} more calls", allowed="no call after the decision")
    got = f"the body was {_entry(before)}, and is {_entry(after)}"
    ctx.require("CHORD-15", _entry(before) == _entry(after), got=got, allowed="the state it was in")
    new = sorted(_kept(ctx, chord) - kept)
    ctx.require("CHORD-15", not new, got=f"kept after it: {', '.join(new)}", allowed="nothing more than before")
