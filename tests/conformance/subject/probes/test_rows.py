"""The probe of tables: rows as payloads and payloads as rows, on a SQLite."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from resultspec_conformance.subject import CuttingProbe, RowProbe, SubjectError, WireProbe
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probes import probe_for
from resultspec_conformance.subject.probes.rows import RAW_ROW_PREFIX, payload_of, row_of
from resultspec_conformance.testkit.registry import available
from resultspec_conformance.verdict.verdicts import VIEWS

COLUMNS = ("task_id", "status", "result", "traceback", "children", "date_done", "group_id", "args", "retries")
META = (
    b'{"status": "SUCCESS", "result": [1], "traceback": "x", "children": null,'
    b' "date_done": "2026-03-01T12:00:00+02:00", "group_id": "g", "retries": 2, "args": [1]}'
)


def test_a_meta_becomes_a_row() -> None:
    """Each member goes into its column, values as json, the date in UTC; the id is that of the row."""
    assert row_of(META.replace(b'{"', b'{"task_id": "other", "', 1), COLUMNS) == {
        "status": "SUCCESS", "result": b"[1]", "traceback": "x", "children": None,
        "date_done": datetime(2026, 3, 1, 10), "group_id": "g", "retries": 2, "args": b"[1]",
    }  # fmt: skip


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"\x80\x04N.", b"[1]", b'{"status": 7}', b'{"status": ""}', RAW_ROW_PREFIX + b"{"]
)
def test_other_bytes_are_a_result(payload: bytes) -> None:
    """Of a task that has begun; they come back as they were."""
    row = row_of(payload, COLUMNS)
    assert row == {"status": "STARTED", "result": payload}
    if not payload.startswith((b"[", b"{")):
        assert payload_of({**row, "task_id": "t"}) == payload


@pytest.mark.parametrize(
    "member", [b'"x": 1', b'"retries": "2"', b'"group_id": 7', b'"parent_id": "p"', b'"status": "\\u0000"']
)
def test_what_no_column_holds_is_not_observable(member: bytes) -> None:
    """Rather than left out, which would test something else."""
    with pytest.raises(Unobserved):
        row_of(b'{"status": "SUCCESS", ' + member + b"}", COLUMNS)


def test_nothing_needs_no_column() -> None:
    """Tables of older releases have no column for children: that there are none can be written all the same."""
    older = [name for name in COLUMNS if name != "children"]
    for nothing in (b"null", b"[]"):
        row = row_of(META.replace(b'"children": null', b'"children": ' + nothing), older)
        assert row == {name: value for name, value in row_of(META, COLUMNS).items() if name != "children"}
    with pytest.raises(Unobserved, match="'children'"):
        row_of(META.replace(b'"children": null', b'"children": [1]'), older)


@pytest.mark.parametrize("result", [b"[1]", b"\x80\x04N.", None])
def test_what_was_read_makes_the_same_row(result: Any) -> None:
    """Whatever serializer its values are in."""
    row = {"task_id": "t", "status": "FAILURE", "result": result, "traceback": "a\ud800", "date_done": None}
    again = {"task_id": "t", "date_done": None, **row_of(payload_of(row), COLUMNS)}
    assert {name: value for name, value in again.items() if value not in (None, b"null")} == {
        name: value for name, value in row.items() if value is not None
    }


@pytest.fixture(name="probe")
def open_probe(tmp_path: Path) -> Iterator[Any]:
    """Yield the probe of a SQLite whose table is there."""
    sa = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")
    found = probe_for(f"db+sqlite:///{tmp_path}/x.db", "run_")
    assert found is not None
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db", poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TABLE run_celery_taskmeta (id INTEGER PRIMARY KEY, task_id TEXT UNIQUE, status TEXT, result BLOB,"
            " date_done DATETIME, traceback TEXT, children BLOB)"
        ))  # fmt: skip
    yield found
    found.close()


def test_probe_sees_rows_and_cuts_nothing_in_a_file(probe: Any) -> None:
    """So checks of keys, channels and cut connections are not run; those of what is kept for chords are."""
    assert isinstance(probe, RowProbe)
    assert not isinstance(probe, (WireProbe, CuttingProbe))
    seen = available(Capabilities(("core",)), probe, in_process=False, broker=False, overlap=False, time=False)
    assert seen & VIEWS == {"probe", "rows", "bookkeeping"}


def test_rows_are_put_in_the_place_of_others(probe: Any) -> None:
    """A column that the table lacks is left out, one that is not named is NULL."""
    assert probe.rows("t") == []
    probe.put_row({"task_id": "t", "status": "A", "result": b"1", "traceback": "x", "queue": "q"})
    probe.put_row({"task_id": "t", "status": "B", "date_done": "2026-03-01 12:00:00"})
    (found,) = probe.rows("t")
    assert (found["status"], found["result"], found["traceback"]) == ("B", None, None)
    assert found["date_done"] == datetime(2026, 3, 1, 12)
    probe.write("t", b'{"status": "SUCCESS", "result": 7}')
    assert b'"result": 7' in probe.read("t")
    probe.ping()


def test_a_full_database_is_reported_even_if_its_tables_have_free_space(probe: Any) -> None:
    """A small row may still go in where a larger one does not; nothing of the trial stays."""
    import sqlalchemy as sa

    def leave(pages: int) -> None:
        with probe._engine.connect() as connection:
            used = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {used + pages}")

    def names() -> list[str]:
        with probe._engine.connect() as connection:
            return list(connection.execute(sa.text(f"SELECT task_id FROM {probe.prefix}celery_taskmeta")).scalars())

    leave(20)
    probe.put_row({"task_id": "t", "status": "A", "result": b"1"})
    with pytest.raises(SubjectError, match="full"):
        probe.ping()
    assert names() == ["t"]
    leave(2000)
    probe.ping()
    assert names() == ["t"]


def test_end_of_the_run_removes_its_tables_only(probe: Any) -> None:
    """Those that begin with its prefix."""
    probe.put_row({"task_id": "t", "status": "A"})
    probe.forget_run()
    assert probe.rows("t") == []
    with pytest.raises(Unobserved):
        probe.put_row({"task_id": "t", "status": "A"})


@pytest.mark.parametrize(
    "url", ["sqlite:////none/such/x.db", "postgresql://u:secret@127.0.0.1:1/x", "mysql://u:secret@h:p/x"]
)
def test_an_unusable_database_is_reported_without_its_password(url: str) -> None:
    """By an error that names the cure."""
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")
    with pytest.raises(SubjectError) as raised:
        probe_for(url, "run_")
    assert "secret" not in str(raised.value)
    assert "\n" in str(raised.value)
