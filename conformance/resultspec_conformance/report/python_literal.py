"""Values as Python source."""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from resultspec_conformance.wire.values import ExceptionData, Opaque, Value

IMPORTS = "import datetime\nfrom decimal import Decimal\nfrom uuid import UUID"
"""The imports that the source of some values needs."""


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float({str(value)!r})"


def _items(values: Any) -> str:
    return ", ".join(literal(value) for value in values)


def _map(value: Mapping[Any, Any]) -> str:
    return "{" + ", ".join(f"{literal(key)}: {literal(member)}" for key, member in value.items()) + "}"


def _exception(value: ExceptionData) -> str:
    cause = f", cause={literal(value.cause)}" if value.cause is not None else ""
    return f"exception({value.type!r}, {value.module!r}, {literal(value.args)}{cause})"


_LITERALS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (float, _float),
    (list, lambda value: f"[{_items(value)}]"),
    (tuple, lambda value: f"({_items(value)},)" if value else "()"),
    (frozenset, lambda value: f"frozenset([{_items(value)}])"),
    (set, lambda value: f"set([{_items(value)}])"),
    (Mapping, _map),
    (ExceptionData, _exception),
    (Opaque, lambda _: "object()"),
    (int, lambda value: hex(value) if abs(value) > 10**18 else repr(value)),
    ((bool, str, bytes, datetime, date, time, timedelta, UUID, Decimal), repr),
)


def literal(value: Value) -> str:
    """Return an expression for a value; an exception is a call of `exception(type, module, args, cause=None)`."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    for types, source in _LITERALS:
        if isinstance(value, types):
            return source(value)
    return "object()"
