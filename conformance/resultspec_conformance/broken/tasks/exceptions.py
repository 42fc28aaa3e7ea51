"""Backends that break chapter 6."""

import contextlib
import importlib
from collections.abc import Mapping
from typing import Any

from resultspec import STATES
from resultspec_conformance.broken.baseline.whole import Correct, DecodeError, EncodeError
from resultspec_conformance.broken.catalogue import broken

BUILTIN = "builtins"


@broken("EXC-1", "simple-names", also=["EXC-2", "EXC-11"])
class SimpleNames(Correct):
    """Stores the simple name of a nested class, as Celery did before 4.4.0."""

    def prepare_exception(self, error: BaseException) -> Any:
        """Describe with the simple name."""
        prepared = super().prepare_exception(error)
        return {**prepared, "exc_type": type(error).__name__} if isinstance(prepared, dict) else prepared


@broken("EXC-1", "arguments-joined", also=["EXC-2", "EXC-6", "EXC-11"])
class ArgumentsJoined(Correct):
    """Stores one text for the arguments of an exception, as Celery did before 4.2.0, but for those of Python."""

    def arguments(self, error: BaseException) -> list[Any]:
        """Return one text."""
        several = len(error.args) > 1 and type(error).__module__ != BUILTIN
        return [", ".join(map(repr, error.args))] if several else super().arguments(error)


@broken("EXC-1", "falsy-exceptions-lost", also=["EXC-11"])
class FalsyExceptionsLost(Correct):
    """Stores the text of an exception that is false in a condition."""

    def prepare(self, value: Any, state: str) -> Any:
        """Return the exception if it is one that is true."""
        if isinstance(value, BaseException) and bool(value) is False:
            return super().prepare(str(value), state)
        return super().prepare(value, state)


