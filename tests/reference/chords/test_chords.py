"""The members of a backend that have to do with chords, in the shapes of Celery 3.1 and of Celery 5."""

import threading
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from resultspec_adapters.memory.backend import MemoryBackend
from resultspec_adapters.memory.chords import MemoryLedgers
from resultspec_reference import App, BaseBackend, DisabledBackend, KeyValueStoreBackend
from resultspec_reference.chords import body as chord_body
from resultspec_reference.chords import header as chord_header
from resultspec_reference.chords.header import Returned, arranged
from resultspec_reference.chords.ledger import (
    ChordTerms,
    Claimed,
    Ledger,
    Part,
    Recorded,
    Step,
    life_of_bookkeeping,
    life_of_mark,
    rest,
)
from resultspec_reference.errors import ChordError, EncodeError, ImproperlyConfigured

Calls = list[tuple[Mapping[str, Any], tuple[Any, ...]]]


class RecordingApp(App):
    """An app that notes what it is asked to send."""

    def __init__(self, **conf: Any) -> None:
        super().__init__(**conf)
        self.sent: Calls = []

    def signature(self, varies: Mapping[str, Any]) -> Any:
        """Return something that can be sent."""
        return SimpleNamespace(apply_async=lambda args: self.sent.append((varies, args)))


@pytest.fixture(name="app")
def make_app() -> RecordingApp:
    """Return an app that notes what it sends."""
    return RecordingApp()


@pytest.fixture(name="backend")
def make_backend(app: RecordingApp) -> MemoryBackend:
    """Return a backend of that app."""
    return MemoryBackend(app)


def body(task_id: str | None = "body-1", **options: Any) -> dict[str, Any]:
    """Return a body."""
    given = {**({} if task_id is None else {"task_id": task_id}), **options}
    return {"task": "t.body", "args": [], "kwargs": {}, "options": given}


def request(index: int | None, chord: Any, task_id: str = "", **more: Any) -> dict[str, Any]:
    """Return the request of a part of the chord g."""
    return {"id": task_id or f"t{index}", "group": "g", "group_index": index, "chord": chord, **more}


def result(task_id: str) -> list[Any]:
    """Return a result tuple of a task."""
    return [[task_id, None], None]


# -- both shapes -----------------------------------------------------------------------------------


def test_celery_5_applies_with_two_arguments(app: RecordingApp, backend: MemoryBackend) -> None:
    """The arguments of a group result, and the body."""
    chord = body()
    assert backend.apply_chord(("g", [result("t0"), result("t1")]), chord) is None  # type: ignore[call-arg]
    backend.on_chord_part_return(request(1, chord), "SUCCESS", "b")
    backend.on_chord_part_return(request(0, chord), "SUCCESS", "a")
    assert app.sent == [(chord, (["a", "b"],))]


def test_celery_3_applies_with_four_arguments(app: RecordingApp, backend: MemoryBackend) -> None:
    """A header that can be called is called with the partial arguments, after the chord has begun."""
    chord, called = body(), []

    class Header:
        """A group of signatures."""

        def freeze(self, group_id: str) -> Any:
            """Return its result."""
            return (group_id, [result("t0")])

        def __call__(self, *args: Any, **options: Any) -> str:
            """Send it; its part returns at once."""
            called.append((args, options))
            backend.on_chord_part_return(SimpleNamespace(request=SimpleNamespace(**request(0, chord))), "SUCCESS", 7)
            return "sent"

    assert backend.apply_chord(Header(), (1, 2), "g", chord, countdown=3) == "sent"
    assert called == [((1, 2), {"task_id": "g", "countdown": 3})]
    assert app.sent == [(chord, ([7],))]


def test_a_header_may_be_a_list_of_ids(app: RecordingApp, backend: MemoryBackend) -> None:
    """Then the id of the group has to be given."""
    backend.apply_chord(["t0", "t1"], (), "g", body())
    for index in (0, 1):
        backend.on_chord_part_return(request(index, body()), "SUCCESS", index)
    assert app.sent[0][1] == ([0, 1],)
    with pytest.raises(TypeError):
        backend.apply_chord(["t0"], (), None, body())


@pytest.mark.parametrize("group_id", ["g.j", "g.t", "g.s", "g.d", "g.c", ""])
def test_ids_of_bookkeeping_are_refused(backend: MemoryBackend, group_id: str) -> None:
    """A group whose id ends like a key of the bookkeeping would be one."""
    with pytest.raises(ValueError, match="must not"):
        backend.apply_chord(["t0"], (), group_id, body())
    with pytest.raises(ValueError, match="must not"):
        backend.set_chord_size(group_id, 1)


