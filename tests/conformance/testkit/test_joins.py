"""A join as the suite sees it: consumed item by item, recorded as data, written on the wire and shown in a timeline."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from resultspec import OPERATIONS
from resultspec.schemas import validator
from resultspec_conformance.broken import VARIATIONS, open_specimen
from resultspec_conformance.report.plain_text import outcome as shown_outcome
from resultspec_conformance.report.reproducer_script import script
from resultspec_conformance.runner.execute import execute
from resultspec_conformance.subject.findings import Violation
from resultspec_conformance.subject.history import Operation, Outcome
from resultspec_conformance.subject.join_consumer import NotAPair, consume
from resultspec_conformance.subject.python_object import PythonConnection
from resultspec_conformance.suite import all_checks
from resultspec_conformance.testkit.context import Context, Session
from resultspec_conformance.testkit.joins import join, join_in_process, joined, require_yielded
from resultspec_conformance.wire.results import decode_result, encode_result


class Items:
    """An iterator that remembers what its caller does."""

    def __init__(self, *items: Any) -> None:
        self.items = list(items)
        self.closed = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        item = self.items.pop(0) if self.items else StopIteration()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Remember."""
        self.closed = True


META = {"status": "SUCCESS", "result": 1}


def taken(items: Items, **options: Any) -> dict[str, Any]:
    """Take items, and return the outcome without the times."""
    found = consume(items, dict, lambda error: (type(error).__name__, str(error)), **options)
    assert validator(OPERATIONS["get_many"].result).is_valid(found)
    return {"ids": [item["task_id"] for item in found["yielded"]], **{k: found[k] for k in ("ended", "message")}}


def test_a_join_is_taken_to_its_end() -> None:
    """To its last item, to an error, or as far as its caller goes, who closes it then."""
    items = Items(("a", META), ["b", META])
    assert taken(items) == {"ids": ["a", "b"], "ended": "exhausted", "message": ""}
    assert not items.closed
    assert taken(Items(("a", META), TimeoutError("late"))) == {
        "ids": ["a"],
        "ended": "TimeoutError",
        "message": "late",
    }
    items = Items(("a", META), ("b", META), ("c", META))
    assert taken(items, take=2) == {"ids": ["a", "b"], "ended": "closed", "message": ""}
    assert items.closed
    assert items.items == [("c", META)]


@pytest.mark.parametrize("item", ["ab", ("a",), ("a", 7), {"a": META}, META])
def test_an_item_that_is_not_a_pair(item: Any) -> None:
    """It is reported as such, and not as an error of the join."""
    with pytest.raises(NotAPair, match="not a pair"):
        consume(Items(item), dict, lambda error: ("Unknown", str(error)))


def test_times_are_those_of_the_caller() -> None:
    """They begin when the first item is asked for; a pause comes after each item."""
    began = time.monotonic()
    found = consume(Items(("a", META), ("b", META)), dict, lambda _: ("", ""), delay=0.05, pause=0.03)
    assert time.monotonic() - began >= 0.11
    first, second = found["yielded"]
    assert first["at"] < 0.03 <= second["at"]
    assert 0.06 <= found["seconds"] < 0.11 + 5


def test_the_call_and_the_iteration_fail_apart() -> None:
    """An error of the call is an error of the operation; a later one is part of an outcome that is ok."""

    class Backend:
        def get_many(self, task_ids: Any, timeout: Any = None) -> Any:
            if timeout == "1":
                raise TypeError("no number")
            return Items(("a", META), ValueError("broken"))

    connection = PythonConnection(Backend())
    assert connection.call("get_many", {"task_ids": [], "timeout": "1"}).error == "TypeError"
    outcome = connection.call("get_many", {"task_ids": ["a"]})
    assert (outcome.kind, outcome.value["ended"], len(outcome.value["yielded"])) == ("ok", "ValueError", 1)
    assert PythonConnection(Backend()).call("get_many", {"task_ids": ["a"], "take": 1}).value["ended"] == "closed"


def test_a_meta_keeps_its_members_on_the_wire() -> None:
    """Also one that looks like a tag, beside a value that needs one."""
    item = {"task_id": "t", "meta": {"status": "SUCCESS", "result": (1, b"x"), "$type": "odd"}, "at": 0.5}
    value = {"yielded": [item], "ended": "exhausted", "message": "", "seconds": 1.0}
    written = encode_result("get_many", value)
    assert validator(OPERATIONS["get_many"].result).is_valid(written)
    assert written["yielded"][0]["meta"]["$type"] == "odd"
    assert decode_result("get_many", written) == value
    assert decode_result("get_task_meta", encode_result("get_task_meta", item["meta"])) == item["meta"]
    assert decode_result("get_result", encode_result("get_result", (1,))) == (1,)


