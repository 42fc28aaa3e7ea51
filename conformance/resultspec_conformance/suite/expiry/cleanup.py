"""Checks of chapter 13: what `cleanup` may remove, and what not."""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.expiry import LONG_LIFE, Entry, Timeline, ends_by_itself, timeline_of
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.wire.values import Value

# -- what is not over ----------------------------------------------------------------------------


@check("EXP-11", cases=[{"states": ["SUCCESS", "FAILURE", "REVOKED"]}], needs=["time"])
def cleanup_leaves_what_lives(ctx: Context, states: list[str]) -> None:
    """A ready task survives a cleanup at any time before its lifetime is over."""
    timeline = timeline_of(ctx, ends=False)
    writer, reader = ctx.client("writer", expires=timeline.life), ctx.client("reader")
    entries = [timeline.store(writer, timeline.life, state) for state in states]
    for share in (0.0, 0.8):
        timeline.advance_to(entries[0], share)
        before = [timeline.read(reader, entry).state for entry in entries]
        writer.call("cleanup")
        for entry, state in zip(entries, before, strict=True):
            if state == entry.state:
                timeline.require_present("EXP-11", reader, entry, "cleanup removes nothing whose lifetime is not over")


@contextmanager
def _machine_in(zone: str | None) -> Iterator[None]:
    """Set the time zone of this process."""
    before = os.environ.get("TZ")
    try:
        if zone is not None:
            os.environ["TZ"] = zone
            time.tzset()
        yield
    finally:
        if zone is not None:
            del os.environ["TZ"]
            if before is not None:
                os.environ["TZ"] = before
            time.tzset()


EAST, WEST = "Asia/Tokyo", "America/Los_Angeles"


@check(
    "EXP-11",
    "EXP-2",
    cases=[
        {"machine": None, "writer": EAST, "cleaner": EAST},
        {"machine": None, "writer": WEST, "cleaner": WEST},
        {"machine": None, "writer": None, "cleaner": EAST},
        {"machine": None, "writer": None, "cleaner": WEST},
        {"machine": EAST, "writer": None, "cleaner": None},
        {"machine": WEST, "writer": None, "cleaner": None},
        {"machine": WEST, "writer": EAST, "cleaner": None},
    ],
    needs=["time", "in-process"],
)
def cleanup_knows_an_instant(ctx: Context, machine: str | None, writer: str | None, cleaner: str | None) -> None:
    """A lifetime is the same in every time zone: nothing ends hours early, and nothing stays for hours."""
    with _machine_in(machine):
        timeline = timeline_of(ctx, ends=False)
        author = ctx.fresh_client("author", expires=LONG_LIFE, timezone=writer)
        janitor = ctx.fresh_client("janitor", expires=LONG_LIFE, timezone=cleaner)
        reader, entries = ctx.client("reader"), list[Entry]()
        for state in ("SUCCESS", "FAILURE"):
            entries.append(timeline.store(author, LONG_LIFE, state))
        if any(timeline.read(reader, entry).state != entry.state for entry in entries):
            raise Unobserved("a task that was just stored cannot be read")
        janitor.call("cleanup")
        for entry in entries:
            timeline.require_present("EXP-11", reader, entry, "cleanup removes nothing whose lifetime is not over")
        if timeline.method == "waiting" or not timeline.ends:
            return
        timeline.let_expire(*entries)
        janitor.call("cleanup")
        for entry in entries:
            timeline.require_expired("EXP-2", reader, entry)


# -- what is not ready ---------------------------------------------------------------------------


RUNNING = [["STARTED", "PROGRESS", "PROGRESS"], ["RETRY", "STARTED", "STARTED"], ["FAILURE", "RETRY"], ["RECEIVED"]]


