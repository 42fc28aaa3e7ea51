"""Exception classes of every kind, and how the suite makes an instance of one from data.

This module is loaded in every process that tests a Python backend, so a reader finds these classes. A class that no
reader has is created when needed, with the name of a module that does not exist.
"""

import decimal
import sys
import types
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from resultspec_conformance.wire.values import ExceptionData

MODULE = __name__
UNKNOWN_MODULE = "resultspec_no_such_module"

UUID_SAMPLE = uuid.UUID("d2b5dc4e-3ddf-4c34-a5b7-3e7a1e4ecdd9")
DECIMAL_SAMPLE = decimal.Decimal("1.10")

called: list[tuple[Any, ...]] = []
"""Calls of functions and classes that are not exceptions: a reader must not make any."""


class Plain(Exception):
    """An exception that takes any arguments."""


class Outer:
    """A class that contains an exception class."""

    class Inner(Exception):
        """A nested exception class."""

        class Innermost(Exception):
            """An exception class nested in an exception class."""

    def method(self) -> None:
        """Record a call."""
        called.append((self,))

    @classmethod
    def bound(cls, *args: Any) -> None:
        """Record a call."""
        called.append(args)


class TwoRequired(Exception):
    """A constructor with two required arguments, which passes a different one to its base."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__(f"{left} and {right}")
        self.left, self.right = left, right


class KeywordOnly(Exception):
    """A constructor with a required keyword argument."""

    def __init__(self, *args: Any, code: int) -> None:
        super().__init__(*args)
        self.code = code


class ConstructorRaises(Exception):
    """A constructor that always raises; instances are made without it."""

    def __init__(self, *args: Any) -> None:
        raise RuntimeError(f"this constructor raises, on purpose: {args!r}")


class ConstructorExits(Exception):
    """A constructor that tries to end the process."""

    def __init__(self, *args: Any) -> None:
        raise SystemExit(f"this constructor exits, on purpose: {args!r}")


class MakesNoInstance(Exception):
    """A class whose call returns a text and not an instance."""

    def __new__(cls, *args: Any) -> Any:
        """Return a text if the class is called, and an instance if `__new__` is called alone."""
        return super().__new__(cls) if not args else f"no instance, on purpose: {args!r}"


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
    """Record that a reader called the object that a stored exception names."""
    called.append(args)


class NotAnException:
    """A class that is not an exception class; each instantiation is recorded."""

    def __init__(self, *args: Any) -> None:
        called.append(args)


class Trap:
    """An object that records that it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return not_an_exception, ("unpickled",)


instance_of_plain = Plain("an instance, and no class")

LAZY_MODULE = "resultspec_lazy_module"


@contextmanager
def lazy_module() -> Iterator[list[str]]:
    """Load a module that creates its members on access; yield the list of accessed names."""
    asked: list[str] = []
    module: Any = types.ModuleType(LAZY_MODULE)

    def on_demand(name: str) -> type[Exception]:
        if name.startswith("__"):
            raise AttributeError(name)
        asked.append(name)
        return Plain

    module.__getattr__ = on_demand
    sys.modules[LAZY_MODULE] = module
    try:
        yield asked
    finally:
        del sys.modules[LAZY_MODULE]


def find(type_name: str, module: str | None) -> type[BaseException] | None:
    """Return the exception class of a name in a loaded module, or None."""
    found: Any = sys.modules.get(module or "builtins")
    for part in type_name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def instance(data: ExceptionData) -> BaseException:
    """Return an exception with the given arguments; made without its constructor if that does not accept them."""
    cls = find(data.type, data.module)
    if cls is None:
        name = data.type.rpartition(".")[2]
        cls = type(name, (Exception,), {"__module__": data.module or UNKNOWN_MODULE, "__qualname__": data.type})
    args = tuple(instance(item) if isinstance(item, ExceptionData) else item for item in data.args)
    made: Any
    try:
        made = cls(*args)
    except (Exception, SystemExit):  # noqa: BLE001 - some of these classes have constructors that raise
        made = None
    if not isinstance(made, cls):
        made = cls.__new__(cls)
        made.args = args
    if data.cause is not None:
        made.__cause__ = instance(data.cause)
    return cast(BaseException, made)
