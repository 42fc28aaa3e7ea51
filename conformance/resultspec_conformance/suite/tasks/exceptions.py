"""Checks of chapter 6: what comes back of an exception, and what a reader does with one that others wrote."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from resultspec import STATES
from resultspec_conformance.subject import exception_samples as samples
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.suite.tasks.meta import WHOLE, is_there, json_client, stored_json
from resultspec_conformance.suite.tasks.values import numbers, serializer_of, uncompressed
from resultspec_conformance.testkit.context import Context
from resultspec_conformance.testkit.registry import check
from resultspec_conformance.testkit.strategies import exceptions, portable_scalars, portable_values, sample_exceptions
from resultspec_conformance.wire.serializers import after_round_trip, exception_after_round_trip
from resultspec_conformance.wire.values import ExceptionData, Opaque, Value, same, show

EXCEPTION_STATES = sorted(STATES.sets["EXCEPTION"])
exception_states = st.sampled_from(EXCEPTION_STATES)
ENCODING = ("json", "yaml", "msgpack")
"""The serializers that do not carry an exception as such."""


def _serializers(ctx: Context, state: str) -> tuple[str, ...]:
    """Return the serializers for a state: all of them for FAILURE, and the first one for the others, to save time."""
    return ctx.capabilities.serializers if state == "FAILURE" else ctx.capabilities.serializers[:1]


def _stored(ctx: Context, requirement: str, result: Value, state: str, serializer: str) -> Outcome:
    """Store a result, which has to succeed, and return how reading it by another client ends."""
    task_id = ctx.new_id()
    writer = ctx.client("writer", serializer=serializer)
    stored = writer.attempt("store_result", task_id=task_id, result=result, state=state, traceback="trace")
    got = f"{serializer}: {ctx.describe(stored)}"
    ctx.require(requirement, stored.kind == "ok", got=got, allowed=f"{show(result)} is stored in {state}")
    reader = ctx.client("reader", serializer=serializer)
    found = reader.member(task_id, "status")
    holds = found.kind == "ok" and found.value == state
    ctx.require(requirement, holds, got=f"{serializer}: {ctx.describe(found)}", allowed=f"the state {state}")
    return reader.member(task_id, "result")


def _require_exception(
    ctx: Context, requirement: str, found: Outcome, expected: ExceptionData, serializer: str
) -> None:
    """Require an exception of a qualified name with arguments."""
    holds = found.kind == "ok" and same(found.value, expected)
    ctx.require(requirement, holds, got=f"{serializer}: {ctx.describe(found)}", allowed=show(expected))


# -- round trips ---------------------------------------------------------------------------------


@check(
    "EXC-1",
    given={"error": st.one_of(exceptions, sample_exceptions), "state": exception_states, "serializer": numbers},
    effort=0.3,
)
def exception_comes_back(ctx: Context, error: ExceptionData, state: str, serializer: int) -> None:
    """An exception comes back with its qualified type name and its arguments in order."""
    chosen = serializer_of(ctx, serializer)
    found = _stored(ctx, "EXC-1", error, state, chosen)
    _require_exception(ctx, "EXC-1", found, exception_after_round_trip(chosen, error), chosen)


_CAUSED = ExceptionData("ValueError", "builtins", ("effect",), cause=ExceptionData("KeyError", "builtins", ("cause",)))
SHAPES: list[ExceptionData] = [
    ExceptionData("ValueError", "builtins"),
    ExceptionData("ValueError", "builtins", (None,)),
    ExceptionData("ValueError", "builtins", ("",)),
    ExceptionData("ValueError", "builtins", (0, False, [], {})),
    ExceptionData("KeyError", "builtins", ("key",)),
    ExceptionData("RuntimeError", "builtins", ("boom", 3, [1, {"a": None}], {"code": 7})),
    ExceptionData("RuntimeError", "builtins", (["one list"],)),
    ExceptionData("StopIteration", "builtins", (1,)),
    ExceptionData("AssertionError", "builtins", ("x" * 3_000, "é\U0001f600")),
    ExceptionData("Plain", samples.MODULE, ("b", "a", 2, 1)),
    ExceptionData("Outer.Inner", samples.MODULE, ("nested",)),
    ExceptionData("Outer.Inner.Innermost", samples.MODULE, ("nested twice", 1)),
    ExceptionData("Falsy", samples.MODULE, ("false",)),
    ExceptionData("Falsy", samples.MODULE),
    ExceptionData("Lengthless", samples.MODULE, ("empty",)),
    _CAUSED,
]


@check("EXC-1", cases=[{"error": error, "state": state} for error in SHAPES for state in EXCEPTION_STATES])
def exception_of_every_shape_comes_back(ctx: Context, error: ExceptionData, state: str) -> None:
    """Exceptions without arguments, nested, falsy, empty or with a cause come back with every serializer."""
    for serializer in _serializers(ctx, state):
        found = _stored(ctx, "EXC-1", error, state, serializer)
        _require_exception(ctx, "EXC-1", found, exception_after_round_trip(serializer, error), serializer)


@check("EXC-1", needs=["tagged"], cases=[{"args": args} for args in ((b"\xff",), ((1, 2), "x"), (b"abc", (b"d", [1])))])
def tagged_arguments_come_back(ctx: Context, args: tuple[Value, ...]) -> None:
    """Arguments that are bytes or tuples come back as the serializer's table says."""
    error = ExceptionData("Plain", samples.MODULE, args)
    for serializer in ctx.capabilities.serializers:
        writer = ctx.client("writer", serializer=serializer)
        if writer.attempt("store_result", task_id=ctx.new_id(), result=list(args), state="SUCCESS").kind != "ok":
            raise Unobserved(f"the subject does not encode such values with {serializer}")
        found = _stored(ctx, "EXC-1", error, "FAILURE", serializer)
        _require_exception(ctx, "EXC-1", found, exception_after_round_trip(serializer, error), serializer)


