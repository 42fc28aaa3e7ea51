"""The faults of a driver: what a program can do wrong as a program, apart from what its backend does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from resultspec._data import text


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault of the closed list. `cure` says what the author of the driver can do about it."""

    name: str
    meaning: str
    cure: str


FAULTS: Mapping[str, FaultKind] = MappingProxyType(
    {
        name: FaultKind(name, entry["meaning"], entry["cure"])
        for name, entry in json.loads(text("driver-faults.json")).items()
    }
)
"""The closed list of faults, by name, in the order of the chapter on the driver protocol."""
