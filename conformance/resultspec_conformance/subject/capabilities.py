"""The capabilities document, which a subject declares, as a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from resultspec import SPEC_VERSION
from resultspec.schemas import complaint

DEFAULT_CHOICES: Mapping[str, str] = MappingProxyType(
    {
        "storage": "store",
        "consistency": "strong",
        "late_unready": "latest",
        "chord_completion": "counted",
        "chord_crash": "at-least-once",
        "expiry": "autoexpire",
    }
)


ONLY_WAITS = "only-waits"
"""What a subject in the role of the waiter provides: a need of no check, and the reason why some do not run."""


class CapabilitiesError(ValueError):
    """An invalid capabilities document."""


@dataclass(frozen=True)
class Capabilities:
    """The capabilities document of a subject; the schema `capabilities` describes each member."""

    classes: tuple[str, ...]
    choices: Mapping[str, str] = field(default_factory=dict)
    sharing: str = "host"
    serializers: tuple[str, ...] = ("json",)
    values: str = "json"
    features: frozenset[str] = frozenset()
    store: str | None = None
    prefix: str = ""
    wake_up: float = 1.0
    payload_limit: int | None = 128 * 1024 * 1024
    expiry_lag: float = 0.0
    chord_lease: float = 30.0
    time_resolution: float = 0.001
    expiry_resolution: float | None = None
    role: str = "client"
    implementation: Mapping[str, Any] = field(default_factory=lambda: {"name": "unnamed"})
    spec: str = SPEC_VERSION

    def choice(self, name: str) -> str:
        """Return a declared choice, or its default."""
        return self.choices.get(name, DEFAULT_CHOICES[name])

    @property
    def life_resolution(self) -> float:
        """The granularity in seconds in which lives are counted: if none is declared, that of the clocks."""
        return self.time_resolution if self.expiry_resolution is None else self.expiry_resolution

    @property
    def provided(self) -> frozenset[str]:
        """The names that a requirement's `applies` may have: the features, and names derived from other members."""
        derived = set(self.features)
        if self.role == "waiter":
            derived.add(ONLY_WAITS)
        if "groups" in self.classes:
            derived.add("groups")
        if "pickle" in self.serializers:
            derived.add("pickle")
        if self.values == "tagged":
            derived |= {"tagged", "opaque"}
        if "extended" in self.classes:
            derived.add("extended")
        if self.choice("expiry") == "autoexpire":
            derived.add("autoexpire")
        if self.choice("expiry") != "cleanup-all":
            derived.add("ready-only")
        if "chords" in self.classes and self.choice("chord_completion") == "counted":
            derived.add("counted")
        if self.payload_limit is not None:
            derived.add("payload-limit")
        return frozenset(derived)

    @classmethod
    def from_json(cls, document: Any) -> "Capabilities":
        """Read a document. Raises CapabilitiesError, which names the invalid member."""
        found = complaint(document, "capabilities")
        if found is not None:
            raise CapabilitiesError(f"the capabilities document is not valid: {found}")
        known = dict(document)
        for name in ("classes", "serializers"):
            if name in known:
                known[name] = tuple(known[name])
        if "features" in known:
            known["features"] = frozenset(known["features"])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the document, without the store's URL, which may contain a password."""
        return {
            "spec": self.spec,
            "implementation": dict(self.implementation),
            "classes": list(self.classes),
            "role": self.role,
            "choices": {**DEFAULT_CHOICES, **self.choices},
            "sharing": self.sharing,
            "serializers": list(self.serializers),
            "values": self.values,
            "features": sorted(self.features),
            "prefix": self.prefix,
            "wake_up": self.wake_up,
            "payload_limit": self.payload_limit,
            "expiry_lag": self.expiry_lag,
            "chord_lease": self.chord_lease,
            "time_resolution": self.time_resolution,
            "expiry_resolution": self.life_resolution,
        }
