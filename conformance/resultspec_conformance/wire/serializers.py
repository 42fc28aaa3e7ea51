"""The value that each serializer returns for a stored value: the table of chapter 5 as code.

The table records what kombu's serializers were observed to do, and shares no code with them. A subject is compared with
this table and not with the serializer itself, so a misused serializer is found.
"""

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from resultspec_conformance.wire.values import ExceptionData, Opaque, Value

TAG_MEMBERS = frozenset({"__type__", "__value__"})
MAX_DIGITS = 4300

_SPLIT_CHARACTER = re.compile("[\ud800-\udbff][\udc00-\udfff]")

Carrier = Callable[[str, Any], Value]


class OutsideDomain(Exception):
    """The table does not promise an equal value. The text says why."""


class NotCarried(OutsideDomain):
    """The serializer cannot carry the value: a writer has to refuse it."""


class Unspecified(OutsideDomain):
    """The specification does not define the returned value, for example for a map that looks like a type tag."""


_ALL = frozenset({"json", "pickle", "yaml", "msgpack"})


def _unchanged(_serializer: str, value: Any) -> Value:
    return value


def _carried_by(*serializers: str) -> Carrier:
    """Return a carrier that returns the value unchanged for some serializers, and refuses it for the others."""

    def carry(serializer: str, value: Any) -> Value:
        if serializer not in serializers:
            raise NotCarried(f"{serializer} does not carry {type(value).__name__}")
        return value

    return carry


def _integer(serializer: str, value: int) -> Value:
    if serializer == "msgpack" and not -(2**63) <= value < 2**64:
        raise NotCarried("msgpack carries integers of 64 bits")
    if serializer in ("json", "yaml") and abs(value) >= 10**MAX_DIGITS:
        raise NotCarried(f"CPython cannot write an integer of more than {MAX_DIGITS} digits")
    return value


def _text(serializer: str, value: str) -> Value:
    if value.isascii() or serializer in ("pickle", "yaml"):
        return value
    if serializer == "msgpack" and any("\ud800" <= character <= "\udfff" for character in value):
        raise NotCarried("msgpack does not carry lone surrogates")
    if serializer == "json" and _SPLIT_CHARACTER.search(value):
        raise NotCarried("json joins two surrogates in a row into one character")
    return value


def _byte_array(serializer: str, value: bytearray) -> Value:
    if serializer == "msgpack":
        return bytes(value)
    return _carried_by("pickle")(serializer, value)


def _tuple(serializer: str, value: tuple[Any, ...]) -> Value:
    return value if serializer == "pickle" else list(value)


def _set(serializer: str, value: set[Any]) -> Value:
    if serializer == "yaml" and any(isinstance(member, (tuple, frozenset)) for member in value):
        raise NotCarried("a yaml set cannot hold tuples or frozen sets")
    return _carried_by("pickle", "yaml")(serializer, value)


def _datetime(serializer: str, value: dt.datetime) -> Value:
    offset = value.utcoffset()
    if serializer == "yaml" and offset is not None and offset % dt.timedelta(minutes=1):
        raise NotCarried("yaml carries only offsets of whole minutes")
    return _carried_by("json", "pickle", "yaml")(serializer, value)


_CARRIERS: tuple[tuple[type, Carrier], ...] = (
    (bool, _unchanged),
    (int, _integer),
    (float, _unchanged),
    (str, _text),
    (bytes, _unchanged),
    (bytearray, _byte_array),
    (list, _unchanged),
    (tuple, _tuple),
    (set, _set),
    (frozenset, _carried_by("pickle")),
    (dt.datetime, _datetime),
    (dt.date, _carried_by("json", "pickle", "yaml")),
    (dt.time, _carried_by("json", "pickle")),
    (dt.timedelta, _carried_by("pickle")),
    (uuid.UUID, _carried_by("json", "pickle")),
    (decimal.Decimal, _carried_by("json", "pickle")),
    (ExceptionData, _carried_by("pickle")),
    (Opaque, _carried_by()),
)
"""The carrier of each type, without its members; null and maps aside. bool comes before int, datetime before date."""


def _json_key(key: Any) -> str:
    if isinstance(key, str):
        return _text_key("json", key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, float) and key != key:
        return "NaN"
    if isinstance(key, float) and key in (float("inf"), float("-inf")):
        return "Infinity" if key > 0 else "-Infinity"
    if isinstance(key, int):
        return str(_integer("json", key))
    if isinstance(key, float):
        return repr(key)
    raise NotCarried(f"json has no key of type {type(key).__name__}")


def _text_key(serializer: str, value: str) -> str:
    found: str = _text(serializer, value)
    return found


def _key(serializer: str, key: Any) -> Value:
    if serializer == "json":
        return _json_key(key)
    if serializer == "msgpack" and not isinstance(key, (str, bytes)):
        raise NotCarried("a key of msgpack is text or bytes")
    if serializer == "yaml" and isinstance(key, (tuple, frozenset)):
        raise NotCarried("a yaml key cannot be a tuple or a frozen set")
    return _after_round_trip(serializer, key)


def _map(serializer: str, value: Mapping[Any, Any]) -> dict[Any, Any]:
    if serializer == "json" and value.keys() == TAG_MEMBERS:
        raise Unspecified("a map of the members of a type tag")
    found = {_key(serializer, key): _after_round_trip(serializer, member) for key, member in value.items()}
    if len(found) != len(value):
        raise NotCarried("two keys of a map become one")
    return found


def _after_round_trip(serializer: str, value: Value) -> Value:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return _map(serializer, value)
    for kind, carrier in _CARRIERS:
        if isinstance(value, kind):
            carried = carrier(serializer, value)
            if isinstance(carried, (list, tuple, set, frozenset)):
                return type(carried)(_after_round_trip(serializer, member) for member in carried)
            return carried
    raise Unspecified(f"the table has no row for {type(value).__name__}")


def after_round_trip(serializer: str, value: Value) -> Value:
    """Return the value that a reader gets for a stored value, by the table of chapter 5.

    Raises NotCarried if a writer has to refuse it, and Unspecified if the specification promises nothing; both
    are OutsideDomain. A named tuple counts as a tuple.
    """
    if serializer not in _ALL:
        raise Unspecified(f"the table has no column for {serializer}")
    return _after_round_trip(serializer, value)


def as_json_writes(value: Value) -> Value:
    """Return a value in which what json cannot keep apart is one: two surrogates in a row, and keys of the same text.

    Of two members, the last one stays. Raises OutsideDomain.
    """
    if isinstance(value, str):
        return _SPLIT_CHARACTER.sub(lambda found: found[0].encode("utf-16", "surrogatepass").decode("utf-16"), value)
    if isinstance(value, Mapping):
        return {_json_key(as_json_writes(key)): as_json_writes(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json_writes(member) for member in value]
    return value


def exception_after_round_trip(serializer: str, value: ExceptionData) -> ExceptionData:
    """Return the exception that a reader gets for one that was stored in a state of EXCEPTION, without cause (EXC-1).

    Raises OutsideDomain for arguments that the serializer does not carry.
    """
    return ExceptionData(
        value.type, value.module, tuple(after_round_trip(serializer, argument) for argument in value.args)
    )
