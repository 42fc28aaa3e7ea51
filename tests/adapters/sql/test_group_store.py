"""Groups in tables: rows, what cannot be read, races, and real Celery beside us. Each test runs on each database."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa
from celery import Celery
from celery.result import AsyncResult, GroupResult

from resultspec_adapters.sql import SqlBackend
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probes.rows import group_cell_of
from resultspec_reference.errors import ContentDisallowed, DecodeError, ImproperlyConfigured

Make = Callable[..., SqlBackend]

GROUP = [["g", [["p", None], None]], [[["m", None], None], [["inner", None], [[["n", None], None]]]]]
EMPTY = [["g", None], []]


def rows(backend: SqlBackend) -> list[dict[str, Any]]:
    """Return all rows of groups, read without the backend."""
    with backend.database.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {backend.names.group}")).mappings()]


def change(backend: SqlBackend, result: bytes | None) -> None:
    """Change the one row, as somebody else may."""
    with backend.database.connect() as connection:
        connection.execute(sa.text(f"UPDATE {backend.names.group} SET result = :result"), {"result": result})


def tuple_of(handle: Any) -> Any:
    """Return a handle as lists."""

    def lists(value: Any) -> Any:
        return [lists(item) for item in value] if isinstance(value, (list, tuple)) else value

    return lists(handle.as_tuple())


def test_a_group_has_one_row(backend: SqlBackend) -> None:
    """With the tuple alone in the serializer, and the instant of the last saving in UTC."""
    before = datetime.now(UTC)
    backend.save_group("g", EMPTY)
    backend.save_group("g", GROUP)
    (found,) = rows(backend)
    assert found["taskset_id"] == "g"
    assert bytes(found["result"]) == (
        b'[["g", [["p", null], null]], [[["m", null], null], [["inner", null], [[["n", null], null]]]]]'
    )
    entry = backend.get_group_meta("g")
    assert entry is not None
    assert tuple_of(entry["result"]) == GROUP
    assert before <= datetime.fromisoformat(entry["date_done"]) <= datetime.now(UTC)
    backend.delete_group("g")
    assert rows(backend) == []
    assert backend.get_group_meta("g") is None


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_every_serializer_keeps_a_group(make: Make, serializer: str) -> None:
    """Whole, with a date or without."""
    backend = make(serializer=serializer)
    backend.save_group("g", GROUP)
    with backend.database.connect() as connection:
        connection.execute(sa.text(f"UPDATE {backend.names.group} SET date_done = NULL"))
    entry = backend.get_group_meta("g")
    assert entry is not None
    assert tuple_of(entry["result"]) == GROUP
    assert "date_done" not in entry


def test_groups_and_tasks_of_one_id_are_two_things(backend: SqlBackend) -> None:
    """They are in different tables."""
    backend.store_result("g", 1, "SUCCESS")
    backend.save_group("g", GROUP)
    backend.delete_group("g")
    assert backend.get_result("g") == 1


@pytest.mark.parametrize("result", [None, b"", b"\xff garbage", b"7", b'{"result": []}', b'[["g", null], null]'])
def test_what_cannot_be_decoded_is_named_replaced_and_removed(backend: SqlBackend, result: bytes | None) -> None:
    """By a definite error."""
    backend.save_group("g", GROUP)
    change(backend, result)
    with pytest.raises(DecodeError, match="group 'g'"):
        backend.restore_group("g")
    backend.save_group("g", EMPTY)
    assert tuple_of(backend.restore_group("g")) == EMPTY
    change(backend, result)
    backend.delete_group("g")
    assert backend.restore_group("g") is None


def test_a_pickled_handle_is_read_only_if_pickle_is_accepted(backend: SqlBackend, make: Make) -> None:
    """Up to 5.6 Celery pickled the handle itself."""
    app = Celery("tests", broker="memory://", backend="cache+memory://", set_as_current=False)
    inner = GroupResult("inner", [AsyncResult("n", app=app)], app=app)
    saved = GroupResult("g", [AsyncResult("m", app=app), inner], app=app)
    backend.save_group("g", GROUP)
    for protocol in (2, 3, 4, 5):
        change(backend, pickle.dumps(saved, protocol))
        with pytest.raises(ContentDisallowed, match="group 'g'"):
            backend.restore_group("g")
        restored = make(accept=["json", "pickle"]).restore_group("g")
        assert tuple_of(restored) == [["g", None], GROUP[1]]
    change(backend, pickle.dumps({"no": "group"}))
    with pytest.raises(DecodeError, match="group 'g'"):
        make(accept=["json", "pickle"]).restore_group("g")


def test_ids_are_told_apart(backend: SqlBackend) -> None:
    """In our own tables by every character; and one that no column holds is refused."""
    ids = ["g", "G", "g ", "\u00e9", "e\u0301", "\U0001f600", "x" * 155]
    for number, group_id in enumerate(ids):
        backend.save_group(group_id, [[group_id, None], [[[f"m{number}", None], None]]])
    for number, group_id in enumerate(ids):
        assert tuple_of(backend.restore_group(group_id))[1] == [[[f"m{number}", None], None]]
    for wrong in ("x" * 156, "a\x00b", "g.s"):
        with pytest.raises(ValueError, match="id"):
            backend.save_group(wrong, GROUP)


def test_saves_at_the_same_time_all_succeed(make: Make) -> None:
    """And make the table, which none of them has seen, once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: make().save_group("g", [["g", None], [[[f"m{number}", None], None]]]), range(40)))
    assert len(rows(make())) == 1


