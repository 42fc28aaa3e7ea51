"""The catalogue of broken backends, and of correct ones that do things differently: the answer key of the suite."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from resultspec import REQUIREMENTS
from resultspec.requirements import with_entailed
from resultspec_conformance.broken.baseline.disabled import CorrectDisabled
from resultspec_conformance.broken.baseline.tables import CorrectTables
from resultspec_conformance.subject.capabilities import Capabilities

Made = TypeVar("Made", bound=type)

EVERYTHING = Capabilities(
    classes=("core", "waiting", "join", "atomic", "groups", "chords", "kv-wire", "extended", "expiry"),
    sharing="thread",
    serializers=("json", "pickle", "yaml", "msgpack"),
    values="tagged",
    features=frozenset({"cache", "connection", "notify", "prefix", "uuid", "surrogates", "base-exceptions"})
    | {"worker-calls", "current-task", "current-stack", "expire"},
    wake_up=0.25,
    payload_limit=2**21,
    chord_lease=0.6,
    implementation={"name": "resultspec-broken"},
)
"""What the small correct backend is capable of."""


@dataclass(frozen=True)
class Specimen:
    """A backend of the catalogue.

    `violates` is the requirement that it breaks, empty for one that is correct. `description` is the first line of
    the class's docstring. `also` are further requirements that this defect necessarily breaks.
    """

    name: str
    violates: str
    description: str
    backend: type
    also: tuple[str, ...] = ()
    capabilities: Capabilities = EVERYTHING

    @property
    def breaks(self) -> frozenset[str]:
        """All requirements that it breaks: its own one, and what follows from that by the catalogue or the register."""
        return with_entailed((self.violates, *self.also)) if self.violates else frozenset()

    @property
    def time_passes(self) -> str:
        """How the suite lets lives end: `clock`, `ageing` of entries, or `waiting`."""
        found: str = getattr(self.backend, "time_passes", "clock")
        return found

    @property
    def in_tables(self) -> bool:
        """Whether it keeps rows."""
        return issubclass(self.backend, CorrectTables)

    @property
    def disabled(self) -> bool:
        """Whether it is a disabled backend."""
        return issubclass(self.backend, CorrectDisabled)


IN_TABLES = replace(
    EVERYTHING,
    classes=("core", "waiting", "atomic", "sql-wire", "extended"),
    features=EVERYTHING.features - {"notify", "prefix"},
)
"""What the small correct backend over a table is capable of."""


CATALOGUE: dict[str, Specimen] = {}
"""The broken backends by name."""

VARIATIONS: dict[str, Specimen] = {}
"""The correct backends by name; `no-op` is the small correct backend itself."""


class CatalogueError(Exception):
    """An entry of the catalogue that was written wrongly."""


def _add(
    shelf: dict[str, Specimen], name: str, violates: str, cls: type, also: Sequence[str], changes: Mapping[str, Any]
) -> None:
    if name in CATALOGUE or name in VARIATIONS:
        raise CatalogueError(f"two backends of the catalogue are called {name}")
    if not cls.__doc__:
        raise CatalogueError(f"{name} does not say what it does")
    capabilities = replace(IN_TABLES if issubclass(cls, CorrectTables) else EVERYTHING, **changes)
    if issubclass(cls, CorrectDisabled):
        capabilities = Capabilities(
            classes=("disabled",), features=frozenset({"worker-calls"}), implementation=EVERYTHING.implementation
        )
    shelf[name] = Specimen(name, violates, cls.__doc__.strip().partition("\n")[0], cls, tuple(also), capabilities)


def broken(violates: str, name: str, *, also: Sequence[str] = (), **capabilities: Any) -> Callable[[Made], Made]:
    """Put a class into the catalogue as a backend that breaks a requirement. Raises CatalogueError.

    `also`: requirements that this particular defect necessarily breaks as well, beside those that the register entails.
    `capabilities`: what differs from EVERYTHING.
    """
    for named in (violates, *also):
        if named not in REQUIREMENTS:
            raise CatalogueError(f"{name} violates {named}, which is not a requirement")

    def register(cls: Made) -> Made:
        _add(CATALOGUE, name, violates, cls, also, capabilities)
        return cls

    return register


def variation(name: str, **capabilities: Any) -> Callable[[Made], Made]:
    """Put a class into the catalogue as a correct backend that does something differently. Raises CatalogueError."""

    def register(cls: Made) -> Made:
        _add(VARIATIONS, name, "", cls, (), capabilities)
        return cls

    return register
