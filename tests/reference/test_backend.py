"""The backend on the least that a store can be: get, set and delete."""

import logging
import pickle
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from resultspec import STATES, vectors
from resultspec_reference import App, BaseBackend, DisabledBackend, KeyValueStoreBackend, set_current_app
from resultspec_reference.errors import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    ImproperlyConfigured,
    OperationalError,
    SecurityError,
)
from resultspec_reference.keyvalue import completed_prefix

ID = "00000000-0000-0000-0000-00000000000a"


class DictBackend(KeyValueStoreBackend):
    """Results in a dict, which is given or its own."""

    def __init__(self, app: Any, entries: dict[bytes, bytes] | None = None, **options: Any) -> None:
        super().__init__(app, **options)
        self.entries = {} if entries is None else entries
        self.gets = 0

    def get(self, key: bytes) -> bytes | None:
        """Read."""
        self.gets += 1
        return self.entries.get(key)

    def set(self, key: bytes, value: bytes) -> None:
        """Write."""
        self.entries[key] = value

    def delete(self, key: bytes) -> None:
        """Remove."""
        self.entries.pop(key, None)


@pytest.fixture(name="backend")
def make_backend() -> DictBackend:
    """Return a backend with the default options."""
    return DictBackend(App())


def described(error: BaseException) -> tuple[str, tuple[Any, ...]]:
    """Return what has to come back of an exception."""
    return type(error).__qualname__, error.args


def put(backend: DictBackend, payload: bytes, task_id: str = "t") -> None:
    """Put bytes under a task."""
    backend.set(backend.get_key_for_task(task_id), payload)


EVERY = (*STATES.named, *STATES.reserved, "PROGRESS", "success")


@pytest.mark.parametrize("arrives", EVERY)
@pytest.mark.parametrize("there", [None, *EVERY])
def test_every_pair_of_states(backend: DictBackend, there: str | None, arrives: str) -> None:
    """The whole entry is replaced or kept, and the writer cannot tell which (STATE-3 to STATE-10)."""
    if there is not None:
        backend.store_result("t", "old", there, traceback="old", request={"group": "g"})
    before = backend.entries.get(backend.get_key_for_task("t"))
    backend.store_result("t", "new", arrives)
    found = backend.get_task_meta("t")
    if STATES.decide(there, arrives) == "keep":
        assert backend.entries[backend.get_key_for_task("t")] == before
    else:
        assert (found["status"], found["traceback"], found.get("group_id")) == (arrives, None, None)


def test_late_unready_is_a_choice_of_the_class() -> None:
    """A subclass that declares `ready-sticky` keeps a FAILURE."""

    class Sticky(DictBackend):
        late_unready = "ready-sticky"

    backend = Sticky(App())
    backend.mark_as_failure("t", ValueError())
    backend.mark_as_started("t")
    assert backend.get_state("t") == "FAILURE"


@pytest.mark.parametrize("vector", vectors("valid"), ids=lambda vector: vector.name)
def test_valid_vectors_are_read(backend: DictBackend, vector: Any) -> None:
    """The state and, of values that are plain, the result."""
    put(backend, vector.stored, vector.task_id)
    found = backend.get_task_meta(vector.task_id)
    assert found["status"] == vector.meta["status"]
    assert found["task_id"] == vector.task_id
    expected = vector.meta.get("result", found["result"])
    if isinstance(expected, dict) and expected.get("$type") == "exception":
        assert type(found["result"]).__qualname__ == expected["type"]
    elif "$type" not in str(expected):
        assert found["result"] == expected
    assert (found["children"] or None) == (vector.meta.get("children") or None)


