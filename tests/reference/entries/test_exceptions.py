"""Exceptions and data."""

import pickle
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from resultspec_reference.entries import exceptions
from resultspec_reference.entries.serialization import Codec
from resultspec_reference.errors import SecurityError, TaskRevokedError

JSON = Codec("json", ["json"])
PICKLE = Codec("pickle", ["pickle"])


class Outer:
    """Holds a class."""

    class InnerError(Exception):
        """A nested exception."""


class TwoError(Exception):
    """Wants two arguments, and keeps one."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


class DecoratingError(Exception):
    """Changes its argument whenever it is constructed."""

    def __init__(self, code: object) -> None:
        super().__init__(f"code {code}")


class QuittingError(Exception):
    """Ends the process that constructs it."""

    def __init__(self, *args: object) -> None:
        if args:
            sys.exit(f"constructed with {args}")


class FalsyError(Exception):
    """Is false."""

    def __bool__(self) -> bool:
        return False


class Silent:
    """Has no text representation."""

    def __repr__(self) -> NoReturn:
        raise RuntimeError("no")


def round_trip(error: BaseException, codec: Codec = JSON) -> BaseException:
    """Return what a reader makes of an exception."""
    prepare = exceptions.to_pickle if codec is PICKLE else exceptions.to_data
    data = prepare(error, lambda value: codec.carries({"result": value}))
    return exceptions.from_data(codec.decode(codec.encode({"result": data}))["result"])


def described(error: BaseException) -> tuple[str, tuple[Any, ...]]:
    """Return what has to come back of an exception."""
    return type(error).__qualname__, error.args


@pytest.mark.parametrize("codec", [JSON, PICKLE], ids=["json", "pickle"])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom", 3, None),
        Outer.InnerError("x"),
        FalsyError("x"),
        FalsyError(),
        DecoratingError(7),
        KeyError(""),
        SystemExit(3),
        KeyboardInterrupt(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_type_and_arguments_come_back(error: BaseException, codec: Codec) -> None:
    """Of nested, falsy and base exceptions, and of those whose constructor changes what it is given (EXC-1)."""
    found = round_trip(error, codec)
    assert described(found) == described(error)
    assert type(found) is type(error)


def test_the_wire_names_are_celerys() -> None:
    """A port knows no class of ours (EXC-11)."""
    data = exceptions.to_data(TaskRevokedError("why"), JSON.carries)
    assert described(exceptions.from_data(data)) == ("TaskRevokedError", ("why",))
    assert data == {"exc_type": "TaskRevokedError", "exc_message": ["why"], "exc_module": "celery.exceptions"}
    assert exceptions.to_data(Outer.InnerError(1), JSON.carries)["exc_type"] == "Outer.InnerError"


@pytest.mark.parametrize("codec", [JSON, PICKLE], ids=["json", "pickle"])
def test_a_class_that_nobody_has_is_synthesized(codec: Codec) -> None:
    """A local class cannot be found by anyone (EXC-2)."""

    class LocalError(Exception):
        pass

    found = round_trip(LocalError("x", 1), codec)
    assert described(found) == (LocalError.__qualname__, ("x", 1))
    assert type(found) is not LocalError


@pytest.mark.parametrize("codec", [JSON, PICKLE], ids=["json", "pickle"])
def test_a_constructor_that_wants_other_arguments_hides_nothing(codec: Codec) -> None:
    """The class name and the arguments are in the exception that is returned (EXC-5)."""
    text = str(round_trip(TwoError("a", "b"), codec))
    assert "TwoError" in text
    assert "a b" in text


def test_a_constructor_that_quits_does_not_end_the_reader() -> None:
    """Nothing that a constructor raises gets out."""
    data = {"exc_type": "QuittingError", "exc_message": ["x"], "exc_module": __name__}
    assert "QuittingError" in str(exceptions.from_data(data))


@pytest.mark.parametrize("codec", [JSON, PICKLE], ids=["json", "pickle"])
def test_an_argument_that_cannot_be_carried_is_replaced_alone(codec: Codec) -> None:
    """By its text, or by a placeholder; the others stay (EXC-6)."""
    found = round_trip(
        ValueError("a", (lambda: 1), Silent(), 2) if codec is PICKLE else ValueError("a", {1}, Silent(), 2), codec
    )
    assert found.args[0] == "a"
    assert found.args[3] == 2
    assert found.args[1].startswith(("<function", "{1}"))
    if codec is JSON:
        assert "Silent" in found.args[2]


def test_arguments_at_the_limit_of_depth_do_not_keep_a_failure_from_being_stored() -> None:
    """What fits alone need not fit inside the meta."""
    for depth in range(235, 255):
        deep: Any = 1
        for _ in range(depth):
            deep = [deep]
        data = exceptions.to_data(ValueError(deep, "x"), lambda value: JSON.carries({"result": value}))
        assert JSON.carries({"result": data})
        assert data["exc_message"][1] == "x"


def test_a_name_that_cannot_be_carried_has_visible_escapes() -> None:
    """Lone surrogates in the name of a class are rare, and no reason to lose a failure."""
    cls = type("Odd", (Exception,), {"__qualname__": "Odd\ud83d\ude00", "__module__": 7})
    data = exceptions.to_data(cls("x"), JSON.carries)
    assert (data["exc_type"], data["exc_message"], data["exc_module"]) == (r"Odd\ud83d\ude00", ["'x'"], None)


def test_the_files_of_an_oserror_come_back() -> None:
    """Both of them, and not only its number and text (EXC-12)."""
    for error in (FileNotFoundError(2, "no", "one"), OSError(18, "cross", Path("one"), None, "two"), OSError("plain")):
        found = round_trip(error)
        assert isinstance(found, OSError)
        assert (type(found), str(found.filename), found.filename2) == (
            type(error),
            str(error.filename),
            error.filename2,
        )
        assert found.args == error.args


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a module, nor by a hook of one that is loaded (EXC-3)."""
    (tmp_path / "not_loaded.py").write_text("class E(Exception): pass")
    (tmp_path / "lazy.py").write_text("def __getattr__(name):\n    import not_loaded\n    return not_loaded.E\n")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("lazy")
    for module in ("not_loaded", "lazy"):
        found = exceptions.from_data({"exc_type": "E", "exc_message": ["x"], "exc_module": module})
        assert described(found) == ("E", ("x",))
    assert "not_loaded" not in sys.modules
    del sys.modules["lazy"]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "print"),
        ("subprocess", "Popen"),
        ("os", "environ"),
        ("builtins", "int"),
    ],
)
def test_only_exception_classes_are_called(module: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """CVE-2021-23727 (EXC-4)."""
    __import__(module)
    with pytest.raises(SecurityError, match=name):
        exceptions.from_data({"exc_type": name, "exc_message": ["echo called"], "exc_module": module})
    assert capsys.readouterr().out == ""


def test_only_classes_are_walked_through() -> None:
    """A name is not a path to whatever a module has imported."""
    found = exceptions.from_data({"exc_type": "args.fget.__call__", "exc_message": [], "exc_module": "builtins"})
    assert type(found).__qualname__ == "args.fget.__call__"


@pytest.mark.parametrize(
    ("data", "args"),
    [
        ({"exc_type": "E", "exc_message": "('boom', 3)"}, ("('boom', 3)",)),
        ({"exc_type": "E"}, ()),
        ({"exc_type": "E", "exc_message": None, "exc_module": None}, ()),
        ({"exc_type": "E", "exc_message": ["a"], "exc_module": 7}, ("a",)),
        ({"exc_type": "a.\0b\ud800", "exc_message": ["a"], "exc_module": "no.such"}, ("a",)),
        ({"exc_type": ".", "exc_message": ["a"], "exc_module": "builtins"}, ("a",)),
        ({"exc_type": "\0", "exc_message": ["a"]}, ("a",)),
    ],
)
def test_what_other_releases_and_strangers_wrote(data: dict[str, Any], args: tuple[Any, ...]) -> None:
    """A text as message, a missing module, names of any kind."""
    found = exceptions.from_data(data)
    assert described(found) == (data["exc_type"], args)


@pytest.mark.parametrize("value", ["boom", 0, "", [], {}, {"custom": 1}, {"exc_type": 3}, {"exc_type": ""}, None])
def test_a_value_that_is_not_an_exception_becomes_the_argument_of_one(value: Any) -> None:
    """`update_state(state='FAILURE', meta={…})` is written every day (EXC-7)."""
    found = exceptions.from_data(value)
    assert type(found) is Exception
    assert found.args == (value,)


def test_what_would_end_the_client_is_wrapped_when_raised() -> None:
    """In an Exception that names its type (EXC-10); an Exception is raised as it is."""
    error = SystemExit(3)
    wrapped = exceptions.raisable(error)
    assert isinstance(wrapped, Exception)
    assert described(wrapped) == ("SystemExit", (3,))
    assert wrapped.__cause__ is error
    plain = ValueError(1)
    assert exceptions.raisable(plain) is plain


def test_a_traceback_is_text() -> None:
    """Text as it is, a traceback formatted, and anything else in words."""
    with pytest.raises(ValueError, match="x") as raised:
        raise ValueError("x")
    assert "test_a_traceback_is_text" in (exceptions.traceback_text(raised.tb) or "")
    assert exceptions.traceback_text("a\0\ud800") == "a\0\ud800"
    assert exceptions.traceback_text(None) is None
    assert "Silent" in (exceptions.traceback_text(Silent()) or "")


def test_pickle_keeps_the_exception_itself_if_it_survives() -> None:
    """Attributes that a constructor does not know come back with it."""
    error = ValueError("x")
    error.extra = 1  # type: ignore[attr-defined]
    stored = exceptions.to_pickle(error, PICKLE.carries)
    assert pickle.loads(pickle.dumps(stored)).extra == 1


def test_a_constructor_that_quits_does_not_end_the_writer() -> None:
    """Pickle calls it in order to find out whether the exception survives."""
    error = QuittingError()
    error.args = ("x",)
    text = str(round_trip(error, PICKLE))
    assert "QuittingError" in text
    assert "x" in text
