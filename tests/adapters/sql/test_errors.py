"""What the SQL backend says when the database, its tables or its URL are not as they should be."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa

from resultspec_adapters.sql import SqlBackend
from resultspec_adapters.sql.subject import sqlite as adapter
from resultspec_conformance.subject import SubjectError, Target, UsageError
from resultspec_conformance.subject.probes import sql as probes
from resultspec_reference import App
from resultspec_reference.chords.ledger import Part
from resultspec_reference.errors import DecodeError, ImproperlyConfigured, OperationalError

QUICK = {"max_retries": 2, "interval_step": 0.01}


def opened(url: str, **options: Any) -> SqlBackend:
    """Return a backend that is quick to give up."""
    return SqlBackend(App(), url, retry_policy=QUICK, **options)


def calls(backend: SqlBackend) -> list[Callable[[], object]]:
    """Return one call of each kind."""
    return [
        lambda: backend.mark_as_done("t", 1),
        lambda: backend.get_state("t"),
        lambda: backend.forget("t"),
        lambda: backend.wait_for("t", timeout=0),
        lambda: backend.wait_for("t"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@localhost:port/x",
        "oracle://u:secret@localhost/x",
        "mysql://u:secret@localhost",
        "postgresql+nonesuch://u:secret@localhost/x",
        "nonsense",
    ],
)
def test_a_url_that_is_none(url: str) -> None:
    """Is refused when the backend is made, without its password."""
    with pytest.raises(ImproperlyConfigured) as raised:
        SqlBackend(App(), url)
    assert "secret" not in str(raised.value)
    with pytest.raises(UsageError) as usage:
        adapter.open(Target(url, "run"))
    assert "secret" not in str(usage.value)


def test_options_that_are_none() -> None:
    """Are refused when the backend is made."""
    with pytest.raises(ImproperlyConfigured, match="nonsense"):
        opened("sqlite://", engine_options={"nonsense": 1})


@pytest.mark.parametrize("url", ["postgresql://u:secret@127.0.0.1:1/x", "mysql://u:secret@127.0.0.1:1/x"])
def test_a_server_that_is_not_there(url: str) -> None:
    """Costs the retries of the policy, then raises; a wait ends at its deadline."""
    backend = opened(url)
    for call in calls(backend):
        with pytest.raises(OperationalError, match=r"127\.0\.0\.1:1") as raised:
            call()
        assert "secret" not in str(raised.value)
    began = time.monotonic()
    with pytest.raises(backend.TimeoutError, match="could not be reached"):
        backend.wait_for("t", timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    with pytest.raises(SubjectError) as unreachable:
        adapter.open(Target(url, "run"))
    assert "secret" not in str(unreachable.value)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_wrong_password_is_not_tried_again(kind: str, server_url: Callable[[str], str]) -> None:
    """And does not appear in the message."""
    url = sa.make_url(server_url(kind)).set(username="nobody", password="wr0ng")
    backend = SqlBackend(App(), url.render_as_string(hide_password=False))
    began = time.monotonic()
    for call in calls(backend):
        with pytest.raises(OperationalError, match="refuses us") as raised:
            call()
        assert "wr0ng" not in str(raised.value)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_connections_that_were_cut_are_made_again(kind: str, server_url: Callable[[str], str]) -> None:
    """Those of the pool, and those of a waiter."""
    subject = adapter.open(Target(server_url(kind), "cut0"))
    backend = SqlBackend(App(), server_url(kind), table_prefix=subject.capabilities.prefix)
    probe: Any = subject.probe
    for number in range(3):
        backend.mark_as_done(f"t{number}", number)
        assert probe.cut_connections() >= 1
        assert backend.get_result(f"t{number}") == number
    subject.close()


@pytest.mark.parametrize(("kind", "dialect"), [("postgresql", "postgresql"), ("mariadb", "mysql")])
def test_a_connection_that_has_gone_before_it_is_cut_is_no_fault(
    kind: str, dialect: str, server_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the server: it was there when the connections were listed, and is not counted."""
    subject = adapter.open(Target(server_url(kind), "cut1"))
    probe: Any = subject.probe
    monkeypatch.setitem(probes._CONNECTIONS, dialect, "SELECT 99999999, 1")
    monkeypatch.setattr(probes, "local_ports", lambda: {1})
    assert probe.cut_connections() == 0
    subject.close()


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """Its directory does not exist, or it is not a database."""
    (tmp_path / "text.db").write_bytes(b"this is not a database" * 100)
    for name, said in (("none/x.db", "cannot be opened"), ("text.db", "damaged, or not a database")):
        for call in calls(opened(f"sqlite:///{tmp_path}/{name}")):
            with pytest.raises(OperationalError, match=said):
                call()
        with pytest.raises(SubjectError, match=said):
            adapter.open(Target(f"sqlite:///{tmp_path}/{name}", "run"))


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    """Can be read; a store says what is wrong, at once."""
    writable = opened(f"sqlite:///{tmp_path}/x.db")
    writable.make_tables()
    writable.mark_as_done("t", 1)
    sealed = opened(f"sqlite:///file:{tmp_path}/x.db?mode=ro&uri=true")
    assert sealed.get_result("t") == 1
    for call in (
        lambda: sealed.mark_as_done("u", 1),
        lambda: sealed.forget("t"),
        lambda: sealed.set_chord_size("g", 2),
        lambda: sealed.add_to_chord("g", [["t", None], None]),
        lambda: sealed.chord_store.record("g", Part("t", 0, b"x"), 2),
    ):
        with pytest.raises(OperationalError, match="is read-only"):
            call()
    with pytest.raises(SubjectError, match="is read-only"):
        adapter.open(Target(f"sqlite:///file:{tmp_path}/x.db?mode=ro&uri=true", "run"))


