"""Checks of chapter 12: which parts count, when the body is called, and with what."""

import random
from functools import partial
from itertools import chain
from threading import Barrier
from typing import Any

from hypothesis import strategies as st

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.testkit.chords import FLAT_HEADERS, Chord, results_in
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.waits import eager_switching
from resultspec_conformance.wire.values import ExceptionData, Value, show

COUNTERS = ("w1", "w2", "w3")


@st.composite
def deliveries(draw: st.DrawFn, most: int = 5) -> dict[str, Any]:
    """Draw the number of parts, and the order in which each of them is delivered one to three times."""
    count = draw(st.integers(1, most))
    often = draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    order = draw(st.permutations([index for index, times in enumerate(often) for _ in range(times)]))
    return {"parts": count, "order": order}


def _value(index: int) -> Value:
    return {"part": index}


@check("CHORD-1", "CHORD-8", given={"plan": deliveries()}, effort=0.4)
def body_is_called_once(ctx: Context, plan: dict[str, Any]) -> None:
    """In any order, and however often each part is delivered, the body is called once, when all parts have returned."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[plan["parts"]]).apply(client)
    returned: set[int] = set()
    for turn, index in enumerate(plan["order"]):
        if len(returned) < plan["parts"]:
            chord.require_not_called("CHORD-1", f"{len(returned)} of {plan['parts']} parts have returned")
        chord.deliver(ctx.client(COUNTERS[turn % 2]), index, _value(index))
        returned.add(index)
    chord.settle(client)
    if len(returned) < plan["parts"]:
        # a smaller example, in which a part is missing
        chord.require_not_called("CHORD-1", f"{len(returned)} of {plan['parts']} parts have returned")
        return
    chord.require_called_with("CHORD-8", [_value(index) for index in range(plan["parts"])], count="CHORD-1")


RACES = 12


@check("CHORD-2", cases=[{"parts": 1 + number % 3, "seed": number} for number in range(RACES)], deadline=120.0)
def body_is_called_once_in_a_race(ctx: Context, parts: int, seed: int) -> None:
    """When counters get the same parts at the same time, the body is called once."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[parts]).apply(client)
    for index in range(parts):
        chord.store(client, index, _value(index))
    dice, barrier = random.Random(seed), Barrier(len(COUNTERS))

    def count(counter: Client, order: list[int]) -> None:
        barrier.wait()
        for index in order:
            chord.count_until_accepted(counter, index, _value(index))

    with eager_switching():
        orders = [dice.sample(range(parts), parts) for _ in COUNTERS]
        running = [
            ctx.background(partial(count, ctx.client(name), order))
            for name, order in zip(COUNTERS, orders, strict=True)
        ]
        for one in running:
            one.result(timeout=60.0)
    chord.settle(client)
    longest = max(operation.end - operation.start for operation in chord.counting if operation.end is not None)
    if longest > ctx.capabilities.chord_lease:
        raise Unobserved("this machine was so slow that the claim of a counter ended, so another could take it over")
    chord.require_called_once("CHORD-2")


# -- parts -----------------------------------------------------------------------------------------


@check("CHORD-3", cases=[{"order": order} for order in ([0, 1], [1, 0], [0, 0, 1], [1, 1, 0, 0])])
def one_signature_twice_is_two_parts(ctx: Context, order: list[int]) -> None:
    """Two parts that have the same task id, and different indices, are two."""
    client, same_id = ctx.client("client"), ctx.new_id("part")
    chord = Chord.of(ctx, FLAT_HEADERS[2], ids=[same_id, same_id]).apply(client)
    seen: set[int] = set()
    for index in order:
        if len(seen) < 2:
            chord.require_not_called("CHORD-3", f"of two parts {len(seen)} have returned")
        chord.deliver(client, index, "the same")
        seen.add(index)
    chord.settle(client)
    chord.require_called_with("CHORD-3", ["the same", "the same"], count="CHORD-3")


