"""Names, signatures and defaults are those of the API reference of Celery 3.1."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from resultspec_reference import BaseBackend, DisabledBackend, KeyValueStoreBackend

DOCUMENTED: dict[str, Any] = json.loads((Path(__file__).parent / "documented_members.json").read_text(encoding="utf-8"))
CLASSES: tuple[type[BaseBackend], ...] = (BaseBackend, KeyValueStoreBackend, DisabledBackend)

PENDING: frozenset[tuple[str, str]] = frozenset()
"""Documented members that do not exist yet. Whoever makes one takes it off: its test below is red until then."""

METHODS = [(cls, name) for cls in CLASSES for name in DOCUMENTED[cls.__name__]["methods"]]
ATTRIBUTES = [(cls, name) for cls in CLASSES for name in DOCUMENTED[cls.__name__]["attributes"]]
MEMBERS = [*METHODS, *ATTRIBUTES]


def _id(case: Any) -> str:
    return case if isinstance(case, str) else str(case.__name__)


def exists(cls: type[BaseBackend], name: str) -> bool:
    """Whether a class has a member; one that it only inherits from `BaseBackend` is not its own."""
    found = getattr(cls, name, None)
    return hasattr(cls, name) and (cls is BaseBackend or found is not getattr(BaseBackend, name, None))


def without_types(signature: inspect.Signature) -> str:
    """Return a signature as the API reference prints it, the states of a default in the order of the alphabet.

    Parameters that can be given by name only are left out: the reference has none, and Celery 5 has added some.
    """
    bare = []
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            continue
        default: Any = parameter.default
        shown = f"frozenset({{{str(sorted(default))[1:-1]}}})" if isinstance(default, frozenset) else None
        changed = default if shown is None else type("Shown", (), {"__repr__": lambda _, text=shown: text})()
        bare.append(parameter.replace(annotation=inspect.Parameter.empty, default=changed))
    return str(inspect.Signature(bare))


def test_the_list_is_whole() -> None:
    """The page has 73 members, and what is pending is on it."""
    assert len(MEMBERS) == 73
    assert {(cls.__name__, name) for cls, name in MEMBERS} >= PENDING


@pytest.mark.parametrize(("cls", "name"), MEMBERS, ids=_id)
def test_a_member_exists_or_is_pending(cls: type[BaseBackend], name: str) -> None:
    """One or the other: a member that has come into existence is taken off the list."""
    assert exists(cls, name) != ((cls.__name__, name) in PENDING)


@pytest.mark.parametrize(("cls", "name"), METHODS, ids=_id)
def test_a_method_has_its_signature(cls: type[BaseBackend], name: str) -> None:
    """Parameters, their order and their defaults, of every method that exists."""
    if exists(cls, name):
        expected = DOCUMENTED[cls.__name__]["methods"][name]
        assert without_types(inspect.signature(getattr(cls, name))) == expected


@pytest.mark.parametrize(("cls", "name"), ATTRIBUTES, ids=_id)
def test_an_attribute_has_its_value(cls: type[BaseBackend], name: str) -> None:
    """As the API reference prints it."""
    if not exists(cls, name):
        return
    found, expected = getattr(cls, name), DOCUMENTED[cls.__name__]["attributes"][name]
    if expected == "an exception":
        assert issubclass(found, Exception)
    else:
        assert (sorted(found) if isinstance(found, frozenset) else found) == expected


@pytest.mark.parametrize("cls", CLASSES, ids=_id)
def test_a_class_is_made_as_documented(cls: type[BaseBackend]) -> None:
    """The parameters of the constructor, and their defaults."""
    assert without_types(inspect.signature(cls.__init__)) == DOCUMENTED[cls.__name__]["constructor"]


def test_names_of_today() -> None:
    """What Celery 5 calls otherwise is there by that name, too."""
    assert without_types(inspect.signature(BaseBackend.get_state)) == "(task_id)"
