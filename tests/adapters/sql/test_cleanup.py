"""Cleanup of tables: what it removes, what it leaves, and several of them at once. Each test runs on each database."""

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa

from resultspec_adapters.sql import SqlBackend
from resultspec_adapters.sql import chord_store as chords
from resultspec_adapters.sql.cleanup import BATCH
from resultspec_conformance.subject.probes.sql import open_probe
from resultspec_reference import App
from resultspec_reference.chords.ledger import Part, Recorded

Make = Callable[..., SqlBackend]

LIFE = 600.0
STATES = ("SUCCESS", "FAILURE", "REVOKED", "STARTED", "RETRY", "PROGRESS", "success")


@pytest.fixture(name="usual_options")
def ten_minutes() -> dict[str, Any]:
    """Return the life of the entries."""
    return {"expires": LIFE}


def date_back(backend: SqlBackend, seconds: float) -> None:
    """Date all rows, of every state, back by some seconds."""
    date = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
    with backend.database.connect() as connection:
        for name in (backend.names.task, backend.names.group):
            table = sa.table(name, sa.column("date_done", sa.DateTime))
            connection.execute(sa.update(table).values(date_done=date))


def store_all(backend: SqlBackend) -> None:
    """Store a task in each state, and a group."""
    for state in STATES:
        backend.store_result(state, None, state)
    backend.save_group("g", [["g", None], []])


def there(backend: SqlBackend) -> set[str]:
    """Return the states of the tasks that are stored, and `g` if the group is."""
    found = {state for state in STATES if backend.get_state(state) == state}
    return found | ({"g"} if backend.restore_group("g") is not None else set())


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_what_is_ready_and_over_is_removed(make: Make, database_url: str, table_prefix: str, zone: str) -> None:
    """And groups; what runs is left, though a foreign writer has dated it, and so is what is younger, in any zone."""
    app = App(timezone=zone, enable_utc=zone == "UTC")
    backend = SqlBackend(app, database_url, table_prefix=table_prefix, expires=LIFE)
    store_all(backend)
    date_back(backend, LIFE - 60)
    backend.cleanup()
    assert there(backend) == {*STATES, "g"}
    date_back(backend, LIFE + 1)
    backend.cleanup()
    assert there(backend) == {"STARTED", "RETRY", "PROGRESS", "success"}
    backend.cleanup()
    assert there(make()) == {"STARTED", "RETRY", "PROGRESS", "success"}


@pytest.mark.parametrize("expires", [0, 0.0])
def test_for_ever_is_never_over(make: Make, expires: float) -> None:
    """However old an entry is."""
    backend = make(expires=expires)
    store_all(backend)
    date_back(backend, 50 * 365 * 24 * 3600.0)
    backend.cleanup()
    assert there(backend) == {*STATES, "g"}


def test_other_tables_are_left_alone(backend: SqlBackend, make: Make, table_prefix: str) -> None:
    """Of whatever age."""
    other = make(table_prefix=f"{table_prefix}other_")
    try:
        for each in (backend, other):
            store_all(each)
            date_back(each, 2 * LIFE)
        backend.cleanup()
        assert "SUCCESS" not in there(backend)
        assert there(other) == {*STATES, "g"}
    finally:
        other.remove_tables()


def test_more_than_a_batch_by_several_at_once(backend: SqlBackend, make: Make) -> None:
    """All of it goes, and what is stored meanwhile stays."""
    rows = [
        {"number": number, "task_id": f"t{number}", "status": "SUCCESS", "date": datetime(2001, 1, 1)}
        for number in range(-(2 * BATCH + 7), 0)
    ]
    backend.make_tables()
    table = sa.table(
        backend.names.task,
        *(sa.column(name) for name in ("id", "task_id", "status")),
        sa.column("date_done", sa.DateTime),
    )
    columns = ("id", "number"), ("task_id", "task_id"), ("status", "status"), ("date_done", "date")
    insert = sa.insert(table).values({name: sa.bindparam(given) for name, given in columns})
    with backend.database.engine.begin() as connection:
        connection.execute(insert, rows)
    with ThreadPoolExecutor(5) as pool:
        cleaners = [pool.submit(make().cleanup) for _ in range(3)]
        stored = [pool.submit(backend.store_result, f"new{number}", number, "SUCCESS") for number in range(30)]
        for done in (*cleaners, *stored):
            done.result(60)
    with backend.database.connect() as connection:
        ids = set(connection.execute(sa.text(f"SELECT task_id FROM {backend.names.task}")).scalars())
    assert ids == {f"new{number}" for number in range(30)}


