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
from resultspec.schemas import URN, schema, validator
from resultspec_conformance.subject.driver.fast_values import group_complaint, value_complaint
from resultspec_conformance.subject.driver.fault import DriverFault, excerpt, without_passwords
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.wire.results import MAP_RESULT_OPERATIONS, decode_result
from resultspec_conformance.wire.values import ValueFormatError, decode

LINE_LIMIT = 64 * 1024 * 1024
"""The largest number of bytes in a line, without its line feed."""

_VALIDATED_SEPARATELY = frozenset({"value", "group-tuple"})
"""Schemas of documents that may be large, and are validated by `fast_values`."""

_SELF_REFERENTIAL = frozenset({"result-tuple"})
"""Schemas that refer to themselves, and not to any of those."""


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
    """The notification `body_called`: the backend called a signature with these arguments."""

    signature: Any
    args: list[Any]


def request_line(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Return a request as a line. It is ASCII, since some readers treat U+2028 as the end of a line."""
    document = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
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
        return BodyCalled(decode(params["signature"]), decode(params["args"]))
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


@cache
def _error_validator() -> Draft202012Validator:
    return validator(schema("driver-response")["$defs"]["error"])


def _without_values(node: Any) -> Any:
    """Return a schema that allows anything for tagged values and groups; other references are resolved."""
    if isinstance(node, dict):
        urn, _, name = str(node.get("$ref", "")).partition(URN)
        if name in _VALIDATED_SEPARATELY:
            return True
        if name and not urn and name not in _SELF_REFERENTIAL:
            return _without_values(schema(name))
        return {name: _without_values(member) for name, member in node.items() if name != "$id"}
    return [_without_values(item) for item in node] if isinstance(node, list) else node


@cache
def _result_validator(method: str) -> Draft202012Validator:
    """Return the validator for the results of an operation, without their values; `shutdown` has null."""
    if method not in OPERATIONS:
        return validator({"type": "null"})
    return validator(_without_values(OPERATIONS[method].result))


def result_complaint(method: str, result: Any) -> str | None:
    """Return why a document is not a result of an operation, as one line, or None if it is."""
    found = _result_validator(method)
    if not found.is_valid(result):
        error = best_match(found.iter_errors(result))
        return f"{error.json_path}: {error.message}" if error else "not valid"
    if method == "get_many":
        # its schema includes those of its metas, which have been validated completely
        return None
    if method in MAP_RESULT_OPERATIONS:
        # their outermost map is not a value, so a member `$type` of it is not a tag
        parts = ((f"$.{name}", member) for name, member in result.items())
        return next(filter(None, (value_complaint(member, path) for path, member in parts)), None)
    if method in ("restore_group", "get_group_meta") and result is not None:
        found_group = group_complaint(result if method == "restore_group" else result["result"])
        return found_group or value_complaint(result)
    return value_complaint(result)


def outcome_of(method: str, answer: DriverAnswer) -> Outcome:
    """Return the outcome of an operation. Raises DriverFault for a malformed answer."""
    if answer.failed:
        kind, message = read_error(method, answer)
        return Outcome.of_error(kind, message)
    found = result_complaint(method, answer.result)
    if found is not None:
        detail = f"it answered {method} with {excerpt(answer.line)}; {excerpt(found)}"
        raise DriverFault("invalid-result", detail)
    try:
        return Outcome("ok", decode_result(method, answer.result))
    except ValueFormatError as error:
        raise DriverFault("invalid-result", f"it answered {method} with {excerpt(str(error))}") from error


def read_error(method: str, answer: DriverAnswer) -> tuple[str, str]:
    """Return kind and message of an error. Raises DriverFault for a malformed one."""
    if not _error_validator().is_valid(answer.error):
        raise DriverFault("malformed-error", f"it answered {method} with {excerpt(answer.line)}")
    return answer.error["data"]["kind"], without_passwords(answer.error["message"])


def read_initialized(answer: DriverAnswer) -> Mapping[str, Any]:
    """Return the result of `initialize`. Raises DriverFault if it or the capabilities are invalid."""
    found = best_match(_validator("driver-initialized").iter_errors(answer.result))
    if found is not None:
        raise DriverFault("invalid-capabilities", excerpt(f"{found.json_path}: {found.message}"))
    result: Mapping[str, Any] = answer.result
    return result
