"""Checks of chapter 13: how long entries live."""

import datetime as dt
import math
import time
from functools import partial

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.expiry import LONG_LIFE, Entry, Timeline, ends_by_itself, timeline_of
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.waits import (
    AMPLE_TIMEOUT,
    begin_wait,
    failure,
    final_outcome,
    in_progress,
    require_result,
    timed_out,
)
from resultspec_conformance.wire.values import Value, show

READY = sorted(STATES.sets["READY"])
UNREADY = ["RECEIVED", "STARTED", "RETRY", "PROGRESS"]
DAY = 24 * 3600.0
CENTURY = 100 * 365 * DAY


def _clients(ctx: Context, timeline: Timeline) -> tuple[Client, Client]:
    """Return a client that stores entries with the life of the passage, and one that reads."""
    return ctx.client("writer", expires=timeline.life), ctx.client("reader")


# -- a life --------------------------------------------------------------------------------------


@check("EXP-1", "EXP-2", cases=[{"states": READY}], needs=["time"])
def ready_task_lives_to_its_end_and_no_longer(ctx: Context, states: list[str]) -> None:
    """A ready task exists until its lifetime is over, and then reads as one that was never stored."""
    timeline = Timeline(ctx)
    writer, reader = _clients(ctx, timeline)
    entries = [timeline.store(writer, timeline.life, state) for state in states]
    unseen = [timeline.store(writer, timeline.life, state) for state in states]
    if any(timeline.read(reader, entry).state != entry.state for entry in entries):
        raise Unobserved("a task that was just stored cannot be read")
    for share in (0.4, 0.8):
        timeline.advance_to(entries[0], share)
        if not ends_by_itself(ctx):
            # a life that is too short shows then; whether it succeeds is for EXP-14 to say
            writer.attempt("cleanup")
        for entry in entries:
            timeline.require_present("EXP-1", reader, entry)
    timeline.let_expire(*unseen)
    for entry in unseen:
        timeline.require_expired("EXP-2", reader, entry)


FILL_SECONDS = 2.0
"""Seconds for which a check stores other tasks at the most; on a slow store it sees less."""

TOGETHER = 100


def _fill(ctx: Context, client: Client, others: int) -> None:
    """Store other tasks, a hundred to a line of the history."""
    until = time.monotonic() + FILL_SECONDS

    def store(names: list[str]) -> Outcome:
        outcome = Outcome("ok")
        for name in names:
            if outcome.kind == "ok" and time.monotonic() < until:
                args = {"task_id": name, "result": None, "state": "SUCCESS"}
                outcome = client.connection.call("store_result", args)
        return outcome

    for first in range(0, others, TOGETHER):
        if time.monotonic() > until:
            return
        mark = ctx.new_id("other")
        names = [f"{mark}-{number}" for number in range(min(TOGETHER, others - first))]
        told: dict[str, Value] = {"task_id": f"{names[0]} … {names[-1]}", "result": None, "state": "SUCCESS"}
        operation = client.record("store_result", told, partial(store, names))
        if operation.outcome is None or operation.outcome.kind != "ok":
            raise Unobserved("other tasks cannot be stored")


@check("EXP-1", cases=[{"others": others} for others in (20, 150, 1200, 5200)], needs=["time"])
def others_end_no_life(ctx: Context, others: int) -> None:
    """However many tasks are stored after it, a task exists, even when its lifetime is nearly over."""
    timeline = timeline_of(ctx, ends=False)
    life = LONG_LIFE if timeline.method == "waiting" else timeline.life
    writer, reader = ctx.client("writer", expires=life), ctx.client("reader")
    entry = timeline.store(writer, life)
    if timeline.method != "waiting":
        timeline.advance_to(entry, 0.97)
    _fill(ctx, writer, others)
    timeline.require_present("EXP-1", reader, entry, "what others store must not end it")


@check("EXP-5", cases=[{"states": UNREADY}], needs=["time"])
def unready_task_has_the_same_life(ctx: Context, states: list[str]) -> None:
    """Where lifetimes end by themselves, an entry in an unready state lives as long as one in a ready state."""
    timeline = timeline_of(ctx)
    writer, reader = _clients(ctx, timeline)
    entries = [timeline.store(writer, timeline.life, state) for state in states]
    if any(timeline.read(reader, entry).state != entry.state for entry in entries):
        raise Unobserved("a task that was just stored cannot be read")
    timeline.advance_to(entries[0], 0.7)
    for entry in entries:
        timeline.require_present("EXP-5", reader, entry)
    timeline.let_expire(*entries)
    for entry in entries:
        timeline.require_expired("EXP-5", reader, entry)