@check("CHORD-3", cases=[{"again": 1}, {"again": 3}])
def first_delivery_counts(ctx: Context, again: int) -> None:
    """A part that is delivered again with another value before the chord is decided keeps the value that it had."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    chord.deliver(client, 0, "first")
    for number in range(again):
        chord.deliver(client, 0, f"again {number}")
    chord.deliver(client, 1, "other")
    chord.settle(client)
    chord.require_called_with("CHORD-3", ["first", "other"], count="CHORD-3")


UNREADY = ("RETRY", "STARTED", "PROGRESS", "RECEIVED", "success", "REJECTED", "IGNORED")


@check("CHORD-4", cases=[{"state": state} for state in UNREADY])
def unready_part_does_not_count(ctx: Context, state: str) -> None:
    """A part that returns in an unready state does not count, and counts when it returns with SUCCESS."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    result: Value = ExceptionData("ValueError", "builtins", ("again",)) if state == "RETRY" else "not yet"
    chord.deliver(client, 0, _value(0))
    chord.deliver(client, 1, result, state)
    chord.settle(client)
    chord.require_not_called("CHORD-4", f"a part has returned with {state}")
    chord.deliver(client, 1, _value(1))
    chord.settle(client)
    chord.require_called_with("CHORD-4", [_value(0), _value(1)], count="CHORD-4")


# -- the size --------------------------------------------------------------------------------------

NESTED: list[Any] = [None, [None, None], [[None], None]]


def _complete(ctx: Context, chord: Chord, parts: int, requirement: str) -> None:
    client = ctx.client("client")
    for index in range(parts):
        chord.require_not_called(requirement, f"{index} of {parts} parts have returned")
        chord.deliver(client, index, _value(index))
    chord.settle(client)
    chord.require_called_once(requirement)


@check(
    "CHORD-5",
    cases=[{"shape": shape} for shape in (FLAT_HEADERS[1], FLAT_HEADERS[4], NESTED, [[None, None]], [[None], [None]])],
    acts=["on_chord_part_return"],
)
def header_has_as_many_parts_as_the_client_says(ctx: Context, shape: Any) -> None:
    """The size that the client says in both ways counts, also for a header with more leaves than members."""
    chord = Chord.of(ctx, shape).apply(ctx.client("client"))
    _complete(ctx, chord, len(chord.ids), "CHORD-5")


@check(
    "CHORD-5",
    needs=["counted"],
    cases=[{"members": 2, "parts": 3}, {"members": 1, "parts": 4}],
    acts=["on_chord_part_return"],
)
def size_of_the_client_counts(ctx: Context, members: int, parts: int) -> None:
    """The size that the client says counts before the number of tasks in the header."""
    chord = Chord.of(ctx, FLAT_HEADERS[members]).apply(ctx.client("client"), parts)
    chord.ids += [ctx.new_id("part") for _ in range(parts - members)]
    _complete(ctx, chord, parts, "CHORD-5")


@check(
    "CHORD-23",
    needs=["counted"],
    cases=[
        *({"shape": shape, "signed": None, "sized": None} for shape in (FLAT_HEADERS[1], FLAT_HEADERS[4], NESTED)),
        {"shape": FLAT_HEADERS[2], "signed": 3, "sized": None},
        {"shape": FLAT_HEADERS[2], "signed": None, "sized": 3},
        {"shape": FLAT_HEADERS[2], "signed": 2, "sized": 4},
    ],
    acts=["on_chord_part_return"],
)
def size_that_is_said_in_one_way_counts(ctx: Context, shape: Any, signed: int | None, sized: int | None) -> None:
    """A size that only the signature has, or only the client sets, counts, and else the leaves of the header."""
    client = ctx.client("client")
    chord = Chord.of(ctx, shape).apply_without_size(client)
    chord.size = signed
    if sized is not None:
        chord.resize(client, sized)
    parts = sized or signed or len(chord.ids)
    chord.ids += [ctx.new_id("part") for _ in range(parts - len(chord.ids))]
    _complete(ctx, chord, parts, "CHORD-23")


@check("CHORD-23", needs=["counted"], cases=[{"size": 1}, {"size": 3}], acts=["on_chord_part_return"])
def size_of_the_request_counts(ctx: Context, size: int) -> None:
    """A size that stands in the request itself, as in messages of Celery 5.0, counts."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[1]).apply_without_size(client)
    chord.ids += [ctx.new_id("part") for _ in range(size - 1)]
    for index in range(size):
        chord.require_not_called("CHORD-23", f"{index} of {size} parts have returned")
        chord.store(client, index, _value(index))
        request = {**chord.request(index), "chord_size": size}
        client.call("on_chord_part_return", request=request, state="SUCCESS", result=_value(index))
    chord.settle(client)
    chord.require_called_once("CHORD-23")


@check("CHORD-23", needs=["counted"], acts=["on_chord_part_return"])
def decided_chord_is_applied_again_without_a_size(ctx: Context) -> None:
    """A chord that is applied again after its decision is decided again, even if nobody says a size."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[2])
    for run in (1, 2):
        current = chord.again().apply_without_size(client)
        for index in (0, 1):
            current.deliver(client, index, _value(index))
        current.settle(client)
        got = f"{len(current.calls)} calls of the body after {run} runs"
        ctx.require("CHORD-23", len(current.calls) == run, got=got, allowed="one call for each run")