@check(
    "EXC-7",
    given={
        "value": portable_values.filter(lambda value: not (isinstance(value, dict) and "exc_type" in value)),
        "state": exception_states,
        "serializer": numbers,
    },
    effort=0.25,
)
def value_that_is_not_an_exception_becomes_an_argument(ctx: Context, value: Value, state: str, serializer: int) -> None:
    """A value that is not an exception, stored in a state of EXCEPTION, reads as the argument of one."""
    if value is None and state == "RETRY":
        raise Unobserved("a null in RETRY is null")
    _require_argument(ctx, value, state, serializer_of(ctx, serializer))


NO_EXCEPTIONS: list[Value] = [
    "boom", "", 0, 7, 1.5, False, True, [], ["a", "b"], [1], {}, {"current": 3, "total": 7}, {"exc_type": None},
    {"exc_type": 3},
    {"exc_message": ["x"]}, [["a", 1]], {"exc_type": ""}, "ValueError('x')",
]  # fmt: skip


@check("EXC-7", cases=[{"value": value, "state": state} for value in NO_EXCEPTIONS for state in EXCEPTION_STATES])
def text_or_map_becomes_an_argument(ctx: Context, value: Value, state: str) -> None:
    """Texts, numbers, lists and maps that were stored as a failure read as the argument of an exception."""
    for serializer in _serializers(ctx, state):
        _require_argument(ctx, value, state, serializer)


@check("EXC-7", cases=[{"state": "FAILURE"}, {"state": "REVOKED"}])
def null_failure_is_an_exception(ctx: Context, state: str) -> None:
    """A null stored in FAILURE or REVOKED reads as an exception with a null argument."""
    _require_argument(ctx, None, state, serializer_of(ctx, 0))


def _require_argument(ctx: Context, value: Value, state: str, serializer: str) -> None:
    """Require EXC-7 of a value: an exception with one argument, a readable state, and later stores that work."""
    found = _stored(ctx, "EXC-7", value, state, serializer)
    expected = after_round_trip(serializer, value)
    holds = found.kind == "ok" and isinstance(found.value, ExceptionData) and same(list(found.value.args), [expected])
    got = f"{serializer}: {ctx.describe(found)}"
    ctx.require("EXC-7", holds, got=got, allowed=f"an exception whose single argument is {show(expected)}")
    task_id = str(list(ctx.history)[-1].args["task_id"])
    writer = ctx.client("writer", serializer=serializer)
    later = writer.attempt("store_result", task_id=task_id, result="done", state="SUCCESS")
    ctx.require("EXC-7", later.kind == "ok", got=ctx.describe(later), allowed="a later store succeeds")
    after = writer.member(task_id, "result")
    done = after.kind == "ok" and after.value == "done"
    ctx.require("EXC-7", done, got=ctx.describe(after), allowed="what the later store stored")