STORES = [
    ["STARTED", "PROGRESS"],
    ["PROGRESS", "PROGRESS"],
    ["STARTED", "SUCCESS"],
    ["FAILURE", "SUCCESS"],
    ["RETRY", "FAILURE"],
    ["REVOKED", "REVOKED"],
]


@check("EXP-3", cases=[{"stores": STORES}], needs=["time"])
def accepted_store_begins_a_new_life(ctx: Context, stores: list[list[str]]) -> None:
    """An entry that is stored again lives as long from then on as one that is first stored then."""
    timeline = timeline_of(ctx)
    writer, reader = _clients(ctx, timeline)
    entries = [timeline.store(writer, timeline.life, there) for there, _ in [*stores, ["SUCCESS", "SUCCESS"]]]
    timeline.advance_to(entries[0], 0.7)
    before = [timeline.read(reader, entry).result for entry in entries]
    ctx.remove(writer, entries[-1].task_id)
    for entry, (_, arriving) in zip(entries, [*stores, ["SUCCESS", "SUCCESS"]], strict=True):
        timeline.renew(entry, arriving)
    alone = {state: timeline.store(writer, timeline.life, state) for _, state in stores}
    unseen = {state: timeline.store(writer, timeline.life, state) for state in alone}
    after = [timeline.read(reader, entry) for entry in entries]
    # what is as it was, or unknown, was not accepted, which is for the checks of chapter 3 to say
    entries = [
        entry
        for entry, was, found in zip(entries, before, after, strict=True)
        if found.state == entry.state and found.result != was
    ]
    if not entries:
        raise Unobserved("no store was accepted")
    timeline.advance_to(entries[0], 0.6)
    if not ends_by_itself(ctx):
        writer.call("cleanup")
    kept = {state for state, entry in alone.items() if timeline.read(reader, entry).state == state}
    for entry in entries:
        if entry.state in kept:
            timeline.require_present("EXP-3", reader, entry, "the last store began its lifetime again")
    timeline.let_expire(*unseen.values())
    for entry in entries:
        if timeline.read(reader, unseen[entry.state]).unknown:
            timeline.require_expired(
                "EXP-3", reader, entry, "its lifetime began again, and is no longer than that of others"
            )
    if not kept:
        raise Unobserved("an entry that is stored once is gone as early, so that none shows a lifetime that goes on")


READS: list[tuple[str, dict[str, Value]]] = [
    ("get_task_meta", {}),
    ("get_state", {}),
    ("get_result", {}),
    ("get_traceback", {}),
    ("get_children", {}),
    ("wait_for", {"timeout": 0.02, "interval": 0.005}),
]
REFUSED = ["FAILURE", "STARTED", "SUCCESS"]


@check("EXP-4", cases=[{"reads": [name for name, _ in READS], "refused": REFUSED}], needs=["time"])
def looking_and_being_refused_change_no_life(ctx: Context, reads: list[str], refused: list[str]) -> None:
    """Reads, waits and refused writes do not change when an entry ends."""
    timeline = timeline_of(ctx)
    writer, reader = _clients(ctx, timeline)
    read = [(timeline.store(writer, timeline.life), name) for name in ctx.usable(reads)]
    read += [(timeline.store(writer, timeline.life, "STARTED"), name) for name in ctx.usable(["wait_for"])]
    spared = [(timeline.store(writer, timeline.life), state) for state in refused]
    alone = {state: timeline.store(writer, timeline.life, state) for state in ("SUCCESS", "STARTED")}
    unseen = {state: timeline.store(writer, timeline.life, state) for state in alone}
    timeline.advance_to(read[0][0], 0.6)
    before = {entry.task_id: timeline.read(reader, entry).result for entry, _ in spared}
    for entry, name in read:
        reader.attempt(name, task_id=entry.task_id, **dict(READS)[name])
    for entry, state in spared:
        result = failure(0) if state in STATES.sets["EXCEPTION"] else "again"
        writer.attempt("store_result", task_id=entry.task_id, result=result, state=state)
    touched = [entry for entry, _ in read if timeline.read(reader, entry).state == entry.state]
    touched += [entry for entry, _ in spared if timeline.read(reader, entry).result == before[entry.task_id]]
    if not touched:
        raise Unobserved("reading removed the entries, and no store was refused")
    timeline.advance_to(read[0][0], 0.8)
    for entry in touched:
        if timeline.read(reader, alone[entry.state]).state == entry.state:
            timeline.require_present("EXP-4", reader, entry)
    timeline.let_expire(*unseen.values())
    for entry in touched:
        if timeline.read(reader, unseen[entry.state]).unknown:
            timeline.require_expired("EXP-4", reader, entry, "its lifetime was not extended")


