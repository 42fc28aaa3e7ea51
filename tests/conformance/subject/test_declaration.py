"""What a factory says of itself: it is taken as it was said, or refused with the cure."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resultspec_conformance.broken.baseline.server import Server
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.runner.targets import open_target
from resultspec_conformance.subject import SubjectError, UsageError
from resultspec_conformance.subject.declaration import declaration_of
from resultspec_conformance.subject.probe_protocols import GroupProbe, KeyProbe, LifeProbe, WireProbe
from resultspec_conformance.subject.probes.own import OwnProbe, open_own
from resultspec_conformance.subject.protocols import ClientOptions
from resultspec_conformance.subject.python_object import Binding, ConnectionForEachCall, PythonSubject
from resultspec_conformance.wire.values import Value


def factory_with(make: Callable[..., Any] | None = None, **attributes: object) -> Callable[..., Any]:
    """Return a factory with attributes; by default it opens a backend in memory."""
    server = Server()

    def factory(app: Any, **options: Any) -> Any:
        return make(app, **options) if make is not None else Correct(server, **options)

    vars(factory).update(attributes)
    return factory


def client_of(factory: Callable[..., Any]) -> Any:
    """Return a client of a factory, with all that the factory says."""
    said = declaration_of(factory)
    return PythonSubject(factory, said.capabilities, binding=said.binding).connect(ClientOptions())


def test_a_factory_that_says_nothing_is_documented() -> None:
    """It claims core and waiting, and has the documented methods."""
    said = declaration_of(factory_with())
    assert (said.capabilities.classes, said.binding, said.probe) == (("core", "waiting"), Binding(), None)


MISTAKES: list[tuple[Mapping[str, object], str]] = [
    ({"capabilities": {"spec": "0.1"}}, "'classes' is a required property"),
    ({"wait_returns": "result"}, r"wait_returns is 'result'.\nIt has to be \"value\" or \"meta\""),
    ({"wait_for": 3}, r"wait_for is 3.\nIt has to be a function, called as wait_for\(backend, task_id, \*\*options\)"),
    ({"errors": ["KeyError"]}, r"errors is \['KeyError'\].\nIt has to be a map"),
    ({"errors": {"DataError": "ValuError"}}, r"maps DataError to 'ValuError'.* Did you mean ValueError.*\nThere are"),
    ({"overlap": "no"}, r"overlap is 'no'.\nIt has to be True or False"),
    ({"probe": 3}, r"probe is 3.\nIt has to be a function, called as probe\(prefix\)"),
    ({"error": {}}, "attribute error is unknown. Did you mean errors"),
    ({"wait_return": "meta"}, "attribute wait_return is unknown. Did you mean wait_returns"),
]


@pytest.mark.parametrize(("attributes", "message"), MISTAKES, ids=[next(iter(given)) for given, _ in MISTAKES])
def test_a_mistake_is_refused_with_the_cure(attributes: Mapping[str, object], message: str) -> None:
    """The attribute is named, and what it may be."""
    with pytest.raises(UsageError, match=message):
        declaration_of(factory_with(None, **attributes))


def test_what_is_said_beside_is_left_alone() -> None:
    """A function may have attributes of other libraries."""
    assert declaration_of(factory_with(__wrapped__=print, cache_info=print)).probe is None


# -- errors --------------------------------------------------------------------------------------


class DataError(Exception):
    """An error whose name means nothing to the suite."""


NAMES: list[tuple[dict[str, str], str]] = [
    ({}, "Unknown"),
    ({"DataError": "EncodeError"}, "EncodeError"),
    ({f"{__name__}.DataError": "EncodeError", "DataError": "ValueError"}, "EncodeError"),
    ({"another.DataError": "EncodeError"}, "Unknown"),
]


@pytest.mark.parametrize(("names", "kind"), NAMES)
def test_an_error_has_the_kind_that_its_name_is_given(names: dict[str, str], kind: str) -> None:
    """Its whole name counts more than that of its class alone."""

    class Refusing(Correct):
        def store_result(self, *args: Any, **kwargs: Any) -> None:
            raise DataError("too large")

    client = client_of(factory_with(lambda app: Refusing(Server()), errors=names))
    assert client.call("store_result", {"task_id": "t", "result": 1, "state": "SUCCESS"}).error == kind


def test_an_error_of_the_standard_library_can_be_renamed() -> None:
    """A client whose sockets run out of time raises the built-in TimeoutError, which is no outcome of a wait."""

    class Cut(Correct):
        def get_task_meta(self, *args: Any, **kwargs: Any) -> Any:
            raise TimeoutError("timed out")

    client = client_of(factory_with(lambda app: Cut(Server()), errors={"builtins.TimeoutError": "OperationalError"}))
    assert client.call("get_task_meta", {"task_id": "t"}).error == "OperationalError"


# -- waits ---------------------------------------------------------------------------------------


def test_a_wait_goes_through_the_door_of_the_users() -> None:
    """With its options, and the backend's own method is not called."""
    asked: list[Mapping[str, Value]] = []

    def wait_for(backend: Any, task_id: str, **options: Value) -> Any:
        asked.append(options)
        return backend.get_task_meta(task_id)

    class Deaf(Correct):
        def wait_for(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("the method was called")

    client = client_of(factory_with(lambda app: Deaf(Server()), wait_for=wait_for, wait_returns="meta"))
    client.call("store_result", {"task_id": "t", "result": 7, "state": "SUCCESS"})
    assert client.call("wait_for", {"task_id": "t", "timeout": 1.0}).value == {"returned": 7}
    assert asked == [{"timeout": 1.0}]


# -- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [True, False])
def test_a_client_that_serves_one_thread_is_called_by_one(overlap: bool) -> None:
    """While a call is running, another call of the same client gets a backend of its own, which serves later ones."""
    server, opened, meet = Server(), [], threading.Barrier(2, timeout=10.0)

    class Slow(Correct):
        def get_children(self, task_id: str) -> Any:
            meet.wait()
            return super().get_children(task_id)

    def make(app: Any) -> Correct:
        opened.append(Slow(server))
        return opened[-1]

    client = client_of(factory_with(make, overlap=overlap))
    for _ in range(3):
        threads = [threading.Thread(target=client.call, args=("get_children", {"task_id": "t"})) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10.0)
        assert not any(thread.is_alive() for thread in threads)
    assert len(opened) == (1 if overlap else 2)
    assert isinstance(client, ConnectionForEachCall) != overlap


# -- the probe -----------------------------------------------------------------------------------


class Entries:
    """A probe of a map: only what every probe has."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def read(self, task_id: str) -> bytes | None:
        """Return the bytes of a task."""
        return self.kept.get(task_id)

    def write(self, task_id: str, payload: bytes) -> None:
        """Put bytes under a task."""
        self.kept[task_id] = payload


class Lives(Entries):
    """A probe that sees lives, too, and looks whether its store is alive."""

    def remaining(self, task_id: str) -> float | None:
        """Return a life."""
        return 3.0 if task_id in self.kept else None

    def age(self, task_id: str, seconds: float) -> bool:
        """Change nothing."""
        return False

    def ping(self) -> None:
        """Fail as a client library does."""
        raise ConnectionRefusedError("nobody there")


def test_a_probe_is_what_its_methods_make_it() -> None:
    """What they do not show is not observable, and not an error."""
    plain, living = OwnProbe(Entries()), OwnProbe(Lives())
    assert not isinstance(plain, (LifeProbe, GroupProbe, KeyProbe))
    assert isinstance(living, LifeProbe)
    assert not isinstance(living, WireProbe)
    living.write("t", b"x")
    assert (living.read("t"), living.remaining("t"), living.remaining("u")) == (b"x", 3.0, None)
    plain.ping()
    plain.close()
    with pytest.raises(SubjectError, match="nobody there"):
        living.ping()


@pytest.mark.parametrize(
    ("opens", "message"),
    [
        (lambda prefix: object(), "which has no method read and no method write\\.\nIt has read"),
        (lambda: Entries(), "probe raised TypeError: .*\nIt is called as probe\\(prefix\\)"),
    ],
)
def test_what_is_no_probe_is_refused(opens: Callable[..., object], message: str) -> None:
    """Before anything is judged."""
    with pytest.raises(UsageError, match=message):
        open_own(opens, "")


def test_half_a_view_is_a_mistake() -> None:
    """Since a misspelt method would otherwise be missing without a word."""
    with pytest.raises(UsageError, match=r"has the method get, but not set, delete, keys.\nIt shows keys with all"):
        OwnProbe(SimpleNamespace(read=print, write=print, get=print))


# -- processes -----------------------------------------------------------------------------------

MODULE = """\
from resultspec_conformance.broken.baseline.server import Server
from resultspec_conformance.broken.baseline.whole import Correct

def factory(app, prefix="", **options):
    return Correct(Server(), **options)

factory.capabilities = {{"spec": "0.1", "classes": ["core"], {more}}}
"""


@pytest.fixture(name="written")
def write_factory(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Return a function that writes a factory which claims more, and returns its target."""
    path = tmp_path / f"factory_{tmp_path.name}.py"

    def write(more: str) -> str:
        path.write_text(MODULE.format(more=more), encoding="utf-8")
        return f"python:{path}:factory"

    yield write
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize(
    ("more", "alone"), [("", True), ('"sharing": "thread"', False), ('"features": ["prefix"]', False)]
)
def test_one_process_judges_what_others_could_disturb(written: Callable[[str], str], more: str, alone: bool) -> None:
    """Without a store and a prefix nobody knows what a second process would do to the entries of the first."""
    target = written(more)
    open_target(target, "4f2a").close()
    if alone:
        with pytest.raises(SubjectError, match="judged by a single process"):
            open_target(target, "4f2a", "helper")
    else:
        open_target(target, "4f2a", "helper").close()


# -- an app of Celery ----------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_backend_that_needs_a_celery_app_is_told_how_to_get_one(when: str) -> None:
    """In one line, when it asks the suite's app for what only Celery's has."""

    class Celerys(Correct):
        def __init__(self, app: Any) -> None:
            super().__init__(Server())
            self.app = app
            if when == "at once":
                app.conf.get("result_backend")

        def get_task_meta(self, *args: Any, **kwargs: Any) -> Any:
            return self.app.backend

    cure = r"\nGive the backend an application of Celery: MyBackend\(app=Celery\(set_as_current=False\), …\)$"
    if when == "at once":
        with pytest.raises(UsageError, match=cure):
            client_of(factory_with(Celerys))
    else:
        found = client_of(factory_with(Celerys)).call("get_task_meta", {"task_id": "t"})
        assert found.message.endswith(
            "Give the backend an application of Celery: MyBackend(app=Celery(set_as_current=False), …)"
        )
