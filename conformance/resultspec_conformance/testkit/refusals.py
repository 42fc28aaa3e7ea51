"""Stores that are refused: whether it is the entry which is there that they are refused for, and by which rule."""

from resultspec_conformance.subject.history import Operation
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.task_model import Model, Write


def rule_of_refusal(ctx: Context, refused: Operation) -> str | None:
    """Return the requirement that a store violates by its error, if it fails only because of the entry that is there.

    That is STATE-10 if it had to lose, and else the one by which it had to be accepted. None: it fails alone, too, or
    the history has no other store of its task.
    """
    task_id = refused.args.get("task_id")
    if not isinstance(task_id, str) or not isinstance(refused.args.get("state"), str):
        return None
    model = _replayed(ctx, task_id, refused)
    if model is None or not _succeeds_alone(ctx, refused):
        return None
    return model.rule_of_error(task_id, Write.of(len(ctx.history), refused.args))


def _replayed(ctx: Context, task_id: str, until: Operation) -> Model | None:
    """Return what is known of a task before an operation; None if nothing was stored, or only by the probe."""
    model = Model(ctx.capabilities.choice("late_unready"))
    for number, operation in enumerate(ctx.history):
        if operation is until:
            break
        succeeded = operation.outcome is not None and operation.outcome.kind == "ok"
        if operation.args.get("task_id") != task_id or not succeeded:
            continue
        match operation.op:
            case "store_result":
                model.store(task_id, Write.of(number, operation.args))
            case "forget":
                model.forget(task_id)
            case "probe_write":
                return None
    return model if task_id in model.written else None


def _succeeds_alone(ctx: Context, refused: Operation) -> bool:
    """Whether the same can be stored as the first write of a task."""
    with ctx.off_the_record():
        alone = {**refused.args, "task_id": ctx.new_id("alone")}
        return ctx.client("beside").attempt("store_result", **alone).kind == "ok"