# -- what a life can be --------------------------------------------------------------------------


@check("EXP-6", cases=[{"lives": [None, 0, 0.0]}], needs=["time"])
def nothing_and_zero_are_for_ever(ctx: Context, lives: list[Value]) -> None:
    """An entry with the lifetime None or 0 outlasts others by a century, and every cleanup."""
    timeline, reader = timeline_of(ctx, ends=False), ctx.client("reader")
    entries = []
    for life in lives:
        opened = ctx.open_client("for-ever", expires=life)
        ctx.require(
            "EXP-6", opened.kind == "ok", got=ctx.describe(opened), allowed=f"a client with the lifetime {life!r}"
        )
        keeper = ctx.client("for-ever", expires=life)
        entries += [timeline.store(keeper, math.inf, state) for state in ("SUCCESS", "FAILURE")]
    for pause in (0.0, timeline.life, 0.0 if timeline.method == "waiting" else CENTURY):
        timeline.let_pass(pause)
        for entry in entries:
            # whether it succeeds is for EXP-14 to say
            entry.client.attempt("cleanup")
        for entry in entries:
            timeline.require_present("EXP-6", reader, entry, "its lifetime has no end")


FRACTIONS = [0.5, 1.5, 100.75, 0.3, 0.02, 1e-4, 1e-9]


@check("EXP-7", cases=[{"life": life} for life in FRACTIONS], needs=["time"])
def fraction_of_a_second_is_rounded_up(ctx: Context, life: float) -> None:
    """An entry whose lifetime is not a whole number of seconds exists until it is over, and does end."""
    timeline = timeline_of(ctx)
    opened = ctx.open_client("brief", expires=life)
    ctx.require("EXP-7", opened.kind == "ok", got=ctx.describe(opened), allowed=f"a client with a lifetime of {life} s")
    writer, reader = ctx.client("brief", expires=life), ctx.client("reader")
    entry = timeline.store(writer, life)
    if timeline.method == "waiting" and life > 2 * timeline.life:
        timeline.require_present("EXP-7", reader, entry)
        return
    timeline.advance_to(entry, 0.8)
    timeline.clean_early(entry)
    reading = timeline.read(reader, entry)
    if reading.at_most < life - ctx.capabilities.life_resolution:
        got = f"{reading.state} at most {reading.at_most:.4f} s after it was stored"
        ctx.require("EXP-7", reading.state == "SUCCESS", got=got, allowed=f"it lives {life} s")
    timeline.let_expire(entry)
    timeline.require_expired(
        "EXP-7", reader, entry, "a lifetime is rounded up to the resolution of the store, but no further"
    )


LONG_LIVES = [31 * DAY, 60 * DAY, CENTURY, 1e12, 1e300]
COUNTED = 30 * DAY
"""Seconds that every store can count."""


@check("EXP-8", cases=[{"life": life} for life in LONG_LIVES], needs=["time"])
def long_life_does_not_end_at_once(ctx: Context, life: float) -> None:
    """A lifetime of months or ages is accepted, and the entry outlasts the longest time a store has to count."""
    taken = ctx.open_client("patient", expires=life)
    if taken.kind == "ok":
        # a store may look at its configuration late
        taken = ctx.client("patient", expires=life).attempt(
            "store_result", task_id=ctx.new_id(), result=None, state="SUCCESS"
        )
    if taken.raised and life > CENTURY:
        return
    ctx.require("EXP-8", taken.kind == "ok", got=ctx.describe(taken), allowed=f"a client with a lifetime of {life} s")
    timeline, reader = timeline_of(ctx, ends=False), ctx.client("reader")
    writer = ctx.client("patient", expires=life)
    entry = timeline.store(writer, life)
    timeline.require_present("EXP-8", reader, entry, "it was just stored")
    if timeline.method != "waiting":
        timeline.let_pass(0.9 * COUNTED)
        timeline.clean_early(entry)
        timeline.require_present("EXP-8", reader, entry, f"every store can count {COUNTED:g} s")