# -- chords ------------------------------------------------------------------------------------------


def record(backend: SqlBackend, chords: int, parts: int = 2) -> None:
    """Count parts of chords that are not full."""
    for number in range(chords):
        for index in range(parts):
            backend.chord_store.record(f"g{number}", Part(f"t{index}", index, b"x"), None)


def let_expire(backend: SqlBackend, chords: Iterable[int]) -> None:
    """Let the lives of chords end."""
    statement = sa.text(f"UPDATE {backend.names.chord} SET expires = 1 WHERE group_id = :of_group")
    with backend.database.connect() as connection:
        for number in chords:
            connection.execute(statement, {"of_group": f"g{number}"})


def chords_and_parts(backend: SqlBackend) -> tuple[set[str], set[str]]:
    """Return the ids of the chords that have a row, and of those of which a part has one."""
    with backend.database.connect() as connection:
        found = [
            set(connection.execute(sa.text(f"SELECT group_id FROM {name}")).scalars())
            for name in (backend.names.chord, backend.names.part)
        ]
    return found[0], found[1]


@pytest.mark.parametrize("expires", [LIFE, None])
def test_chords_whose_life_is_over_are_removed(make: Make, expires: float | None) -> None:
    """With their parts, also where results are kept for ever; what is younger stays, and counts on."""
    app = App(result_expires=None)
    backend = make(app=app, expires=expires)
    record(backend, 4)
    let_expire(backend, (0, 2))
    backend.cleanup()
    assert chords_and_parts(backend) == ({"g1", "g3"}, {"g1", "g3"})
    assert backend.chord_store.record("g1", Part("t2", 2, b"x"), 3) is Recorded.FULL
    assert backend.chord_store.record("g0", Part("t2", 2, b"x"), 3) is Recorded.COUNTED


def test_a_mark_that_is_over_is_removed(backend: SqlBackend) -> None:
    """And one that is not is kept."""
    for number in range(2):
        group_id = f"g{number}"
        backend.chord_store.record(group_id, Part("t", 0, b"x"), 1)
        backend.chord_store.claim(group_id, "me", 30.0, 1)
        assert backend.chord_store.finish(group_id, "me")
    let_expire(backend, [0])
    backend.cleanup()
    assert chords_and_parts(backend) == ({"g1"}, set())


def test_many_chords_by_several_cleaners(backend: SqlBackend, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """In small batches, while others count: all that is over goes, and nothing else."""
    monkeypatch.setattr(chords, "BATCH", 7)
    monkeypatch.setattr(chords, "BATCH_OF_PARTS", 9)
    record(backend, 24)
    let_expire(backend, range(20))
    with ThreadPoolExecutor(4) as pool:
        cleaners = [pool.submit(make().cleanup) for _ in range(2)]
        counted = [pool.submit(record, make(), 3, 5), pool.submit(make().chord_store.open, "g4", 2, None)]
        for done in (*cleaners, *counted):
            done.result(60)
    make().cleanup()
    # g0 to g2 and g4 were started again, in whatever order that happened
    expected = {"g0", "g1", "g2", *(f"g{number}" for number in range(20, 24))}
    assert chords_and_parts(backend) == ({*expected, "g4"}, expected)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_cleanup_that_may_not_remove_ends(backend: SqlBackend) -> None:
    """If a trigger prevents the removal of expired rows, the cleanup does not try for ever."""
    store_all(backend)
    date_back(backend, 2 * LIFE)
    with backend.database.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER keep_{backend.names.task} BEFORE DELETE ON {backend.names.task}"
            " BEGIN SELECT RAISE(IGNORE); END"
        )
    backend.cleanup()
    assert there(backend) == set(STATES)


def test_the_probe_makes_older(backend: SqlBackend, database_url: str, table_prefix: str) -> None:
    """What has a date; and says that no row goes by itself."""
    probe = open_probe(database_url, table_prefix)
    try:
        assert (probe.age("t", 1), probe.remaining("t")) == (False, None)
        backend.store_result("t", 1, "STARTED")
        assert (probe.age("t", 1), probe.remaining("t")) == (False, math.inf)
        backend.store_result("t", 1, "SUCCESS")
        before = datetime.fromisoformat(backend.get_task_meta("t")["date_done"])
        assert probe.age("t", 90.5)
        after = datetime.fromisoformat(backend.get_task_meta("t")["date_done"])
        assert before - after == timedelta(seconds=90.5)
    finally:
        probe.close()
