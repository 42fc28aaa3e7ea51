"""Ordinary calls: each operation once, with arguments as every program has them.

These checks run before all others. An operation that fails here is broken for everybody: it violates the requirement
about the operation, and what others cannot test because of it accuses nothing else.
"""

from collections.abc import Callable, Mapping, Sequence

from resultspec import OPERATIONS
from resultspec_conformance.subject.client import Client, UnexpectedOutcome
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.testkit.chords import Chord
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.wire.values import ExceptionData, Value

ERROR = ExceptionData("ValueError", "builtins", ("as usual",))

Arguments = dict[str, Value]
Cases = Mapping[str, Callable[[str], Arguments]]
"""The arguments of an operation for the id of a task or a group, by what is special in a case."""


def _by_task(task_id: str) -> Arguments:
    return {"task_id": task_id}


def _by_group(group_id: str) -> Arguments:
    return {"group_id": group_id}


def _success(task_id: str) -> Arguments:
    return {"task_id": task_id, "result": {"sum": 3}, "state": "SUCCESS"}


def _failure(task_id: str) -> Arguments:
    return {
        "task_id": task_id,
        "result": ERROR,
        "state": "FAILURE",
        "traceback": "Traceback (most recent call last):\n",
    }


def _success_of_a_request(task_id: str) -> Arguments:
    request = {"id": task_id, "children": [], "name": "add", "args": [1, 2], "kwargs": {}}
    return {"task_id": task_id, "result": 3, "state": "SUCCESS", "request": request}


def _group(group_id: str) -> Arguments:
    return {"group_id": group_id, "result": [[group_id, None], [[[f"{group_id}-member", None], None]]]}


TASKS: Mapping[str, Cases] = {
    "store_result": {"a value": _success, "an exception": _failure, "a request": _success_of_a_request},
    "get_task_meta": {"": _by_task},
    "get_state": {"": _by_task},
    "get_result": {"": _by_task},
    "get_traceback": {"": _by_task},
    "get_children": {"": _by_task},
    "forget": {"": _by_task},
}

CACHE: Mapping[str, Cases] = {"is_cached": {"": _by_task}, "reload_task_result": {"": _by_task}}

WORKERS: Mapping[str, Cases] = {
    "mark_as_started": {"": lambda task_id: {"task_id": task_id, "meta": {"pid": 1}}},
    "mark_as_done": {"": lambda task_id: {"task_id": task_id, "result": 3}},
    "mark_as_failure": {"": lambda task_id: {"task_id": task_id, "exc": ERROR, "traceback": "Traceback\n"}},
    "mark_as_retry": {"": lambda task_id: {"task_id": task_id, "exc": ERROR}},
    "mark_as_revoked": {"": lambda task_id: {"task_id": task_id, "reason": "as usual"}},
    "fail_from_current_stack": {"": lambda task_id: {"task_id": task_id, "exc": ERROR, "raised": ERROR}},
    "current_task_children": {"": lambda task_id: {"request": {"id": task_id, "children": []}}},
    "process_cleanup": {"": lambda _: {}},
    "on_task_call": {"": _by_task},
}

GROUPS: Mapping[str, Cases] = {
    "save_group": {"": _group},
    "restore_group": {"": _by_group},
    "get_group_meta": {"": _by_group},
    "reload_group_result": {"": _by_group},
    "delete_group": {"": _by_group},
}


def _prepare(ctx: Context, op: str, **args: Value) -> None:
    """Let there be something to read, if that operation is not known to be broken: the other is tested nevertheless."""
    if ctx.usable([op]):
        ctx.client("writer").attempt(op, **args)


def _require_answer(ctx: Context, client: Client, op: str, args: Mapping[str, Value]) -> None:
    """Require that an operation succeeds. Raises UnexpectedOutcome."""
    client.call(op, **args)
    ctx.require(OPERATIONS[op].requirement, True, got="", allowed="")


def _register(op: str, cases: Cases, make: Callable[[Context, str, Callable[[str], Arguments]], None]) -> None:
    """Register a check of one operation; `make` makes the call for the arguments of a case."""

    def answers(ctx: Context, case: str = "") -> None:
        make(ctx, op, cases[case])

    answers.__name__ = f"{op}_answers"
    # the page of a requirement shows the source of this function
    answers.__qualname__ = _register.__qualname__
    answers.__doc__ = f"`{op}` succeeds with ordinary arguments."
    listed: Sequence[Mapping[str, Value]] = [{"case": case} for case in cases] if len(cases) > 1 else ()
    check(OPERATIONS[op].requirement, cases=listed, first=True)(answers)


