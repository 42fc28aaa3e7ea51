"""The description of an open target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TargetDescription:
    """The description of a target by the worker that opened it.

    `round_trip` is the median in seconds. `secrets` are passwords that must not be shown or written.
    """

    capabilities: Mapping[str, Any]
    available: frozenset[str]
    round_trip: float
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
