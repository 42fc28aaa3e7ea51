"""The vectors of groups are what they say, and Celery restores the valid ones alike."""

import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.backends.base import Backend
from celery.result import result_from_tuple

import resultspec
from resultspec import OPERATIONS, REQUIREMENTS, GroupVector, group_vectors
from resultspec.schemas import complaint

HOME = Path(resultspec.__file__).parent / "vectors" / "groups"
FILES = sorted(HOME.glob("*/*.json"))
VALID, INVALID = group_vectors("valid"), group_vectors("invalid")
PREFIX = b"\x00celery-compressed\x00application/x-gzip\x00"


def _name(item: Path | GroupVector) -> str:
    return item.stem if isinstance(item, Path) else item.name


def _read(found: Any) -> Any:
    """Return a result tuple in the form of today. Raises ValueError: the smallest strict reader."""
    match found:
        case [str(group_id), list(members)] if group_id:
            return [[group_id, None], [_read(member) for member in members]]
        case [[str(identifier), parent], members] if identifier and (members is None or isinstance(members, list)):
            above = None if parent is None else _read(parent)
            return [[identifier, above], None if members is None else [_read(member) for member in members]]
    raise ValueError(found)


def _restored(stored: bytes) -> Any:
    """Return the group that stored bytes hold. Raises ValueError, KeyError, TypeError, zlib.error."""
    payload = zlib.decompress(stored.removeprefix(PREFIX)) if stored.startswith(PREFIX) else stored
    found = _read(json.loads(payload.decode())["result"])
    if found[1] is None:
        raise ValueError(found)
    return found


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_is_valid_by_the_schema(path: Path) -> None:
    """Every file is a vector by its schema: the valid ones have a group, the others an error."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert complaint(entry, "group-vector") is None
    assert ("group" in entry) == (path.parent.name == "valid")


def test_the_loader_returns_every_file() -> None:
    """Each under the name of its file, and no two of one group."""
    assert sorted(path.stem for path in FILES) == sorted(vector.name for vector in VALID + INVALID)
    assert len({vector.group_id for vector in VALID + INVALID}) == len(FILES)
    assert len(INVALID) >= len(VALID) > 0


def test_what_a_vector_cites_exists() -> None:
    """Requirements are in the register, and the error is one in which a restore may end."""
    for vector in VALID + INVALID:
        assert {vector.requirement, *re.findall(r"\b[A-Z]+-[0-9]+\b", vector.by)} <= REQUIREMENTS.keys(), vector.name
        assert vector.valid or vector.error in OPERATIONS["restore_group"].errors, vector.name


def test_six_releases_were_observed() -> None:
    """From 3.1, which wrote the older form, to 5.7."""
    observed = [re.match(r"Celery ([0-9]+\.[0-9]+)", vector.by) for vector in VALID if vector.observed]
    assert {found[1] for found in observed if found} == {"3.1", "4.0", "4.2", "4.4", "5.2", "5.7"}


@pytest.mark.parametrize("vector", VALID, ids=_name)
def test_a_strict_reader_restores_the_group(vector: GroupVector) -> None:
    """What the vector promises is what its bytes hold."""
    assert _restored(vector.stored) == list(vector.group)


@pytest.mark.parametrize("vector", INVALID, ids=_name)
def test_a_strict_reader_refuses_an_invalid_vector(vector: GroupVector) -> None:
    """No invalid vector is readable by accident."""
    with pytest.raises((ValueError, KeyError, TypeError, zlib.error)):
        _restored(vector.stored)


@pytest.mark.parametrize("vector", VALID, ids=_name)
def test_celery_restores_the_same(vector: GroupVector) -> None:
    """The installed Celery makes the same result tuple of the bytes."""
    app = Celery(set_as_current=False, backend="cache+memory://")
    backend: Any = Backend(app=app, serializer="json", accept=["json"])
    found = result_from_tuple(backend.decode(vector.stored)["result"], app)
    assert json.loads(json.dumps(found.as_tuple())) == list(vector.group)
