"""Results on the wire. Some are maps that are not values themselves, but contain values.

The outermost map of a meta is one. If it has a member `$type`, that is an ordinary member and not a tag.
"""

from collections.abc import Mapping
from typing import Any

from resultspec_conformance.wire.values import Value, decode, encode

MAP_RESULT_OPERATIONS = ("get_task_meta", "wait_for")
"""Operations whose result is a map whose members are values in the tagged encoding."""


def encode_result(op: str, value: Value) -> Any:
    """Return the wire form of an operation's result."""
    if op in MAP_RESULT_OPERATIONS:
        return {name: encode(member) for name, member in value.items()}
    if op == "get_many":
        return {**value, "yielded": [_written(item) for item in value["yielded"]]}
    return encode(value)


def decode_result(op: str, document: Any) -> Value:
    """Return the result for a valid document. Raises ValueFormatError."""
    if op in MAP_RESULT_OPERATIONS:
        return {name: decode(member) for name, member in document.items()}
    if op == "get_many":
        return {**document, "yielded": [_read(item) for item in document["yielded"]]}
    return decode(document)


def _written(item: Mapping[str, Any]) -> dict[str, Any]:
    meta = {name: encode(member) for name, member in item["meta"].items()}
    return {"task_id": encode(item["task_id"]), "meta": meta, "at": item["at"]}


def _read(item: Mapping[str, Any]) -> dict[str, Any]:
    meta = {name: decode(member) for name, member in item["meta"].items()}
    return {"task_id": decode(item["task_id"]), "meta": meta, "at": item["at"]}
