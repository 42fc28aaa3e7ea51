"""What our SQL backend stores, a real Celery client reads, and the other way round, in tables that either has made."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import celery.exceptions
import sqlalchemy as sa
from celery import Celery
from celery.result import AsyncResult

from resultspec import RowVector, row_vectors
from resultspec_adapters.sql import SqlBackend

CLASS_OF_NOBODY = type("CardRefused", (Exception,), {"__module__": "no.such.module"})

STORED: list[tuple[str, Any]] = [
    ("PENDING", None),
    ("STARTED", {"pid": 1, "hostname": "w@h"}),
    ("PROGRESS", {"current": 1}),
    ("RETRY", ValueError("again")),
    ("SUCCESS", {"a": [1, None, "é", 1.5, True]}),
    ("SUCCESS", None),
    ("SUCCESS", datetime(2026, 1, 2)),
    ("FAILURE", KeyError("k")),
    ("FAILURE", CLASS_OF_NOBODY("no funds", 3)),
    ("REVOKED", celery.exceptions.TaskRevokedError("terminated")),
]
"""States and results that both sides can store and read."""


@pytest.fixture(name="ours")
def our_backend(app: Celery, database_url: str) -> SqlBackend:
    """Return our backend, made for the same real Celery app: the name of the table comes from its settings."""
    return SqlBackend(app, database_url)


def same(one: Any, other: Any) -> bool:
    """Whether two results are the same, exceptions by name and arguments."""
    if isinstance(one, BaseException):
        return (type(one).__name__, one.args) == (type(other).__name__, other.args)
    return bool(one == other)


@pytest.mark.parametrize("first", ["ours", "celery"])
def test_each_reads_what_the_other_stores(app: Celery, ours: SqlBackend, first: str) -> None:
    """In a table that the one or the other has made; our columns are nothing to Celery."""
    if first == "ours":
        ours.make_tables()
    theirs: Any = app.backend
    for number, (state, value) in enumerate(STORED):
        theirs.store_result(f"theirs-{number}", value, state, traceback="trace")
        ours.store_result(f"ours-{number}", value, state, traceback="trace")
        read, celery_result = ours.get_task_meta(f"theirs-{number}"), AsyncResult(f"ours-{number}", app=app)
        assert (read["status"], read["traceback"]) == (celery_result.state, celery_result.traceback) == (state, "trace")
        assert same(read["result"], value), (state, value)
        assert same(celery_result.result, value), (state, value)
        if state in ("SUCCESS", "FAILURE", "REVOKED"):
            moments = [datetime.fromisoformat(read["date_done"]), celery_result.date_done.replace(tzinfo=UTC)]
            assert max(abs((moment - datetime.now(UTC)).total_seconds()) for moment in moments) < 60
        else:
            assert read["date_done"] is None is celery_result.date_done


@pytest.mark.parametrize("first", ["ours", "celery"])
def test_the_guards_agree(app: Celery, ours: SqlBackend, first: str) -> None:
    """Neither replaces the SUCCESS of the other, and each replaces a FAILURE."""
    theirs: Any = app.backend
    one, other = (ours, theirs) if first == "ours" else (theirs, ours)
    one.store_result("t", ValueError("x"), "FAILURE")
    other.store_result("t", 1, "SUCCESS")
    one.store_result("t", ValueError("late"), "FAILURE")
    one.store_result("t", 2, "SUCCESS")
    assert ours.get_result("t") == theirs.get_result("t") == 1
    one.forget("t")
    assert ours.get_state("t") == theirs.get_state("t") == "PENDING"


def test_children_and_what_is_told_of_a_call(app: Celery, database_url: str) -> None:
    """Are in the same columns for both."""
    app.conf.result_extended = True
    ours, theirs = SqlBackend(app, database_url), app.backend
    request = SimpleNamespace(
        children=[AsyncResult("child", app=app)], task="proj.add", args=[1, "é"], kwargs={"x": 1.5}, hostname="w1@host",
        retries=2, delivery_info={"routing_key": "celery"}, group=None, parent_id=None, id="t",
        stamped_headers=["mystamp"], stamps={"mystamp": ["v1"]},
    )  # fmt: skip
    theirs.store_result("theirs", 7, "SUCCESS", request=request)
    ours.store_result("ours", 7, "SUCCESS", request=request)
    names = ("children", "name", "args", "kwargs", "worker", "retries", "queue", "stamped_headers", "mystamp")
    expected = (
        [[["child", None], None]],
        "proj.add",
        [1, "é"],
        {"x": 1.5},
        "w1@host",
        2,
        "celery",
        ["mystamp"],
        ["v1"],
    )
    for backend in (ours, theirs):
        for task_id in ("theirs", "ours"):
            found = backend.get_task_meta(task_id)
            assert tuple(found[name] for name in names) == expected


def test_a_table_of_celery_keeps_what_it_has_columns_for(
    app: Celery, ours: SqlBackend, task_table: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says once what it does not keep, and how it would."""
    app.backend.store_result("theirs", 1, "SUCCESS")
    with caplog.at_level(logging.WARNING):
        ours.store_result("t", 1, "SUCCESS", request={"group": "g", "parent_id": "p"})
        ours.store_result("u", "x" * 40_000, "SUCCESS")
    assert ours.get_result("u") == "x" * 40_000
    assert ours.get_task_meta("t").get("group_id") is None
    cure = f"ALTER TABLE {task_table} ADD COLUMN group_id TEXT, ADD COLUMN parent_id TEXT"
    warnings = [record.getMessage() for record in caplog.records if "group_id" in record.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].endswith(cure)