@check("CHORD-6", cases=[{"parts": parts, "early": early} for parts in (2, 4) for early in range(1, parts)])
def parts_before_the_size_are_kept(ctx: Context, parts: int, early: int) -> None:
    """Parts that return before the size is set count, as Celery's canvas needs it."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[parts]).apply_without_size(client)
    chord.size = parts
    for index in range(early):
        chord.deliver(client, index, _value(index))
    chord.resize(client, parts)
    chord.require_not_called("CHORD-6", f"{early} of {parts} parts have returned")
    for index in range(early, parts):
        chord.deliver(client, index, _value(index))
    chord.settle(client)
    chord.require_called_with("CHORD-6", [_value(index) for index in range(parts)], count="CHORD-6")


@check("CHORD-7", cases=[{"left": left} for left in (["FAILURE"], ["SUCCESS"], ["SUCCESS", "FAILURE"])])
def older_run_does_not_count(ctx: Context, left: list[str]) -> None:
    """A chord that is applied again is decided by the parts of the new run alone, whatever the old one has left."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    for index, state in enumerate(left):
        failed = ExceptionData("ValueError", "builtins", ("of the old run",))
        chord.deliver(client, index, failed if state == "FAILURE" else "of the old run", state)
    chord.settle(client)
    chord.require_not_called("CHORD-7", "the old run has failed, or a part of it is missing")
    renewed = chord.again().apply(client)
    renewed.deliver(client, 0, _value(0))
    renewed.require_not_called("CHORD-7", "one part of the new run has returned")
    renewed.deliver(client, 1, _value(1))
    renewed.settle(client)
    renewed.require_called_with("CHORD-7", [_value(0), _value(1)], count="CHORD-7")


