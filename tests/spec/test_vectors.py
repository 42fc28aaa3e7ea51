"""The vectors are what they say: well-formed, observed from every release, and read alike by two readers.

The first reader is the small strict one of this module; it shares no code with the reference. The second is
Celery itself, whose known differences are named in `CELERY_DIFFERS`, each with its reason.
"""

import base64
import json
import pickle
import re
import uuid
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.backends.base import Backend
from packaging.version import Version

import resultspec
from resultspec import OPERATIONS, REQUIREMENTS, STATES, Vector, row_vectors, vectors
from resultspec.schemas import complaint

HOME = Path(resultspec.__file__).parent / "vectors"
FILES = sorted([*HOME.glob("valid/*.json"), *HOME.glob("invalid/*.json")])
ROWS = sorted(HOME.glob("rows/*.json"))
VALID, INVALID = vectors("valid"), vectors("invalid")

CELERY_DIFFERS: Mapping[str, type[Exception] | None] = {
    # a failure whose result is missing raises, where META-13 takes it as null
    "minimal-failure": KeyError,
    # a value that is not an exception raises, where EXC-7 makes it the argument of one
    "celery-5-7-0-failure-text": ValueError,
    "celery-5-7-0-failure-map": ValueError,
    "revoked-list": TypeError,
    # a falsy one is read as null
    "retry-number": None,
}
"""What Celery raises on reading a valid vector, or None where it reads another value."""


# -- a strict reader -----------------------------------------------------------------------------

PREFIX = b"\x00celery-compressed\x00"

TAGS: Mapping[str, Callable[[Any], Any]] = {
    "datetime": lambda v: datetime.fromisoformat(v).isoformat(),
    "date": lambda v: date.fromisoformat(v).isoformat(),
    "time": lambda v: time.fromisoformat(v).isoformat(),
    "uuid": lambda v: str(uuid.UUID(v["hex"])),
    "decimal": lambda v: str(Decimal(v)),
    "bytes": lambda v: base64.b64encode(v.encode()).decode(),
    "base64": lambda v: base64.b64encode(base64.b64decode(v, validate=True)).decode(),
}
"""The type tags of the json serializer, each with what makes its value one of the tagged encoding."""


class RefusedError(Exception):
    """The strict reader cannot make a meta of the bytes."""


def _inflated(stored: bytes) -> bytes:
    if not stored.startswith(PREFIX):
        return stored
    content_type, separator, body = stored[len(PREFIX) :].partition(b"\x00")
    if not separator or content_type != b"application/x-gzip":
        raise RefusedError(content_type)
    return zlib.decompress(body)


def _untagged(found: dict[str, Any]) -> Any:
    if found.keys() != {"__type__", "__value__"}:
        return found
    kind = found["__type__"]
    return {"$type": "bytes" if kind == "base64" else kind, "value": TAGS[kind](found["__value__"])}


def _result_tuple(found: Any) -> list[Any]:
    """Return a result tuple in the form of today; the older one of a group is `[group id, members]`."""
    match found:
        case [str(group_id), list(members)]:
            return _result_tuple([[group_id, None], members])
        case [[str(task_id), parent], members] if task_id and (members is None or isinstance(members, list)):
            above = None if parent is None else _result_tuple(parent)
            return [[task_id, above], None if members is None else [_result_tuple(each) for each in members]]
    raise RefusedError(found)


def _exception(found: Any) -> Any:
    if found is None:
        return None
    if not isinstance(found, dict) or "exc_type" not in found:
        return {"$type": "exception", "type": "Exception", "module": "builtins", "args": [found]}
    name, module, message = found["exc_type"], found.get("exc_module"), found["exc_message"]
    arguments = message if isinstance(message, list) else [message]
    return {"$type": "exception", "type": name, "module": module, "args": arguments}


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text_or_null(found: Any) -> str | None:
    if found is not None and not isinstance(found, str):
        raise RefusedError(found)
    return found