@pytest.mark.parametrize("size", ["3", 1.0, None, True])
def test_a_size_is_a_number(backend: MemoryBackend, size: Any) -> None:
    """Nothing else."""
    with pytest.raises(TypeError):
        backend.set_chord_size("g", size)


def test_a_size_is_positive(backend: MemoryBackend) -> None:
    """A chord without parts has no size to be set."""
    with pytest.raises(ValueError, match="at least one part"):
        backend.set_chord_size("g", 0)


@pytest.mark.parametrize("missing", ["group", "id", "chord"])
def test_a_request_without_a_chord_counts_nothing(app: RecordingApp, backend: MemoryBackend, missing: str) -> None:
    """A task that is in no chord is none of a counter's business."""
    backend.on_chord_part_return({**request(0, {**body(), "chord_size": 1}), missing: None}, "SUCCESS", 1)
    assert not app.sent
    assert not len(backend.store.ledgers)


def test_marks_of_a_worker_count(app: RecordingApp, backend: MemoryBackend) -> None:
    """Store first, count second; a retry does not count, and a value that is ignored does."""
    chord = {**body(), "chord_size": 2}
    backend.mark_as_retry("t0", ValueError("again"), request=request(0, chord))
    backend.mark_as_done("t0", 1, request=request(0, chord, ignore_result=True))
    assert not app.sent
    backend.mark_as_done("t1", 2, request=request(1, chord))
    assert [args for _, args in app.sent] == [([1, 2],)]
    assert (backend.get_state("t0"), backend.get_result("t1")) == ("RETRY", 2)
    failing = {**body("body-2"), "chord_size": 1}
    backend.mark_as_revoked("t2", "no need", request={**request(0, failing, "t2"), "group": "h"})
    assert "no need" in str(backend.get_result("body-2"))
    third = {**body("body-3"), "chord_size": 1}
    backend.mark_as_failure("t3", ValueError("bad"), request={**request(0, third, "t3"), "group": "i"})
    assert "bad" in str(backend.get_result("body-3"))


def test_what_could_not_be_stored_is_not_counted(app: RecordingApp, backend: MemoryBackend) -> None:
    """A part that counts without its result calls a body with a hole."""
    with pytest.raises(EncodeError):
        backend.mark_as_done("t0", object(), request=request(0, {**body(), "chord_size": 1}))
    assert not app.sent
    assert backend.get_state("body-1") == "PENDING"


def test_an_app_that_cannot_send_is_refused() -> None:
    """The body fails, with what is missing in its error."""
    backend = MemoryBackend(App())
    backend.on_chord_part_return(request(0, {**body(), "chord_size": 1}), "SUCCESS", 1)
    assert backend.get_state("body-1") == "FAILURE"
    assert "cannot send tasks" in str(backend.get_result("body-1"))


@pytest.mark.parametrize(("option", "value"), [("chord_crash", "never"), ("chord_lease", 0), ("chord_lease", "1")])
def test_wrong_options_are_refused(app: RecordingApp, option: str, value: Any) -> None:
    """When the backend is made."""
    with pytest.raises(ImproperlyConfigured, match=option):
        MemoryBackend(app, **{option: value})


# -- what stores that cannot count do --------------------------------------------------------------


class Uncounted(KeyValueStoreBackend):
    """A store without a step for chords."""


def test_a_store_that_cannot_count_has_a_task_ask(app: RecordingApp) -> None:
    """Applying sends the task that unlocks the chord; counting does nothing."""
    backend = Uncounted(app)
    backend.apply_chord(("g", [result("t0")]), body(), max_retries=9)  # type: ignore[call-arg]
    backend.on_chord_part_return(request(0, body()), "SUCCESS", 1)
    backend.set_chord_size("g", 1)
    ((signature, args),) = app.sent
    assert args == ()
    assert signature["task"] == "celery.chord_unlock"
    assert signature["args"] == ["g", body()]
    assert signature["kwargs"] == {"result": [result("t0")], "max_retries": 9}
    assert signature["options"] == {"countdown": 1}
    with pytest.raises(NotImplementedError):
        backend.add_to_chord("g", result("t1"))
    with pytest.raises(NotImplementedError):
        backend.incr(b"key")


