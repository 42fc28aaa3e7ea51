"""Chords in tables: rows and lives, what a part costs, what is refused, races. Each test runs on each database."""

import functools
import json
import random
import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed; pip install 'resultspec[sql]'")

import sqlalchemy as sa
from tests.adapters.sql.sql_events import statements

from resultspec_adapters.sql import SqlBackend
from resultspec_adapters.sql.database import Database
from resultspec_adapters.sql.errors import NothingDone
from resultspec_adapters.sql.subject import sqlite as adapter
from resultspec_conformance.subject import SubjectError, Target
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probes.sql import ServerProbe, open_probe
from resultspec_reference import App
from resultspec_reference.chords.ledger import Claimed, Part, Recorded
from resultspec_reference.errors import DecodeError, ImproperlyConfigured, OperationalError

Make = Callable[..., SqlBackend]

BODY = {"task": "t.body", "args": [], "kwargs": {}, "options": {"task_id": "body-1"}}
DAY = 86_400.0


class RecordingApp(App):
    """An app that notes what it is asked to send."""

    def __init__(self, **conf: Any) -> None:
        super().__init__(**conf)
        self.sent: list[tuple[Any, ...]] = []

    def signature(self, varies: Mapping[str, Any]) -> Any:
        """Return something that can be sent."""
        return SimpleNamespace(apply_async=self.sent.append)


@pytest.fixture(name="new_app")
def recording_apps() -> type[RecordingApp]:
    """Return what makes apps that note what they send."""
    return RecordingApp


def sent(backend: SqlBackend) -> list[Any]:
    """Return the arguments of what was sent."""
    found: list[Any] = backend.app.sent  # type: ignore[attr-defined]
    return found


def request(index: int, **more: Any) -> dict[str, Any]:
    """Return the request of a part of the chord g."""
    return {"id": f"t{index}", "group": "g", "group_index": index, "chord": BODY, **more}


