"""Checks of chapter 16: the disabled backend."""

from resultspec import STATES
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.waits import failure
from resultspec_conformance.wire.values import Value

TEXT = "no result backend is configured"

READS = ("get_task_meta", "get_state", "get_result", "get_traceback", "get_children", "reload_task_result")
WAITS: list[dict[str, Value]] = [{}, {"timeout": 0}, {"timeout": None}, {"timeout": 0.05, "interval": 0}]


@check("DIS-1", cases=[{"state": state} for state in [*STATES.named, *STATES.reserved, "PROGRESS"]])
def storing_and_forgetting_succeed(ctx: Context, state: str) -> None:
    """A worker without a result backend stores and forgets without an error, in every state."""
    client, task_id = ctx.client(), ctx.new_id()
    result = failure(1) if state in STATES.sets["EXCEPTION"] else {"run": 1}
    request = {"id": task_id, "group": "g", "children": [[["child", None], None]]}
    stores: list[dict[str, Value]] = [{}, {"traceback": "Traceback"}, {"traceback": "Traceback", "request": request}]
    for options in stores:
        outcome = client.attempt("store_result", task_id=task_id, result=result, state=state, **options)
        ctx.require("DIS-1", outcome.kind == "ok", got=ctx.describe(outcome), allowed="store_result succeeds")
    for one in (task_id, task_id, ctx.new_id()):
        outcome = client.attempt("forget", task_id=one)
        ctx.require("DIS-1", outcome.kind == "ok", got=ctx.describe(outcome), allowed="forget succeeds")


@check(
    "DIS-4",
    cases=[
        {"op": op, "args": args}
        for op, args in (
            ("mark_as_started", {"meta": {"pid": 1}}),
            ("mark_as_started", {}),
            ("mark_as_done", {"result": {"run": 1}}),
            ("mark_as_failure", {"exc": failure(1), "traceback": "Traceback"}),
            ("mark_as_retry", {"exc": None}),
            ("mark_as_revoked", {"reason": "terminated"}),
            ("on_task_call", {}),
            ("process_cleanup", None),
        )
    ],
)
def worker_runs_without_a_backend(ctx: Context, op: str, args: dict[str, Value] | None) -> None:
    """Everything that a worker calls succeeds, and adds no properties to a message."""
    given = {} if args is None else {"task_id": ctx.new_id(), **args}
    for _ in range(2):
        outcome = ctx.client().attempt(op, **given)
        holds = outcome.kind == "ok" and (op != "on_task_call" or outcome.value in ({}, None))
        allowed = "an empty map or null" if op == "on_task_call" else f"{op} succeeds"
        ctx.require("DIS-4", holds, got=ctx.describe(outcome), allowed=allowed)


def _require_no_backend_error(ctx: Context, op: str, **args: Value) -> None:
    task_id = ctx.new_id()
    ctx.client().attempt("store_result", task_id=task_id, result=1, state="SUCCESS")
    _require_refused(ctx, op, task_id=task_id, **args)


def _require_refused(ctx: Context, op: str, **args: Value) -> None:
    outcome = ctx.client().attempt(op, **args)
    told = outcome.error == "NotImplementedError" and TEXT in outcome.message.lower()
    allowed = f"NotImplementedError with the text {TEXT!r}"
    ctx.require("DIS-2", told, got=ctx.describe(outcome), allowed=allowed)


@check("DIS-2", cases=[{"op": op} for op in READS], blame_hang="DIS-2")
def read_says_that_there_is_no_backend(ctx: Context, op: str) -> None:
    """Every read ends in an error that says that no result backend is configured."""
    _require_no_backend_error(ctx, op)


@check("DIS-2", cases=[{"options": options} for options in WAITS], blame_hang="DIS-2")
def wait_says_that_there_is_no_backend(ctx: Context, options: dict[str, Value]) -> None:
    """Every wait ends at once in an error that says that no result backend is configured, whatever its timeout."""
    _require_no_backend_error(ctx, "wait_for", **options)


@check(
    "DIS-2",
    cases=[{"count": count, "options": options} for count in (0, 2) for options in WAITS],
    blame_hang="DIS-2",
)
def join_says_that_there_is_no_backend(ctx: Context, count: int, options: dict[str, Value]) -> None:
    """Every join is refused at the call, even one without ids, before it returns an iterator."""
    _require_refused(ctx, "get_many", task_ids=[ctx.new_id() for _ in range(count)], **options)


@check("DIS-3")
def location_is_disabled(ctx: Context) -> None:
    """`as_uri` of a disabled backend is `disabled://`."""
    outcome = ctx.client().attempt("as_uri")
    holds = outcome.kind == "ok" and outcome.value == "disabled://"
    ctx.require("DIS-3", holds, got=ctx.describe(outcome), allowed="'disabled://'")
