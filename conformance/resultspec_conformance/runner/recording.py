"""Recording a failing example: its history, and the bytes that the store then has."""

from collections.abc import Callable, Mapping

from resultspec_conformance.subject.history import History
from resultspec_conformance.subject.probe_protocols import GroupProbe
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import Example
from resultspec_conformance.verdict.check_results import Failure
from resultspec_conformance.wire.values import encode, show


def stored_bytes(ctx: Context, limit: int = 8) -> dict[str, str]:
    """Return what the probe finds under the ids of a history, as text, for up to `limit` tasks and as many groups."""
    probe = ctx.session.subject.probe
    if probe is None:
        return {}
    tasks = {task_id: _looked_up(probe.read, task_id) for task_id in _ids(ctx, "task_id")[:limit]}
    if not isinstance(probe, GroupProbe):
        return tasks
    return tasks | {
        f"group {group_id}": _looked_up(probe.read_group, group_id) for group_id in _ids(ctx, "group_id")[:limit]
    }


def _ids(ctx: Context, name: str) -> list[str]:
    return list(dict.fromkeys(str(operation.args[name]) for operation in ctx.history if name in operation.args))


def _looked_up(read: Callable[[str], bytes | None], name: str) -> str:
    try:
        payload = read(name)
    except Exception as error:  # noqa: BLE001 - a report without these bytes is better than none
        return f"(cannot be read: {type(error).__name__})"
    return "(nothing)" if payload is None else show(payload, 600)


def recorded(
    requirement: str, got: str, allowed: str, example: Example, history: History, stored: Mapping[str, str]
) -> Failure:
    """Return the record of a failure, in which the last operation is the one that differs."""
    encoded = {name: encode(value) for name, value in example.items()}
    clients = {name: encode(options) for name, options in history.clients.items()}
    step = len(history) - 1 if len(history) else None
    return Failure(requirement, got, allowed, encoded, history.to_json(), stored, clients, step=step)


def failure_of(ctx: Context, example: Example, requirement: str, got: str, allowed: str) -> Failure:
    """Return the record of a failure of an example that has ended."""
    return recorded(requirement, got, allowed, example, ctx.history, stored_bytes(ctx))