@pytest.mark.parametrize("vector", vectors("invalid"), ids=lambda vector: vector.name)
def test_invalid_vectors_are_refused_and_replaced(backend: DictBackend, vector: Any) -> None:
    """With the named error and the id in the message; a store replaces them (VALUE-6, VALUE-7, VALUE-9)."""
    put(backend, vector.stored, vector.task_id)
    with pytest.raises((DecodeError, SecurityError)) as raised:
        backend.get_task_meta(vector.task_id)
    assert raised.value.kind == vector.error
    assert vector.task_id in str(raised.value)
    backend.mark_as_started(vector.task_id)
    assert backend.get_state(vector.task_id) == "STARTED"


def test_a_refused_value_leaves_the_entry(backend: DictBackend) -> None:
    """Encoding comes before the store is touched (VALUE-3), also of an exception outside EXCEPTION (EXC-9)."""
    backend.store_result("t", 1, "STARTED")
    for value in (object(), ValueError("x")):
        with pytest.raises(EncodeError):
            backend.store_result("t", value, "SUCCESS")
    assert backend.get_result("t") == 1


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_a_traceback_never_keeps_a_failure_from_being_stored(serializer: str) -> None:
    """NUL and surrogates come back as they are or as escapes (META-6)."""
    backend = DictBackend(App(), serializer=serializer, accept=[serializer])
    for text in ("line\n  \ttab é\U0001f600\r\n", "a\0b\ud800c", "\ud83d\ude00"):
        backend.mark_as_failure("t", ValueError(object()), traceback=text)
        found = backend.get_traceback("t")
        assert found in (text, text.encode("utf-8", "backslashreplace").decode())
        assert isinstance(backend.get_result("t"), ValueError)


@pytest.mark.parametrize("serializer", ["json", "pickle"])
@pytest.mark.parametrize("state", ["FAILURE", "REVOKED", "RETRY"])
@pytest.mark.parametrize("value", ["boom", {"custom": 1}, 0, [], None])
def test_a_value_in_an_exception_state(serializer: str, state: str, value: Any) -> None:
    """Reads as an exception, but for null in RETRY; later stores work (EXC-7, EXC-8)."""
    backend = DictBackend(App(), serializer=serializer, accept=[serializer])
    backend.store_result("t", value, state)
    found = backend.get_result("t")
    if value is None and state == "RETRY":
        assert found is None
    else:
        assert (type(found), found.args) == (Exception, (value,))
    backend.mark_as_done("t", 1)
    assert backend.get_result("t") == 1


def test_the_mark_methods(backend: DictBackend) -> None:
    """Each stores its state."""
    backend.mark_as_started("t", pid=1, hostname="w")
    assert (backend.get_state("t"), backend.get_result("t")) == ("STARTED", {"pid": 1, "hostname": "w"})
    backend.mark_as_retry("t", KeyError("k"), traceback="tb", request={"parent_id": "p"})
    assert (backend.get_state("t"), repr(backend.get_result("t")), backend.get_traceback("t")) == (
        "RETRY",
        "KeyError('k')",
        "tb",
    )
    backend.mark_as_revoked("t", "why")
    assert (backend.get_status("t"), backend.get_result("t").args) == ("REVOKED", ("why",))
    backend.mark_as_done("t", 5, request={"children": []})
    assert (backend.get_status("t"), backend.get_result("t"), backend.get_children("t")) == ("SUCCESS", 5, [])
    backend.process_cleanup()


def test_state_may_be_given_by_either_name(backend: DictBackend) -> None:
    """`status` as in 3.1, `state` as in 5."""
    assert backend.store_result("a", 1, status="STARTED") == 1
    as_in_celery_5: Callable[..., Any] = backend.store_result
    assert as_in_celery_5("b", ValueError("x"), state="FAILURE")["exc_type"] == "ValueError"
    assert (backend.get_state("a"), backend.get_state("b")) == ("STARTED", "FAILURE")


