"""Exception classes of every shape, and how the suite makes an instance of one from data.

They live in a module that is loaded where a Python backend is tested, so that a reader finds them; a class that no
reader has is made up on the spot, in a module that does not exist.
"""

import sys
from typing import Any

from resultspec_conformance.values import ExceptionData

MODULE = __name__
UNKNOWN_MODULE = "resultspec_no_such_module"

called: list[tuple[Any, ...]] = []
"""Calls of :func:`not_an_exception`: a reader must not make any."""


class Plain(Exception):
    """An exception that takes any arguments."""


class Outer:
    """A class that has an exception class inside."""

    class Inner(Exception):
        """A nested exception class."""


class TwoRequired(Exception):
    """A constructor that wants two arguments, and hands one of its own making to its base."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__(f"{left} and {right}")
        self.left, self.right = left, right


class KeywordOnly(Exception):
    """A constructor that wants a keyword."""

    def __init__(self, *args: Any, code: int) -> None:
        super().__init__(*args)
        self.code = code


class ConstructorRaises(Exception):
    """A constructor that always raises; an instance is made past it."""

    def __init__(self, *args: Any) -> None:
        raise RuntimeError(f"this constructor raises, on purpose: {args!r}")


class Falsy(Exception):
    """An exception that is false in a condition."""

    def __bool__(self) -> bool:
        return False


class Lengthless(Exception):
    """An exception that is empty by its length."""

    def __len__(self) -> int:
        return 0


class BaseOnly(BaseException):
    """Derives from BaseException only."""


def not_an_exception(*args: Any) -> None:
    """Record that something called what a stored exception named."""
    called.append(args)


class NotAnException:
    """A class that is no exception class; making an instance is recorded."""

    def __init__(self, *args: Any) -> None:
        called.append(args)


def find(type_name: str, module: str | None) -> type[BaseException] | None:
    """Return the exception class of a name in a module that is loaded, or None."""
    found: Any = sys.modules.get(module or "builtins")
    for part in type_name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def instance(data: ExceptionData) -> BaseException:
    """Return an exception with the given arguments, made past its constructor where that does not take them."""
    cls = find(data.type, data.module)
    if cls is None:
        name = data.type.rpartition(".")[2]
        cls = type(name, (Exception,), {"__module__": data.module or UNKNOWN_MODULE, "__qualname__": data.type})
    args = tuple(instance(item) if isinstance(item, ExceptionData) else item for item in data.args)
    try:
        made = cls(*args)
    except Exception:  # noqa: BLE001 - constructors that raise are what some of these classes are for
        made = cls.__new__(cls)
    made.args = args
    if data.cause is not None:
        made.__cause__ = instance(data.cause)
    return made
