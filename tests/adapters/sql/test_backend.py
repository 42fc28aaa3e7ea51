"""The SQL backend on real databases: rows, guard, waiting, processes. Each test runs on each of them."""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa

from resultspec_adapters.sql import SqlBackend
from resultspec_adapters.sql.statements import channel
from resultspec_adapters.sql.subject import sqlite as adapter
from resultspec_conformance.subject import ClientOptions, RowProbe, Target
from resultspec_reference import App
from resultspec_reference.errors import ContentDisallowed, DecodeError, EncodeError

Make = Callable[..., SqlBackend]


def row(backend: SqlBackend, task_id: str = "t") -> dict[str, Any]:
    """Return the row of a task, read without the backend."""
    table = backend.names.task
    with backend.database.connect() as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {table} WHERE task_id = :id"), {"id": task_id})
        return dict(found.mappings().one())


def change(backend: SqlBackend, **columns: Any) -> None:
    """Change columns of the row of task `t`, as somebody else may."""
    put = ", ".join(f"{name} = :{name}" for name in columns)
    with backend.database.connect() as connection:
        connection.execute(
            sa.text(f"UPDATE {backend.names.task} SET {put} WHERE task_id = :of_task"), {**columns, "of_task": "t"}
        )


# -- rows --------------------------------------------------------------------------------------------


def test_a_row_has_a_column_for_each_member(backend: SqlBackend) -> None:
    """Values are in the serializer, texts are text, the date is UTC without a zone."""
    before = datetime.now(UTC).replace(tzinfo=None)
    request = {"group": "g-1", "parent_id": "p-1", "children": [[["c", None], None]]}
    backend.store_result("t", {"a": [1, "é"]}, "SUCCESS", traceback="trace", request=request)
    found = row(backend)
    assert found["status"] == "SUCCESS"
    assert bytes(found["result"]) == b'{"a": [1, "\\u00e9"]}'
    assert bytes(found["children"]) == b'[[["c", null], null]]'
    assert (found["traceback"], found["group_id"], found["parent_id"]) == ("trace", "g-1", "p-1")
    date = found["date_done"]
    moment = date if isinstance(date, datetime) else datetime.fromisoformat(date)
    assert before <= moment <= datetime.now(UTC).replace(tzinfo=None)
    assert all(found[name] is None for name in ("name", "args", "kwargs", "worker", "retries", "queue", "stamps"))


def test_a_row_is_replaced_whole(backend: SqlBackend) -> None:
    """Nothing of an earlier state stays, and there is one row for a task."""
    backend.store_result("t", ValueError("x"), "FAILURE", traceback="trace", request={"group": "g", "parent_id": "p"})
    backend.store_result("t", 1, "STARTED")
    found = row(backend)
    assert bytes(found["result"]) == b"1"
    assert all(found[name] is None for name in ("traceback", "group_id", "parent_id", "date_done", "children"))


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_every_serializer_guards_success(make: Make, serializer: str) -> None:
    """Also against another SUCCESS; a refused row leaves no trace."""
    backend = make(serializer=serializer)
    for state in ("PENDING", "PROGRESS", "FAILURE", "STARTED", "REVOKED", "success", "SUCCESS"):
        backend.store_result("t", None if state in ("FAILURE", "REVOKED") else [state], state)
        assert backend.get_state("t") == state
    before = row(backend)
    for state in ("FAILURE", "SUCCESS", "STARTED"):
        backend.store_result("t", ValueError("late") if state == "FAILURE" else "late", state, traceback="late")
    assert row(backend) == before
    assert backend.get_result("t") == ["SUCCESS"]


def test_ids_are_compared_as_they_are(backend: SqlBackend) -> None:
    """Case, accents, trailing blanks and wildcards count; a state too is not folded."""
    ids = ["a", "A", "a ", " a", "á", "a\u0301", "%", "_", "a\t", "ß", "ss", "漢", "\U0001f600"]
    for number, task_id in enumerate(ids):
        backend.store_result(task_id, number, "SUCCESS")
    assert [backend.get_result(task_id) for task_id in ids] == list(range(len(ids)))
    backend.forget("a")
    assert [backend.get_result(task_id) for task_id in ids] == [None, *range(1, len(ids))]


@pytest.mark.parametrize("task_id", ["x" * 156, "a\x00b"])
def test_an_id_that_no_column_holds_is_refused(backend: SqlBackend, task_id: str) -> None:
    """By a definite error, in every operation."""
    for call in (lambda: backend.mark_as_done(task_id, 1), lambda: backend.get_state(task_id)):
        with pytest.raises(ValueError, match="id"):
            call()
    assert backend.get_state("x" * 155) == "PENDING"