def test_fail_from_current_stack(backend: DictBackend) -> None:
    """The exception that is being handled, with its traceback; or another one."""
    try:
        raise ValueError("x")
    except ValueError:
        info = backend.fail_from_current_stack("t")
        backend.fail_from_current_stack("u", exc=KeyError("k"))
    assert info.traceback == backend.get_traceback("t")
    assert "test_fail_from_current_stack" in info.traceback
    assert "KeyError" in (backend.get_traceback("u") or "")
    with pytest.raises(ValueError, match="no exception"):
        backend.fail_from_current_stack("v")


def test_a_uuid_is_its_text_at_every_door() -> None:
    """Store, read, cache, forget and wait (ID-5)."""
    backend = DictBackend(App(), max_cached_results=0)
    backend.store_result(UUID(ID), 1, "SUCCESS")
    assert backend.get_task_meta(ID)["task_id"] == ID
    assert backend.is_cached(UUID(ID.upper()))
    assert backend.wait_for(UUID(ID), timeout=0) == 1
    backend.forget(ID)
    assert not backend.is_cached(UUID(ID))
    assert backend.get_state(UUID(ID)) == "PENDING"


@pytest.mark.parametrize("task_id", ["", None, b"t", 1])
def test_an_invalid_id_is_refused_by_every_method(backend: DictBackend, task_id: Any) -> None:
    """Before the store is touched (ID-4)."""
    doors: list[Callable[[], object]] = [
        lambda: backend.store_result(task_id, 1, "SUCCESS"),
        lambda: backend.get_task_meta(task_id),
        lambda: backend.forget(task_id),
        lambda: backend.wait_for(task_id, timeout=0),
        lambda: backend.is_cached(task_id),
        lambda: backend.reload_task_result(task_id),
    ]
    for door in doors:
        with pytest.raises((ValueError, TypeError)):
            door()
    assert not backend.entries
    assert not backend.gets


def test_reading_past_the_cache() -> None:
    """`cache=False` and reload read the store; reload keeps only SUCCESS (READ-5, READ-6)."""
    entries: dict[bytes, bytes] = {}
    mine, other = DictBackend(App(), entries, max_cached_results=0), DictBackend(App(), entries)
    other.mark_as_done("t", [1])
    mine.get_result("t").append(2)
    assert mine.get_result("t") == [1]
    other.forget("t")
    assert mine.get_state("t") == "SUCCESS"
    assert mine.get_task_meta("t", cache=False)["status"] == "PENDING"
    mine.reload_task_result("t")
    assert not mine.is_cached("t")
    other.mark_as_done("t", [3])
    assert mine.wait_for("t") == [3]
    assert mine.is_cached("t")


def test_the_content_type_is_checked_first() -> None:
    """A reader that does not accept pickle refuses, names the task, and leaves the entry (VALUE-5)."""
    entries: dict[bytes, bytes] = {}
    DictBackend(App(), entries, serializer="pickle", accept=["pickle"]).mark_as_done("t", 1)
    before = dict(entries)
    reader = DictBackend(App(), entries, serializer="pickle", accept=["json"])
    for read in (reader.get_state, lambda task_id: reader.wait_for(task_id, timeout=1)):
        with pytest.raises(ContentDisallowed, match="'t'"):
            read("t")
    with pytest.raises(ContentDisallowed):
        reader.mark_as_failure("t", ValueError())
    assert entries == before


def test_a_forged_exception_leaves_the_state_known(backend: DictBackend) -> None:
    """A store over it follows the table; a read names the task."""
    put(backend, b'{"status": "FAILURE", "result": {"exc_type": "system", "exc_module": "os", "exc_message": ["x"]}}')
    with pytest.raises(SecurityError, match="'t'"):
        backend.get_state("t")
    backend.mark_as_done("t", 1)
    assert backend.get_result("t") == 1


