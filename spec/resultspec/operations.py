"""The operations of the specification: what may be asked of a backend, and how it may fail."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from resultspec._data import text

Effect = Literal["read", "write", "wait", "local"]


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A kind of error of the closed list. `definite`: the operation certainly had no effect."""

    name: str
    definite: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One operation: its parameters and its result as JSON Schemas, and the kinds of error that it may end in.

    `requirement` is violated if a call with ordinary arguments fails, or does not return.
    """

    name: str
    summary: str
    effect: Effect
    requirement: str
    params: Mapping[str, Any]
    result: Mapping[str, Any]
    errors: tuple[str, ...]


_TABLE = json.loads(text("operations.json"))

PROTOCOL: str = _TABLE["protocol"]
"""The version of the driver protocol."""

ERRORS: Mapping[str, ErrorKind] = MappingProxyType(
    {name: ErrorKind(name, entry["definite"], entry["meaning"]) for name, entry in _TABLE["errors"].items()}
)
"""The closed list of error kinds, by their names on the wire, which are Celery's."""

OPERATIONS: Mapping[str, OperationSpec] = MappingProxyType(
    {
        name: OperationSpec(
            name=name,
            summary=entry["summary"],
            effect=entry["effect"],
            requirement=entry["requirement"],
            params=entry["params"],
            result=entry["result"],
            errors=tuple(entry["errors"]),
        )
        for name, entry in _TABLE["operations"].items()
    }
)
"""The operations by name."""