def test_large_values_and_odd_texts(backend: SqlBackend) -> None:
    """A megabyte comes back; what no text column holds is escaped in a traceback."""
    backend.store_result("t", "é" * 500_000, "SUCCESS", traceback="x" * 100_000)
    assert backend.get_result("t") == "é" * 500_000
    assert backend.get_traceback("t") == "x" * 100_000
    backend.store_result("u", ValueError("x"), "FAILURE", traceback="a\x00b\ud800\U0001f600")
    assert backend.get_traceback("u") == "a\\x00b\\ud800\U0001f600"


def test_what_cannot_be_encoded_leaves_the_row_alone(backend: SqlBackend) -> None:
    """The error comes before the store is touched."""
    backend.store_result("t", 1, "STARTED")
    with pytest.raises(EncodeError):
        backend.store_result("t", object(), "SUCCESS")
    with pytest.raises(ValueError, match="group_id"):
        backend.store_result("t", 1, "SUCCESS", request={"group": "\x00"})
    assert backend.get_state("t") == "STARTED"


@pytest.mark.parametrize("column", ["result", "children"])
def test_what_cannot_be_decoded_is_named_replaced_and_removed(backend: SqlBackend, column: str) -> None:
    """But the state is a column, so a SUCCESS of which only that can be read is kept."""
    garbage: dict[str, Any] = {column: b"\xff garbage"}
    backend.store_result("t", 1, "FAILURE")
    change(backend, **garbage)
    for call in (backend.get_state, backend.get_result, backend.wait_for):
        with pytest.raises(DecodeError, match="'t'"):
            call("t")
    backend.store_result("t", 2, "SUCCESS")
    assert backend.get_result("t") == 2
    change(backend, **garbage)
    backend.store_result("t", 3, "SUCCESS")
    with pytest.raises(DecodeError):
        backend.get_result("t")
    backend.forget("t")
    assert backend.get_state("t") == "PENDING"


def test_a_pickle_is_read_only_if_it_is_accepted(make: Make) -> None:
    """Up to 5.6 Celery pickled every result, whatever the serializer."""
    writer, trusting = make(), make(accept=["json", "pickle"])
    for number, protocol in enumerate((2, 3, 4, 5)):
        writer.store_result("t", None, "STARTED")
        change(writer, status="PROGRESS", result=pickle.dumps({"n": number}, protocol))
        assert trusting.get_result("t") == {"n": number}
        with pytest.raises(ContentDisallowed, match="'t'"):
            writer.get_result("t")
    change(writer, status="FAILURE", result=pickle.dumps({"exc_type": "KeyError", "exc_message": ["k"]}))
    assert repr(trusting.get_result("t")) == "KeyError('k')"


def test_a_date_of_an_unready_row_is_none(backend: SqlBackend) -> None:
    """Celery dates a row again when it stores STARTED a second time."""
    backend.store_result("t", 1, "STARTED")
    change(backend, date_done="2026-03-01 12:00:00.250000")
    assert backend.get_task_meta("t")["date_done"] is None
    change(backend, status="SUCCESS")
    assert backend.get_task_meta("t")["date_done"] == "2026-03-01T12:00:00.250000+00:00"


# -- races -------------------------------------------------------------------------------------------

WRITER = """
import sys
from resultspec_adapters.sql import SqlBackend
from resultspec_reference import App
backend = SqlBackend(App(), sys.argv[1], table_prefix=sys.argv[2])
for number in range(6):
    backend.mark_as_started(f"t{number}", by=sys.argv[3])
    backend.mark_as_done(f"t{number}", [sys.argv[3], backend.get_state(f"t{number}")])
    won = backend.get_result(f"t{number}")
    backend.mark_as_failure(f"t{number}", ValueError(sys.argv[3]))
    assert backend.get_result(f"t{number}") == won, number
"""


def test_an_acknowledged_success_survives_other_processes(
    backend: SqlBackend, database_url: str, table_prefix: str
) -> None:
    """Processes that make the tables and store the same tasks at the same time agree on the first SUCCESS."""
    command = [sys.executable, "-c", WRITER, database_url, table_prefix]
    writers = [subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE) for number in range(2)]
    complaints = [writer.communicate(timeout=60)[1].decode() for writer in writers]
    assert complaints == ["", ""]
    assert {backend.get_state(f"t{number}") for number in range(6)} == {"SUCCESS"}


def test_threads_share_a_backend(backend: SqlBackend) -> None:
    """More of them than the pool has connections."""
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: backend.mark_as_done(f"t{number}", number), range(60)))
        assert list(pool.map(lambda number: backend.get_result(f"t{number}"), range(60))) == list(range(60))