@check("EXC-8", cases=[{"serializer": number} for number in range(4)])
def null_retry_is_null(ctx: Context, serializer: int) -> None:
    """A null stored in RETRY reads as null."""
    found = _stored(ctx, "EXC-8", None, "RETRY", serializer_of(ctx, serializer))
    holds = found.kind == "ok" and found.value is None
    ctx.require("EXC-8", holds, got=ctx.describe(found), allowed="null")


# -- what a writer does --------------------------------------------------------------------------


def _is_text_for(found: Value, argument: Value) -> bool:
    """Whether an argument came back as the text representation of an opaque one, or as a placeholder."""
    if not isinstance(found, str) or not found:
        return False
    try:
        return found == repr(argument)
    except RuntimeError:
        return True


@check(
    "EXC-6",
    given={
        "left": st.lists(portable_scalars, max_size=2),
        "odd": st.sampled_from(
            [Opaque("<handle>"), Opaque("a\nb"), Opaque(None), [Opaque("<x>")], {"k": Opaque(None)}]
        ),
        "right": st.lists(portable_scalars, max_size=2),
        "state": exception_states,
        "serializer": numbers,
    },
    effort=0.3,
)
def unencodable_argument_becomes_text(
    ctx: Context, left: list[Value], odd: Value, right: list[Value], state: str, serializer: int
) -> None:
    """An argument that cannot be encoded becomes its text or a placeholder, and all others stay."""
    chosen = serializer_of(ctx, serializer)
    error = ExceptionData("Plain", samples.MODULE, (*left, odd, *right))
    found = _stored(ctx, "EXC-6", error, state, chosen)
    holds = found.kind == "ok" and isinstance(found.value, ExceptionData) and found.value.type == "Plain"
    args = list(found.value.args) if holds else []
    holds = holds and len(args) == len(error.args)
    holds = (
        holds
        and same(args[: len(left)], after_round_trip(chosen, left))
        and same(args[len(left) + 1 :], after_round_trip(chosen, right))
    )
    allowed = f"Plain of {show(left)}, a text for {show(odd)}, and {show(right)}"
    ctx.require(
        "EXC-6", holds and _is_text_for(args[len(left)], odd), got=f"{chosen}: {ctx.describe(found)}", allowed=allowed
    )


@check("EXC-9", cases=[{"state": state} for state in ("SUCCESS", "STARTED", "PENDING", "PROGRESS", "REJECTED")])
def exception_in_another_state_is_a_plain_value(ctx: Context, state: str) -> None:
    """Outside the states of EXCEPTION an exception is a value like any other, which only pickle carries."""
    error = ExceptionData("ValueError", "builtins", ("x", 1))
    for serializer in ctx.capabilities.serializers:
        client, task_id = ctx.client("writer", serializer=serializer), ctx.new_id()
        outcome = client.attempt("store_result", task_id=task_id, result=error, state=state)
        if serializer in ENCODING:
            ctx.require_refused("EXC-9", outcome, "EncodeError")
            ctx.require("EXC-9", not is_there(client, task_id), got="an entry", allowed="nothing stored")
            continue
        taken = outcome.kind in ("ok", "fail")
        ctx.require("EXC-9", taken, got=ctx.describe(outcome), allowed="success, or a definite error (VALUE-2)")
        if outcome.kind == "ok":
            _require_exception(ctx, "EXC-9", client.member(task_id, "result"), error, serializer)


BASE_ONLY: list[ExceptionData] = [
    ExceptionData("SystemExit", "builtins", (3,)),
    ExceptionData("SystemExit", "builtins"),
    ExceptionData("KeyboardInterrupt", "builtins"),
    ExceptionData("GeneratorExit", "builtins", ("x",)),
    ExceptionData("BaseOnly", samples.MODULE, ("x",)),
]


