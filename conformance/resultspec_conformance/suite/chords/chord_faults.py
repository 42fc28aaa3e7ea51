"""Checks of chapter 12: workers that die, brokers that refuse, lifetimes of keys, and what a part costs."""

import math
import statistics
import time
from collections.abc import Mapping
from functools import partial

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.subject.probe_protocols import BookkeepingProbe, TrafficProbe
from resultspec_conformance.testkit.chords import FLAT_HEADERS, Chord
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.wire.values import ExceptionData, Value, show

LONGEST_LEASE = 8.0
"""The lease in seconds that the suite waits for: a call that waits for its end does not count as hung."""


def _value(index: int) -> Value:
    return {"part": index}


@check("CHORD-13", cases=[{"error": error} for error in ("ConnectionError", "RuntimeError", "ValueError")])
def body_that_cannot_be_called_fails(ctx: Context, error: str) -> None:
    """Where the broker refuses the body, the body becomes FAILURE with an error that includes the broker's."""
    client, counter = ctx.client("client"), ctx.fresh_client("counter")
    refusals = {"ConnectionError": ConnectionError, "RuntimeError": RuntimeError, "ValueError": ValueError}
    chord = Chord.of(ctx, FLAT_HEADERS[2]).apply(client)
    chord.deliver(client, 0, _value(0))
    chord.store(counter, 1, _value(1))
    ctx.sender(counter).broker_error = refusals[error]("the broker says no")
    # whether the counter hears of it is its own business: what counts is that those who wait for the body do
    chord.count(counter, 1, _value(1), "SUCCESS")
    counter.attempt("settle", deadline=1.0)
    meta = client.meta(chord.body_id)
    failed = meta["status"] == "FAILURE" and "the broker says no" in show(meta["result"])
    got = f"the body is {meta['status']} with {show(meta['result'])}"
    ctx.require("CHORD-13", failed, got=got, allowed="FAILURE with an error that says so")


# -- a worker dies ---------------------------------------------------------------------------------


def _lease(ctx: Context) -> float:
    lease = ctx.capabilities.chord_lease
    if lease > LONGEST_LEASE:
        raise Unobserved(f"the lease is {lease} s, which is too long to wait for; open the subject with a shorter one")
    return lease


def _dying(ctx: Context, moment: str, parts: int) -> Chord:
    """Return a chord whose last part was delivered to a counter that died before or after it called the body."""
    client, victim = ctx.client("client"), ctx.fresh_client(f"dies-{moment}")
    chord = Chord.of(ctx, FLAT_HEADERS[parts]).apply(client)
    for index in range(parts - 1):
        chord.deliver(client, index, _value(index))
    chord.store(victim, parts - 1, _value(parts - 1))
    sender = ctx.sender(victim)
    sender.crashes = "before" if moment == "before" else "after"
    ended = chord.count(victim, parts - 1, _value(parts - 1), "SUCCESS")
    if ended.kind == "ok":
        raise Unobserved("the counter called the body and did not end when the call ended")
    return chord


def _again(chord: Chord, counter: Client) -> Outcome:
    """Deliver a part once more, while the claim of the dead counter may be held."""
    return chord.count(counter, len(chord.ids) - 1, _value(len(chord.ids) - 1), "SUCCESS")


def _require_not_swallowed(ctx: Context, chord: Chord, outcome: Outcome) -> None:
    """Require that a delivery within the lease was refused with Busy, or returned when the chord was decided."""
    if ctx.capabilities.choice("chord_crash") == "at-most-once":
        # whether the chord is decided cannot be seen: the body may never be called
        taken = outcome.kind == "ok" or outcome.error == "Busy"
        ctx.require("CHORD-17", taken, got=ctx.describe(outcome), allowed="ok, or Busy")
    elif outcome.kind == "ok":
        got = "the part was counted, and the body was not called"
        ctx.require("CHORD-17", bool(chord.calls), got=got, allowed="it is counted when the chord is decided, or Busy")
    else:
        ctx.require("CHORD-17", outcome.error == "Busy", got=ctx.describe(outcome), allowed="ok, or Busy")


def _require_promise(ctx: Context, chord: Chord, moment: str) -> None:
    """Require what the declared mode promises of a counter that died before, or after, it called the body."""
    calls, mode = len(chord.calls), ctx.capabilities.choice("chord_crash")
    least, most = (1, math.inf) if mode == "at-least-once" else (0, 1)
    got = f"{calls} calls of the body, after a counter that died {moment} it called"
    ctx.require("CHORD-18", least <= calls <= most, got=got, allowed=f"{mode}: from {least} to {most}")
    ids = {task_id for sent in chord.calls for task_id in sent.task_ids}
    ctx.require("CHORD-18", len(ids) <= 1, got=f"calls with the ids {sorted(ids)}", allowed="the same id each time")