def test_unlock_takes_the_result_of_a_header(app: RecordingApp) -> None:
    """As Celery 5 calls it."""
    Uncounted(app).fallback_chord_unlock(("g", [result("t0")]), body(), countdown=5)
    signature = app.sent[0][0]
    assert (signature["args"][0], signature["kwargs"]["result"]) == ("g", [result("t0")])
    assert signature["options"] == {"countdown": 5}


def test_keys() -> None:
    """The key of a chord is that of Celery."""
    backend = Uncounted(App(), global_keyprefix="p")
    assert backend.get_key_for_chord("g", ".x") == b"p_chord-unlock-g.x"
    assert KeyValueStoreBackend.chord_keyprefix == "chord-unlock-"
    assert KeyValueStoreBackend.implements_incr is False


def test_the_disabled_backend_refuses_chords() -> None:
    """The client gets an error; the worker continues."""
    backend = DisabledBackend(App())
    for refused in (backend.apply_chord, backend.set_chord_size, backend.add_to_chord):
        with pytest.raises(NotImplementedError, match="No result backend"):
            refused("g", body())
    backend.on_chord_part_return(request(0, body()), "SUCCESS", 1)


# -- failures --------------------------------------------------------------------------------------


def test_chord_error_from_stack(app: RecordingApp, backend: MemoryBackend) -> None:
    """The body fails with the exception that is being handled, and its errbacks are called."""
    link = {"task": "t.link", "options": {"task_id": "link"}}
    try:
        raise ChordError("it went wrong")
    except ChordError:
        info = backend.chord_error_from_stack(body(link_error=[link]))
    assert info.type is ChordError
    meta = backend.get_task_meta("body-1")
    assert (meta["status"], str(meta["result"])) == ("FAILURE", "it went wrong")
    assert "ChordError: it went wrong" in meta["traceback"]
    assert app.sent == [(link, ("body-1",))]


def test_a_failure_has_the_name_of_celerys_class(backend: MemoryBackend) -> None:
    """So every reader knows it."""
    data = backend.prepare_exception(ChordError("x"))
    assert (data["exc_type"], data["exc_module"]) == ("ChordError", "celery.exceptions")


def test_a_value_that_cannot_be_carried_fails_the_chord(app: RecordingApp, backend: MemoryBackend) -> None:
    """Rather than to leave it waiting."""
    backend.on_chord_part_return(request(0, {**body(), "chord_size": 1}), "SUCCESS", object())
    assert not app.sent
    assert "EncodeError" in str(backend.get_result("body-1"))


def test_an_unreadable_part_fails_the_chord(app: RecordingApp, backend: MemoryBackend) -> None:
    """The body fails, and does not wait forever."""
    backend.chord_store.record("g", Part("t0", 0, b"{torn"), None)
    backend.on_chord_part_return(request(1, {**body(), "chord_size": 2}), "SUCCESS", 1)
    assert "a part cannot be read" in str(backend.get_result("body-1"))
    backend.chord_store.record("g2", Part("t0", 0, b"[1]"), None)
    backend.on_chord_part_return({**request(1, {**body("body-2"), "chord_size": 2}), "group": "g2"}, "SUCCESS", 1)
    assert "a part cannot be read" in str(backend.get_result("body-2"))


def test_an_errback_that_cannot_be_called_keeps_no_other_back(backend: MemoryBackend) -> None:
    """Each is called on its own."""
    called: list[str] = []

    class Picky(App):
        """An app that refuses one task."""

        def signature(self, varies: Mapping[str, Any]) -> Any:
            """Refuse the first."""
            if varies["task"] == "t.bad":
                raise ConnectionError("no")
            return SimpleNamespace(apply_async=lambda args: called.append(varies["task"]))

    backend.app = Picky()
    backend.chord_error_from_stack(body(link_error=[{"task": "t.bad"}, {"task": "t.good"}]), ChordError("x"))
    assert called == ["t.good"]


# -- the header ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        ([["g", None], [result("a"), result("b")]], ["a", "b"]),
        (["g", [result("a")]], ["a"]),
        (("g", (("a", None), None)), None),
        ([result("a"), result("b")], ["a", "b"]),
        (["a", "b"], ["a", "b"]),
        ([], []),
        ([["g", None], [result("a"), [["h", None], [result("b"), [["i", None], [result("c")]]]]]], ["a", ["b", ["c"]]]),
        ([["g", None], [[["a", [["p", None], None]], None]]], ["a"]),
    ],
)
def test_shapes(header: Any, shape: Any) -> None:
    """A header in any of its forms has one shape, or is refused."""
    if shape is None:
        with pytest.raises(TypeError):
            chord_header.shape_of(header)
    else:
        assert chord_header.shape_of(header) == shape


