"""What a factory of Python objects says of itself: its attributes, read once and checked.

A factory is a function or a class, and says what it has to say in attributes: `factory.capabilities = {…}`. Those that
are data of any backend are members of the capabilities document; those that only a Python object can have are here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from resultspec import ERRORS
from resultspec_conformance.subject.capabilities import Capabilities, CapabilitiesError
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.subject.python_object import Binding
from resultspec_conformance.text.suggestions import did_you_mean

DEFAULT_CLASSES: Final = ("core", "waiting")
"""The classes that are claimed for a factory without capabilities."""

OwnProbe = Callable[[str], object]
"""Opens the factory's own probe; its argument is the prefix of the clients, or empty."""


@dataclass(frozen=True)
class Declaration:
    """What a factory says. `probe`: opens a probe that is not the suite's."""

    capabilities: Capabilities
    binding: Binding
    probe: OwnProbe | None


def declaration_of(factory: Callable[..., Any]) -> Declaration:
    """Return what a factory says. Raises UsageError, which names the attribute and what it may be."""
    given = {name: getattr(factory, name) for name in _READERS if hasattr(factory, name)}
    _require_known(factory)
    said = {name: _READERS[name](value) for name, value in given.items()}
    capabilities = said.pop("capabilities", None) or Capabilities(DEFAULT_CLASSES)
    probe = said.pop("probe", None)
    return Declaration(
        capabilities, Binding(**{_MEMBERS.get(name, name): value for name, value in said.items()}), probe
    )


def _require_known(factory: Callable[..., Any]) -> None:
    """Raise UsageError for an attribute of a function that looks like a misspelt one; a class has others too."""
    for name in vars(factory) if isinstance(factory, FunctionType) else ():
        hint = "" if name in _READERS else did_you_mean(name, _READERS)
        if hint:
            raise UsageError(f"the factory's attribute {name} is unknown.{hint}")


def _wrong(name: str, value: object, wanted: str) -> UsageError:
    return UsageError(f"the factory's attribute {name} is {value!r:.80}.\nIt has to be {wanted}.")


def _capabilities(document: object) -> Capabilities:
    try:
        return Capabilities.from_json(document)
    except CapabilitiesError as error:
        raise UsageError(str(error)) from error


def _wait_returns(value: object) -> bool:
    if value not in ("value", "meta"):
        raise _wrong("wait_returns", value, '"value" or "meta"')
    return value == "meta"


def _wait_for(value: object) -> Callable[..., Any]:
    if not callable(value):
        raise _wrong("wait_for", value, "a function, called as wait_for(backend, task_id, **options)")
    return value


def _errors(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _wrong("errors", value, "a map from names of exception classes to kinds of errors")
    for name, kind in value.items():
        if kind not in ERRORS:
            known = ", ".join(ERRORS)
            raise UsageError(
                f"the factory's attribute errors maps {name} to {kind!r}, which is not a kind of error."
                f"{did_you_mean(str(kind), ERRORS)}\nThere are {known}."
            )
    return dict(value)


def _overlap(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong("overlap", value, "True or False: whether one client serves calls of several threads at once")
    return value


def _probe(value: object) -> OwnProbe:
    if not callable(value):
        raise _wrong("probe", value, "a function, called as probe(prefix), that returns an object with read and write")
    return value


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "capabilities": _capabilities,
    "wait_returns": _wait_returns,
    "wait_for": _wait_for,
    "errors": _errors,
    "overlap": _overlap,
    "probe": _probe,
}
"""The attributes, each with the function that checks it, and returns what it says. Raises UsageError."""

_MEMBERS: Final = {"wait_returns": "waits_return_meta"}
"""The members of Binding that do not have the name of their attribute."""
