"""The exception of a task as JSON, and back: chapter 6 of the specification."""

import json
import sys
from typing import Any


def describe(error: BaseException) -> dict[str, Any]:
    """Return what is stored of an exception."""
    arguments = list(error.args)
    if isinstance(error, OSError) and error.filename is not None:
        arguments += [error.filename, None, error.filename2]
    return {
        "exc_type": type(error).__qualname__,
        "exc_message": [carried(argument) for argument in arguments],
        "exc_module": type(error).__module__,
    }


def carried(argument: Any) -> Any:
    """Return an argument that JSON can carry: itself, or a text about it."""
    try:
        json.dumps(argument)
    except (TypeError, ValueError, RecursionError):
        return repr(argument)
    return argument


def rebuild(stored: Any) -> BaseException:
    """Return the exception that is stored, or one of the same name if its class cannot be found or called."""
    if not isinstance(stored, dict) or not isinstance(stored.get("exc_type"), str) or not stored["exc_type"]:
        return Exception(stored)
    name, arguments = stored["exc_type"], stored.get("exc_message", [])
    if not isinstance(arguments, list):
        arguments = [arguments]
    # nothing is imported and no code of a module runs: what is stored must not choose what does
    found: Any = sys.modules.get(stored.get("exc_module") or "")
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        found = type(name, (Exception,), {})
    try:
        rebuilt = found(*arguments)
    except BaseException:  # noqa: BLE001 - a constructor may raise anything
        rebuilt = None
    return rebuilt if isinstance(rebuilt, BaseException) else Exception(f"{name}: {arguments}")