@pytest.mark.parametrize("header", ["g", 3, None, [3], [None], [["g", None], ["a", 3]]])
def test_an_invalid_header_is_refused(header: Any) -> None:
    """With a word about what it should be."""
    with pytest.raises(TypeError, match="header"):
        chord_header.shape_of(header)


def returned(*ids: str) -> list[Returned]:
    """Return parts with these ids and distinct values."""
    return [Returned(task_id, "SUCCESS", f"{task_id}{number}") for number, task_id in enumerate(ids)]


@pytest.mark.parametrize(
    ("ids", "shape", "values"),
    [
        ("ab", None, ["a0", "b1"]),
        ("ba", ["a", "b"], ["b0", "a1"]),
        ("cab", ["a", ["b", "c"]], ["a1", ["b2", "c0"]]),
        ("aab", ["a", ["a"], "b"], ["a0", ["a1"], "b2"]),
        ("abz", ["a", ["b"]], ["a0", ["b1"], "z2"]),
        ("ayz", ["a", ["b", "c"]], ["a0", ["y1", "z2"]]),
        ("a", ["a", ["b"]], ["a0", [None]]),
    ],
)
def test_values_are_arranged(ids: str, shape: Any, values: list[Any]) -> None:
    """By the ids of a nested header, in the order of the indices where it is flat; nothing is left out."""
    assert arranged(returned(*ids), shape) == values


# -- the body --------------------------------------------------------------------------------------


def group(*tasks: Any, **options: Any) -> dict[str, Any]:
    """Return a group as a body."""
    return {"task": "celery.group", "kwargs": {"tasks": tasks}, "options": options, "subtask_type": "group"}


def test_tasks_of_a_compound_body() -> None:
    """Those of groups, chains and chords in each other."""
    chain = {"task": "celery.chain", "kwargs": {"tasks": [body("b"), group(body("c"))]}, "subtask_type": "chain"}
    chord = {"task": "celery.chord", "kwargs": {"header": group(body("d")), "body": body("e")}, "subtask_type": "chord"}
    found = chord_body.tasks_of(group(body("a"), chain, chord))
    assert [chord_body.id_of(task) for task in found] == ["a", "b", "c", "d", "e"]


def test_an_id_is_given_once_and_in_place() -> None:
    """The same for the same group, and the client's own is left alone."""
    first, second = body(None), body(None)
    chord_body.with_id(first, "g")
    assert chord_body.id_of(first) == chord_body.id_of(chord_body.with_id(second, "g"))
    assert chord_body.id_of(first) != chord_body.id_of(chord_body.with_id(body(None), "h"))
    assert chord_body.id_of(chord_body.with_id(body("mine"), "g")) == "mine"
    assert chord_body.with_id(group(body(None)), "g") == group(body(None))


def test_errbacks_of_a_compound_body() -> None:
    """A group's with its first id, those of its leaves with their own; of a chain, those of the first step."""
    link, other = {"task": "l"}, {"task": "o"}
    found = chord_body.errbacks_of(group(body("a", link_error=[other]), body("b", link_error=other), link_error=[link]))
    assert found == [(link, "a"), (other, "a"), (other, "b")]
    steps = [body("a", link_error=[link]), body("b", link_error=[other])]
    chain = {"kwargs": {"tasks": steps}, "subtask_type": "chain"}
    assert chord_body.errbacks_of(chain) == [(link, "a")]


# -- the ledger ------------------------------------------------------------------------------------


def test_a_repeated_size_does_not_start_a_new_run() -> None:
    """The answer to the first call was lost: what came in between stays."""
    ledger = Ledger()
    ledger.resize(2, "call-1")
    ledger.record(Part("a", 0, b""), None)
    ledger.resize(2, "call-1")
    assert ledger.record(Part("b", 1, b""), None) is Recorded.FULL
    ledger.resize(2, "call-2")
    assert not ledger.parts