WRONG_LIVES: list[Value] = [
    -1, -0.5, -1e300, float("nan"), float("-inf"), "soon", "", "nan", "-1", [60], {"seconds": 60},
]  # fmt: skip


def _require_refused(ctx: Context, opened: Outcome) -> None:
    ctx.require("EXP-9", opened.raised, got=ctx.describe(opened), allowed="an error")


@check("EXP-9", cases=[{"life": life} for life in WRONG_LIVES])
def wrong_life_is_refused(ctx: Context, life: Value) -> None:
    """An invalid lifetime is refused as soon as a client is opened with it."""
    _require_refused(ctx, ctx.open_client("wrong", expires=life))


@check("EXP-9", cases=[{"life": life} for life in ("600", "600.5")], needs=["time"])
def life_in_words_is_a_number_or_refused(ctx: Context, life: str) -> None:
    """Text that is a number is read as that number or refused; it never becomes another lifetime."""
    opened = ctx.open_client("in-words", expires=life)
    if opened.kind != "ok":
        _require_refused(ctx, opened)
        return
    timeline, reader = timeline_of(ctx, ends=False), ctx.client("reader")
    entry = timeline.store(ctx.client("in-words", expires=life), float(life))
    if timeline.method != "waiting":
        timeline.advance_to(entry, 0.8)
        timeline.clean_early(entry)
    timeline.require_present("EXP-9", reader, entry, f"{life!r} was accepted as a lifetime")
    if timeline.method != "waiting" and timeline.ends:
        timeline.let_expire(entry)
        timeline.require_expired("EXP-9", reader, entry, f"{life!r} was accepted as a lifetime")


SPANS = [
    dt.timedelta(days=2, hours=1),
    dt.timedelta(seconds=1, milliseconds=500),
    dt.timedelta(milliseconds=400),
    dt.timedelta(minutes=10),
]


@check("EXP-10", cases=[{"life": span} for span in SPANS], needs=["time"])
def timedelta_is_its_seconds(ctx: Context, life: dt.timedelta) -> None:
    """A timedelta is a lifetime of all its seconds, days and fractions included."""
    timeline, reader, seconds = timeline_of(ctx), ctx.client("reader"), life.total_seconds()
    opened = ctx.open_client("span", expires=life)
    ctx.require("EXP-10", opened.kind == "ok", got=ctx.describe(opened), allowed=f"a client with the lifetime {life!r}")
    entry = timeline.store(ctx.client("span", expires=life), seconds)
    control = timeline.store(ctx.client("number", expires=seconds), seconds)
    if timeline.method == "waiting" and seconds > 2 * timeline.life:
        timeline.require_present("EXP-10", reader, entry, f"{life!r} is {seconds:g} s")
        return
    timeline.advance_to(entry, 0.8)
    # a cleanup goes by the life of the client that calls it, and so removes the other entry too
    timeline.clean_early(control)
    number = timeline.read(reader, control)
    timeline.clean_early(entry)
    reading = timeline.read(reader, entry)
    if reading.at_most < seconds - ctx.capabilities.life_resolution:
        if number.unknown:
            raise Unobserved("a life of as many seconds, given as a number, ends too early as well (EXP-7)")
        got = f"{reading.state} at most {reading.at_most:.4f} s after it was stored"
        ctx.require("EXP-10", reading.state == "SUCCESS", got=got, allowed=f"{life!r} is {seconds:g} s")
    timeline.let_expire(entry, control)
    if not timeline.read(reader, control).unknown:
        raise Unobserved("a life of as many seconds, given as a number, does not end either (EXP-7)")
    timeline.require_expired("EXP-10", reader, entry, f"{life!r} is {seconds:g} s")