@check("EXC-10", cases=[{"error": error, "state": state} for error in BASE_ONLY for state in EXCEPTION_STATES])
def base_exception_is_storable(ctx: Context, error: ExceptionData, state: str) -> None:
    """An exception derived only from BaseException is stored, and reads as itself or as one that names its type."""
    for serializer in _serializers(ctx, state):
        found = _stored(ctx, "EXC-10", error, state, serializer)
        holds = found.kind == "ok" and isinstance(found.value, ExceptionData) and error.type in show(found.value)
        allowed = f"{show(error)}, or an exception that names {error.type}"
        ctx.require("EXC-10", holds, got=f"{serializer}: {ctx.describe(found)}", allowed=allowed)


def _stored_result(ctx: Context, task_id: str) -> Any:
    """Return the result in the stored bytes of a task, as plain JSON. Raises Unobserved."""
    try:
        return json.loads(uncompressed(ctx.probe.read(task_id) or b""))["result"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unobserved(f"the stored bytes are not a meta in json: {error}") from None


@check("EXC-11", given={"error": st.one_of(exceptions, sample_exceptions), "state": exception_states}, effort=0.3)
def exception_is_stored_as_three_members(ctx: Context, error: ExceptionData, state: str) -> None:
    """The stored json of an exception has its qualified name, its list of arguments, and its module or null."""
    task_id = ctx.new_id()
    json_client(ctx, "writer").store(task_id, error, state)
    found = _stored_result(ctx, task_id)
    holds = isinstance(found, dict) and found.get("exc_type") == error.type
    ctx.require("EXC-11", holds, got=found, allowed=f"a map with the exc_type {error.type}")
    message = found.get("exc_message")
    holds = isinstance(message, list) and same(message, after_round_trip("json", list(error.args)))
    ctx.require("EXC-11", holds, got=found, allowed=f"the exc_message {show(list(error.args))}")
    module = found.get("exc_module", ...)
    ctx.require("EXC-11", module is None or isinstance(module, str), got=found, allowed="an exc_module of text or null")


@check(
    "EXC-12",
    cases=[
        {"args": args}
        for args in (
            (2, "No such file", "a.txt"),
            (13, "denied", "/é/ü"),
            (17, "there", "a", None, "b"),
            (5, "no name"),
        )
    ],
)
def file_names_of_an_os_error_come_back(ctx: Context, args: tuple[Value, ...]) -> None:
    """The errno, the message and both file names of an OSError come back."""
    for serializer in ctx.capabilities.serializers:
        client, task_id = ctx.client("writer", serializer=serializer), ctx.new_id()
        client.store(task_id, ExceptionData("OSError", "builtins", args), "FAILURE")
        client.result(task_id)
        error = ctx.direct(client, "get_task_meta", task_id)["result"]
        found = [getattr(error, name, None) for name in ("errno", "strerror", "filename", "filename2")]
        names = [args[2] if len(args) > 2 else None, args[4] if len(args) > 4 else None]
        expected = [args[0], args[1], *names]
        ctx.require("EXC-12", found == expected, got=f"{serializer}: {show(found)}", allowed=show(expected))


# -- what a reader does --------------------------------------------------------------------------


def _read_foreign(ctx: Context, result: Mapping[str, Value], state: str = "FAILURE") -> Outcome:
    """Put the json of an exception into the store and return how reading it ends."""
    reader, task_id = json_client(ctx), ctx.new_id()
    stored_json(ctx, task_id, {**WHOLE, "status": state, "result": result, "task_id": task_id})
    return reader.member(task_id, "result")


NOWHERE: list[dict[str, Value]] = [
    {"name": name, "module": module}
    for name, module in (
        ("MyError", "resultspec_no_such_module"), ("MyError", "no.such.module"), ("Outer.Inner",
        "resultspec_no_such_module"),
        ("NoSuchError", "os"), ("NoSuchError", "builtins"), ("path.NoSuchError", "os"),
        ("NoSuch.Error", samples.MODULE),
        ("Plain.NoSuch", samples.MODULE), ("MyError", None), ("MyError", ""), ("MyError", "absent"),
        ("MyError", "résultat"), ("Fehler", ".."), ("f.<locals>.MyError", samples.MODULE), ("ValueError2", "builtins"),
        ("MyError", "resultspec_no_such_module.sub"),
    )
]  # fmt: skip


@check("EXC-2", cases=[{**where, "state": state} for where in NOWHERE for state in EXCEPTION_STATES])
def unknown_class_is_synthesized(ctx: Context, name: str, module: Value, state: str) -> None:
    """An exception whose class the reader does not have reads as an exception of that name with those arguments."""
    result = {"exc_type": name, "exc_message": ["boom", 3], "exc_module": module}
    if module == "absent":
        del result["exc_module"]
    found = _read_foreign(ctx, result, state)
    _require_exception(ctx, "EXC-2", found, ExceptionData(name, None, ("boom", 3)), "json")


NO_MODULES: list[Value] = [7, True, ["x"], {}]


@check(
    "EXC-15",
    cases=[{"module": module, "state": state} for module in NO_MODULES for state in EXCEPTION_STATES],
)
def module_that_is_no_text_is_none(ctx: Context, module: Value, state: str) -> None:
    """An exception whose module is a number, a list or a map reads as one of a module that the reader does not have."""
    found = _read_foreign(ctx, {"exc_type": "MyError", "exc_message": ["boom", 3], "exc_module": module}, state)
    _require_exception(ctx, "EXC-15", found, ExceptionData("MyError", None, ("boom", 3)), "json")


@check(
    "EXC-2",
    cases=[
        {"name": name, "state": state}
        for name in ("MyError", "Outer.MyError", "f.<locals>.E")
        for state in EXCEPTION_STATES
    ],
)
def class_of_a_writer_alone_is_synthesized(ctx: Context, name: str, state: str) -> None:
    """An exception whose class only the writer has is stored, and read as one of that name."""
    error = ExceptionData(name, samples.UNKNOWN_MODULE, ("boom", 3))
    found = _stored(ctx, "EXC-2", error, state, serializer_of(ctx, 0))
    _require_exception(ctx, "EXC-2", found, error, serializer_of(ctx, 0))


UNUSED = (
    ("poplib", "error_proto"), ("tabnanny", "NannyNag"), ("zipapp", "ZipAppError"), ("wave", "Error"), ("imaplib",
    "IMAP4.error"),
    ("dbm.dumb", "error"), ("mailbox", "NoSuchMailboxError"), ("xmlrpc.client", "Fault"), ("ftplib", "error_perm"),
    ("plistlib", "InvalidFileException"), ("netrc", "NetrcParseError"), ("smtplib", "SMTPException"),
    ("nturl2path", "Error"),
)  # fmt: skip
"""Modules of the standard library, rarely loaded, and exceptions in them."""


@check("EXC-3", needs=["probe"], cases=[{"state": state} for state in EXCEPTION_STATES])
def no_module_is_imported(ctx: Context, state: str) -> None:
    """Reading an exception of a module that is not loaded leaves it unloaded."""
    unused = [(module, name) for module, name in UNUSED if module not in sys.modules]
    if not unused:
        raise Unobserved("every module that the suite knows is loaded in this process")
    for module, name in unused[:3]:
        before = set(sys.modules)
        _read_foreign(ctx, {"exc_type": name, "exc_message": ["x"], "exc_module": module}, state)
        loaded = module in set(sys.modules) - before
        for new in set(sys.modules) - before:
            # or the next example would find it loaded and see nothing
            del sys.modules[new]
        ctx.require("EXC-3", not loaded, got=f"{module} was imported", allowed="no import")


@check("EXC-13", needs=["probe"])
def no_module_is_asked_to_import(ctx: Context) -> None:
    """Names are looked up without running the `__getattr__` of a module, which may import what is asked for."""
    with samples.lazy_module() as asked:
        _read_foreign(ctx, {"exc_type": "Lazy", "exc_message": ["x"], "exc_module": samples.LAZY_MODULE})
    ctx.require("EXC-13", not asked, got=f"the module was asked for {show(asked)}", allowed="no code of it is run")


_RECORD = f"__import__({samples.MODULE!r}, fromlist=['called']).called.append(('run',))"
CALLABLES: list[dict[str, Value]] = [
    {"name": name, "module": module, "message": message}
    for name, module, message in (
        ("not_an_exception", samples.MODULE, ["x"]), ("not_an_exception", samples.MODULE, "x"), ("not_an_exception",
        samples.MODULE, []),
        ("NotAnException", samples.MODULE, ["x"]), ("Outer.method", samples.MODULE, ["x"]),
        ("Outer.bound", samples.MODULE, ["x"]),
        ("eval", "builtins", [_RECORD]), ("exec", "builtins", _RECORD), ("system", "os", [":"]), ("system", "os", ":"),
        ("object", "builtins", []), ("dict", "builtins", []), ("sys", "os", []), ("modules", "sys", []),
        ("path.join", "os", ["a", "b"]),
        ("Plain.with_traceback", samples.MODULE, [None]), ("Outer", samples.MODULE, []),
        ("instance_of_plain", samples.MODULE, []),
    )
]  # fmt: skip


@check(
    "EXC-4", needs=["probe"], cases=[{**named, "state": state} for named in CALLABLES for state in ("FAILURE", "RETRY")]
)
def what_is_not_an_exception_is_not_called(ctx: Context, name: str, module: str, message: Value, state: str) -> None:
    """What a stored name resolves to is called only if it is an exception class."""
    samples.called.clear()
    found = _read_foreign(ctx, {"exc_type": name, "exc_message": message, "exc_module": module}, state)
    calls = list(samples.called)
    ctx.require("EXC-4", not calls, got=f"{module}.{name} was called", allowed="no call")
    refused = found.kind == "fail" and found.error == "SecurityError"
    synthesized = found.kind == "ok" and isinstance(found.value, ExceptionData)
    ctx.require(
        "EXC-4", refused or synthesized, got=ctx.describe(found), allowed="SecurityError, or a synthesized exception"
    )


AWKWARD: list[ExceptionData] = [
    ExceptionData("TwoRequired", samples.MODULE, ("only one",)),
    ExceptionData("TwoRequired", samples.MODULE, ("one", "two", "three")),
    ExceptionData("TwoRequired", samples.MODULE, ()),
    ExceptionData("TwoRequired", samples.MODULE, ("left", "right")),
    ExceptionData("KeywordOnly", samples.MODULE, ("argument",)),
    ExceptionData("ConstructorRaises", samples.MODULE, ("argument", 7)),
]
MISBEHAVING: list[ExceptionData] = [
    ExceptionData("ConstructorExits", samples.MODULE, ("argument",)),
    ExceptionData("MakesNoInstance", samples.MODULE, ("argument",)),
]


def _texts(value: Value) -> str:
    """Return all that an exception holds as one text."""
    return show(value, 10_000)


@check("EXC-5", cases=[{"error": error, "state": state} for error in AWKWARD for state in EXCEPTION_STATES])
def awkward_constructor_is_not_an_error(ctx: Context, error: ExceptionData, state: str) -> None:
    """An exception whose constructor raises or wants other arguments reads as one with its name and arguments."""
    for serializer in _serializers(ctx, state):
        found = _stored(ctx, "EXC-5", error, state, serializer)
        _require_held(ctx, "EXC-5", found, error, serializer)


@check("EXC-5", needs=["probe"], cases=[{"error": error} for error in AWKWARD])
def awkward_constructor_of_another_writer_is_not_an_error(ctx: Context, error: ExceptionData) -> None:
    """The same, where another writer stored the arguments."""
    _require_held(ctx, "EXC-5", _read_foreign(ctx, _as_stored(error)), error, "json")


@check("EXC-14", needs=["probe"], cases=[{"error": error} for error in MISBEHAVING])
def misbehaving_constructor_is_not_an_error(ctx: Context, error: ExceptionData) -> None:
    """A constructor that exits, or makes no exception, does not make the entry unreadable."""
    _require_held(ctx, "EXC-14", _read_foreign(ctx, _as_stored(error)), error, "json")


def _as_stored(error: ExceptionData) -> dict[str, Value]:
    return {"exc_type": error.type, "exc_message": list(error.args), "exc_module": error.module}


def _require_held(ctx: Context, requirement: str, found: Outcome, error: ExceptionData, serializer: str) -> None:
    """Require an exception that holds the name and the arguments of another one."""
    text = _texts(found.value) if found.kind == "ok" else ""
    holds = isinstance(found.value, ExceptionData) and error.type in text
    holds = holds and all(str(argument) in text for argument in error.args)
    got = f"{serializer}: {ctx.describe(found)}"
    ctx.require(
        requirement, holds, got=got, allowed=f"an exception that holds {error.type} and {show(list(error.args))}"
    )
