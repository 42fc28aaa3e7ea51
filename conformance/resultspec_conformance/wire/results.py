"""Results of operations: their forms on the wire, and the shapes without which no check could look at them.

Some results are maps that are not values themselves, but contain values. The outermost map of a meta is one: if it has
a member `$type`, that is an ordinary member and not a tag.

A result that merely has wrong content is handed on, so that the requirement about that content is judged: children of
another form, say, or a meta without `result`. Only what no check can look into is malformed: a meta that is not a map.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from resultspec_conformance.wire.values import Value, decode, encode, show

MAP_RESULT_OPERATIONS = ("get_task_meta", "wait_for")
"""Operations whose result is a map whose members are values in the tagged encoding."""


def encode_result(op: str, value: Value) -> Any:
    """Return the wire form of an operation's result, also of a malformed one."""
    if op in MAP_RESULT_OPERATIONS and isinstance(value, Mapping):
        return {name: encode(member) for name, member in value.items()}
    if op == "get_many":
        return {**value, "yielded": [_written(item) for item in value["yielded"]]}
    return encode(value)


def decode_result(op: str, document: Any) -> Value:
    """Return the result for JSON, also for a malformed one. Raises ValueFormatError for a malformed tagged value."""
    if op in MAP_RESULT_OPERATIONS and isinstance(document, dict):
        return {name: decode(member) for name, member in document.items()}
    if op == "get_many" and isinstance(document, dict) and isinstance(document.get("yielded"), list):
        return {**document, "yielded": [_read(item) for item in document["yielded"]]}
    return decode(document)


def _written(item: Mapping[str, Any]) -> dict[str, Any]:
    meta = {name: encode(member) for name, member in item["meta"].items()}
    return {"task_id": encode(item["task_id"]), "meta": meta, "at": item["at"]}


def _read(item: Any) -> Value:
    if not isinstance(item, dict):
        return decode(item)
    meta = item.get("meta")
    read = {name: decode(member) for name, member in item.items() if name != "meta"}
    return read | ({"meta": decode_result("get_task_meta", meta)} if "meta" in item else {})


# -- shapes ----------------------------------------------------------------------------------------


class Meta(dict[str, Value]):
    """The meta of a task as an operation returned it. A member that it lacks reads as null.

    Whether all members are there is one requirement; checks of others need not fail where one is missing.
    """

    def __missing__(self, name: str) -> None:
        return None


def handed_on(op: str, value: Value) -> Value:
    """Return a result that is not malformed as checks get it: its metas have every member."""
    if op == "get_task_meta":
        return Meta(value)
    if op == "get_many":
        return {**value, "yielded": [{**item, "meta": Meta(item["meta"])} for item in value["yielded"]]}
    return value


def shape_complaint(op: str, value: Value) -> str | None:
    """Return why a value cannot be looked at as the result of an operation, in a few words, or None if it can."""
    complaint = _SHAPES.get(op)
    found = complaint(value) if complaint is not None else None
    return f"{op} returned {show(value)}: {found}" if found else None


def _text(value: Value) -> str | None:
    return None if isinstance(value, str) else "it is not a text"


def _boolean(value: Value) -> str | None:
    return None if isinstance(value, bool) else "it is neither true nor false"


def _meta(value: Value) -> str | None:
    if not isinstance(value, Mapping):
        return "it is not a map"
    return None if isinstance(value.get("status"), str) else "it has no status that is a text"


def _ended_wait(value: Value) -> str | None:
    holds = isinstance(value, Mapping) and list(value) in (["returned"], ["raised"])
    return None if holds else "it is not a map with either returned or raised"


def _join(value: Value) -> str | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("yielded"), Sequence):
        return "it is not a map with a list of what was yielded"
    if not isinstance(value.get("ended"), str) or not isinstance(value.get("message"), str):
        return "it does not say in texts how the join has ended"
    return next(filter(None, map(_item, value["yielded"])), None)


def _item(item: Value) -> str | None:
    if not isinstance(item, Mapping) or "task_id" not in item or not isinstance(item.get("at"), (int, float)):
        return "an item does not have a task_id, and a number at"
    found = _meta(item.get("meta"))
    return f"of the meta of an item, {found}" if found else None


def _group(value: Value) -> str | None:
    holds = (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], (list, tuple))
        and len(value[0]) == 2
        and isinstance(value[1], (list, tuple))
    )
    return None if holds else "it is not a group, [[id, parent], [member, ...]]"


def _group_entry(value: Value) -> str | None:
    if not isinstance(value, Mapping) or "result" not in value:
        return "it is not a map with a result"
    return _group(value["result"])


def _optional(complaint: Callable[[Value], str | None]) -> Callable[[Value], str | None]:
    return lambda value: None if value is None else complaint(value)


_SHAPES: Mapping[str, Callable[[Value], str | None]] = {
    "get_task_meta": _meta,
    "get_state": _text,
    "wait_for": _ended_wait,
    "get_many": _join,
    "is_cached": _boolean,
    "restore_group": _optional(_group),
    "get_group_meta": _optional(_group_entry),
    "apply_chord": _optional(_text),
    "as_uri": _text,
}
"""The shapes of results, by operation. Of all others, any value is handed on."""