def rows(backend: SqlBackend, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table, read without the backend."""
    with backend.database.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()]


def lives(backend: SqlBackend, group_id: str = "g") -> dict[str, float]:
    """Return what is kept for a chord, and for how long, as the suite sees it."""
    probe = open_probe(backend.url or "", backend.names.chord.removesuffix("resultspec_chords"))
    try:
        return probe.bookkeeping(group_id)
    finally:
        probe.close()


# -- rows --------------------------------------------------------------------------------------------


def test_a_chord_has_a_row_and_each_part_has_one(backend: SqlBackend) -> None:
    """A counter in the one, the payload in the other."""
    backend.apply_chord(["t0", "t1"], (), "g", BODY)
    backend.set_chord_size("g", 2)
    backend.add_to_chord("g", [["t2", None], None])
    for _ in range(2):
        backend.on_chord_part_return(request(1), "SUCCESS", {"a": 1})
    (ledger,) = rows(backend, backend.names.chord)
    assert [ledger[name] for name in ("group_id", "size", "leaves", "added", "returned")] == ["g", 2, 2, 1, 1]
    assert [ledger[name] for name in ("claimant", "done", "header")] == ["", 0, None]
    (part,) = rows(backend, backend.names.part)
    assert (part["group_id"], part["place"], part["task_id"]) == ("g", 1, "t1")
    assert json.loads(part["payload"]) == [1, "t1", "SUCCESS", {"a": 1}]
    assert set(lives(backend)) == {"chord g", "part t1 at 1"}
    assert all(DAY - 60 < life <= DAY for life in lives(backend).values())


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE"])
def test_the_mark_is_all_that_stays(make: Make, state: str) -> None:
    """After the decision, whatever it was; late duplicates change nothing of that."""
    backend = make(app=RecordingApp(result_expires=60))
    backend.apply_chord([[["t0", None], None], [["h", None], [[["t1", None], None]]]], (), "g", BODY)
    backend.set_chord_size("g", 2)
    for _ in range(2):
        backend.on_chord_part_return(request(0), "SUCCESS", 1)
        backend.on_chord_part_return(request(1), state, ValueError("x") if state == "FAILURE" else 2)
    assert sent(backend) == ([([1, [2]],)] if state == "SUCCESS" else [])
    (left,) = rows(backend, backend.names.chord)
    assert (left["done"], left["returned"], left["header"]) == (1, 0, None)
    assert rows(backend, backend.names.part) == []
    assert 290 < lives(backend)["chord g"] <= 300


def test_bookkeeping_ends_where_results_do_not(make: Make) -> None:
    """With a life of results that is for ever."""
    backend = make(app=RecordingApp(result_expires=None))
    backend.on_chord_part_return(request(0), "SUCCESS", 1)
    backend.set_chord_size("g", 1)
    assert all(29 * DAY < life <= 30 * DAY for life in lives(backend).values())
    backend.on_chord_part_return(request(0), "SUCCESS", 1)
    assert sent(backend) == [([1],)]
    assert 0 < lives(backend)["chord g"] <= DAY


def test_every_part_renews_the_life_of_all(backend: SqlBackend) -> None:
    """A part that was counted before, too."""
    backend.set_chord_size("g", 3)
    for index in (0, 0, 1):
        backend.on_chord_part_return(request(index), "SUCCESS", 1)
        assert min(lives(backend).values()) > DAY - 60
        with backend.database.connect() as connection:
            connection.execute(sa.text(f"UPDATE {backend.names.chord} SET expires = expires - 80000000"))
        assert max(lives(backend).values()) < DAY - 60


def test_what_the_probe_sees(backend: SqlBackend, database_url: str, table_prefix: str, kind: str) -> None:
    """A part without a chord would live for ever; a server's traffic with us."""
    probe = open_probe(database_url, table_prefix)
    try:
        with pytest.raises(Unobserved, match="do not exist"):
            probe.bookkeeping("g")
        backend.on_chord_part_return(request(0), "SUCCESS", 1)
        with backend.database.connect() as connection:
            connection.execute(sa.text(f"DELETE FROM {backend.names.chord}"))
        assert probe.bookkeeping("g") == {"part t0 at 0": float("inf")}
        assert probe.bookkeeping("h") == {}
        if kind != "sqlite":
            assert isinstance(probe, ServerProbe)
            before = probe.traffic()
            backend.on_chord_part_return(request(1), "SUCCESS", "x" * 5000)
            assert 5000 < probe.traffic() - before < 25000
        probe.forget_run()
        with backend.database.connect() as connection:
            assert not [name for name in sa.inspect(connection).get_table_names() if name.startswith(table_prefix)]
    finally:
        probe.close()


# -- what a part costs -------------------------------------------------------------------------------


def work_of_sqlite(connection: sa.Connection, step: Callable[[], object]) -> int:
    """Return the instructions of SQLite's machine."""
    count = [0]

    def tick() -> None:
        count[0] += 1

    raw: Any = connection.connection.driver_connection
    raw.set_progress_handler(tick, 1)
    try:
        step()
    finally:
        raw.set_progress_handler(None, 1)
    return count[0]


def work_of_mariadb(connection: sa.Connection, step: Callable[[], object]) -> int:
    """Return the rows that a session reads and writes."""

    def handled() -> int:
        found = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler%%'").all()
        return sum(int(value) for name, value in found if "read" in name or name.endswith(("write", "update")))

    # asking counts too
    asking = -handled() + handled()
    before = handled()
    step()
    return handled() - before - asking


def work_of_postgresql(connection: sa.Connection, step: Callable[[], object]) -> int:
    """Return the rows that a transaction reads and writes."""
    read = "coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del"
    asked = f"SELECT sum({read}) FROM pg_stat_xact_user_tables WHERE relname LIKE 'test\\_%%'"
    before = connection.exec_driver_sql(asked).scalar()
    step()
    return int(connection.exec_driver_sql(asked).scalar() or 0) - int(before or 0)


WORK = {"sqlite": work_of_sqlite, "mariadb": work_of_mariadb, "postgresql": work_of_postgresql}


def test_a_part_costs_the_same_in_a_large_chord(make: Make, kind: str) -> None:
    """The same statements, of which PostgreSQL takes one, and as much work for each of them."""
    backend = make(engine_options={"pool_size": 1, "max_overflow": 0})
    store = backend.chord_store

    def record(group_id: str, index: int) -> Recorded:
        return store.record(group_id, Part(f"t{index}", index, b"x" * 50), None)

    def keep_only(connection: sa.Connection, group_id: str, index: int) -> None:
        known = backend._chord_tables.known()
        own = {"of_group": group_id}
        part = {**own, "new_place": index, "new_task_id": "t", "new_payload": b"x"}
        if known.count is not None:
            connection.execute(known.count, {**part, "life": 1000})
        else:
            connection.execute(known.lock, own)
            connection.execute(known.keep, part)

    seen: dict[str, list[str]] = {}
    work: dict[str, int] = {}
    for group_id, parts in (("small", 3), ("large", 400)):
        store.open(group_id, parts + 2, b"nesting" * parts)
        for index in range(parts):
            record(group_id, index)
        with statements() as seen[group_id]:
            record(group_id, parts)
        with backend.database.transaction() as connection:
            work[group_id] = WORK[kind](connection, functools.partial(keep_only, connection, group_id, parts + 1))
    assert seen["small"] == seen["large"]
    assert len(seen["large"]) == (1 if kind == "postgresql" else 4)
    assert 0 < work["large"] <= 1.2 * work["small"] + 1, work
    assert not [statement for statement in seen["large"] if "header" in statement]


# -- what is refused ---------------------------------------------------------------------------------


def test_what_no_column_holds_is_refused(backend: SqlBackend) -> None:
    """By a definite error, and nothing is kept."""
    store = backend.chord_store
    part = Part("t", 0, b"x")
    for group_id in ("g" * 156, "a\x00b"):
        for call in (
            lambda group_id=group_id: store.open(group_id, 1, None),
            lambda group_id=group_id: store.resize(group_id, 1, "run"),
            lambda group_id=group_id: store.add(group_id, 1),
            lambda group_id=group_id: store.record(group_id, part, None),
            lambda group_id=group_id: store.claim(group_id, "me", 1.0, None),
            lambda group_id=group_id: store.finish(group_id, "me"),
        ):
            with pytest.raises(ValueError, match="group id"):
                call()
    with pytest.raises(ValueError, match="task id"):
        store.record("g", Part("t" * 156, 0, b"x"), None)
    for wrong in (lambda: store.record("g", Part("t", 2**70, b"x"), None), lambda: store.resize("g", 2**70, "run")):
        with pytest.raises(ValueError, match="64 bits"):
            wrong()
    assert rows(backend, backend.names.chord) == []
    assert store.record("g" * 155, Part("t" * 155, 2**40, b"x"), 1) is Recorded.FULL


def test_ids_are_compared_as_they_are(backend: SqlBackend) -> None:
    """Case, accents and trailing blanks count: of chords, and of parts at one place."""
    ids = ["a", "A", "a ", " a", "á", "a\u0301", "%", "_", "ß", "ss", "\U0001f600"]
    store = backend.chord_store
    for number, group_id in enumerate(ids):
        answers = [store.record(group_id, Part(task, 0, task.encode()), number + 1) for task in ids[: number + 1]]
        assert answers == [*[Recorded.COUNTED] * number, Recorded.FULL]
    claim = store.claim("A", "me", 1.0, 2)
    assert sorted(claim.payloads) == [b"A", b"a"]


@pytest.mark.parametrize(("column", "value"), [("size", "three"), ("returned", "x"), ("claimant", b"x"), ("done", 0.5)])
@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_unknown_layout_is_left_alone(make: Make, tmp_path: Path, column: str, value: Any) -> None:
    """The error is definite, and nothing is changed. Applying the chord again begins a new run."""
    backend = SqlBackend(RecordingApp(), f"sqlite:///{tmp_path}/x.db")
    backend.set_chord_size("g", 2)
    with sqlite3.connect(tmp_path / "x.db") as raw:
        raw.execute(f"UPDATE resultspec_chords SET {column} = ?", [value])
    backend.database.close()
    before = rows(backend, backend.names.chord)
    with pytest.raises(DecodeError, match="unknown chord layout of group 'g'"):
        backend.on_chord_part_return(request(0), "SUCCESS", 1)
    assert rows(backend, backend.names.chord) == before
    assert rows(backend, backend.names.part) == []
    backend.apply_chord(["t0"], (), "g", BODY)
    backend.on_chord_part_return(request(0), "SUCCESS", 1)
    assert sent(backend) == [([1],)]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_part_that_is_none_is_a_definite_error(make: Make, tmp_path: Path) -> None:
    """And the claim is not held by it."""
    backend = SqlBackend(RecordingApp(), f"sqlite:///{tmp_path}/x.db")
    backend.chord_store.record("g", Part("t0", 0, b"x"), 2)
    with sqlite3.connect(tmp_path / "x.db") as raw:
        raw.execute("UPDATE resultspec_chord_parts SET payload = 'text'")
    for _ in range(2):
        with pytest.raises(DecodeError, match="unknown chord layout of group 'g'"):
            backend.chord_store.claim("g", "me", 30.0, 1)
    assert rows(backend, backend.names.chord)[0]["claimant"] == ""


WRONG = {
    "resultspec_chords": "(id INTEGER, name TEXT)",
    "resultspec_chord_parts": "(group_id VARCHAR(155), place BIGINT, task_id VARCHAR(155) PRIMARY KEY, payload BLOB)",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_table_that_is_something_else(make: Make, tmp_path: Path, name: str) -> None:
    """Is not touched; the message names it, and a run of the suite does not begin."""
    for prefix in ("", "rs_run_"):
        with sqlite3.connect(tmp_path / "x.db") as raw:
            raw.execute(f"CREATE TABLE {prefix}{name} {WRONG[name]}")
    backend = SqlBackend(RecordingApp(), f"sqlite:///{tmp_path}/x.db")
    for call in (
        lambda: backend.apply_chord(["t0"], (), "g", BODY),
        lambda: backend.set_chord_size("g", 1),
        lambda: backend.add_to_chord("g", [["t1", None], None]),
        lambda: backend.on_chord_part_return(request(0), "SUCCESS", 1),
    ):
        with pytest.raises(ImproperlyConfigured, match=f"table {name}"):
            call()
    backend.mark_as_done("t", 1)
    with pytest.raises(SubjectError, match=f"table rs_run_{name}") as refused:
        adapter.open(Target(f"sqlite:///{tmp_path}/x.db", "run"))
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("kind", ["mariadb"])
def test_a_collation_that_folds_is_refused(backend: SqlBackend) -> None:
    """Two chords would be one."""
    backend.make_tables()
    with backend.database.connect() as connection:
        connection.exec_driver_sql(
            f"ALTER TABLE {backend.names.part} MODIFY group_id VARCHAR(155) COLLATE utf8mb4_general_ci NOT NULL"
        )
    backend._forget_layouts()
    with pytest.raises(ImproperlyConfigured, match=r"resultspec_chord_parts.* binary collation"):
        backend.set_chord_size("g", 1)


# -- trouble -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "times"), [(OperationalError, 1), (NothingDone, 2)])
def test_adding_is_repeated_only_if_nothing_was_done(
    backend: SqlBackend, error: type[OperationalError], times: int
) -> None:
    """An answer that is lost is an error, since a second time would count twice."""
    backend.set_chord_size("g", 1)
    asked: list[str] = []

    def lose(connection: Any) -> None:
        asked.append("commit")
        if len(asked) == 1:
            raise error("gone")

    sa.event.listen(backend.database.engine, "commit", lose)
    try:
        if times == 1:
            with pytest.raises(OperationalError, match="gone"):
                backend.add_to_chord("g", [["t1", None], None])
        else:
            backend.add_to_chord("g", [["t1", None], None])
    finally:
        sa.event.remove(backend.database.engine, "commit", lose)
    assert len(asked) == times
    # what was not committed is undone, and the connection of the pool is free of it
    assert rows(backend, backend.names.chord)[0]["added"] == times - 1


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_locked_database_is_waited_for(make: Make, tmp_path: Path) -> None:
    """And asked again: also to add, since it has done nothing."""
    url, options = f"sqlite:///{tmp_path}/x.db", {"connect_args": {"timeout": 0.01}}
    backend = SqlBackend(RecordingApp(), url, engine_options=options, retry_policy={"interval_step": 0.01})
    backend.set_chord_size("g", 1)
    locked, asked = sqlite3.connect(tmp_path / "x.db", isolation_level=None), threading.Event()
    locked.execute("BEGIN IMMEDIATE")
    sa.event.listen(backend.database.engine, "handle_error", lambda context: asked.set())
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(backend.add_to_chord, "g", [["t1", None], None])
        assert asked.wait(30)
        locked.execute("ROLLBACK")
        adding.result(30)
    locked.close()
    assert rows(backend, backend.names.chord)[0]["added"] == 1


def test_tables_that_are_removed_meanwhile_are_made_again(backend: SqlBackend, make: Make) -> None:
    """And the chord is one of which nothing is known."""
    backend.set_chord_size("g", 5)
    other = Database(backend.url or "")
    make(database=other).remove_tables()
    other.close()
    assert backend.chord_store.record("g", Part("t0", 0, b"x"), 1) is Recorded.FULL


def test_threads_that_count_the_same_parts(make: Make) -> None:
    """Each part counts once, the body is called once, and with all of them."""
    app, parts = RecordingApp(), 12
    backends = [make(app=app) for _ in range(3)]
    backends[0].apply_chord([f"t{index}" for index in range(parts)], (), "g", BODY)
    barrier = threading.Barrier(len(backends))

    def count(backend: SqlBackend, seed: int) -> None:
        barrier.wait()
        for index in random.Random(seed).sample(range(parts), parts):
            backend.on_chord_part_return(request(index), "SUCCESS", index)

    with ThreadPoolExecutor(len(backends)) as pool:
        for done in [pool.submit(count, backend, seed) for seed, backend in enumerate(backends)]:
            done.result(60)
    assert app.sent == [(list(range(parts)),)]
    assert rows(backends[0], backends[0].names.part) == []


def test_a_lease_ends_by_the_clock_of_the_database(backend: SqlBackend) -> None:
    """A claim is held until then, and no longer."""
    store = backend.chord_store
    store.record("g", Part("t0", 0, b"x"), 1)
    assert store.claim("g", "slow", 0.2, 1).kind is Claimed.GRANTED
    held = 0
    while (found := store.claim("g", "next", 30.0, 1)).kind is Claimed.HELD:
        assert 0 < found.seconds <= 0.2
        held += 1
    assert held >= 1
    assert found.kind is Claimed.GRANTED
    assert not store.finish("g", "slow")
