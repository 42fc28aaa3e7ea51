"""Values as the suite handles them, and the tagged encoding in which they cross a process boundary.

Within a process a value is a plain Python object, with two substitutes: `ExceptionData` for an exception, since
an operation is data, and `Opaque` for an object that no serializer carries. On the wire and in files a value is
JSON by the schema `value`: types that JSON lacks are maps with the member `$type`.
"""

import base64
import datetime as dt
import decimal
import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

Value = Any
"""A Python object of a type that `encode` knows."""

SAFE_INTEGER = 2**53 - 1

_INTEGER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True)
class ExceptionData:
    """An exception as data: qualified type name, module or None, arguments in order, and its cause or None."""

    type: str
    module: str | None
    args: tuple[Value, ...] = ()
    cause: "ExceptionData | None" = None


class Opaque:
    """An object that no serializer carries. `text` is its representation; if it is None, `repr` raises."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def __repr__(self) -> str:
        if self.text is None:
            raise RuntimeError("this object has no text representation, on purpose")
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opaque object cannot be pickled, on purpose")

    def __deepcopy__(self, memo: dict[int, Any]) -> "Opaque":
        return self


class ValueFormatError(ValueError):
    """A malformed tagged value."""


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {"$type": kind, "value": value}


def _encode_float(value: float) -> Any:
    if math.isfinite(value):
        return value
    return _tagged("float", "nan" if math.isnan(value) else "inf" if value > 0 else "-inf")


def _encode_text(value: str) -> Any:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        return _tagged("text", [ord(character) for character in value])
    return str(value)


def _encode_map(value: Mapping[Any, Any]) -> Any:
    if all(type(key) is str and key.isprintable() for key in value) and "$type" not in value:
        return {key: encode(member) for key, member in value.items()}
    return _tagged("map", [[encode(key), encode(member)] for key, member in value.items()])


def _encode_exception(value: ExceptionData) -> Any:
    encoded: dict[str, Any] = {
        "$type": "exception",
        "type": value.type,
        "module": value.module,
        "args": [encode(argument) for argument in value.args],
    }
    if value.cause is not None:
        encoded["cause"] = encode(value.cause)
    return encoded


_ENCODERS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (bool, lambda value: value),
    (int, lambda value: int(value) if abs(value) <= SAFE_INTEGER else _tagged("int", _decimal_digits(value))),
    (float, _encode_float),
    (str, _encode_text),
    ((bytes, bytearray), lambda value: _tagged("bytes", base64.b64encode(value).decode())),
    (list, lambda value: [encode(item) for item in value]),
    (tuple, lambda value: _tagged("tuple", [encode(item) for item in value])),
    (set, lambda value: _tagged("set", sorted((encode(item) for item in value), key=repr))),
    (frozenset, lambda value: _tagged("frozenset", sorted((encode(item) for item in value), key=repr))),
    (Mapping, _encode_map),
    (dt.datetime, lambda value: _tagged("datetime", value.isoformat())),
    (dt.date, lambda value: _tagged("date", value.isoformat())),
    (dt.time, lambda value: _tagged("time", value.isoformat())),
    (dt.timedelta, lambda value: _tagged("timedelta", value.total_seconds())),
    (uuid.UUID, lambda value: _tagged("uuid", str(value))),
    (decimal.Decimal, lambda value: _tagged("decimal", str(value))),
    (ExceptionData, _encode_exception),
    (Opaque, lambda value: _tagged("opaque", value.text)),
)


def _decimal_digits(value: int) -> str:
    # int -> str refuses more than sys.get_int_max_str_digits() digits; Decimal has no such limit
    with decimal.localcontext() as context:
        context.prec = max(28, value.bit_length())
        context.Emax = decimal.MAX_EMAX
        return format(decimal.Decimal(value), "f")


def encode(value: Value) -> Any:
    """Return a value as JSON by the schema `value`. An object of another type becomes opaque, with its `repr`."""
    if value is None:
        return None
    for types, encoder in _ENCODERS:
        if isinstance(value, types):
            return encoder(value)
    if isinstance(value, BaseException):
        return encode(describe_exception(value))
    return _tagged("opaque", f"{type(value).__qualname__}: {value!r}")


def describe_exception(error: BaseException) -> ExceptionData:
    """Return a Python exception as data, together with its arguments.

    A module that is not text, which a class made by `type` can have, is shown by its `repr`.
    """
    cause, module = error.__cause__, getattr(type(error), "__module__")  # noqa: B009 - it is declared to be text
    return ExceptionData(
        type=type(error).__qualname__,
        module=module if isinstance(module, str) else repr(module),
        args=tuple(describe_exception(item) if isinstance(item, BaseException) else item for item in error.args),
        cause=describe_exception(cause) if cause is not None else None,
    )


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("it does not fit the schema")


def _text(value: Any) -> str:
    _require(isinstance(value, str))
    text: str = value
    return text


def _items(value: Any) -> list[Value]:
    _require(isinstance(value, list))
    return [decode(item) for item in value]


def _integer(value: Any) -> int:
    _require(_INTEGER.fullmatch(_text(value)) is not None)
    return int(decimal.Decimal(value))


def _float(value: Any) -> float:
    _require(value in ("nan", "inf", "-inf"))
    return float(value)


def _character(point: Any) -> str:
    _require(not isinstance(point, bool) and point == int(point))
    return chr(int(point))


def _characters(value: Any) -> str:
    _require(isinstance(value, list))
    return "".join(map(_character, value))


def _pairs(value: Any) -> dict[Any, Value]:
    _require(isinstance(value, list) and all(isinstance(pair, list) for pair in value))
    return {decode(key): decode(member) for key, member in value}


def _seconds(value: Any) -> dt.timedelta:
    _require(isinstance(value, (int, float)) and not isinstance(value, bool))
    return dt.timedelta(seconds=value)


def _opaque(value: Any) -> Opaque:
    return Opaque(None if value is None else _text(value))


_DECODERS: Mapping[str, Callable[[Any], Value]] = {
    "bytes": lambda value: base64.b64decode(_text(value), validate=True),
    "int": _integer,
    "float": _float,
    "text": _characters,
    "tuple": lambda value: tuple(_items(value)),
    "set": lambda value: set(_items(value)),
    "frozenset": lambda value: frozenset(_items(value)),
    "map": _pairs,
    "datetime": lambda value: dt.datetime.fromisoformat(_text(value)),
    "date": lambda value: dt.date.fromisoformat(_text(value)),
    "time": lambda value: dt.time.fromisoformat(_text(value)),
    "timedelta": _seconds,
    "uuid": lambda value: uuid.UUID(_text(value)),
    "decimal": lambda value: decimal.Decimal(_text(value)),
    "opaque": _opaque,
}

_EXCEPTION_MEMBERS = frozenset({"$type", "type", "module", "args"})


def _decode_exception(encoded: Mapping[str, Any]) -> ExceptionData:
    _require(_EXCEPTION_MEMBERS <= encoded.keys() <= _EXCEPTION_MEMBERS | {"cause"})
    cause = encoded.get("cause")
    return ExceptionData(
        type=_text(encoded["type"]),
        module=None if encoded["module"] is None else _text(encoded["module"]),
        args=tuple(_items(encoded["args"])),
        cause=decode(cause) if cause is not None else None,
    )


def _decode_tagged(encoded: Mapping[str, Any]) -> Value:
    kind = encoded["$type"]
    if kind == "exception":
        return _decode_exception(encoded)
    _require(len(encoded) == 2)
    return _DECODERS[kind](encoded["value"])


def decode(encoded: Any) -> Value:
    """Return the value that JSON by the schema `value` represents. Raises ValueFormatError for any other JSON."""
    if isinstance(encoded, list):
        return [decode(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    if "$type" not in encoded:
        return {key: decode(member) for key, member in encoded.items()}
    try:
        return _decode_tagged(encoded)
    except ValueFormatError:
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        kind = encoded["$type"]
        raise ValueFormatError(f"not a tagged value of type {kind!r:.40}: {encoded!r:.200}") from error


def same(left: Value, right: Value, *, numbers_by_type: bool = False) -> bool:
    """Whether two values are equal as results are compared.

    True is not 1, text is not bytes, a list is not a tuple, NaN equals NaN, and -0.0 equals 0.0. Unless
    `numbers_by_type`, an integer equals a float of the same value, since some languages have only one number type.
    """
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        if left != left or right != right:
            return left != left and right != right
        return left == right and (not numbers_by_type or isinstance(left, float) == isinstance(right, float))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            same(left[key], right[key], numbers_by_type=numbers_by_type) for key in left
        )
    if isinstance(left, ExceptionData) and isinstance(right, ExceptionData):
        return left.type == right.type and same(list(left.args), list(right.args))
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(
            same(a, b, numbers_by_type=numbers_by_type) for a, b in zip(left, right, strict=True)
        )
    return bool(left == right)


LONGEST_SHOWN: Final = 4000
"""How long the text of a value may be in a finding. Renderings shorten it further, around what differs."""


def show(value: Value, limit: int = LONGEST_SHOWN) -> str:
    """Return a value as one line of text, shortened in the middle if it is longer than `limit` characters."""
    if isinstance(value, ExceptionData):
        text = f"{value.type}({', '.join(show(argument, limit) for argument in value.args)})"
    else:
        try:
            text = repr(value)
        except Exception:  # noqa: BLE001 - objects without representation are values of the suite
            text = f"<{type(value).__name__} without representation>"
    if len(text) <= limit:
        return text
    kept = (limit - 20) // 2
    return f"{text[:kept]} …({len(text)} characters)… {text[-kept:]}"
