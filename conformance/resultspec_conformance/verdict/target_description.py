"""What a target says of itself once it is open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TargetDescription:
    """What a worker said of the target that it opened.

    `round_trip` is the median in seconds. `secrets` are passwords that must not be shown or written.
    """

    capabilities: Mapping[str, Any]
    available: frozenset[str]
    round_trip: float
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