def test_a_name_that_is_too_long_for_a_table_of_celery(app: Celery, database_url: str, kind: str) -> None:
    """Costs the name and not the result."""
    app.backend.store_result("theirs", 1, "SUCCESS")
    app.conf.result_extended = True
    ours = SqlBackend(app, database_url)
    ours.store_result("t", 1, "SUCCESS", request={"task": "x" * 156, "hostname": "y" * 155})
    found = ours.get_task_meta("t")
    assert (found["result"], found.get("name"), found["worker"]) == (1, None, "y" * 155)


@pytest.mark.parametrize("kind", ["mariadb"])
def test_a_collation_that_folds_is_noticed(app: Celery, ours: SqlBackend) -> None:
    """In a table of Celery's on MariaDB two ids may be one row: that is an error, and no result of another task."""
    app.backend.store_result("abc", 1, "SUCCESS")
    ours.store_result("started", 1, "STARTED")
    for task_id, there in (("ABC", "abc"), ("abc ", "abc"), ("Started", "started")):
        with pytest.raises(ValueError, match=f"'{there}'"):
            ours.store_result(task_id, 2, "SUCCESS")
        assert ours.get_state(task_id) == "PENDING"
        ours.forget(task_id)
    assert (ours.get_result("abc"), ours.get_state("started")) == (1, "STARTED")
    ours.forget("abc")
    assert ours.get_state("abc") == "PENDING"


@pytest.mark.parametrize("kind", ["mariadb"])
def test_a_value_that_does_not_fit_is_refused(app: Celery, ours: SqlBackend) -> None:
    """Celery's tables on MariaDB hold 64 KiB: more is an error and never cut, whatever the mode of the server."""
    app.backend.store_result("abc", 1, "SUCCESS")
    with pytest.raises(ValueError, match="cannot hold the value"):
        ours.store_result("t", "x" * 70_000, "SUCCESS")
    with pytest.raises(ValueError, match="cannot hold the value"):
        ours.store_result("t", 1, "SUCCESS", traceback="x" * 70_000)
    assert ours.get_state("t") == "PENDING"


@pytest.mark.parametrize("kind", ["postgresql"])
def test_the_numbers_of_rows_do_not_collide(app: Celery, server_url: Callable[[str], str], ours: SqlBackend) -> None:
    """Both number rows by the same sequence, no matter which of them created the table."""
    theirs: Any = app.backend
    for number in range(5):
        ours.store_result(f"ours-{number}", number, "SUCCESS")
        theirs.store_result(f"theirs-{number}", number, "SUCCESS")
    with ours.database.connect() as connection:
        found = connection.execute(sa.text(f"SELECT count(DISTINCT id) FROM {ours.names.task}")).scalar()
    assert found == 10


@pytest.mark.parametrize("vector", row_vectors(), ids=lambda vector: vector.name)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_celery_reads_the_row_vectors(app: Celery, task_table: str, vector: RowVector) -> None:
    """The installed Celery finds the same state, result, traceback and children in each row."""
    theirs: Any = app.backend
    theirs.get_state("any")
    columns = {**vector.row, "task_id": vector.task_id}
    with sa.create_engine(theirs.url, poolclass=sa.pool.NullPool).begin() as connection:
        names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        connection.execute(sa.text(f"INSERT INTO {task_table} ({names}) VALUES ({values})"), columns)
    found = theirs.get_task_meta(vector.task_id)
    for name in ("status", "traceback", "children"):
        assert found.get(name) == vector.meta[name]
    result, expected = found["result"], vector.meta["result"]
    if isinstance(result, BaseException):
        assert (type(result).__name__, list(result.args)) == (expected["type"], expected["args"])
    else:
        assert result == expected
