"""Checks of the class `atomic`: what several clients that race may see of one task."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from threading import Barrier, Event

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject.client import Client
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.linearizability import explain, steps_of
from resultspec_conformance.testkit.races import overlapped, run_concurrently
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.wire.values import ExceptionData, Value

ROUNDS = 40
BURST = 5
LATE = ("FAILURE", "STARTED", "REVOKED", "RETRY")


def _late(client: Client, task_id: str, state: str, barrier: Barrier) -> None:
    barrier.wait()
    failed = state in STATES.sets["EXCEPTION"]
    late: Value = ExceptionData("ValueError", "builtins", ("late",)) if failed else "late"
    for _ in range(BURST):
        client.attempt("store_result", task_id=task_id, result=late, state=state)


def _race(ctx: Context, late: str) -> Outcome:
    """Let a SUCCESS race other writers, and return what is read when all have returned."""
    task_id, barrier = ctx.new_id(), Barrier(3)
    winner = ctx.client("winner")

    def succeed() -> None:
        barrier.wait()
        winner.attempt("store_result", task_id=task_id, result=None, state="STARTED")
        winner.attempt("store_result", task_id=task_id, result="won", state="SUCCESS")

    rivals = [ctx.client(name) for name in ("rival-1", "rival-2")]
    run_concurrently(ctx, [succeed, *(partial(_late, rival, task_id, late, barrier) for rival in rivals)])
    found = winner.attempt("get_task_meta", task_id=task_id)
    if not overlapped(ctx):
        raise Unobserved("no two of the racing writes overlapped")
    return found


@check("STATE-12", cases=[{"late": state} for state in LATE for _ in range(ROUNDS)], deadline=120.0)
def success_survives_a_race(ctx: Context, late: str) -> None:
    """A SUCCESS that races other writers is stored when all have returned, and stays."""
    found = _race(ctx, late)
    won = found.kind == "ok" and found.value["status"] == "SUCCESS" and found.value["result"] == "won"
    got = f"state {found.value['status']}" if found.kind == "ok" else ctx.describe(found)
    ctx.require("STATE-12", won, got=got, allowed="the SUCCESS that was acknowledged")


@check("STATE-13", cases=[{"late": state} for state in LATE for _ in range(ROUNDS // 2)], deadline=120.0)
def race_with_a_success_is_linearizable(ctx: Context, late: str) -> None:
    """What is read after a SUCCESS has raced other writers is explained by some order of the writes."""
    _race(ctx, late)
    _require_linearizable(ctx)


def _read(ctx: Context, client: Client, task_id: str) -> str:
    """Return the result of a task that a client reads, or what it gets instead, as text."""
    found = client.member(task_id, "result")
    return str(found.value) if found.kind == "ok" else ctx.describe(found)


@check("STATE-12", cases=[{}] * ROUNDS)
def one_of_two_successes_stays(ctx: Context) -> None:
    """Of two SUCCESS stores that race, one wins and stays, for every reader."""
    task_id, barrier = ctx.new_id(), Barrier(2)
    rivals = [ctx.client("rival-1"), ctx.client("rival-2")]

    def succeed(client: Client) -> None:
        barrier.wait()
        client.attempt("store_result", task_id=task_id, result=client.name, state="SUCCESS")

    run_concurrently(ctx, [partial(succeed, client) for client in rivals])
    told = {_read(ctx, ctx.client("winner"), task_id)}
    rivals[0].attempt("store_result", task_id=task_id, result="late", state="SUCCESS")
    told |= {_read(ctx, client, task_id) for client in rivals}
    holds = len(told) == 1 and told <= {client.name for client in rivals}
    got = f"the results {', '.join(sorted(told))}"
    ctx.require("STATE-12", holds, got=got, allowed="one of the two results, the same for all")


_script_steps = st.one_of(
    st.just("read"), st.just("read"), st.just("read"), st.sampled_from(["STARTED", "FAILURE", "SUCCESS", "forget"])
)
_scripts = st.lists(st.lists(_script_steps, min_size=3, max_size=7), min_size=3, max_size=4)


def _perform(client: Client, task_id: str, label: str, script: Sequence[str], barrier: Barrier) -> None:
    barrier.wait()
    for number, step in enumerate(script):
        if step == "read":
            client.attempt("get_task_meta", task_id=task_id)
        elif step == "forget":
            client.attempt("forget", task_id=task_id)
        else:
            result: Value = f"{label}{number}"
            if step == "FAILURE":
                result = ExceptionData("ValueError", "builtins", (result,))
            client.attempt("store_result", task_id=task_id, result=result, state=step)


@check("STATE-13", given={"scripts": _scripts}, deadline=120.0)
def histories_are_linearizable(ctx: Context, scripts: list[list[str]]) -> None:
    """What concurrent clients read of one task is explained by some order of what they did."""
    task_id, barrier = ctx.new_id(), Barrier(len(scripts))
    clients = [ctx.client(f"racer-{number}") for number in range(len(scripts))]
    run_concurrently(
        ctx,
        [
            partial(_perform, client, task_id, f"run {number}.", script, barrier)
            for number, (client, script) in enumerate(zip(clients, scripts, strict=True))
        ],
    )
    _require_linearizable(ctx)


WRITES = 40


@check("STATE-13", cases=[{"readers": 2}] * 4, deadline=120.0)
def reads_keep_up_with_a_writer(ctx: Context, readers: int) -> None:
    """While one client replaces an entry again and again, others read what it wrote last, or is writing."""
    task_id, barrier, done = ctx.new_id(), Barrier(readers + 1), Event()

    def write(client: Client) -> None:
        barrier.wait()
        try:
            for number in range(WRITES):
                client.attempt("store_result", task_id=task_id, result=f"write {number}", state="STARTED")
        finally:
            done.set()

    def read(client: Client) -> None:
        barrier.wait()
        while not done.is_set():
            client.attempt("get_task_meta", task_id=task_id)

    reading = [partial(read, ctx.client(f"reader-{number}")) for number in range(readers)]
    run_concurrently(ctx, [partial(write, ctx.client("writer")), *reading])
    _require_linearizable(ctx)


def _require_linearizable(ctx: Context) -> None:
    order = explain(steps_of(ctx.history.operations), ctx.capabilities.choice("late_unready"))
    ctx.require(
        "STATE-13",
        order is not None,
        got="reads that no order of the operations explains",
        allowed="an order of the operations, consistent with their times, in which each read returns what was there",
    )


@check(
    "STATE-14",
    cases=[{"late": state, "races": races} for state in LATE for races in (True, False) for _ in range(ROUNDS // 4)],
    deadline=120.0,
)
def success_once_read_is_read_again(ctx: Context, late: str, races: bool) -> None:
    """A client that has read SUCCESS reads nothing else afterwards, while late stores arrive.

    SUCCESS `races` the late stores, or is there before them. Who stores it looks, too: it reads SUCCESS the sooner.
    """
    task_id, barrier = ctx.new_id(), Barrier(4)
    reader, winner = ctx.client("reader"), ctx.client("winner")
    seen: dict[str, list[Value]] = {"reader": [], "winner": []}
    done = Event()

    def look(client: Client) -> None:
        found = client.attempt("get_task_meta", task_id=task_id)
        # an entry that is seen in the middle of a write is a matter of STATE-15
        seen[client.name].extend([found.value["status"]] if found.kind == "ok" else [])

    def read() -> None:
        barrier.wait()
        while not done.is_set() and len(seen["reader"]) < 500:
            look(reader)

    def write() -> None:
        barrier.wait()
        # one that is replaced, which is not to happen, is stored again, so that there is more to see
        for _ in range(BURST):
            winner.attempt("store_result", task_id=task_id, result="won", state="SUCCESS")
            look(winner)

    def write_late(name: str) -> None:
        try:
            _late(ctx.client(name), task_id, late, barrier)
        finally:
            done.set()

    winner.store(task_id, None, "STARTED")
    if not races:
        winner.attempt("store_result", task_id=task_id, result="won", state="SUCCESS")
        look(reader)
    run_concurrently(ctx, [read, write, partial(write_late, "rival-1"), partial(write_late, "rival-2")])
    for client in (reader, winner):
        look(client)
    ctx.require(
        "STATE-14",
        all(_keeps_success(states) for states in seen.values()),
        got="; ".join(_sequence(name, states) for name, states in seen.items() if not _keeps_success(states)),
        allowed="nothing but SUCCESS after SUCCESS",
    )


def _keeps_success(states: Sequence[Value]) -> bool:
    """Whether a client that has read SUCCESS reads only SUCCESS afterwards."""
    return "SUCCESS" not in states or set(states[states.index("SUCCESS") :]) == {"SUCCESS"}


def _sequence(name: str, states: Sequence[Value]) -> str:
    """Return the states that a client has read one after the other, as text."""
    return f"{name} reads the states {', then '.join(str(state) for state, _ in groupby(states))}"


LARGE, PORTABLE = 200_000, 20_000
FEWEST_READS, MOST_READS = 6, 60


def _is_whole(result: Value, length: int) -> bool:
    """Whether a result is a text of one letter, so many times."""
    return isinstance(result, str) and len(result) == length and len(set(result)) == 1


def _keeps(client: Client, task_id: str, text: str) -> bool:
    """Whether a text comes back when nobody else writes."""
    stored = client.attempt("store_result", task_id=task_id, result=text, state="STARTED")
    found = client.attempt("get_task_meta", task_id=task_id)
    return stored.kind == found.kind == "ok" and found.value["result"] == text


@check("STATE-15", cases=[{}] * 12, deadline=120.0)
def entry_is_seen_whole(ctx: Context) -> None:
    """While large entries replace one another, a reader sees one of them, whole."""
    task_id, barrier, reader = ctx.new_id(), Barrier(3), ctx.client("reader")
    length = next((length for length in (LARGE, PORTABLE) if _keeps(reader, task_id, "x" * length)), 0)
    if not length:
        raise Unobserved("even with a single writer no text comes back that is large enough to be torn")
    torn: list[str] = []
    writing = [Event(), Event()]

    def write(ended: Event, name: str, letters: str) -> None:
        client = ctx.client(name)
        barrier.wait()
        for letter in letters:
            client.attempt("store_result", task_id=task_id, result=letter * length, state="STARTED")
        ended.set()

    def read() -> None:
        barrier.wait()
        for number in range(MOST_READS):
            if number >= FEWEST_READS and all(ended.is_set() for ended in writing):
                return
            outcome = reader.attempt("get_task_meta", task_id=task_id)
            if outcome.kind != "ok" or not _is_whole(outcome.value["result"], length):
                torn.append(ctx.describe(outcome))

    writers = [partial(write, writing[0], "rival-1", "ab"), partial(write, writing[1], "rival-2", "cd")]
    run_concurrently(ctx, [*writers, read])
    ctx.require("STATE-15", not torn, got=torn[0] if torn else "", allowed="one of the entries that were stored, whole")
