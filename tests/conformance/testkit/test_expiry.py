"""How checks let lives end: by a clock, by ageing, by waiting; and what they say where they cannot see."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from resultspec_conformance.runner.execute import execute
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.findings import Unobserved, Violation
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.expiry import LONG_LIFE, Timeline, time_can_pass, timeline_of

Open = Callable[[str], Context]


WAYS = {"no-op": "clock", "ends-by-ageing": "ageing", "ends-waited-for": "waiting", "ends-by-cleanup": "clock"}


@pytest.mark.parametrize("name", WAYS)
def test_time_passes_in_each_way(context_of: Open, name: str) -> None:
    """What has to be there is, what has to be gone is, and both the other way round are violations."""
    ctx = context_of(name)
    timeline, reader = Timeline(ctx), ctx.client("reader")
    assert timeline.method == WAYS[name]
    writer = ctx.client("writer", expires=timeline.life)
    began, entry = time.monotonic(), timeline.store(writer, timeline.life)
    timeline.advance_to(entry, 0.5)
    timeline.require_present("EXP-1", reader, entry)
    with pytest.raises(Unobserved, match="not over yet"):
        timeline.require_expired("EXP-2", reader, entry)
    timeline.let_expire(entry)
    timeline.require_expired("EXP-2", reader, entry)
    with pytest.raises(Unobserved, match="too slow"):
        timeline.require_present("EXP-1", reader, entry)
    assert (time.monotonic() - began < 1.0) == (timeline.method != "waiting")
    told = [operation.args["by"] for operation in ctx.history if operation.op == "let time pass"]
    assert set(told) == {WAYS[name]}


def test_an_entry_that_is_gone_early_or_stays_is_a_violation(context_of: Open) -> None:
    """The ages are those that were seen, in the words of the report."""
    ctx = context_of("no-op")
    timeline, reader = Timeline(ctx), ctx.client("reader")
    early = timeline.store(ctx.client("writer", expires=10), 600)
    late = timeline.store(ctx.client("late", expires=6000), 600)
    timeline.let_pass(20)
    with pytest.raises(Violation, match="PENDING of a task that is SUCCESS, 20"):
        timeline.require_present("EXP-1", reader, early)
    timeline.let_expire(late)
    with pytest.raises(Violation, match=r"SUCCESS after 600\.\d+ s of a life of 600 s"):
        timeline.require_expired("EXP-2", reader, late)


def test_the_clock_goes_back_after_an_example(context_of: Open) -> None:
    """The next check finds the time of day."""
    ctx = context_of("no-op")
    Timeline(ctx).let_pass(LONG_LIFE)
    server = ctx.backend(ctx.client("writer")).link.server
    assert server.made_up == LONG_LIFE
    ctx.close()
    assert server.made_up == 0


def test_where_plain_lives_do_not_end_nobody_is_accused_of_more(context_of: Open) -> None:
    """A session looks once, and remembers; a check that needs no end of a life is not blind."""
    ctx = context_of("no-op")
    assert timeline_of(ctx).passed > 0
    assert ctx.session.plain_life == "right"
    ctx.session.plain_life = "endless"
    with pytest.raises(Unobserved, match="a plain entry does not end"):
        timeline_of(ctx)
    assert timeline_of(ctx, ends=False).passed == 0
    ctx.session.plain_life = "wrong"
    with pytest.raises(Unobserved, match="a plain entry does not have"):
        timeline_of(ctx, ends=False)


@pytest.mark.parametrize(("lag", "can"), [(0.0, True), (4.0, True), (3600.0, False)])
def test_a_slow_store_is_not_waited_for(context_of: Open, lag: float, can: bool) -> None:
    """Without a clock and without ageing an end is seen only if the store is slower by seconds and no more."""
    subject: Any = context_of("ends-waited-for").session.subject
    subject.capabilities = replace(subject.capabilities, expiry_lag=lag)
    assert time_can_pass(subject) == can
    assert time_can_pass(context_of("ends-by-ageing").session.subject)


def test_a_coarse_store_is_looked_at_before_it_may_have_forgotten(context_of: Open) -> None:
    """However coarse it counts lives, there is a moment late in each at which an entry certainly exists."""
    check = all_checks()["expiry.looking_and_being_refused_change_no_life"]
    result = execute(check, context_of("coarse-ends-waited-for").session, seed_number=0, examples=1)
    assert (result.status, result.exercised, result.message) == ("passed", ("EXP-4",), "")


def test_lives_are_counted_apart_from_waits(context_of: Open) -> None:
    """A store that counts lives in seconds gets no tolerance for that when a wait has to end."""
    coarse = Capabilities(("core",), time_resolution=0.01, expiry_resolution=1.0)
    assert (coarse.life_resolution, coarse.time_resolution) == (1.0, 0.01)
    assert Capabilities(("core",), time_resolution=0.5).life_resolution == 0.5
    assert context_of("lives-of-whole-seconds").grace == context_of("no-op").grace


def test_an_opened_client_is_an_outcome(context_of: Open) -> None:
    """A refusal to open is an error of the closed list, not the end of the run."""
    ctx = context_of("no-op")
    assert ctx.open_client("right", expires=5).kind == "ok"
    refused = ctx.open_client("wrong", expires=-1)
    assert (refused.kind, refused.error) == ("fail", "ImproperlyConfigured")
    assert ctx.history.clients == {"right": {"expires": 5}, "wrong": {"expires": -1}}


@pytest.mark.parametrize(
    "name", ["expiry.ready_task_lives_to_its_end_and_no_longer", "cleanup.cleanup_knows_an_instant"]
)
def test_a_check_leaves_the_machine_as_it_was(context_of: Open, name: str) -> None:
    """Neither the clock nor the time zone of the process stays moved."""
    session = context_of("no-op").session
    before = time.tzname
    assert execute(all_checks()[name], session, seed_number=0, examples=5).status == "passed"
    assert time.tzname == before