def operation(ended: str = "TimeoutError", items: int = 2) -> Operation:
    """Return the record of a join."""
    yielded = [{"task_id": f"t-{n}", "meta": META, "at": n / 1000} for n in range(items)]
    value = {"yielded": yielded, "ended": ended, "message": "late" if ended == "TimeoutError" else "", "seconds": 0.25}
    args = {"task_ids": ["t-0", "t-1", "t-2"], "timeout": 0.25, "ready_states": ["SUCCESS"], "delay": 0.0}
    return Operation("a", "get_many", args, 1.0, 1.25, Outcome("ok", value))


def test_a_timeline_says_what_was_yielded_and_how_it_ended() -> None:
    """In a line that stays short."""
    assert shown_outcome(operation().to_json()) == (
        "yielded 't-0' 'SUCCESS' 1 at 0.0 ms, 't-1' 'SUCCESS' 1 at 1.0 ms; TimeoutError (late) after 250.0 ms"
    )
    assert shown_outcome(operation("exhausted", 0).to_json()) == "yielded nothing; exhausted after 250.0 ms"
    assert "… and 92 more; closed" in shown_outcome(operation("closed", 100).to_json())


def test_the_script_of_a_failure_joins_too(capsys: pytest.CaptureFixture[str]) -> None:
    """And shows what was yielded, and how it ended."""
    failure = {
        "requirement": "JOIN-1",
        "statement": "…",
        "got": "",
        "allowed": "",
        "check": "joining.x",
        "history": [operation().to_json()],
        "clients": {},
    }
    source = script(failure, "somewhere:", "def make(url, **options):\n    return BACKEND")

    class Backend:
        def get_many(self, task_ids: Any, timeout: Any, READY_STATES: Any) -> Any:  # noqa: N803 - Celery's name
            assert (timeout, READY_STATES) == (0.25, {"SUCCESS"})
            yield task_ids[0], META
            raise TimeoutError("too late")

    source = source.replace("sys.argv[1] if len(sys.argv) > 1 else 'somewhere:'", "None")
    exec(compile(source, "script", "exec"), {"BACKEND": Backend(), "__name__": "script"})
    said = capsys.readouterr().out
    assert "now:   ([('t-0', {'status': 'SUCCESS', 'result': 1})], TimeoutError('too late'))" in said
    assert "then:  yielded 't-0'" in said


def test_what_checks_read_of_a_join() -> None:
    """Ids, times on the clock of the history, and a refusal that differs from a late error."""
    found = joined(operation())
    assert (found.ids, found.ended, found.refused) == (["t-0", "t-1"], "TimeoutError", False)
    assert found.came_at("t-1") == 1.001
    assert found.came_at("t-2") == float("inf")
    assert found.took == 0.25
    refused = Operation("a", "get_many", {}, 1.0, 1.1, Outcome.of_error("ValueError", "no"))
    assert (joined(refused).refused, joined(refused).ended, joined(refused).ids) == (True, "ValueError", [])


@pytest.fixture(name="ctx")
def make_context() -> Iterator[Context]:
    """Return one example of a check of JOIN-1, with the small correct backend."""
    session = Session(open_specimen(VARIATIONS["no-op"]), "test")
    ctx = Context(session, "JOIN-1")
    yield ctx
    ctx.close()
    session.close()


def test_each_id_is_required_once_and_as_text(ctx: Context) -> None:
    """In any order, and with the right end."""
    client, ids = ctx.client("a"), [ctx.new_id(), ctx.new_id()]
    for task_id in ids:
        client.store(task_id, 1)
    require_yielded(ctx, "JOIN-1", join(client, ids), reversed(ids), "exhausted")
    shown = join_in_process(client, iter(ids), "two ids", on_interval=print, timeout=1)
    require_yielded(ctx, "JOIN-1", shown, ids, "exhausted")
    assert shown.operation.args == {"task_ids": "two ids", "timeout": 1}
    for expected, ended in ((ids[:1], "exhausted"), ([*ids, "x"], "exhausted"), (ids, "TimeoutError")):
        with pytest.raises(Violation, match="JOIN-1"):
            require_yielded(ctx, "JOIN-1", shown, expected, ended)


@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        ("join_wakeups.complete_join_leaves_no_subscription", "JOIN-16"),
        ("join_wakeups.ended_join_leaves_no_subscription", "JOIN-27"),
        ("join_wakeups.interrupted_join_leaves_no_subscription", "JOIN-27"),
    ],
)
def test_a_join_that_polls_leaves_no_subscription(name: str, requirement: str) -> None:
    """It has none; that is seen where a wait of the same client shows one."""
    session = Session(open_specimen(VARIATIONS["join-polls"]), "test")
    result = execute(all_checks()[name], session, seed_number=0, examples=1)
    assert (result.status, result.exercised, result.message) == ("passed", (requirement,), "")