def _on_a_task(ctx: Context, op: str, args: Callable[[str], Arguments]) -> None:
    task_id = ctx.new_id()
    if op != "store_result":
        _prepare(ctx, "store_result", **_success(task_id))
    _require_answer(ctx, ctx.client("writer"), op, args(task_id))


def _on_the_cache(ctx: Context, op: str, args: Callable[[str], Arguments]) -> None:
    task_id = ctx.new_id()
    _prepare(ctx, "store_result", **_success(task_id))
    _require_answer(ctx, ctx.client("caching", max_cached_results=100), op, args(task_id))


def _by_a_worker(ctx: Context, op: str, args: Callable[[str], Arguments]) -> None:
    # by a client that no other check uses: process_cleanup may leave it unusable
    _require_answer(ctx, ctx.fresh_client("worker"), op, args(ctx.new_id()))


def _on_a_group(ctx: Context, op: str, args: Callable[[str], Arguments]) -> None:
    group_id = ctx.new_id("group")
    if op != "save_group":
        _prepare(ctx, "save_group", **_group(group_id))
    _require_answer(ctx, ctx.client("writer"), op, args(group_id))


for _operations, _make in (
    (TASKS, _on_a_task),
    (CACHE, _on_the_cache),
    (WORKERS, _by_a_worker),
    (GROUPS, _on_a_group),
):
    for _op, _cases in _operations.items():
        _register(_op, _cases, _make)


@check("WAIT-1", first=True)
def wait_for_answers(ctx: Context) -> None:
    """`wait_for` ends for a task that is ready."""
    task_id = ctx.new_id()
    _prepare(ctx, "store_result", **_success(task_id))
    try:
        _require_answer(ctx, ctx.client("writer"), "wait_for", {"task_id": task_id, "timeout": 1.0})
    except UnexpectedOutcome as unexpected:
        if unexpected.outcome.error == "TimeoutError":
            raise Unobserved("nothing was ready to be waited for") from None
        raise


@check("JOIN-1", first=True)
def get_many_answers(ctx: Context) -> None:
    """`get_many` ends for tasks that are ready."""
    if not ctx.usable(["store_result"]):
        raise Unobserved("nothing can be stored that would be ready")
    ids = [ctx.new_id(), ctx.new_id()]
    for task_id in ids:
        _prepare(ctx, "store_result", **_success(task_id))
    _require_answer(ctx, ctx.client("writer"), "get_many", {"task_ids": ids, "timeout": 1.0})


CHORDS = ("apply_chord", "set_chord_size", "on_chord_part_return")


@check("CHORD-1", "CHORD-5", cases=[{"op": op} for op in CHORDS], first=True)
def chords_answer(ctx: Context, op: str) -> None:
    """`apply_chord`, `set_chord_size` and `on_chord_part_return` succeed with ordinary arguments."""
    client, chord = ctx.client("client"), Chord.of(ctx, [None, None])
    args: Mapping[str, Arguments] = {
        "apply_chord": {"group_id": chord.group_id, "header": chord.header, "body": chord.body},
        "set_chord_size": {"group_id": chord.group_id, "size": 2},
        "on_chord_part_return": {"request": chord.request(0), "state": "SUCCESS", "result": 3},
    }
    for before in CHORDS[: CHORDS.index(op)]:
        client.attempt(before, **args[before])
    if op == "on_chord_part_return":
        client.attempt("store_result", task_id=chord.ids[0], result=3, state="SUCCESS", request=chord.request(0))
    _require_answer(ctx, ctx.client("client"), op, args[op])


@check("EXP-14", first=True)
def cleanup_answers(ctx: Context) -> None:
    """`cleanup` succeeds."""
    _require_answer(ctx, ctx.client("worker"), "cleanup", {})


@check("EXP-16", first=True)
def expire_answers(ctx: Context) -> None:
    """`expire` gives a task another life."""
    task_id = ctx.new_id()
    _prepare(ctx, "store_result", **_success(task_id))
    _require_answer(ctx, ctx.client("worker"), "expire", {"task_id": task_id, "life": 600})
