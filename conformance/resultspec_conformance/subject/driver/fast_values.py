"""A fast validator for the schema `value`: results are validated at every call, so it has to be cheap.

A general validator tries every alternative of the schema on every part of a value, which takes seconds for a megabyte.
This one reads `$type` and tries only the alternative that it names. A test shows that both agree.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_INTEGER = re.compile(r"^-?[0-9]+$")
_MAX_CODE_POINT = 0x10FFFF


def value_complaint(value: Any, path: str = "$") -> str | None:
    """Return why a document is not valid by the schema `value`, as one line, or None if it is."""
    if isinstance(value, list):
        return _first(value, path)
    if not isinstance(value, dict):
        return None
    if "$type" in value:
        return _tagged(value, path)
    for name, member in value.items():
        if isinstance(member, (dict, list)) and (found := value_complaint(member, f"{path}.{name}")):
            return found
    return None


def _first(items: list[Any], path: str) -> str | None:
    for index, item in enumerate(items):
        if isinstance(item, (dict, list)) and (found := value_complaint(item, f"{path}[{index}]")):
            return found
    return None


def _tagged(value: Mapping[str, Any], path: str) -> str | None:
    kind = value["$type"]
    if kind == "exception":
        return _exception(value, path)
    fits = _VALIDATORS.get(kind) if isinstance(kind, str) else None
    if fits is None:
        return f"{path}: no tagged value has the $type {kind!r:.40}"
    if value.keys() != {"$type", "value"}:
        return f"{path}: a tagged value has the members $type and value, and no others"
    if not fits(value["value"]):
        return f"{path}: {value['value']!r:.60} does not fit the $type {kind}"
    if kind == "map":
        return _first([part for pair in value["value"] for part in pair], path)
    return _first(value["value"], path) if kind in _COLLECTIONS else None


def _exception(value: Mapping[str, Any], path: str) -> str | None:
    if not {"$type", "type", "module", "args"} <= value.keys() <= _EXCEPTION_MEMBERS:
        return f"{path}: an exception has the members type, module and args, perhaps cause, and no others"
    if not (isinstance(value["type"], str) and isinstance(value["module"], str | None)):
        return f"{path}: the type of an exception is a text, its module a text or null"
    if not isinstance(value["args"], list):
        return f"{path}: the args of an exception are a list"
    return _first(value["args"], path) or value_complaint(value.get("cause"), f"{path}.cause")


def _is_code_point(item: Any) -> bool:
    number = isinstance(item, (int, float)) and not isinstance(item, bool) and item == int(item)
    return number and 0 <= item <= _MAX_CODE_POINT


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_text_or_number(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


_EXCEPTION_MEMBERS = {"$type", "type", "module", "args", "cause"}
_COLLECTIONS = ("tuple", "set", "frozenset")
_VALIDATORS: Mapping[str, Callable[[Any], bool]] = {
    "bytes": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, str) and bool(_INTEGER.match(value)),
    "float": lambda value: isinstance(value, str) and value in ("nan", "inf", "-inf"),
    "text": lambda value: _is_list(value) and all(map(_is_code_point, value)),
    **dict.fromkeys(_COLLECTIONS, _is_list),
    "map": lambda value: _is_list(value) and all(_is_list(pair) and len(pair) == 2 for pair in value),
    **dict.fromkeys(("datetime", "date", "time", "uuid", "decimal", "timedelta"), _is_text_or_number),
    "opaque": lambda value: isinstance(value, str | None),
}


def group_complaint(found: Any) -> str | None:
    """Return why a document is not the result tuple of a group, or None if it is."""
    if not _is_pair(found) or not isinstance(found[1], list):
        return "it is not the result tuple of a group, [[id, parent], [member, ...]]"
    left = [found]
    while left:
        item = left.pop()
        if not _is_pair(item) or not _is_pair(item[0]):
            return f"it holds {item!r:.60}, which is not a result tuple"
        (identifier, parent), members = item
        if not isinstance(identifier, str) or not identifier:
            return f"it holds the id {identifier!r:.60}, which is empty or not text"
        if not isinstance(members, (list, type(None))):
            return f"it holds the members {members!r:.60}, which are not a list"
        left += [*([] if parent is None else [parent]), *(members or ())]
    return None


def _is_pair(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 2
