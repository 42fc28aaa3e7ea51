"""The JSON Schemas: valid themselves, and as strict as the chapters say."""

import json
import tomllib
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from resultspec import ERRORS, OPERATIONS
from resultspec._data import text
from resultspec.schemas import URN, complaint, names, schema, validator

META: dict[str, Any] = {
    "status": "SUCCESS",
    "result": 1,
    "traceback": None,
    "children": None,
    "date_done": "2026-03-01T12:00:00+00:00",
    "task_id": "t-1",
}
UNREADY = META | {"status": "STARTED", "date_done": None}
ENTRY: dict[str, Any] = tomllib.loads(text("requirements.toml"))["requirement"][0]


def register(**changes: object) -> dict[str, object]:
    """Return a register of one entry."""
    return {"spec_version": "0.1", "requirement": [ENTRY | changes]}


def without(document: dict[str, Any], *members: str) -> dict[str, Any]:
    """Return a document with members left out."""
    return {name: value for name, value in document.items() if name not in members}


VALID = [
    ("task-meta", META),
    ("task-meta", META | {"date_done": "2026-03-01T12:00:00.25Z"}),
    ("task-meta", META | {"group_id": "g", "parent_id": None, "queue": "celery"}),
    ("task-meta", UNREADY),
    ("task-meta", UNREADY | {"status": "success"}),
    (
        "task-meta",
        META | {"children": [[["c", [["p", None], None]], None], [["g", None], [[["m", None], None]]]]},
    ),
    ("exception", {"exc_type": "E", "exc_message": [], "exc_module": None}),
    ("result-tuple", [["id", None], None]),
    ("request", {}),
    ("request", {"id": "t", "children": None, "retries": 3}),
    ("capabilities", {"spec": "0.1", "classes": ["core"]}),
    ("meta", {"status": "PENDING", "result": None}),
    ("value", {"a": [1, 1.5, "x", None, True]}),
    ("value", {"$type": "tuple", "value": [{"$type": "bytes", "value": "/w=="}]}),
    ("value", {"$type": "exception", "type": "E", "module": None, "args": []}),
    ("states", json.loads(text("states.json"))),
    ("requirements", tomllib.loads(text("requirements.toml"))),
    ("requirements", register(testable=False, reason="no clock can tell")),
]

INVALID = [
    ("task-meta", without(META, "task_id"), "task_id"),
    ("task-meta", without(META, "date_done"), "date_done"),
    ("task-meta", META | {"date_done": None}, "date_done"),
    ("task-meta", META | {"date_done": "2026-03-01T12:00:00"}, "date_done"),
    ("task-meta", UNREADY | {"date_done": "2026-03-01T12:00:00+00:00"}, "date_done"),
    ("task-meta", META | {"status": ""}, "status"),
    ("task-meta", META | {"status": 7}, "status"),
    ("task-meta", META | {"children": ["a"]}, "children"),
    ("task-meta", META | {"task_id": ""}, "task_id"),
    ("exception", {"exc_type": "", "exc_message": [], "exc_module": None}, "exc_type"),
    ("exception", {"exc_type": "E", "exc_message": {}, "exc_module": None}, "exc_message"),
    ("result-tuple", ["id", None], "is not of type 'array'"),
    ("result-tuple", [["", None], None], "non-empty"),
    ("request", {"colour": "red"}, "colour"),
    ("capabilities", {"spec": "0.1", "classes": []}, "classes"),
    ("capabilities", {"spec": "0.1", "classes": ["telepathy"]}, "telepathy"),
    ("capabilities", {"spec": "0.1", "classes": ["core"], "choices": {"late_unready": "newest"}}, "newest"),
    ("meta", {"status": "PENDING"}, "result"),
    ("value", {"$type": "nonsense", "value": 1}, "nonsense"),
    ("states", json.loads(text("states.json")) | {"colour": "red"}, "colour"),
    ("requirements", register(id="META"), "META"),
    ("requirements", register(level="MAYBE"), "MAYBE"),
    ("requirements", register(severity="bad"), "bad"),
    ("requirements", register(statement="No full stop"), "No full stop"),
    ("requirements", register(statement="Two  blanks."), "Two  blanks"),
    ("requirements", register(entails=[]), "entails"),
    ("requirements", register(testable=False), "reason"),
    ("requirements", register(colour="red"), "colour"),
]


@pytest.mark.parametrize("name", names())
def test_a_schema_is_valid_by_its_draft(name: str) -> None:
    """Each file is a schema of draft 2020-12 under its own URN, with a title."""
    content = schema(name)
    Draft202012Validator.check_schema(content)
    assert content["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert content["$id"] == URN + name
    assert content["title"]


@pytest.mark.parametrize(("name", "document"), VALID)
def test_valid_documents(name: str, document: object) -> None:
    """What the chapters allow is valid."""
    assert complaint(document, name) is None


@pytest.mark.parametrize(("name", "document", "says"), INVALID)
def test_invalid_documents(name: str, document: object, says: str) -> None:
    """What the chapters do not allow is not valid, and the complaint says what is wrong."""
    found = complaint(document, name)
    assert found is not None
    assert says in found


def test_a_join_ends_in_any_error_or_none() -> None:
    """The list of ends of a join is that of errors, and the two ways without one."""
    assert schema("join")["properties"]["ended"]["enum"] == ["exhausted", "closed", *ERRORS]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_schemas_of_operations_resolve(name: str) -> None:
    """Parameters and result of an operation are schemas whose references lead somewhere."""
    operation = OPERATIONS[name]
    for part in (operation.params, operation.result):
        Draft202012Validator.check_schema(part)
        list(validator(part).iter_errors({"task_id": "t", "result": 1, "state": "SUCCESS", "request": {}}))