def _meta(found: Any, task_id: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise RefusedError(found)
    status, result, children = found.get("status"), found.get("result"), found.get("children")
    if not isinstance(status, str) or not status:
        raise RefusedError(status)
    if children is not None and not isinstance(children, list):
        raise RefusedError(children)
    done = _text_or_null(found.get("date_done"))
    return {
        **found,
        "status": status,
        "result": _exception(result) if status in STATES.sets["EXCEPTION"] else result,
        "traceback": _text_or_null(found.get("traceback")),
        "children": None if children is None else [_result_tuple(child) for child in children],
        "date_done": None if done is None else _instant(done),
        "task_id": task_id,
        "group_id": _text_or_null(found.get("group_id")),
        "parent_id": _text_or_null(found.get("parent_id")),
    }


UNDECODABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    zlib.error,
)
"""What Python's decoders raise on malformed input."""


def read(stored: bytes, task_id: str) -> dict[str, Any]:
    """Return the meta of stored bytes in the tagged encoding, `date_done` as an aware datetime.

    Raises RefusedError for whatever is not a meta.
    """
    try:
        return _meta(json.loads(_inflated(stored).decode(), object_hook=_untagged), task_id)
    except UNDECODABLE as error:
        raise RefusedError(task_id) from error


# -- the files -----------------------------------------------------------------------------------


def _name(item: Path | Vector) -> str:
    return item.stem if isinstance(item, Path) else item.name


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_is_valid_by_the_schema(path: Path) -> None:
    """Every file is a vector by its schema: the valid ones have a meta, the others an error."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert complaint(entry, "vector") is None
    assert ("meta" in entry) == (path.parent.name == "valid")


def test_the_loader_returns_every_file() -> None:
    """The loader returns what is in the directories, each under the name of its file."""
    assert sorted(path.stem for path in FILES) == sorted(vector.name for vector in VALID + INVALID)


def test_names_and_ids_are_unique() -> None:
    """Names are unique kebab-case, and no two vectors are of one task: all of them fit into one store."""
    names = [vector.name for vector in VALID + INVALID]
    ids = [vector.task_id for vector in VALID + INVALID]
    assert len(set(names)) == len(names)
    assert len(set(ids)) == len(ids)
    assert [name for name in names if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)] == []


def test_there_are_at_least_as_many_invalid_ones() -> None:
    """A reader is shown at least as many payloads that it must refuse as payloads that it must read."""
    assert len(INVALID) >= len(VALID) > 0


def test_what_a_vector_cites_exists() -> None:
    """Requirements are in the register, those in `by` included; an error is one in which a read may end."""
    for vector in VALID + INVALID:
        ids = re.findall(r"\b(?:ID|STATE|META|VALUE|EXC|KEY|READ|WAIT|DIS|EXT)-[0-9]+\b", vector.by)
        assert {vector.requirement, *ids} <= REQUIREMENTS.keys(), vector.name
        assert vector.valid or vector.error in OPERATIONS["get_task_meta"].errors, vector.name


def _release(vector: Vector) -> str | None:
    found = re.match(r"Celery ([0-9.]+\.[0-9a-z]+)", vector.by) if vector.observed else None
    return found[1] if found else None


def test_every_release_of_the_table_was_observed() -> None:
    """The releases of the table in the README, from 3.1 to 5.7, are those of the observed vectors."""
    prose = (HOME / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([0-9][0-9a-z.]+) \|", prose, re.MULTILINE)
    assert set(table) == {_release(vector) for vector in VALID if vector.observed}
    lines = {".".join(each.split(".")[:2]) for each in table}
    assert lines == {"3.1", "4.0", "4.2", "4.3", "4.4", "5.0", "5.2", "5.4", "5.6", "5.7"}


def test_an_observed_vector_names_its_release_and_store() -> None:
    """What is observed says which release wrote it, and into which store."""
    vague = [each.name for each in VALID + INVALID if each.observed and not _release(each)]
    assert vague == []
    assert [each.name for each in VALID + INVALID if each.observed and ", Redis 7.0" not in each.by] == []


@pytest.mark.parametrize("path", ROWS, ids=_name)
def test_row_vector_is_valid_by_its_schema(path: Path) -> None:
    """The file of a row vector says what the loader makes of it."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert complaint(entry, "row-vector") is None
    (vector,) = (each for each in row_vectors() if each.name == path.stem)
    assert vector.task_id == vector.meta["task_id"] == path.stem
    assert vector.row["status"] == vector.meta["status"]
    stored = vector.row["result"]
    if vector.applies:
        assert stored is None or pickle.loads(stored) is not None
    else:
        assert isinstance(json.loads(stored), (dict, int, type(None)))


