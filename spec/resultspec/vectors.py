"""The vectors: stored bytes and rows, and what a reader must make of them."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from resultspec._data import DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """A payload that a reader must read, or refuse with the `error`.

    `observed` says whether a real release wrote these bytes; `by` which one, or what they were derived from.
    """

    name: str
    description: str
    requirement: str
    observed: bool
    by: str
    stored: bytes
    error: str = ""

    @property
    def valid(self) -> bool:
        """Whether a reader must read the payload."""
        return not self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector(_Payload):
    """The payload of a task. A valid one has the `meta` that must be read (tagged encoding).

    `applies` is the capability without which the vector says nothing about a subject.
    """

    task_id: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    applies: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupVector(_Payload):
    """The payload of a group. A valid one has the `group` that must be restored, a result tuple made of lists."""

    group_id: str
    group: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class RowVector:
    """One row, as a map of columns to values without `id` and `task_id`, and the `meta` that must be read.

    `applies` is the capability without which the vector says nothing about a subject.
    """

    name: str
    description: str
    requirement: str
    by: str
    task_id: str
    row: Mapping[str, Any]
    meta: Mapping[str, Any]
    applies: str = ""


def _bytes(stored: Mapping[str, str]) -> bytes:
    return stored["text"].encode() if "text" in stored else base64.b64decode(stored["base64"])


def _payload(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all payloads have."""
    return {
        "name": name,
        "description": entry["description"],
        "requirement": entry["requirement"],
        "observed": entry["provenance"]["kind"] == "observed",
        "by": entry["provenance"]["by"],
        "stored": _bytes(entry["stored"]),
        "error": entry.get("error", ""),
    }


def _vector(name: str, entry: Mapping[str, Any]) -> Vector:
    return Vector(
        task_id=entry["task_id"],
        meta=entry.get("meta", {}),
        applies=entry.get("applies", ""),
        **_payload(name, entry),
    )


def _group_vector(name: str, entry: Mapping[str, Any]) -> GroupVector:
    return GroupVector(
        group_id=entry["group_id"],
        group=tuple(entry.get("group", ())),
        **_payload(name, entry),
    )


def _row_vector(name: str, entry: Mapping[str, Any]) -> RowVector:
    return RowVector(
        name=name,
        description=entry["description"],
        requirement=entry["requirement"],
        by=entry["provenance"]["by"],
        task_id=entry["task_id"],
        row={name: _bytes(cell) if isinstance(cell, dict) else cell for name, cell in entry["row"].items()},
        meta=entry["meta"],
        applies=entry.get("applies", ""),
    )


def _files(*folder: str) -> Iterator[tuple[str, Any]]:
    """Yield the names of the files in a folder of vectors, without their suffix, and what they hold."""
    for path in sorted(DATA.joinpath("vectors", *folder).iterdir(), key=lambda path: path.name):
        if path.name.endswith(".json"):
            yield path.name.removesuffix(".json"), json.loads(path.read_text(encoding="utf-8"))


@cache
def vectors(kind: Literal["valid", "invalid"]) -> tuple[Vector, ...]:
    """Return the vectors of a kind, sorted by name: the name of the file without its suffix."""
    return tuple(_vector(name, entry) for name, entry in _files(kind))


@cache
def group_vectors(kind: Literal["valid", "invalid"]) -> tuple[GroupVector, ...]:
    """Return the vectors of groups of a kind, sorted by name: the name of the file without its suffix."""
    return tuple(_group_vector(name, entry) for name, entry in _files("groups", kind))


@cache
def row_vectors() -> tuple[RowVector, ...]:
    """Return the vectors of rows, sorted by name: the name of the file without its suffix."""
    return tuple(_row_vector(name, entry) for name, entry in _files("rows"))