@check("EXP-12", cases=[{"stores": RUNNING}], needs=["time"])
def cleanup_leaves_what_runs(ctx: Context, stores: list[list[str]]) -> None:
    """A task that is not ready survives a cleanup, even when it is old and lifetimes end by cleanup."""
    timeline = timeline_of(ctx, ends=False)
    writer, reader = ctx.client("writer", expires=timeline.life), ctx.client("reader")
    entries = [timeline.store(writer, timeline.life, states[0]) for states in stores]
    for step in range(1, max(len(states) for states in stores)):
        timeline.advance_to(entries[0], 0.5)
        for entry, states in zip(entries, stores, strict=True):
            timeline.renew(entry, states[min(step, len(states) - 1)])
    if any(timeline.read(reader, entry).state != entry.state for entry in entries):
        raise Unobserved("a task is not in the state that was last stored")
    timeline.advance_to(entries[0], 0.4)
    running = [entry for entry in entries if timeline.read(reader, entry).state == entry.state]
    writer.call("cleanup")
    for entry in running:
        timeline.require_present("EXP-12", reader, entry, "cleanup removes nothing that is not ready")
    if ends_by_itself(ctx):
        return
    timeline.let_expire(*entries)
    for entry in entries:
        got = timeline.read(reader, entry).state
        ctx.require("EXP-12", got == entry.state, got=got, allowed=f"{entry.state}: it is not ready, however old it is")


# -- what cannot be decoded ----------------------------------------------------------------------


# by chance: where no entry ever ends, the others look
@check(
    "EXP-14", "EXP-2", "EXP-11",
    needs=["time", "payload"],
    cases=[{"torn": False}, {"torn": True}],
    by_chance=["EXP-14", "EXP-2", "EXP-11"],
)  # fmt: skip
def cleanup_passes_over_what_cannot_be_decoded(ctx: Context, torn: bool) -> None:
    """A cleanup does its work also where an entry cannot be decoded: it removes what is over, and keeps what is not."""
    timeline = timeline_of(ctx)
    janitor, reader = ctx.client("janitor", expires=timeline.life), ctx.client("reader")
    over = timeline.store(janitor, timeline.life)
    payload = ctx.probe.read(over.task_id)
    ctx.plant(ctx.new_id("damaged"), payload[:-3] if torn and payload else b"\xff\xfe\x00garbage")
    timeline.let_pass(timeline.life + timeline.expiry_delay + ctx.grace)
    alive = timeline.store(janitor, timeline.life)
    outcome = janitor.attempt("cleanup")
    ctx.require("EXP-14", outcome.kind == "ok", got=ctx.describe(outcome), allowed="the cleanup succeeds")
    timeline.require_present("EXP-11", reader, alive, "cleanup removes nothing whose lifetime is not over")
    timeline.require_expired("EXP-2", reader, over)


# -- what belongs to others ----------------------------------------------------------------------


@check("EXP-13", needs=["time"])
def cleanup_leaves_the_neighbours_alone(ctx: Context) -> None:
    """Entries under another prefix survive a cleanup, whatever lifetime the client that cleans up has."""
    timeline = timeline_of(ctx, ends=False)
    mine = ctx.client("mine", expires=timeline.life, prefix="a")
    theirs = ctx.client("theirs", expires=None, prefix="b")
    wide = ctx.client("wide", expires=None, prefix="ab")
    entries = [timeline.store(client, float("inf")) for client in (theirs, wide)]
    own = timeline.store(mine, timeline.life)
    timeline.let_expire(own)
    mine.call("cleanup")
    for entry in entries:
        got = timeline.read(entry.client, entry).state
        ctx.require("EXP-13", got == "SUCCESS", got=f"{got} of the task of another", allowed="SUCCESS")