@broken("EXC-1", "arguments-in-reverse", also=["EXC-2", "EXC-6", "META-14", "VALUE-10"])
class ArgumentsInReverse(Correct):
    """Calls a class that is not one of Python with the arguments in reverse."""

    def construct(self, cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
        """Construct the other way round."""
        return super().construct(cls, args if cls.__module__ == BUILTIN else args[::-1])


@broken("EXC-2", "unknown-module-is-an-error", also=["VALUE-10", "VALUE-11", "META-14"])
class UnknownModuleIsAnError(Correct):
    """Raises where the module of an exception is not loaded, as Celery did before 4.2.1."""

    def loaded_module(self, name: str) -> Any:
        """Insist on the module."""
        found = super().loaded_module(name)
        if found is None:
            raise KeyError(name)
        return found


@broken("EXC-2", "unknown-class-is-an-error")
class UnknownClassIsAnError(Correct):
    """Raises where a loaded module does not have the class, as Celery did before 4.4.0."""

    def member(self, holder: Any, name: str) -> Any:
        """Insist on the class."""
        found = super().member(holder, name)
        if found is None and holder is not None:
            raise AttributeError(name)
        return found


@broken("EXC-2", "null-module-is-an-error", also=["META-14"])
class NullModuleIsAnError(Correct):
    """Cannot read an exception without a module."""

    def find_class(self, name: str, module: str | None) -> type[BaseException]:
        """Insist on a module."""
        if not isinstance(module, str):
            raise TypeError("the module is not text")
        return super().find_class(name, module)


@broken("EXC-15", "module-of-another-type-is-an-error")
class OddModuleIsAnError(Correct):
    """Looks for a module by whatever is stored as its name, as Celery does."""

    def find_class(self, name: str, module: str | None) -> type[BaseException]:
        """Insist on a text, or nothing."""
        if module is not None and not isinstance(module, str):
            raise TypeError("the module is not text")
        return super().find_class(name, module)


@broken("EXC-2", "unknown-class-has-no-name", also=["VALUE-10", "VALUE-11", "META-14"])
class UnknownClassHasNoName(Correct):
    """Makes a plain exception of one whose class it does not have."""

    def find_class(self, name: str, module: str | None) -> type[BaseException]:
        """Return the class, or the most general one."""
        found = super().find_class(name, module)
        return Exception if self.loaded_module(module or "") is None or found.__module__ == module == "os" else found


@broken("EXC-3", "module-imported")
class ModuleImported(Correct):
    """Imports the module of an exception, as Celery did before 5.2.2."""

    def loaded_module(self, name: str) -> Any:
        """Import it, if it can be imported."""
        try:
            return importlib.import_module(name)
        except Exception:  # noqa: BLE001 - a module that cannot be imported is one that is not there
            return None


@broken("EXC-13", "module-asked")
class ModuleAsked(Correct):
    """Runs the `__getattr__` of a module in search of a class."""

    def member(self, holder: Any, name: str) -> Any:
        """Ask for the name."""
        return getattr(holder, name, None)


@broken("EXC-4", "anything-is-called")
class AnythingIsCalled(Correct):
    """Calls whatever a stored exception names, as Celery did before 5.2.2 (CVE-2021-23727)."""

    def insist_on_exception(self, found: Any) -> type[BaseException]:
        """Return what was found, whatever it is."""
        return found  # type: ignore[no-any-return]


@broken("EXC-4", "any-class-is-called")
class AnyClassIsCalled(Correct):
    """Makes an instance of whatever class a stored exception names."""

    def insist_on_exception(self, found: Any) -> type[BaseException]:
        """Return what was found if it is a class."""
        return found if isinstance(found, type) else super().insist_on_exception(found)


@broken("EXC-5", "constructor-error-raised")
class ConstructorErrorRaised(Correct):
    """Lets the error of an exception's constructor through, as Celery did before 4.4.0."""

    def restore_exception(self, stored: Mapping[str, Any]) -> BaseException:
        """Construct, come what may."""
        message = stored.get("exc_message", [])
        args = tuple(message) if isinstance(message, (list, tuple)) else (message,)
        return self.construct(self.find_class(stored["exc_type"], stored.get("exc_module")), args)


@broken("EXC-5", "constructor-error-hides-the-failure")
class ConstructorErrorHidesTheFailure(Correct):
    """Returns the error of the constructor instead of the exception."""

    def construct(self, cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
        """Construct, or return what went wrong."""
        try:
            return super().construct(cls, args)
        except Exception as error:  # noqa: BLE001 - a constructor may raise anything
            return error


@broken("EXC-5", "arguments-of-awkward-exceptions-lost")
class ArgumentsOfAwkwardExceptionsLost(Correct):
    """Keeps the name alone of an exception that it cannot construct."""

    def construct(self, cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
        """Construct, or keep the name."""
        try:
            return super().construct(cls, args)
        except Exception:  # noqa: BLE001 - a constructor may raise anything
            return Exception(cls.__qualname__)


@broken("EXC-14", "constructor-exits")
class ConstructorExits(Correct):
    """Survives the errors of a constructor that programs usually catch, and no others."""

    def restore_exception(self, stored: Mapping[str, Any]) -> BaseException:
        """Construct, and let the others through."""
        message = stored.get("exc_message", [])
        with contextlib.suppress(Exception):
            self.construct(self.find_class(stored["exc_type"], stored.get("exc_module")), tuple(message))
        return super().restore_exception(stored)


@broken("EXC-6", "unencodable-arguments-refused")
class UnencodableArgumentsRefused(Correct):
    """Refuses a failure with an argument that cannot be encoded, as Celery did before 4.2.1."""

    def prepare_argument(self, argument: Any) -> Any:
        """Return the argument as it is."""
        return argument


@broken("EXC-6", "all-arguments-become-text")
class AllArgumentsBecomeText(Correct):
    """Turns every argument into text where one of them cannot be encoded."""

    def arguments(self, error: BaseException) -> list[Any]:
        """Return all or none as they are."""
        found = super().arguments(error)
        try:
            self.dump({"arguments": found})
        except EncodeError:
            return [super(AllArgumentsBecomeText, self).prepare_argument([argument]) for argument in found]
        return found


@broken("EXC-6", "representation-that-raises")
class RepresentationThatRaises(Correct):
    """Cannot store a failure with an argument that has no representation."""

    def prepare_argument(self, argument: Any) -> Any:
        """Return the argument or its representation."""
        try:
            self.dump({"argument": argument})
        except EncodeError:
            return repr(argument)
        return argument


@broken("EXC-6", "unencodable-arguments-dropped")
class UnencodableArgumentsDropped(Correct):
    """Leaves out an argument that cannot be encoded."""

    def arguments(self, error: BaseException) -> list[Any]:
        """Return those that can be encoded."""
        found = super().arguments(error)
        return [argument for argument in found if self.prepare_argument(argument) is argument]


@broken("EXC-7", "no-exception-no-reading", also=["META-13"])
class NoExceptionNoReading(Correct):
    """Cannot read a failure that is not an exception, like Celery 5.7.0."""

    def wrap(self, stored: Any) -> BaseException:
        """Refuse."""
        raise DecodeError(f"{stored!r} is not an exception")


@broken("EXC-7", "no-exception-becomes-text")
class NoExceptionBecomesText(Correct):
    """Converts a failure that is not an exception to text."""

    def wrap(self, stored: Any) -> BaseException:
        """Return an exception of the text."""
        return super().wrap(str(stored))


@broken("EXC-7", "list-is-the-arguments")
class ListIsTheArguments(Correct):
    """Takes a list that was stored as a failure for the arguments of an exception."""

    def wrap(self, stored: Any) -> BaseException:
        """Return an exception of the members."""
        return Exception(*stored) if isinstance(stored, list) else super().wrap(stored)


@broken("EXC-7", "no-exception-refused")
class NoExceptionRefused(Correct):
    """Refuses to store a failure that is not an exception."""

    def prepare(self, value: Any, state: str) -> Any:
        """Insist on an exception."""
        if state in STATES.sets["EXCEPTION"] and not isinstance(value, (BaseException, type(None))):
            raise ValueError("a failure is an exception")
        return super().prepare(value, state)


@broken("EXC-8", "null-retry-is-an-exception")
class NullRetryIsAnException(Correct):
    """Reads a null in RETRY as an exception."""

    def restore(self, stored: Any, state: str) -> Any:
        """Wrap null, too."""
        return self.wrap(None) if stored is None and state == "RETRY" else super().restore(stored, state)


@broken("EXC-9", "exceptions-in-any-state")
class ExceptionsInAnyState(Correct):
    """Stores the description of an exception in any state."""

    def prepare(self, value: Any, state: str) -> Any:
        """Describe every exception."""
        return self.prepare_exception(value) if isinstance(value, BaseException) else super().prepare(value, state)


@broken("EXC-9", "exception-makes-a-failure")
class ExceptionMakesAFailure(Correct):
    """Stores a SUCCESS with an exception as a FAILURE."""

    def store_result(self, task_id: Any, result: Any, state: Any, traceback: Any = None, request: Any = None) -> None:
        """Store in the state that the value seems to ask for."""
        state = "FAILURE" if isinstance(result, BaseException) and state == "SUCCESS" else state
        super().store_result(task_id, result, state, traceback, request)


@broken("EXC-10", "base-exceptions-are-values")
class BaseExceptionsAreValues(Correct):
    """Takes what derives from BaseException only for a value, which it cannot encode."""

    def prepare(self, value: Any, state: str) -> Any:
        """Describe exceptions of the usual kind."""
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            return value
        return super().prepare(value, state)


@broken("EXC-10", "base-exceptions-raised")
class BaseExceptionsRaised(Correct):
    """Raises what derives from BaseException only where it is read."""

    def restore(self, stored: Any, state: str) -> Any:
        """Return or raise."""
        restored = super().restore(stored, state)
        if isinstance(restored, BaseException) and not isinstance(restored, (Exception, KeyboardInterrupt)):
            raise restored
        return restored


@broken("EXC-11", "module-and-name-in-one")
class ModuleAndNameInOne(Correct):
    """Stores the module and the name of a class as one text, which only it can take apart again."""

    def prepare_exception(self, error: BaseException) -> Any:
        """Join the two."""
        prepared = super().prepare_exception(error)
        if not isinstance(prepared, dict):
            return prepared
        joined = f"{prepared['exc_module']}/{prepared['exc_type']}"
        return {"exc_type": joined, "exc_message": prepared["exc_message"], "exc_module": None}

    def find_class(self, name: str, module: str | None) -> type[BaseException]:
        """Take the two apart."""
        before, slash, after = name.partition("/")
        return super().find_class(after, before) if slash else super().find_class(name, module)


@broken("EXC-11", "no-module-stored")
class NoModuleStored(Correct):
    """Leaves `exc_module` out."""

    def prepare_exception(self, error: BaseException) -> Any:
        """Describe without the module of builtins."""
        prepared = super().prepare_exception(error)
        if isinstance(prepared, dict) and prepared["exc_module"] == BUILTIN:
            del prepared["exc_module"]
        return prepared

    def find_class(self, name: str, module: str | None) -> type[BaseException]:
        """Look in builtins if there is no module."""
        found = getattr(importlib.import_module(BUILTIN), name, None) if module is None else None
        return super().find_class(name, BUILTIN if found is not None else module)


@broken("EXC-12", "file-names-lost")
class FileNamesLost(Correct):
    """Stores the first two arguments of an OSError only, as Celery 5.7.0."""

    def arguments(self, error: BaseException) -> list[Any]:
        """Return what Python calls the arguments."""
        return list(error.args)
