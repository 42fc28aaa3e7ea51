"""The directory of the specification, read: chapters, register, tables, schemas and vectors."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from resultspec.lint.markdown import Chapter, parse

URN = "urn:resultspec:schema:"
PACKAGE = "resultspec"
REGISTER = f"{PACKAGE}/requirements.toml"
STATES = f"{PACKAGE}/states.json"
OPERATIONS = f"{PACKAGE}/operations.json"

DERIVED_CAPABILITIES = frozenset(
    {"groups", "pickle", "tagged", "extended", "autoexpire", "counted", "payload-limit", "ready-only"}
)
"""What `applies` may name beside the features: it follows from classes, choices, serializers and values."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong: the file relative to `spec/`, its line (0: the whole file), and what it is."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Tree:
    """The content of `spec/`. `data` holds each JSON file by its path relative to `spec/`."""

    root: Path
    chapters: Mapping[str, Chapter]
    register: Mapping[str, Any]
    register_text: str
    data: Mapping[str, Any]
    broken: tuple[Finding, ...]

    @classmethod
    def load(cls, root: Path) -> "Tree":
        """Read the directory. What cannot be read is in `broken`."""
        broken: list[Finding] = []

        def read(path: Path, make: Callable[[str], Any]) -> Any:
            name = path.relative_to(root).as_posix()
            try:
                return make(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                broken.append(Finding(name, getattr(error, "lineno", 0), f"cannot be read: {error}"))
                return None

        chapters = {path.name: read(path, partial(parse, path.name)) for path in root.glob("*.md")}
        paths = sorted((root / PACKAGE).rglob("*.json"))
        return cls(
            root=root,
            chapters=dict(sorted(chapters.items())),
            register=read(root / REGISTER, tomllib.loads),
            register_text=(root / REGISTER).read_text(encoding="utf-8", errors="replace"),
            data={path.relative_to(root).as_posix(): read(path, load_json) for path in paths},
            broken=tuple(broken),
        )

    @cached_property
    def requirements(self) -> Mapping[str, Mapping[str, Any]]:
        """The entries of the register that have an id, by it; the first of several."""
        found: dict[str, Mapping[str, Any]] = {}
        for entry in self.entries:
            found.setdefault(str(entry.get("id")), entry)
        return found

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """The entries of the register."""
        found = self.register.get("requirement", [])
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    @cached_property
    def schemas(self) -> Mapping[str, Any]:
        """The schemas by their short names."""
        below = f"{PACKAGE}/schemas/"
        return {
            path.removeprefix(below).removesuffix(".json"): content
            for path, content in self.data.items()
            if path.startswith(below)
        }

    @cached_property
    def _schemas_text(self) -> str:
        return json.dumps(self.schemas)

    @property
    def capabilities(self) -> frozenset[str]:
        """What `applies` may name."""
        features = self.schemas["capabilities"]["properties"]["features"]["items"]["enum"]
        return frozenset(features) | DERIVED_CAPABILITIES

    def complaint(self, instance: Any, schema: str | Mapping[str, Any]) -> str | None:
        """Return the most telling error of an instance as one line, or None if it is valid."""
        found = schema if not isinstance(schema, str) else self.schemas[schema]
        return _complaint(self._schemas_text, json.dumps(found), json.dumps(instance, default=_no_json))

    def line_of(self, requirement: str) -> int:
        """Return the line of the register at which an entry with this id stands (the last of several)."""
        found = 0
        for number, line in enumerate(self.register_text.splitlines(), start=1):
            if line.split("#")[0].strip() == f'id = "{requirement}"':
                found = number
        return found

    def vectors(self) -> Iterator[tuple[str, Any]]:
        """Yield the vectors, of payloads and of rows, with their paths."""
        for path, content in self.data.items():
            if path.startswith(f"{PACKAGE}/vectors/"):
                yield path, content


def _no_json(value: object) -> dict[str, str]:
    """Stand in for what TOML has and JSON has not, a date: no schema expects such a map."""
    return {type(value).__name__: str(value)}


@cache
def _registry(schemas: str) -> Registry[Any]:
    resources = (
        (URN + name, Resource.from_contents(content, default_specification=DRAFT202012))
        for name, content in json.loads(schemas).items()
    )
    return Registry().with_resources(resources).crawl()


@cache
def _complaint(schemas: str, schema: str, instance: str) -> str | None:
    """Return what `Tree.complaint` does. Of a copy that differs in one file, all but that is known already."""
    validator = Draft202012Validator(json.loads(schema), registry=_registry(schemas))
    try:
        error = best_match(validator.iter_errors(json.loads(instance)))
    except Unresolvable as error_of_reference:
        return f"a reference in the schema does not resolve: {error_of_reference}"
    return None if error is None else f"{error.json_path}: {error.message}"[:300]


@cache
def schema_error(schema: str) -> str | None:
    """Return why a JSON text is not a schema of draft 2020-12, as one line, or None if it is one."""
    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    return None


def load_json(text: str) -> Any:
    """Return a JSON document, read strictly: no bare NaN, no member given twice. Raises ValueError."""

    def refuse(token: str) -> Any:
        raise ValueError(f"{token} is not JSON")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a member occurs twice")
        return found

    return json.loads(text, parse_constant=refuse, object_pairs_hook=members)