@pytest.mark.parametrize(
    ("prefix", "completed"),
    [("", ""), ("p", "p_"), ("p:", "p:"), ("p_", "p_"), ("p-", "p-"), ("p.", "p."), ("p/", "p/_")],
)
def test_the_global_prefix(prefix: str, completed: str) -> None:
    """Completed, and put before the key once, from the option or the setting (KEY-2)."""
    assert completed_prefix(prefix) == completed
    by_option = DictBackend(App(), global_keyprefix=prefix)
    by_setting = DictBackend(App(result_backend_transport_options={"global_keyprefix": prefix}))
    expected = f"{completed}celery-task-meta-p_t".encode()
    assert by_option.get_key_for_task("p_t") == by_setting.get_key_for_task("p_t") == expected


def test_ids_of_any_kind_have_entries_of_their_own(backend: DictBackend) -> None:
    """Case, blanks, wildcards and normal forms count (ID-1 to ID-3, ID-6)."""
    ids = ["a", "A", "a ", " a", "a*", "a?", "[a]", "../a", "a\0", "é", "e\u0301", "%s", "x" * 155, "{0}"]
    for number, task_id in enumerate(ids):
        backend.store_result(task_id, number, "SUCCESS")
    assert [backend.get_result(task_id) for task_id in ids] == list(range(len(ids)))
    with pytest.raises(ValueError, match="surrogates"):
        backend.get_state("\ud800")


def test_waiting_polls(backend: DictBackend) -> None:
    """A store that does not notify is read at each interval."""
    calls: list[int] = []

    def finish() -> None:
        calls.append(1)
        if len(calls) == 3:
            backend.mark_as_done("t", 7)

    assert backend.wait_for("t", timeout=30, interval=0.01, on_interval=finish) == 7
    assert backend.gets == 1 + 3 + 1  # the guard of the store has read once


@pytest.mark.parametrize("state", ["PENDING", "PROGRESS", "success", "RECEIVED", "REJECTED", "IGNORED", "RETRY"])
def test_waiting_does_not_end_on_an_unready_state(backend: DictBackend, state: str) -> None:
    """And gives up in time, whatever the interval (WAIT-2, WAIT-3, WAIT-4)."""
    backend.store_result("t", None, state)
    began = time.monotonic()
    with pytest.raises(backend.TimeoutError, match="'t'"):
        backend.wait_for("t", timeout=0.05, interval=60)
    assert 0.05 <= time.monotonic() - began < 5


def test_waiting_raises_the_exception_of_the_task(backend: DictBackend) -> None:
    """Of FAILURE and REVOKED; one that would end the client is wrapped."""
    backend.mark_as_failure("a", KeyError("k"))
    with pytest.raises(KeyError):
        backend.wait_for("a")
    backend.mark_as_failure("b", SystemExit(3))
    with pytest.raises(Exception, match="3") as raised:
        backend.wait_for("b")
    assert type(raised.value).__qualname__ == "SystemExit"
    assert isinstance(backend.get_result("b"), SystemExit)
    put(backend, b'{"status": "FAILURE"}', "c")
    assert described(backend.get_result("c")) == ("Exception", (None,))
    with pytest.raises(Exception, match="None"):
        backend.wait_for("c")


@pytest.mark.parametrize(("timeout", "interval"), [(float("nan"), 1), ("1", 1), (1, -1)])
def test_wrong_arguments_of_a_wait(backend: DictBackend, timeout: Any, interval: Any) -> None:
    """Are refused at the call, also for a ready task (WAIT-7)."""
    backend.mark_as_done("t", 1)
    with pytest.raises((ValueError, TypeError)):
        backend.wait_for("t", timeout, interval)


def test_a_look_at_a_store_that_is_away_raises_what_it_met() -> None:
    """A timeout of 0 says nothing of a store that nobody has seen."""

    class Away(DictBackend):
        def get(self, key: bytes) -> bytes | None:
            raise OperationalError("gone")

    backend = Away(App())
    with pytest.raises(OperationalError):
        backend.wait_for("t", timeout=0)
    with pytest.raises(backend.TimeoutError, match="gone"):
        backend.wait_for("t", timeout=0.05)


