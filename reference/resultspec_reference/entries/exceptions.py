"""Exceptions and data: how an exception is stored, and how a reader rebuilds it.

On the wire an exception is a map of three members: `exc_type`, the qualified name of the class;
`exc_message`, the list of its arguments; `exc_module`, the name of its module or null. With pickle it
is the exception itself, if it survives being pickled.

Every failure has to be storable and readable: the task of a failure that is not would seem to run forever. So nothing
here fails because of an exception's class, its constructor, its arguments or their `repr`.

The stored data is input from an untrusted writer. A class is looked up only in modules that are loaded, by reading
their namespaces and not by accessing attributes, which may run code or import; only exception classes are called.

Rules: EXC-1 to EXC-12.
"""

import os
import pickle
import sys
import traceback as tracebacks
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType, TracebackType
from typing import Any, Final

from resultspec_reference.errors import ChordError, SecurityError, TaskRevokedError

WELL_KNOWN: Final[Mapping[tuple[str, str], type[Exception]]] = MappingProxyType(
    {("celery.exceptions", cls.__name__): cls for cls in (ChordError, TaskRevokedError)}
)
"""Classes of this package for names on the wire whose module need not be loaded."""

_WIRE_NAMES: Final[Mapping[type[BaseException], tuple[str, str]]] = {found: name for name, found in WELL_KNOWN.items()}

_MISSING: Final = object()

Carries = Callable[[Any], bool]
"""Whether the serializer can carry a value."""


def is_exception_data(data: object) -> bool:
    """Whether stored data represents an exception: a map that names a type."""
    return isinstance(data, dict) and isinstance(data.get("exc_type"), str) and bool(data["exc_type"])


# -- writing ---------------------------------------------------------------------------------------


def to_data(error: BaseException, carries: Carries) -> dict[str, Any]:
    """Return an exception as the map that is stored; never raises.

    An argument that cannot be carried is replaced by its text representation, and the others stay (EXC-6).
    """
    module, name = type_name(type(error))
    arguments = arguments_of(error)
    carried = [arg if carries(_map(name, [arg], module)) else text_of(arg) for arg in arguments]
    data = _map(name, carried, module)
    if not carries(data):
        data = _map(printable(name), [text_of(arg) for arg in arguments], module and printable(module))
    return data


def to_pickle(error: BaseException, carries: Carries) -> Any:
    """Return what pickle stores for an exception: the exception if it survives pickling unchanged, else its map."""
    if carries(error):
        back = pickle.loads(pickle.dumps(error))
        if type(back) is type(error) and _same(arguments_of(back), arguments_of(error)):
            return error
    return to_data(error, carries)


def _map(name: str, arguments: list[Any], module: str | None) -> dict[str, Any]:
    return {"exc_type": name, "exc_message": arguments, "exc_module": module}


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether arguments are equal, or at least pickle alike where they do not define equality."""
    try:
        return bool(one == other) or pickle.dumps(one) == pickle.dumps(other)
    except Exception:  # noqa: BLE001 - nothing of a task's exception may fail us
        return False


def type_name(cls: type[BaseException]) -> tuple[str | None, str]:
    """Return the module and the qualified name that represent a class on the wire."""
    if cls in _WIRE_NAMES:
        return _WIRE_NAMES[cls]
    module: object = cls.__module__
    return (module if isinstance(module, str) else None), cls.__qualname__


def arguments_of(error: BaseException) -> tuple[Any, ...]:
    """Return the arguments of an exception; for an OSError they include its file names (EXC-12)."""
    if isinstance(error, OSError):
        arguments = OSError.__reduce__(error)[1]
        return tuple(os.fspath(arg) if isinstance(arg, os.PathLike) else arg for arg in arguments)
    found: tuple[Any, ...] = BaseException.args.__get__(error)  # type: ignore[attr-defined]
    return found


def text_of(value: object) -> str:
    """Return a value as printable text, or a placeholder if its `repr` raises."""
    try:
        return printable(repr(value))
    except Exception:  # noqa: BLE001 - nothing of a task's exception may fail us
        return f"<unprintable {printable(type(value).__qualname__)} object>"


def printable(text: str) -> str:
    """Return text with visible escapes instead of lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def traceback_text(traceback: object) -> str | None:
    """Return a traceback as text: text as it is, a traceback object formatted, None as None."""
    if traceback is None or isinstance(traceback, str):
        return traceback
    if isinstance(traceback, TracebackType):
        return "".join(tracebacks.format_tb(traceback))
    try:
        return str(traceback)
    except Exception:  # noqa: BLE001 - nothing of a task's exception may fail us
        return text_of(traceback)


