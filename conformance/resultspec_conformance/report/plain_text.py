"""Text for output: without control characters and overlong lines."""

import math
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from resultspec_conformance.wire.values import ExceptionData, Opaque, ValueFormatError, decode, show

_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that move the cursor, turn the direction of the text, or cannot be encoded."""

LONGEST_VALUE = 160

LONGEST_OUTCOME = 300

JOIN_ITEMS_SHOWN = 8
"""The number of items of a join that are shown individually."""


def printable(text: str, *, keep: str = "") -> str:
    """Return a text with unprintable characters escaped, except those in `keep`."""
    return "".join(
        character if character in keep or unicodedata.category(character) not in _UNPRINTABLE else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class _Verbatim:
    """A text that replaces an object in a shown value, since the object's `repr` is too long, or raises."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _readable(value: Any) -> Any:
    """Return a value with its exceptions and opaque objects replaced by text."""
    if isinstance(value, ExceptionData):
        return _Verbatim(f"{value.type}({', '.join(repr(_readable(argument)) for argument in value.args)})")
    if isinstance(value, Opaque):
        return _Verbatim(f"<{value.text or 'an object without representation'}>")
    if isinstance(value, dict):
        return {name: _readable(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_readable(item) for item in value)
    return value


def shown(encoded: Any, limit: int = LONGEST_VALUE) -> str:
    """Return a value in the tagged encoding as one line of Python-like text."""
    try:
        value = decode(encoded)
    except (ValueFormatError, AttributeError, TypeError):
        value = encoded
    return printable(show(_readable(value), limit))


def arguments(args: Mapping[str, Any], limit: int = LONGEST_VALUE) -> str:
    """Return the arguments of an operation, written as in a call."""
    return ", ".join(f"{printable(name)}={shown(value, limit)}" for name, value in args.items())


def outcome(operation: Mapping[str, Any], limit: int = LONGEST_OUTCOME) -> str:
    """Return the outcome of an operation in a few words; a value has at most about `limit` characters."""
    ended = operation["outcome"]
    if ended is None:
        return "has not returned"
    if ended["kind"] == "ok":
        # a check that calls the method itself records that it did, and not what it yielded
        if operation["op"] == "get_many" and ended["value"] is not None:
            return _joined(ended["value"])
        return "ok" if ended["value"] is None else shown(ended["value"], limit)
    # the message of a Python object begins with the name of the exception
    message = printable(ended["message"]).removeprefix(f"{ended['error']}: ")
    doubt = "" if ended["kind"] == "fail" else "?"
    return f"{ended['error']}{doubt}: {message}" if message else f"{ended['error']}{doubt}"


def _joined(value: Mapping[str, Any]) -> str:
    """Return in a few words what a join yielded and how it ended."""
    items = value["yielded"]
    said = [
        f"{shown(item['task_id'])} {shown(item['meta'].get('status'))} {shown(item['meta'].get('result'), 40)} "
        f"at {milliseconds(item['at'])}"
        for item in items[:JOIN_ITEMS_SHOWN]
    ]
    if len(items) > JOIN_ITEMS_SHOWN:
        said.append(f"… and {len(items) - JOIN_ITEMS_SHOWN} more")
    why = f" ({printable(value['message'])})" if value["message"] else ""
    return f"yielded {', '.join(said) or 'nothing'}; {value['ended']}{why} after {milliseconds(value['seconds'])}"


def wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Return a text as lines of at most `width` columns; the first begins with `first`, the others with `rest`."""
    return textwrap.wrap(
        text,
        max(width, len(first) + 20),
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    ) or [first]


def milliseconds(seconds: float) -> str:
    """Return a duration in a suitable unit."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def lanes(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return for each operation one character per client: its activity when the operation starts.

    `*`: it starts this operation, `|`: it is in another one, `.`: it is idle.
    """
    clients = list(dict.fromkeys(operation["client"] for operation in history))
    busy_until = dict.fromkeys(clients, -math.inf)
    pictures = [""] * len(history)
    # one sweep over time: a history can have tens of thousands of operations
    starts = sorted((operation["start"], number) for number, operation in enumerate(history))
    for start, together in groupby(starts, key=itemgetter(0)):
        numbers = [number for _, number in together]
        for number in numbers:
            starts_it = history[number]["client"]
            marks = ["*" if name == starts_it else "|" if busy_until[name] > start else "." for name in clients]
            pictures[number] = "".join(marks)
        for number in numbers:
            client, end = history[number]["client"], history[number]["end"]
            busy_until[client] = max(busy_until[client], math.inf if end is None else end)
    return pictures