def test_pickling_keeps_the_options_and_resolves_the_app_again() -> None:
    """Every option of the constructor, given by position or by name, and nothing else."""
    app = App(result_serializer="yaml")
    backend = DictBackend(
        App(),
        None,
        serializer="pickle",
        accept=["pickle"],
        max_cached_results=3,
        url="x://u:pw@h/0",
        global_keyprefix="p",
    )
    backend.mark_as_done("t", 1)
    set_current_app(app)
    try:
        again = pickle.loads(pickle.dumps(backend))
        plain = pickle.loads(pickle.dumps(DictBackend(App())))
    finally:
        set_current_app(None)
    assert again.app is app
    assert (again.serializer, again.accept, again.url) == ("pickle", {"application/x-python-serialize"}, backend.url)
    assert again.get_key_for_task("t") == b"p_celery-task-meta-t"
    assert again.entries == {}
    assert plain.serializer == "yaml"


def test_as_uri_hides_the_password() -> None:
    """Unless it is asked for."""
    backend = DictBackend(App(), url="redis://u:secret@h:1/0?password=secret")
    assert backend.as_uri() == "redis://u:**@h:1/0"
    assert backend.as_uri(include_password=True) == backend.url
    assert DictBackend(App()).as_uri() == ""


def test_prepare_persistent() -> None:
    """The argument, else the setting, else the class."""
    assert DictBackend(App()).prepare_persistent() is True
    assert DictBackend(App(result_persistent=False)).prepare_persistent() is False
    assert DictBackend(App(result_persistent=False)).prepare_persistent(True) is True


def test_a_handle_is_stored_as_its_tuple(backend: DictBackend) -> None:
    """And the reader returns the tuple; with pickle it is stored as it is."""

    class Handle:
        id = "h"

        def as_tuple(self) -> Any:
            return (self.id, None), None

    assert backend.prepare_value(Handle()) == [["h", None], None]
    backend.mark_as_done("t", Handle())
    assert backend.get_result("t") == [["h", None], None]
    handle = Handle()
    assert DictBackend(App(), serializer="pickle").prepare_value(handle) is handle


@pytest.mark.parametrize(
    "options", [{"serializer": "nonsense"}, {"accept": ["nonsense"]}, {"max_cached_results": -7}], ids=str
)
def test_wrong_options_are_refused_when_the_backend_is_made(options: dict[str, Any]) -> None:
    """Not at the first read."""
    with pytest.raises(ImproperlyConfigured):
        DictBackend(App(), **options)


def test_a_backend_without_a_store_says_so() -> None:
    """The base classes are abstract."""
    for backend in (BaseBackend(App()), KeyValueStoreBackend(App())):
        with pytest.raises(NotImplementedError):
            backend.store_result("t", 1, "SUCCESS")
        with pytest.raises(NotImplementedError):
            backend.get_state("t")
        with pytest.raises(NotImplementedError):
            backend.forget("t")


def test_the_disabled_backend() -> None:
    """Workers run, clients get an error (DIS-1 to DIS-3)."""
    backend = DisabledBackend(App(), url="x://")
    backend.store_result("t", 1, "SUCCESS")
    backend.mark_as_done("t", 1)
    backend.mark_as_failure("t", ValueError())
    backend.forget("t")
    backend.process_cleanup()
    assert backend.as_uri() == "disabled://"
    reads = (
        backend.get_state,
        backend.get_status,
        backend.get_result,
        backend.get_traceback,
        backend.get_children,
        backend.get_task_meta,
        backend.reload_task_result,
        backend.wait_for,
        backend.get_many,
    )
    for read in reads:
        with pytest.raises(NotImplementedError, match="No result backend is configured"):
            read("t")


def test_nothing_is_logged_for_an_ordinary_read(backend: DictBackend, caplog: pytest.LogCaptureFixture) -> None:
    """A log line means that something is odd."""
    caplog.set_level(logging.DEBUG)
    backend.mark_as_done("t", 1)
    backend.get_task_meta("t")
    assert not caplog.records