def format_failure(error: BaseException, handled: BaseException | None) -> str:
    """Return the traceback of a failure as text; if it was not raised, use the traceback of the handled exception."""
    trace = error.__traceback__ or (handled.__traceback__ if handled else None)
    try:
        return "".join(tracebacks.format_exception(type(error), error, trace))
    except Exception:  # noqa: BLE001 - nothing of a task's exception may fail us
        return "".join(tracebacks.format_tb(trace)) + ".".join(filter(None, type_name(type(error))))


# -- reading ---------------------------------------------------------------------------------------


def from_data(data: Any) -> BaseException:
    """Return the result of FAILURE, RETRY or REVOKED as an exception.

    An exception is returned unchanged, the map of an exception is rebuilt, and any other value
    becomes the only argument of an Exception (EXC-7). Raises SecurityError if the name resolves to
    something that is not an exception class.
    """
    if isinstance(data, BaseException):
        return data
    if not is_exception_data(data):
        return Exception(data)
    name, module = data["exc_type"], data.get("exc_module")
    cls = find(module, name) if isinstance(module, str) else None
    if cls is None:
        return synthesize(name, module)(*_arguments(data))
    return _construct(cls, _arguments(data))


def _arguments(data: dict[str, Any]) -> tuple[Any, ...]:
    """Return the stored arguments; older releases stored only the text of the exception."""
    message = data.get("exc_message")
    if message is None:
        return ()
    return tuple(message) if isinstance(message, (list, tuple)) else (message,)


def find(module: str, name: str) -> type[BaseException] | None:
    """Return the exception class of a name, or None if no loaded module has it.

    Raises SecurityError if the name is that of anything else. Rules: EXC-2, EXC-3, EXC-4.
    """
    found: object = sys.modules.get(module)
    if not isinstance(found, ModuleType):
        return WELL_KNOWN.get((module, name))
    for part in name.split("."):
        found = _namespace(found).get(part, _MISSING)
        if found is _MISSING:
            return None
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    raise SecurityError(f"{printable(module)}.{printable(name)} is stored as an exception, but is not one")


def _namespace(holder: object) -> Any:
    """Return the names in a module or class, without running any of its hooks."""
    if isinstance(holder, type):
        return type.__getattribute__(holder, "__dict__")
    if isinstance(holder, ModuleType):
        return object.__getattribute__(holder, "__dict__")
    return {}


def synthesize(name: str, module: object = None, base: type[Exception] = Exception) -> type[Exception]:
    """Return a new exception class with a qualified name, for a class that this process does not have."""
    short = printable(name).replace("\x00", "") or "Error"
    home = module if isinstance(module, str) else __name__
    cls = type(short.rpartition(".")[2] or short, (base,), {"__module__": home})
    cls.__qualname__ = name
    return cls


def _construct(cls: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """Call an exception class with the stored arguments.

    If the constructor takes other arguments or raises, the class name and the arguments are kept in a generic
    Exception (EXC-5). The `args` of the result are the stored arguments, whatever the constructor did with them.
    """
    try:
        error = cls(*arguments)
        if not isinstance(error, BaseException):
            raise TypeError(f"{cls.__qualname__} made something that is not an exception")
        if not isinstance(error, OSError):
            error.args = arguments
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - nothing of a task's exception may fail us
        return Exception(".".join(filter(None, type_name(cls))), list(arguments))
    return error


def raisable(error: BaseException) -> Exception:
    """Return an exception that a waiter may raise: one that would end the client is wrapped (EXC-10)."""
    if isinstance(error, Exception):
        return error
    module, name = type_name(type(error))
    wrapped = synthesize(name, module)(*arguments_of(error))
    wrapped.__cause__ = error
    return wrapped