# -- waiting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE"])
def test_a_waiter_is_woken(backend: SqlBackend, make: Make, state: str) -> None:
    """Long before its interval is over."""
    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(make().wait_for, "t", timeout=30, interval=30) for _ in range(4)]
        time.sleep(0.1)
        began = time.monotonic()
        backend.store_result("t", ValueError("x") if state == "FAILURE" else 7, state)
        for wait in waits:
            if state == "FAILURE":
                with pytest.raises(ValueError, match="x"):
                    wait.result(20)
            else:
                assert wait.result(20) == 7
        assert time.monotonic() - began < 5


def test_a_writer_that_does_not_notify_is_seen(backend: SqlBackend) -> None:
    """Since a waiter reads again before long, whatever its interval."""
    backend.store_result("t", 7, "STARTED")
    threading.Timer(0.2, change, [backend], {"status": "SUCCESS"}).start()
    began = time.monotonic()
    assert backend.wait_for("t", timeout=30, interval=30) == 7
    assert time.monotonic() - began < 10


def test_a_wait_ends_at_its_deadline(backend: SqlBackend) -> None:
    """And a timeout of 0 is one look."""
    backend.store_result("t", 7, "STARTED")
    began = time.monotonic()
    with pytest.raises(backend.TimeoutError):
        backend.wait_for("t", timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 3
    with pytest.raises(backend.TimeoutError):
        backend.wait_for("t", timeout=0)


def test_names_of_channels_fit() -> None:
    """PostgreSQL cuts a name after 63 bytes, in silence; different tasks and tables have different channels."""
    names = [channel(table, task_id) for table in ("a", "x" * 63) for task_id in ("t", "T", "t ", "x" * 155)]
    assert len(set(names)) == 8
    assert all(len(name) <= 63 and name.replace("_", "").isalnum() for name in names)


# -- processes and tables ----------------------------------------------------------------------------


def test_pickling_keeps_the_options(make: Make) -> None:
    """The copy finds the same tables."""
    backend = make(max_cached_results=0, retry_policy={"max_retries": 2})
    backend.mark_as_done("t", 1)
    again = pickle.loads(pickle.dumps(backend))
    assert again.get_result("t") == 1
    assert again.retry_policy["max_retries"] == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_has_connections_of_its_own(make: Make) -> None:
    """Nothing that is open is shared."""
    backend = make(max_cached_results=0)
    backend.mark_as_done("t", 1)
    backend.get_result("t")
    parent = backend.database.engine
    child = os.fork()
    if child == 0:
        fine = backend.database.engine is not parent and not backend.is_cached("t") and backend.get_result("t") == 1
        backend.mark_as_done("child", 2)
        os._exit(0 if fine else 1)
    for _ in range(30):
        assert backend.get_task_meta("t", cache=False)["result"] == 1
    assert os.waitpid(child, 0)[1] == 0
    assert backend.get_result("child") == 2


def test_tables_that_were_removed_are_made_again(backend: SqlBackend, make: Make) -> None:
    """Though this process has seen them."""
    other = make()
    other.mark_as_done("t", 1)
    with backend.database.connect() as connection:
        connection.execute(sa.text(f"DROP TABLE {backend.names.task}"))
    assert backend.get_state("t") == "PENDING"
    other.mark_as_done("t", 2)
    assert backend.get_result("t") == 2


def test_removing_the_tables_needs_a_prefix(database_url: str) -> None:
    """Other people's results are in the table of the usual name."""
    with pytest.raises(ValueError, match="prefix"):
        SqlBackend(App(), database_url).remove_tables()


def tables(backend: SqlBackend) -> set[str]:
    """Return the names of all tables and sequences."""
    with backend.database.connect() as connection:
        found = sa.inspect(connection)
        sequences = found.get_sequence_names() if connection.dialect.supports_sequences else []
        return {*found.get_table_names(), *sequences}


def test_a_run_has_tables_of_its_own_and_leaves_nothing(backend: SqlBackend, database_url: str) -> None:
    """The suite looks at rows by a probe of its own."""
    before = tables(backend)
    subject = adapter.open(Target(database_url, "1234abcd"))
    assert subject.capabilities.prefix == "rs_1234abcd_"
    connection = subject.connect(ClientOptions())
    assert connection.call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}).kind == "ok"
    assert isinstance(subject.probe, RowProbe)
    assert [found["status"] for found in subject.probe.rows("t")] == ["SUCCESS"]
    made = {name for name in tables(backend) - before if "sequence" not in name}
    names = "celery_taskmeta", "celery_tasksetmeta", "resultspec_chords", "resultspec_chord_parts"
    assert made == {f"rs_1234abcd_{name}" for name in names}
    subject.close()
    subject.close()
    assert tables(backend) == before