@check("CHORD-7")
def decided_chord_can_be_applied_again(ctx: Context) -> None:
    """A chord whose body was called can be applied again, and its body is called for that run, too."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[2])
    for run in (1, 2):
        current = chord.again().apply(client)
        for index in (0, 1):
            current.deliver(client, index, _value(index))
        current.settle(client)
        got = f"{len(chord.calls)} calls of the body after {run} runs"
        ctx.require("CHORD-7", len(chord.calls) == run, got=got, allowed="one call for each run")


OF_OLD: list[dict[str, Any]] = [
    {"shape": [None, None], "added": 0, "again": [None, None, None]},
    {"shape": [None, None, None], "added": 0, "again": [None, None]},
    {"shape": [None, None], "added": 1, "again": [None, None]},
    {"shape": [[None, None], None], "added": 0, "again": [None, None, None]},
    {"shape": [None, [None], None], "added": 1, "again": [None, None]},
]
"""Runs of which something is left, and the headers with which their chords are applied again."""


OLDER_RUNS: list[dict[str, Any]] = [{**left, "returned": returned} for left in OF_OLD for returned in (False, True)]


def _left_behind(ctx: Context, shape: Any, added: int, returned: bool) -> Chord:
    """Return a chord of which a run was begun and not decided."""
    client = ctx.client("client")
    chord = Chord.of(ctx, shape).apply(client)
    for _ in range(added):
        client.attempt("add_to_chord", group_id=chord.group_id, result=[[ctx.new_id("part"), None], None])
    if returned:
        chord.deliver(client, 0, "of the old run")
    return chord


def _require_new_run(ctx: Context, requirement: str, chord: Chord) -> None:
    """Require that a chord is decided by as many parts as it has, with their results in the shape of its header."""
    client, count = ctx.client("client"), len(chord.ids)
    for index in range(count):
        chord.require_not_called(requirement, f"{index} of {count} parts of the new run have returned")
        chord.deliver(client, index, _value(index))
    chord.settle(client)
    chord.require_called_with(requirement, [_value(index) for index in range(count)], count=requirement)


@check("CHORD-7", cases=OLDER_RUNS, acts=["on_chord_part_return"])
def additions_and_nesting_of_an_older_run_are_forgotten(
    ctx: Context, shape: Any, added: int, again: Any, returned: bool
) -> None:
    """A chord that is applied again has as many parts as the client then says, and the nesting of its new header."""
    renewed = _left_behind(ctx, shape, added, returned).again(again).apply(ctx.client("client"))
    _require_new_run(ctx, "CHORD-7", renewed)


@check("CHORD-23", cases=OLDER_RUNS, needs=["counted"], acts=["on_chord_part_return"])
def size_of_an_older_run_is_forgotten(ctx: Context, shape: Any, added: int, again: Any, returned: bool) -> None:
    """A chord that is applied again without a size has as many parts as its new header has leaves."""
    renewed = _left_behind(ctx, shape, added, returned).again(again).apply_without_size(ctx.client("client"))
    _require_new_run(ctx, "CHORD-23", renewed)


@check(
    "CHORD-25",
    needs=["counted"],
    cases=[{"parts": parts, "again": again} for parts in (0, 1, 2) for again in (2, 3)],
)
def another_size_begins_a_new_run(ctx: Context, parts: int, again: int) -> None:
    """A size that is set again forgets the parts that have returned, of a chord that is decided as well."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    for index in range(parts):
        chord.deliver(client, index, "of the old run")
    chord.settle(client)
    before = len(chord.calls)
    renewed = chord.again(FLAT_HEADERS[again])
    renewed.size = again
    renewed.resize(client, again)
    for index in range(again):
        got = f"{len(renewed.calls) - before} more calls of the body"
        allowed = f"none: {index} of {again} parts of the new run have returned"
        ctx.require("CHORD-25", len(renewed.calls) == before, got=got, allowed=allowed)
        renewed.deliver(client, index, _value(index))
    renewed.settle(client)
    got = f"{len(renewed.calls) - before} more calls of the body"
    ctx.require("CHORD-25", len(renewed.calls) == before + 1, got=got, allowed="one call for the new run")


CALLING = 2.0
"""Seconds that a store may take to apply a chord while a body of an older run is called."""


@check("CHORD-7", needs=["broker"])
def older_run_does_not_decide_the_new(ctx: Context) -> None:
    """A chord that is applied again while its older run is being decided is not decided by the older run."""
    client, counter = ctx.client("client"), ctx.fresh_client("counter")
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    renewed, applied = chord.again(), list[bool]()

    def apply_again() -> None:
        running = ctx.background(lambda: renewed.apply(client))
        # one that lets nobody else in while it decides has no such race
        applied.append(ctx.eventually(running.done, CALLING) and running.exception() is None)

    chord.deliver(counter, 0, "of the old run")
    chord.store(counter, 1, "of the old run")
    ctx.sender(counter).while_sending = apply_again
    chord.count(counter, 1, "of the old run", "SUCCESS")
    counter.attempt("settle", deadline=1.0)
    if applied != [True]:
        raise Unobserved("the chord could not be applied again while its body was being called")
    before = len(renewed.calls)
    for index in (0, 1):
        got = f"{len(renewed.calls) - before} more calls of the body"
        ctx.require("CHORD-7", len(renewed.calls) == before, got=got, allowed=f"none: {index} of 2 parts have returned")
        renewed.deliver(client, index, _value(index))
    renewed.settle(client)
    calls = renewed.calls[before:]
    got = f"calls of the body with {show([list(sent.args) for sent in calls])}"
    called = [results_in(sent.args) for sent in calls] == [[_value(0), _value(1)]]
    ctx.require("CHORD-7", called, got=got, allowed="one call, with the results of the new run")