@check("EXP-9", cases=[{"life": dt.timedelta(seconds=-1)}, {"life": dt.timedelta(days=-1)}], needs=["in-process"])
def negative_timedelta_is_refused(ctx: Context, life: dt.timedelta) -> None:
    """A negative timedelta is refused as soon as a client is opened with it."""
    _require_refused(ctx, ctx.open_client("wrong", expires=life))


# -- afterwards ----------------------------------------------------------------------------------


LATE = [["SUCCESS", "FAILURE"], ["SUCCESS", "STARTED"], ["FAILURE", "STARTED"], ["SUCCESS", "SUCCESS"]]


@check("EXP-15", cases=[{"stores": LATE}], needs=["time"])
def late_store_is_accepted(ctx: Context, stores: list[list[str]]) -> None:
    """A store after the end of a lifetime is accepted as for an unknown task."""
    timeline = timeline_of(ctx)
    writer, reader = _clients(ctx, timeline)
    entries = [timeline.store(writer, timeline.life, there) for there, _ in stores]
    timeline.let_expire(*entries)
    for entry, (_, arriving) in zip(entries, stores, strict=True):
        if not timeline.read(reader, entry).unknown:
            continue
        result = failure(2) if arriving in STATES.sets["EXCEPTION"] else "late"
        fresh = ctx.new_id()
        for task_id in (entry.task_id, fresh):
            writer.store(task_id, result, arriving)
        if reader.state(fresh) == arriving:
            got = reader.meta(entry.task_id)
            holds = got["status"] == arriving and show(got["result"]) == show(reader.result(fresh))
            ctx.require("EXP-15", holds, got=got, allowed=f"{arriving}: what was there before is over")


@check("EXP-15", cases=[{"state": "SUCCESS"}, {"state": "FAILURE"}], needs=["time"], blame_hang="EXP-15")
def wait_does_not_end_by_what_is_over(ctx: Context, state: str) -> None:
    """A wait for an expired task times out, or ends with a result that is stored while it runs."""
    timeline = timeline_of(ctx)
    writer, reader = _clients(ctx, timeline)
    entry = timeline.store(writer, timeline.life, state)
    reader.attempt("wait_for", task_id=entry.task_id, timeout=1.0)
    timeline.let_expire(entry)
    if not timeline.read(reader, entry).unknown:
        raise Unobserved("the entry did not end")
    operation = reader.perform("wait_for", task_id=entry.task_id, timeout=0.05, interval=0.01)
    ctx.require("EXP-15", timed_out(operation), got=ctx.describe(final_outcome(operation)), allowed="TimeoutError")
    wait = begin_wait(ctx, reader, entry.task_id, AMPLE_TIMEOUT, interval=0.01)
    in_progress(ctx, entry.task_id, wait)
    writer.store(entry.task_id, "late")
    require_result(ctx, "EXP-15", wait.operation(), "late", reader.result(entry.task_id))


# -- another life --------------------------------------------------------------------------------


def _given_life(ctx: Context, timeline: Timeline, state: str, usual: Value, life: Value) -> Entry:
    """Store an entry by a client of the usual life, let half a life pass, and give it another by `expire`."""
    writer = ctx.client("writer", expires=usual)
    entry = timeline.store(writer, timeline.life if usual is not None else math.inf, state)
    timeline.let_pass(0.3 * timeline.life)
    seconds = math.inf if life in (None, 0) else float(life)
    timeline.restart_lifetime(entry, seconds, writer.perform("expire", task_id=entry.task_id, life=life))
    outcome = final_outcome(entry.stored)
    ctx.require("EXP-16", outcome.kind == "ok", got=ctx.describe(outcome), allowed="expire succeeds")
    return entry


def _number(life: float) -> float:
    """Return a life as programs write it: seconds in whole numbers, where they are."""
    return int(life) if life.is_integer() else life


