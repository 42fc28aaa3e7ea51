"""Results on the wire: maps that are the form of a result and no values, though they have values inside.

The outermost map of a meta is one. It may have a member `$type`, which is then a member like any other and no tag.
"""

from collections.abc import Mapping
from typing import Any

from resultspec_conformance.wire.values import Value, decode, encode

MAP_RESULT_OPERATIONS = ("get_task_meta", "wait_for")
"""Operations whose result is a map with members of its own, which are values in the tagged encoding."""


def encode_result(op: str, value: Value) -> Any:
    """Return the result of an operation as it is written on the wire."""
    if op in MAP_RESULT_OPERATIONS:
        return {name: encode(member) for name, member in value.items()}
    if op == "get_many":
        return {**value, "yielded": [_written(item) for item in value["yielded"]]}
    return encode(value)


def decode_result(op: str, document: Any) -> Value:
    """Return the result that a valid document is. Raises ValueFormatError."""
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