def test_who_lost_a_claim_cannot_finish_it() -> None:
    """Nor one whose run is over."""
    ledger = Ledger()
    ledger.resize(1, "run")
    ledger.record(Part("a", 0, b"a"), None)
    assert ledger.claim("one", 0.0, 5.0, None).kind is Claimed.GRANTED
    held = ledger.claim("two", 3.0, 5.0, None)
    assert (held.kind, held.seconds) == (Claimed.HELD, 2.0)
    assert ledger.claim("two", 5.0, 5.0, None).kind is Claimed.GRANTED
    assert not ledger.finish("one")
    assert ledger.finish("two")
    assert ledger.finish("two")
    assert not ledger.finish("one")


def test_a_claim_whose_lease_is_over_can_be_finished_if_nobody_took_it() -> None:
    """A slow worker must not cause a second decision."""
    ledger = Ledger()
    ledger.resize(1, "run")
    ledger.record(Part("a", 0, b"a"), None)
    ledger.claim("one", 0.0, 5.0, None)
    assert ledger.finish("one")


def test_rests_grow_and_end() -> None:
    """Never longer than the claim is held, nor than a bound."""
    assert rest(10.0, 0) == 0.002
    assert rest(10.0, 3) == 0.016
    assert rest(10.0, 10_000) == 0.25
    assert rest(0.01, 9) == 0.01
    assert rest(0.0, 9) == 0.002


def test_lives() -> None:
    """Bookkeeping always has an end, and a mark lives as long as messages are repeated."""
    assert (life_of_bookkeeping(None), life_of_bookkeeping(4), life_of_bookkeeping(7200)) == (2592000.0, 300.0, 7200)
    assert (life_of_mark(None), life_of_mark(4), life_of_mark(7200)) == (86400.0, 300.0, 7200)


def test_terms_say_what_follows() -> None:
    """An answer that a step cannot have is an error of the program."""
    with pytest.raises(KeyError):
        ChordTerms().following(Step.RECORD, Claimed.HELD)


# -- the memory's ledgers --------------------------------------------------------------------------


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_ledgers_in_memory_are_let_go() -> None:
    """When nothing has changed them for their life; every part renews it, and a late one does not renew the mark."""
    clock = Clock()
    ledgers = MemoryLedgers(clock)
    store = ledgers.of(10.0, 300.0)
    store.resize("g", 2, "run")
    clock.now = 8.0
    store.record("g", Part("a", 0, b""), None)
    clock.now = 16.0
    assert store.record("g", Part("b", 1, b""), None) is Recorded.FULL
    assert store.claim("g", "token", 5.0, None).kind is Claimed.GRANTED
    assert store.finish("g", "token")
    clock.now = 315.0
    assert store.record("g", Part("b", 1, b""), None) is Recorded.DONE
    clock.now = 317.0
    store.add("other", 1)
    assert len(ledgers) == 1
    clock.now = 400.0
    assert store.record("g", Part("b", 1, b""), None) is Recorded.COUNTED


def test_many_threads_call_the_body_once(app: RecordingApp, backend: MemoryBackend) -> None:
    """All parts at the same time, each of them three times."""
    chord, barrier = {**body(), "chord_size": 8}, threading.Barrier(24)

    def count(index: int) -> None:
        barrier.wait()
        backend.on_chord_part_return(request(index, chord), "SUCCESS", index)

    threads = [threading.Thread(target=count, args=(number % 8,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [args for _, args in app.sent] == [(list(range(8)),)]


def test_a_counter_waits_for_one_that_decides(app: RecordingApp) -> None:
    """And goes on as soon as that has decided, or is dead."""
    backend = MemoryBackend(app, chord_lease=0.2)
    chord = {**body(), "chord_size": 1}
    backend.chord_store.record("g", Part("t0", 0, backend.encode([0, "t0", "SUCCESS", 1])), 1)
    assert backend.chord_store.claim("g", "the dead", 0.2, 1).kind is Claimed.GRANTED
    began = time.monotonic()
    backend.on_chord_part_return(request(0, chord), "SUCCESS", 1)
    assert time.monotonic() - began >= 0.19
    assert [args for _, args in app.sent] == [([1],)]


def test_members_are_those_of_every_backend() -> None:
    """The three classes have them."""
    for name in ("apply_chord", "set_chord_size", "add_to_chord", "on_chord_part_return", "chord_error_from_stack"):
        assert all(hasattr(cls, name) for cls in (BaseBackend, KeyValueStoreBackend, DisabledBackend))