def test_a_full_database(tmp_path: Path) -> None:
    """It is reported, and the stored entry stays."""
    backend = opened(f"sqlite:///{tmp_path}/x.db", engine_options={"pool_size": 1, "max_overflow": 0})
    backend.mark_as_started("t")
    with backend.database.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 12")
    with pytest.raises(OperationalError, match="is full"):
        backend.mark_as_done("t", "x" * 1_000_000)
    assert backend.get_state("t") == "STARTED"


COLUMNS = "id INTEGER PRIMARY KEY, task_id VARCHAR(155){unique}, status TEXT, result BLOB, date_done DATETIME"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("id INTEGER, name TEXT", "no column task_id, status, result"),
        (COLUMNS.format(unique=" UNIQUE"), "no column traceback"),
        (COLUMNS.format(unique="") + ", traceback TEXT", "may have several rows"),
    ],
)
def test_a_table_that_is_something_else(tmp_path: Path, columns: str, said: str) -> None:
    """Is not touched, and the message says what is missing."""
    with sqlite3.connect(tmp_path / "x.db") as raw:
        raw.execute(f"CREATE TABLE celery_taskmeta ({columns})")
    backend = opened(f"sqlite:///{tmp_path}/x.db")
    for call in calls(backend):
        with pytest.raises(ImproperlyConfigured, match=said):
            call()
    opened(f"sqlite:///{tmp_path}/x.db", table_names={"task": "another"}).mark_as_done("t", 1)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("date_done", "yesterday"),
        ("result", 7),
        ("result", "text"),
        ("status", None),
        ("status", ""),
        ("traceback", b"\xff"),
        ("children", b"7"),
        ("group_id", 7.5),
    ],
)
def test_a_column_that_holds_something_else(tmp_path: Path, column: str, value: Any) -> None:
    """Which SQLite allows: it is a decode error that names the task, never a wrong answer."""
    backend = opened(f"sqlite:///{tmp_path}/x.db")
    backend.store_result("t", 1, "FAILURE")
    with sqlite3.connect(tmp_path / "x.db") as raw:
        raw.execute(f"UPDATE celery_taskmeta SET {column} = ?", [value])
    if column == "traceback":
        with sqlite3.connect(tmp_path / "x.db") as raw:
            raw.execute("UPDATE celery_taskmeta SET traceback = CAST(traceback AS TEXT)")
    if (column, value) == ("group_id", 7.5):
        # the affinity of the column makes it text
        assert backend.get_task_meta("t")["group_id"] == "7.5"
        return
    with pytest.raises(DecodeError, match="'t'"):
        backend.get_task_meta("t")
    backend.mark_as_done("t", 2)
    assert backend.get_result("t") == 2


def test_a_database_in_memory_belongs_to_one_backend() -> None:
    """The suite gives all clients of a run the same one."""
    one, other = opened("sqlite://"), opened("sqlite://")
    one.mark_as_done("t", 1)
    assert (one.get_result("t"), other.get_state("t")) == (1, "PENDING")