MODERN = [each for each in VALID if each.observed and Version(_release(each) or "0") >= Version("5.4")]


@pytest.mark.parametrize("vector", MODERN, ids=_name)
def test_what_releases_from_5_4_wrote_is_a_task_meta(vector: Vector) -> None:
    """Since `date_done` has an offset, what is written is valid by the schema of the task meta."""
    written = json.loads(_inflated(vector.stored))
    assert complaint(written, "task-meta") is None
    assert written["task_id"] == vector.task_id


# -- two readers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VALID, ids=_name)
def test_a_strict_reader_reads_what_the_meta_says(vector: Vector) -> None:
    """Every member that the vector promises is what the strict reader makes of the bytes."""
    found = read(vector.stored, vector.task_id)
    for member, promised in vector.meta.items():
        expected = promised
        if member == "date_done" and promised is not None:
            expected = datetime.fromisoformat(promised)
            assert expected.tzinfo is not None
        large = vector.requirement == "VALUE-15" and member == "result"
        assert (_plain(found[member]) if large else found[member]) == expected, member


@pytest.mark.parametrize("vector", INVALID, ids=_name)
def test_a_strict_reader_refuses_an_invalid_vector(vector: Vector) -> None:
    """No invalid vector is readable by accident."""
    with pytest.raises(RefusedError):
        read(vector.stored, vector.task_id)


@pytest.fixture(scope="module")
def celery_backend() -> Any:
    """A backend of the installed Celery with the json serializer, of which only decoding is used."""
    return Backend(app=Celery(set_as_current=False), serializer="json", accept=["json"])


def _plain(value: Any) -> Any:
    """Return a value that Celery decoded in the tagged encoding."""
    match value:
        case BaseException():
            arguments = [_plain(each) for each in value.args]
            return {"$type": "exception", "type": type(value).__qualname__, "args": arguments}
        case bytes():
            return {"$type": "bytes", "value": base64.b64encode(value).decode()}
        case datetime() | date() | time():
            return {"$type": type(value).__name__, "value": value.isoformat()}
        case uuid.UUID() | Decimal():
            return {"$type": type(value).__name__.lower(), "value": str(value)}
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case bool():
            return value
        case int() if abs(value) > 2**53 - 1:
            return {"$type": "int", "value": str(value)}
        case str() if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return {"$type": "text", "value": [ord(character) for character in value]}
    return value


def _without_module(promised: Any) -> Any:
    if isinstance(promised, dict) and promised.get("$type") == "exception":
        return {key: value for key, value in promised.items() if key != "module"}
    return promised


@pytest.mark.parametrize("vector", [each for each in VALID if each.name not in CELERY_DIFFERS], ids=_name)
def test_celery_reads_the_same(vector: Vector, celery_backend: Any) -> None:
    """The installed Celery finds the same status and result; of an exception, name and arguments."""
    found = celery_backend.meta_from_decoded(celery_backend.decode(vector.stored))
    assert found["status"] == vector.meta["status"]
    assert _plain(found.get("result")) == _without_module(vector.meta["result"])


@pytest.mark.parametrize("name", CELERY_DIFFERS)
def test_celery_still_differs_where_it_is_said_to(name: str, celery_backend: Any) -> None:
    """Each named difference is still there; one that is gone is to be struck from the list."""
    (vector,) = (each for each in VALID if each.name == name)
    decoded = celery_backend.decode(vector.stored)
    assert decoded["status"] == vector.meta["status"]
    raised = CELERY_DIFFERS[name]
    if raised is None:
        found = celery_backend.meta_from_decoded(decoded)
        assert _plain(found["result"]) != _without_module(vector.meta["result"])
    else:
        with pytest.raises(raised):
            celery_backend.meta_from_decoded(decoded)
