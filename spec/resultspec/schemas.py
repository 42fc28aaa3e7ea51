"""The JSON Schemas of the specification, and validation against them."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from resultspec._data import DATA

URN = "urn:resultspec:schema:"


def names() -> list[str]:
    """Return the names of the schemas, sorted."""
    files = (path.name for path in DATA.joinpath("schemas").iterdir())
    return sorted(name.removesuffix(".json") for name in files if name.endswith(".json"))


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema by its name, `task-meta` for one. Raises FileNotFoundError for an unknown name."""
    loaded: dict[str, Any] = json.loads(DATA.joinpath("schemas", f"{name}.json").read_text(encoding="utf-8"))
    return loaded


@cache
def _registry() -> Registry[Any]:
    return Registry().with_resources(
        (URN + name, Resource.from_contents(schema(name), default_specification=DRAFT202012)) for name in names()
    )


def validator(schema_or_name: Mapping[str, Any] | str) -> Draft202012Validator:
    """Return a validator for a schema, given by its name or as it is; references to ours resolve."""
    found = schema(schema_or_name) if isinstance(schema_or_name, str) else schema_or_name
    return Draft202012Validator(found, registry=_registry(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def errors(instance: Any, schema_or_name: Mapping[str, Any] | str) -> Iterator[ValidationError]:
    """Yield what is wrong with an instance."""
    yield from validator(schema_or_name).iter_errors(instance)


def complaint(instance: Any, schema_or_name: Mapping[str, Any] | str) -> str | None:
    """Return the most telling error of an instance as one line, or None if it is valid."""
    found = best_match(errors(instance, schema_or_name))
    if found is None:
        return None
    return f"{found.json_path}: {found.message}"