def test_a_table_that_was_removed_is_made_again(backend: SqlBackend) -> None:
    """Though this process has seen it."""
    backend.save_group("g", GROUP)
    with backend.database.connect() as connection:
        connection.execute(sa.text(f"DROP TABLE {backend.names.group}"))
    backend.save_group("g", EMPTY)
    assert tuple_of(backend.restore_group("g")) == EMPTY


def test_a_table_that_is_something_else_is_refused(make: Make, backend: SqlBackend) -> None:
    """The error names the columns that it lacks."""
    backend.mark_as_done("t", 1)
    with pytest.raises(ImproperlyConfigured, match="not a table of groups: it has no column taskset_id"):
        make(table_names={"group": "celery_taskmeta"}).save_group("g", GROUP)


def test_what_the_probe_cannot_put_into_a_column() -> None:
    """It reports that, instead of testing something else."""
    assert group_cell_of(b'{"result": [1], "more": 2}') == b"[1]"
    for payload in (b"", b"torn", b"3", b'{"status": 1}', bytes(9)):
        assert group_cell_of(payload) == payload
    for payload in (b"[]", pickle.dumps(GROUP), b"\x00celery-compressed\x00zlib\x00x"):
        with pytest.raises(Unobserved):
            group_cell_of(payload)


# -- beside Celery -------------------------------------------------------------------------------------


def shapes(app: Celery) -> list[GroupResult]:
    """Return groups of several shapes."""
    first, second = AsyncResult("p", app=app), AsyncResult("m-2", app=app, parent=AsyncResult("m-1", app=app))
    inner = GroupResult("inner", [AsyncResult("i", app=app)], app=app)
    return [
        GroupResult("g", [], app=app),
        GroupResult("g", [AsyncResult("m-1", app=app), second], app=app),
        GroupResult("g", [second, inner, second], app=app, parent=first),
    ]


@pytest.mark.parametrize("first", ["ours", "celery"])
def test_each_restores_what_the_other_saves(app: Celery, database_url: str, first: str) -> None:
    """In a table that the one or the other has made; the bytes are the same."""
    ours, theirs = SqlBackend(app, database_url), app.backend
    if first == "ours":
        ours.make_tables()
    for saved in shapes(app):
        stored = []
        for save in (theirs.save_group, ours.save_group):
            save("g", saved)
            stored.append(bytes(rows(ours)[0]["result"]))
            assert theirs.restore_group("g") == ours.restore_group("g") == saved
            assert ours.restore_group("g").as_tuple() == saved.as_tuple()
            # Celery cannot save a group twice
            (ours if save == theirs.save_group else theirs).delete_group("g")
            assert theirs.restore_group("g") is ours.restore_group("g") is None
        assert stored[0] == stored[1]


@pytest.mark.parametrize("kind", ["mariadb"])
def test_a_collation_that_folds_is_noticed(app: Celery, database_url: str) -> None:
    """In a table of Celery's on MariaDB two ids may be one row: that is an error, and no group of another caller."""
    ours, (_, saved, _) = SqlBackend(app, database_url), shapes(app)
    app.backend.save_group("g", saved)
    with pytest.raises(ValueError, match="'g'"):
        ours.save_group("G", GROUP)
    assert ours.restore_group("G") is None
    ours.delete_group("G")
    assert ours.restore_group("g").as_tuple() == saved.as_tuple()
    ours.delete_group("g")
    assert app.backend.restore_group("g") is None