@check("EXP-13", needs=["time", "keys"])
def cleanup_leaves_foreign_keys_alone(ctx: Context) -> None:
    """Keys that are not entries of the client survive a cleanup unchanged."""
    timeline = timeline_of(ctx, ends=False)
    client, mark = ctx.client("writer", expires=timeline.life), ctx.new_id("foreign")
    prefix = ctx.capabilities.prefix
    ended = b'{"status": "SUCCESS", "result": 1, "date_done": "2001-01-01T00:00:00+00:00"}'
    names = [f"{prefix}basket-{mark}", f"other_{mark}_celery-task-meta-x", f"{prefix}basket-celery-task-meta-{mark}"]
    foreign = {name: (ended if number else b"no entry") for number, name in enumerate(names)}
    try:
        for key, value in foreign.items():
            ctx.raw.set(key, value)
        timeline.let_expire(timeline.store(client, timeline.life))
        client.call("cleanup")
        for key, value in foreign.items():
            got = ctx.raw.get(key)
            ctx.require("EXP-13", got == value, got=got, allowed=f"{value!r} under {key}, as before the cleanup")
    finally:
        ctx.raw.delete(*foreign)


# -- at any time ---------------------------------------------------------------------------------


CHURN: Sequence[tuple[str, Mapping[str, Value]]] = (
    ("store_result", {"result": 1, "state": "STARTED"}),
    ("store_result", {"result": "done", "state": "SUCCESS"}),
    ("forget", {}),
)

PACE_SECONDS = 0.001
"""Between two calls of a client that writes all the time, so that the calls of others fall between them."""


def _churn(ctx: Context, client: Client, ids: list[str], stop: threading.Event) -> list[Outcome]:
    """Store, replace and forget tasks until told to stop; return what failed.

    Without pauses it would hold the lock of a SQLite, which is not fair, nearly all the time. A cleanup that waits for
    this lock would then count as hung on a busy machine.
    """
    failed = []
    usable = ctx.usable(op for op, _ in CHURN)
    while not stop.is_set():
        for task_id in ids:
            for op, arguments in CHURN:
                if op not in usable:
                    continue
                outcome = client.attempt(op, task_id=task_id, **arguments)
                failed += [outcome] if outcome.kind != "ok" else []
                time.sleep(PACE_SECONDS)
    return failed


def _replace(timeline: Timeline, entries: list[Entry]) -> None:
    """Store entries again, one after the other, at a pace at which cleanups fall between them."""
    for entry in entries:
        timeline.renew(entry, "SUCCESS")
        time.sleep(PACE_SECONDS)


CLEANERS = 3
ROUNDS = 4


def _require_spared(
    ctx: Context, timeline: Timeline, reader: Client, entry: Entry, why: str, *, replaced: bool = False
) -> None:
    """Require that an entry which lives is there, whatever was cleaned up meanwhile.

    If one that is stored likewise, `replaced` an expired one for example, is gone after a single cleanup too, with
    nothing beside it, then it is not a matter of what happens at the same time, and other checks look for the reason.
    Raises Unobserved then.
    """
    if not ctx.session.cleanup_spares:
        timeline.require_present("EXP-11", reader, entry, why)
        return
    try:
        timeline.require_present("EXP-14", reader, entry, why)
    except Violation:
        if not _spared_alone(ctx, timeline, entry, replaced):
            raise Unobserved("such an entry is gone after a single cleanup, too") from None
        raise


def _spared_alone(ctx: Context, timeline: Timeline, like: Entry, replaced: bool) -> bool:
    """Whether an entry like this one is there after a cleanup that nothing happens beside."""
    with ctx.off_the_record():
        control = timeline.store(like.client, like.life, "FAILURE" if replaced else like.state, hint="control")
        if replaced:
            timeline.let_pass(control.life + timeline.expiry_delay + ctx.grace)
            timeline.renew(control, like.state)
        like.client.attempt("cleanup")
        spared: bool = timeline.read(like.client, control).state == like.state
    return spared


