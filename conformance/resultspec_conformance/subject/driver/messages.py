"""The messages of the driver protocol: requests become lines, lines become messages or faults.

Everything here is a pure function of bytes and tables, so that each fault can be tested without a process.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from resultspec import OPERATIONS
from resultspec.schemas import validator
from resultspec_conformance.subject.driver.fault import DriverFault, excerpt, without_passwords
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.wire.results import decode_result
from resultspec_conformance.wire.values import ValueFormatError, decode

LINE_LIMIT = 64 * 1024 * 1024
"""The largest number of bytes in a line, without its line feed."""

_WITHOUT_RESULT = frozenset(op for op, known in OPERATIONS.items() if known.result == {"type": "null"})
"""Operations whose result nobody looks at: what a driver answers instead of null is ignored."""


@dataclass(frozen=True)
class DriverAnswer:
    """The answer to the request with the number `id`: a result, or an error as the driver wrote it."""

    id: int
    line: bytes
    result: Any = None
    error: Any = None
    failed: bool = False


@dataclass(frozen=True)
class Log:
    """The notification `log`."""

    message: str


@dataclass(frozen=True)
class BodyCalled:
    """The message `body_called`: the backend called a signature with these arguments.

    With an `id`, it is a request, and the driver waits for its answer; without one, it is a notification.
    """

    signature: Any
    args: list[Any]
    id: int | None = None


ERROR_CODE = -32000
"""The code of the errors that the suite answers; the kind says what it is."""


def request_line(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Return a request as a line."""
    return _line({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def answer_line(number: int, kind: str = "", message: str = "") -> bytes:
    """Return the answer to a request of the driver as a line: null, or an error of a kind."""
    answer: dict[str, Any] = {"result": None}
    if kind:
        answer = {"error": {"code": ERROR_CODE, "message": message, "data": {"kind": kind}}}
    return _line({"jsonrpc": "2.0", "id": number, **answer})


def _line(document: Mapping[str, Any]) -> bytes:
    """Return a message as a line. It is ASCII, since some readers treat U+2028 as the end of a line."""
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _refuse(token: str) -> NoReturn:
    raise ValueError(f"{token} is not JSON")


def read_line(line: bytes) -> DriverAnswer | Log | BodyCalled:
    """Return the message in a line. Raises DriverFault for a line that is invalid in itself."""
    shown = excerpt(line)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DriverFault("invalid-utf-8", f"byte {error.start} of the line {shown}") from error
    try:
        message = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith(("{", "[")):
            raise DriverFault("bad-json", f"it wrote the line {shown}: {error}") from error
        raise DriverFault("noise", f"it wrote the line {shown} to standard output") from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise DriverFault("not-json-rpc", f"it wrote {shown}, which is not an object with jsonrpc 2.0")
    return _notification(message, shown) if "method" in message else _answer(message, line, shown)


def _notification(message: Mapping[str, Any], shown: str) -> Log | BodyCalled:
    if not _validator("driver-notification").is_valid(message):
        raise DriverFault("unexpected-message", f"it sent {shown}")
    params = message["params"]
    if message["method"] == "log":
        return Log(params["message"])
    try:
        return BodyCalled(decode(params["signature"]), decode(params["args"]), message.get("id"))
    except ValueFormatError as error:
        raise DriverFault("unexpected-message", f"it sent {shown}: {error}") from error


def _answer(message: Mapping[str, Any], line: bytes, shown: str) -> DriverAnswer:
    if "result" in message and "error" in message:
        raise DriverFault("result-and-error", f"it answered {shown}")
    if "id" not in message or not ("result" in message or "error" in message):
        raise DriverFault("not-json-rpc", f"it wrote {shown}, which lacks id, or both result and error")
    number = message["id"]
    if not isinstance(number, int) or isinstance(number, bool):
        raise DriverFault("wrong-id", f"it answered with the id {number!r:.40}: {shown}")
    return DriverAnswer(number, line, message.get("result"), message.get("error"), failed="error" in message)


# -- what an answer says ---------------------------------------------------------------------------


@cache
def _validator(name: str) -> Draft202012Validator:
    return validator(name)


def outcome_of(method: str, answer: DriverAnswer) -> Outcome:
    """Return the outcome of an operation. Raises DriverFault for an error that is not one of JSON-RPC.

    A malformed result and an error without a kind are outcomes too: what is answered is the backend's business.
    """
    if answer.failed:
        return Outcome.of_error(*read_error(method, answer))
    if method in _WITHOUT_RESULT:
        return Outcome("ok")
    try:
        return Outcome.of_result(method, decode_result(method, answer.result))
    except (ValueFormatError, RecursionError) as error:
        message = f"{method} returned {excerpt(json.dumps(answer.result))}: it is {error}"
        return Outcome.of_error("MalformedResult", message)


def read_error(method: str, answer: DriverAnswer) -> tuple[str, str]:
    """Return kind and message of an error. Raises DriverFault if it does not have a code and a message."""
    error = answer.error
    if not _is_error(error):
        raise DriverFault("malformed-error", f"it answered {method} with {excerpt(answer.line)}")
    data = error.get("data")
    kind = data.get("kind") if isinstance(data, dict) else None
    message = without_passwords(error["message"])
    if isinstance(kind, str):
        return kind, message
    return "Unknown", f"{message} (an error without data.kind)"


def _is_error(error: Any) -> bool:
    return (
        isinstance(error, dict)
        and isinstance(error.get("code"), int)
        and not isinstance(error["code"], bool)
        and isinstance(error.get("message"), str)
    )


def read_initialized(answer: DriverAnswer) -> Mapping[str, Any]:
    """Return the result of `initialize`. Raises DriverFault if it or the capabilities are invalid."""
    found = best_match(_validator("driver-initialized").iter_errors(answer.result))
    if found is not None:
        raise DriverFault("invalid-capabilities", excerpt(f"{found.json_path}: {found.message}"))
    result: Mapping[str, Any] = answer.result
    return result
