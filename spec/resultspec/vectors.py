"""The vectors: stored bytes, and what a reader must make of them."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from resultspec._data import DATA


@dataclass(frozen=True, slots=True)
class Vector:
    """One payload. A valid one has the ``meta`` that must be read (tagged encoding), an invalid one the ``error``.

    ``observed`` says whether a real release wrote these bytes; ``by`` which one, or what they were derived from.
    """

    name: str
    description: str
    requirement: str
    observed: bool
    by: str
    task_id: str
    stored: bytes
    meta: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    applies: str = ""

    @property
    def valid(self) -> bool:
        """Whether a reader must read the payload."""
        return not self.error


def _vector(name: str, entry: Mapping[str, Any]) -> Vector:
    stored = entry["stored"]
    return Vector(
        name=name,
        description=entry["description"],
        requirement=entry["requirement"],
        observed=entry["provenance"]["kind"] == "observed",
        by=entry["provenance"]["by"],
        task_id=entry["task_id"],
        stored=stored["text"].encode() if "text" in stored else base64.b64decode(stored["base64"]),
        meta=entry.get("meta", {}),
        error=entry.get("error", ""),
        applies=entry.get("applies", ""),
    )


@cache
def vectors(kind: Literal["valid", "invalid"]) -> tuple[Vector, ...]:
    """Return the vectors of a kind, sorted by name: the name of the file without its suffix."""
    paths = sorted(DATA.joinpath("vectors", kind).iterdir(), key=lambda path: path.name)
    return tuple(
        _vector(path.name.removesuffix(".json"), json.loads(path.read_text(encoding="utf-8")))
        for path in paths
        if path.name.endswith(".json")
    )