@check("EXP-14", "EXP-11", cases=[{"tasks": 40}], needs=["time"], blame_hang="EXP-14", by_chance=["EXP-11"])
def cleanups_at_the_same_time(ctx: Context, tasks: int) -> None:
    """Cleanups by several clients at once, while others store and forget, succeed and remove nothing that is alive."""
    timeline = timeline_of(ctx, ends=False)
    writer, reader = ctx.client("writer", expires=timeline.life), ctx.client("reader")
    over = [timeline.store(writer, timeline.life, "FAILURE") for _ in range(tasks)]
    timeline.let_pass(timeline.life + timeline.expiry_delay + ctx.grace)
    alive = [timeline.store(writer, timeline.life, state) for state in ("SUCCESS", "FAILURE")]
    over, replaced = over[::2], over[1::2]
    cleaners = [ctx.client(f"cleaner{number}", expires=timeline.life) for number in range(CLEANERS)]
    churner, stop = ctx.client("churner", expires=timeline.life), threading.Event()
    churn = ctx.background(lambda: _churn(ctx, churner, [ctx.new_id() for _ in range(5)], stop))
    replacing = ctx.background(lambda: _replace(timeline, replaced))
    runs = [
        ctx.background(lambda cleaner=cleaner: [cleaner.attempt("cleanup") for _ in range(ROUNDS)])  # type: ignore[misc]
        for cleaner in cleaners
    ]
    ended = [outcome for run in runs for outcome in run.result(60.0)]
    stop.set()
    replacing.result(60.0)
    ended += [*churn.result(60.0), reader.attempt("cleanup"), *(cleaner.attempt("cleanup") for cleaner in cleaners)]
    for outcome in ended:
        ctx.require("EXP-14", outcome.kind == "ok", got=ctx.describe(outcome), allowed="cleanups and stores succeed")
    why = "cleanups at the same time remove nothing that lives"
    for entry in alive:
        _require_spared(ctx, timeline, reader, entry, why)
    for entry in replaced:
        _require_spared(ctx, timeline, reader, entry, why, replaced=True)
    for entry in over if timeline.ends else ():
        timeline.require_expired("EXP-14", reader, entry)


LIVES: Sequence[Value] = (None, 0, 0.5, 600)


@check("EXP-14", cases=[{"life": life} for life in LIVES])
def cleanup_succeeds_whatever_the_life(ctx: Context, life: Value) -> None:
    """A client whose entries have this life can clean up, and do so again."""
    if ctx.open_client("cleaner", expires=life).kind != "ok":
        raise Unobserved("no client can be opened with this life")
    cleaner = ctx.client("cleaner", expires=life)
    for _ in range(2):
        outcome = cleaner.attempt("cleanup")
        ctx.require("EXP-14", outcome.kind == "ok", got=ctx.describe(outcome), allowed="the cleanup succeeds")


PHASES = 10


# by chance: where lives have to be waited for, cleanups_at_the_same_time alone looks
@check(
    "EXP-14",
    "EXP-11",
    cases=[{"times": 60}],
    needs=["time"],
    blame_hang="EXP-14",
    by_chance=["EXP-14", "EXP-11"],
)
def cleanup_leaves_what_was_replaced_meanwhile(ctx: Context, times: int) -> None:
    """An expired task that is stored again in any phase of a cleanup exists afterwards."""
    if timeline_of(ctx, ends=False).method == "waiting":
        raise Unobserved("lifetimes cannot be ended so often without waiting for each")
    timeline = Timeline(ctx)
    writer, cleaner = ctx.client("writer", expires=timeline.life), ctx.client("cleaner", expires=timeline.life)
    entry, lasts = timeline.store(writer, timeline.life, "FAILURE"), 0.0
    for number in range(times):
        timeline.let_pass(entry.life + timeline.expiry_delay + ctx.grace)
        run = ctx.background(lambda: cleaner.perform("cleanup"))
        # where in a cleanup the gap between its look and its removal is, if there is one, nobody knows
        time.sleep(lasts * (number % PHASES) / PHASES)
        timeline.renew(entry, "FAILURE")
        cleanup = run.result(60.0)
        lasts = (cleanup.end or cleanup.start) - cleanup.start
        outcome = cleanup.outcome or Outcome("info", error="Unknown")
        ctx.require("EXP-14", outcome.kind == "ok", got=ctx.describe(outcome), allowed="cleanups succeed at any time")
        why = "it was stored again, and its lifetime is not over"
        _require_spared(ctx, timeline, writer, entry, why, replaced=True)