@check(
    "EXP-16",
    cases=[
        {"state": "SUCCESS", "usual": True, "factor": 1.0},
        {"state": "STARTED", "usual": False, "factor": 0.5},
        {"state": "FAILURE", "usual": True, "factor": 0.0},
        {"state": "SUCCESS", "usual": True, "factor": None},
    ],
    needs=["time"],
)
def expire_gives_another_life(ctx: Context, state: str, usual: bool, factor: float | None) -> None:
    """From the call of `expire` on, an entry lives as long as that call said, whatever its lifetime was before."""
    timeline, reader = timeline_of(ctx), ctx.client("reader")
    life = None if factor is None else _number(factor * timeline.life)
    entry = _given_life(ctx, timeline, state, timeline.life if usual else None, life)
    if not factor:
        timeline.let_pass(timeline.life)
        timeline.require_present("EXP-16", reader, entry, "expire gave it a lifetime without an end")
        return
    timeline.advance_to(entry, 0.7)
    timeline.require_present("EXP-16", reader, entry, f"expire gave it a lifetime of {entry.life:g} s")
    timeline.let_expire(entry)
    timeline.require_expired("EXP-16", reader, entry, f"expire gave it a lifetime of {entry.life:g} s")


@check("EXP-16", cases=[{"life": 600}, {"life": None}])
def expire_makes_no_entry(ctx: Context, life: Value) -> None:
    """An unknown task stays unknown when it is given a lifetime; whether that is an error is free."""
    client, task_id = ctx.client("writer"), ctx.new_id()
    client.attempt("expire", task_id=task_id, life=life)
    found = client.meta(task_id)
    ctx.require("EXP-16", found["status"] == "PENDING", got=found, allowed="an unknown task")


# -- groups --------------------------------------------------------------------------------------


def _save(ctx: Context, timeline: Timeline, client: Client, life: float) -> Entry:
    """Save a group of one member, whose life of so many seconds begins now."""
    group_id = ctx.new_id("group")
    saved = client.perform("save_group", group_id=group_id, result=[[group_id, None], [[[ctx.new_id(), None], None]]])
    if saved.outcome is None or saved.outcome.kind != "ok":
        raise Unobserved("the group was not saved")
    return Entry(group_id, client, life, "saved", saved, timeline.passed)


def _restored(timeline: Timeline, reader: Client, entry: Entry) -> tuple[bool, float, float]:
    """Return whether a group is there, and its age in seconds then, at least and at most."""
    doors = timeline.ctx.usable(["restore_group", "get_group_meta"])
    read = reader.perform(doors[0] if doors else "restore_group", group_id=entry.task_id)
    if read.outcome is None or read.outcome.kind != "ok":
        raise Unobserved("the group cannot be read")
    passed = timeline.passed - entry.passed
    saved, seen = entry.stored.end or entry.stored.start, read.end or read.start
    really = 0.0 if timeline.method == "clock" else read.start - saved
    return read.outcome.value is not None, passed + really, passed + seen - entry.stored.start


LONGER = (1, 4, 16)
"""How many times as long a life is given as usual, where a machine is too slow to look at a group before its end."""


@check("EXP-17", needs=["time"], blame_hang="EXP-14")
def group_lives_as_a_task(ctx: Context) -> None:
    """A group exists until its lifetime is over, through every cleanup, and then reads as never saved."""
    timeline = timeline_of(ctx)
    if timeline.method == "ageing":
        # probes make tasks older
        timeline.method = "waiting"
    for times in LONGER:
        try:
            _require_life_of_a_group(ctx, timeline, times * timeline.life)
        except Unobserved:
            if timeline.method != "waiting" or times == LONGER[-1]:
                raise
        else:
            return


def _require_life_of_a_group(ctx: Context, timeline: Timeline, life: float) -> None:
    writer, reader = ctx.client("writer", expires=life), ctx.client("reader")
    seen, unseen = _save(ctx, timeline, writer, life), _save(ctx, timeline, writer, life)
    for share in (0.0, 0.6):
        timeline.advance_to(seen, share)
        timeline.clean_early(seen)
        there, _, age = _restored(timeline, reader, seen)
        if age >= seen.life - ctx.capabilities.life_resolution:
            raise Unobserved("this machine was too slow to look before the lifetime ended")
        got = f"no group, {age:.3f} s after it was saved for {seen.life:g} s"
        ctx.require("EXP-17", there, got=got, allowed="the group: its lifetime is not over")
    timeline.let_expire(unseen)
    there, age, _ = _restored(timeline, reader, unseen)
    if age <= unseen.life + timeline.expiry_delay:
        raise Unobserved("the lifetime was not over yet")
    got = f"the group, {age:g} s after it was saved for {unseen.life:g} s"
    ctx.require("EXP-17", not there, got=got, allowed="null: its lifetime is over")