@check("CHORD-22", cases=[{"parts": 1, "more": 1}, {"parts": 2, "more": 2}])
def added_part_is_waited_for(ctx: Context, parts: int, more: int) -> None:
    """A part that was added before the one that adds it returns is waited for, and its result is among the others."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[parts]).apply(client)
    chord.ids += [ctx.new_id("part") for _ in range(more)]
    for index in range(parts, parts + more):
        added = client.attempt("add_to_chord", group_id=chord.group_id, result=[[chord.ids[index], None], None])
        if added.error == "NotImplementedError":
            ctx.require("CHORD-22", index == parts, got="one part was added, and another refused", allowed="both")
            return
        ctx.require("CHORD-22", added.kind == "ok", got=ctx.describe(added), allowed="ok, or NotImplementedError")
    for index in range(parts + more):
        chord.require_not_called("CHORD-22", f"{index} of {parts + more} parts have returned")
        chord.deliver(client, index, _value(index))
    chord.settle(client)
    args = chord.require_called_once("CHORD-22")
    complete = sorted(map(show, results_in(args))) == sorted(show(_value(index)) for index in range(parts + more))
    ctx.require("CHORD-22", complete, got=f"results {show(args)}", allowed="the results of all parts")


# -- the results -----------------------------------------------------------------------------------

SHAPES = st.recursive(st.none(), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=6)
HEADERS = st.lists(SHAPES, min_size=1, max_size=3)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(st.characters(codec="ascii"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)


def _returns_in_some_order(ctx: Context, chord: Chord, values: list[Value], order: list[int]) -> None:
    client = ctx.client("client")
    for index in order:
        chord.deliver(client, index, values[index])
    chord.settle(client)


@check("CHORD-8", given={"shape": HEADERS, "seed": st.integers(0, 2**16)}, effort=0.3)
def results_are_nested_as_the_header(ctx: Context, shape: Any, seed: int) -> None:
    """The results have the order and the nesting of the header, in whatever order its parts return."""
    chord = Chord.of(ctx, shape).apply(ctx.client("client"))
    count = len(chord.ids)
    order = random.Random(seed).sample(range(count), count)
    _returns_in_some_order(ctx, chord, [_value(index) for index in range(count)], order)
    chord.require_called_with("CHORD-8", [_value(index) for index in range(count)])


@check("CHORD-8", given={"values": st.lists(PLAIN, min_size=1, max_size=4)}, effort=0.3)
def results_are_what_was_returned(ctx: Context, values: list[Value]) -> None:
    """Each result is what a reader gets, even if it is null, false, or a list."""
    chord = Chord.of(ctx, FLAT_HEADERS[len(values)]).apply(ctx.client("client"))
    _returns_in_some_order(ctx, chord, values, list(reversed(range(len(values)))))
    chord.require_called_with("CHORD-8", values)


@check("CHORD-8", cases=[{"parts": 12}, {"parts": 120}])
def results_are_in_the_order_of_numbers(ctx: Context, parts: int) -> None:
    """The tenth part comes after the ninth, not after the first as if sorted as text."""
    chord = Chord.of(ctx, [None] * parts).apply(ctx.client("client"))
    values = [f"result {index}" for index in range(parts)]
    _returns_in_some_order(ctx, chord, values, list(chain(range(1, parts, 2), range(0, parts, 2))))
    chord.require_called_with("CHORD-8", values)


EMPTY: tuple[Any, ...] = ([], [[]], [[], [[]]])


@check("CHORD-9", cases=[{"shape": shape} for shape in EMPTY])
def empty_header_calls_the_body(ctx: Context, shape: Any) -> None:
    """The body of a chord without parts is called when the chord is applied, with empty lists."""
    client = ctx.client("client")
    chord = Chord.of(ctx, shape).apply_without_size(client)
    chord.settle(client)
    if shape:
        chord.require_called_once("CHORD-9")
    else:
        chord.require_called_with("CHORD-9", [], count="CHORD-9")


@check("CHORD-20", cases=[{"stored": stored} for stored in ([], [0], [1])])
def part_without_a_stored_result(ctx: Context, stored: list[int]) -> None:
    """A chord whose parts ignore their results is decided when the last of them has returned."""
    client = ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    for index in (0, 1):
        if index in stored:
            chord.store(client, index, _value(index))
        # the others ignore their results
        chord.count_until_accepted(client, index, _value(index))
    chord.settle(client)
    if chord.calls:
        chord.require_called_once("CHORD-20")
        return
    if chord.body_id is None:
        raise Unobserved("the body has no id")
    meta = client.meta(chord.body_id)
    named = any(chord.ids[index] in show(meta["result"]) for index in (0, 1) if index not in stored)
    got = f"the body is {meta['status']} with {show(meta['result'])}, and was not called"
    ctx.require("CHORD-20", meta["status"] == "FAILURE" and named, got=got, allowed="a call, or FAILURE that names it")