@check("CHORD-18", "CHORD-17", cases=[{"parts": 2}], deadline=120.0, acts=["on_chord_part_return"])
def worker_dies_while_it_decides(ctx: Context, parts: int) -> None:
    """After a counter has died, no delivery is swallowed within its lease, and the mode's promise holds after it."""
    lease, client = _lease(ctx), ctx.client("client")
    # open before the counter dies: opening a client can take longer than the lease
    others = {moment: ctx.fresh_client(f"again-{moment}") for moment in ("before", "after")}
    chords = {moment: _dying(ctx, moment, parts) for moment in ("before", "after")}
    died = time.monotonic()
    within = {moment: ctx.background(partial(_again, chord, others[moment])) for moment, chord in chords.items()}
    for moment, delivery in within.items():
        _require_not_swallowed(ctx, chords[moment], delivery.result(timeout=60.0))
    time.sleep(max(0.0, died + lease + ctx.grace - time.monotonic()))
    for moment, chord in chords.items():
        chord.count_until_accepted(client, 0, _value(0))
        chord.settle(client)
        _require_promise(ctx, chord, moment)


@check("CHORD-18", cases=[{"moment": "before"}, {"moment": "after"}], deadline=120.0, acts=["on_chord_part_return"])
def promise_holds_after_the_lease(ctx: Context, moment: str) -> None:
    """A part that is delivered again when the lease of a dead counter is over finds the chord as its mode promises."""
    lease, client = _lease(ctx), ctx.client("client")
    chord = _dying(ctx, moment, 2)
    time.sleep(lease + ctx.grace)
    chord.count_until_accepted(client, 0, _value(0))
    chord.settle(client)
    _require_promise(ctx, chord, moment)


# -- what is left behind, and what it costs --------------------------------------------------------


def _require_lifetimes(ctx: Context, chord: Chord, when: str, least: float = 0.0) -> None:
    """Require that every key of a chord has a lifetime, and one of them one of at least so many seconds."""
    probe = ctx.probe
    if not isinstance(probe, BookkeepingProbe):
        raise Unobserved("the subject's probe does not see what is kept for a chord")
    lives = probe.bookkeeping(chord.group_id)
    endless = sorted(key for key, life in lives.items() if math.isinf(life))
    got = f"{when}, no lifetime on {', '.join(endless)}"
    ctx.require("CHORD-16", not endless, got=got, allowed="every key of a chord has a lifetime")
    if least and lives:
        longest = max(lives.values())
        got = f"{when}, the longest of the lives is {longest:.1f} s"
        ctx.require("CHORD-16", longest >= least, got=got, allowed=f"a mark of at least {least} s")


ENDS = (["SUCCESS"] * 2, ["FAILURE", "SUCCESS"])


@check(
    "CHORD-16",
    cases=[{"states": states, "results": results} for results in ("", "endless", "short") for states in ENDS],
    needs=["bookkeeping"],
)
def keys_of_a_chord_have_lifetimes(ctx: Context, states: list[str], results: str) -> None:
    """From the first write until after the decision, every key of a chord has a lifetime, whatever that of results."""
    if results and "expiry" not in ctx.capabilities.classes:
        raise Unobserved("the subject does not claim that clients can set how long results are kept")
    lives: Mapping[str, Value] = {"endless": None, "short": 60.0}
    client = ctx.client("client", expires=lives[results]) if results else ctx.client("client")
    chord = Chord.of(ctx, FLAT_HEADERS[len(states)])
    chord.deliver(client, 0, _value(0))
    _require_lifetimes(ctx, chord, "after a part that came first")
    chord.apply_without_size(client)
    _require_lifetimes(ctx, chord, "after the chord was applied")
    chord.size = len(states)
    if ctx.usable(["set_chord_size"]):
        chord.resize(client, chord.size)
        _require_lifetimes(ctx, chord, "after its size was set")
    for number, state in enumerate(states, start=1):
        failed = ExceptionData("ValueError", "builtins", ("boom",))
        result: Value = failed if state == "FAILURE" else _value(number)
        chord.deliver(client, number - 1, result, state)
        chord.settle(client)
        decided = number == len(states)
        _require_lifetimes(ctx, chord, f"after {number} of {len(states)} parts", 299.0 if decided else 0.0)
    chord.deliver(client, 0, _value(0))
    _require_lifetimes(ctx, chord, "after a late duplicate", 299.0)


FEW, MANY = 8, 160
SAMPLES = 40
COSTLIER = 1.5


def _costs_of_parts(ctx: Context, client: Client, parts: int) -> list[int]:
    """Return the bytes of traffic that each of the parts takes of a chord which is not decided yet."""
    probe = ctx.probe
    if not isinstance(probe, TrafficProbe):
        raise Unobserved("the subject's probe does not see traffic")
    chord = Chord.of(ctx, [None] * parts).apply(client)
    costs = []
    for index in range(parts - 1):
        chord.store(client, index, "x" * 40)
        before = probe.traffic()
        chord.count(client, index, "x" * 40, "SUCCESS")
        costs.append(probe.traffic() - before)
    if not any(costs):
        raise Unobserved("the probe does not see the traffic of this backend")
    return costs


@check("CHORD-19", needs=["traffic"])
def part_costs_the_same_in_a_large_chord(ctx: Context) -> None:
    """A part of a large chord causes about as much traffic as a part of a small chord."""
    client = ctx.client("client")
    few = statistics.median(_costs_of_parts(ctx, client, FEW))
    # what others do at a server may be counted too: it makes no part cheaper, and hardly every one dearer
    many = min(_costs_of_parts(ctx, client, MANY)[-SAMPLES:])
    got = f"{many:.0f} bytes for a part of {MANY}, {few:.0f} for a part of {FEW}"
    ctx.require("CHORD-19", many <= COSTLIER * few, got=got, allowed=f"at most {COSTLIER} times as many")
