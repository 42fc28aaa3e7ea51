"""`Encoding`: how a backend encodes values before they are stored, and decodes bytes that it has read.

No store is involved.
"""

from collections.abc import Iterable
from typing import Any

from resultspec_reference import states
from resultspec_reference.app import AppProtocol, accepted, setting
from resultspec_reference.entries import exceptions
from resultspec_reference.entries.meta import TaskMeta, checked
from resultspec_reference.entries.result_tuples import is_result_object, to_stored
from resultspec_reference.entries.serialization import PAYLOAD_LIMIT, Codec


class Encoding:
    """The members of a backend that encode and decode.

    `app` has the settings, `serializer` is the name of one of kombu's serializers (None: the setting), `accept` the
    content types that may be read. Raises ImproperlyConfigured for a name or a type that kombu does not know.
    """

    EXCEPTION_STATES = states.EXCEPTION_STATES

    payload_limit = PAYLOAD_LIMIT
    """Bytes to which a compressed payload may grow."""

    def __init__(self, app: AppProtocol, serializer: str | None, accept: Iterable[str] | None) -> None:
        self.app = app
        self.serializer = serializer or setting(app, "result_serializer")
        self._codec = Codec(self.serializer, accepted(app, accept), self.payload_limit)
        self.accept = self._codec.accept

    def encode(self, data: Any) -> bytes:
        """Return data as bytes in the configured serializer. Raises EncodeError."""
        return self._codec.encode(data)

    def decode(self, payload: bytes | str) -> Any:
        """Return the data of a payload. Raises DecodeError and ContentDisallowed."""
        return self._codec.decode(payload)

    def decode_result(self, payload: bytes | str) -> TaskMeta:
        """Return the meta that a payload holds, with an exception in the states that have one."""
        return self.meta_from_decoded(self.decode(payload))

    def meta_from_decoded(self, meta: TaskMeta) -> TaskMeta:
        """Return a decoded meta; in FAILURE, RETRY and REVOKED its result is converted to an exception.

        A missing result is null (META-13), and null stays null in RETRY (EXC-8). Raises DecodeError if the meta is
        not a map with a state, SecurityError if the result names something that is not an exception.
        """
        found = checked(meta)
        if found["status"] in self.EXCEPTION_STATES:
            rebuilt = self.exception_to_python(found.get("result"))
            if rebuilt is None and found["status"] != states.RETRY:
                rebuilt = Exception(None)
            found = {**found, "result": rebuilt}
        return found

    def encode_result(self, result: Any, status: str) -> Any:
        """Return a result as it is put into the meta, before the meta is serialized (EXC-7, EXC-9).

        Another value, in a state whose result is an exception, becomes the argument of an Exception, so that
        readers that expect an exception there, as Celery's do, can read it too.
        """
        if status not in self.EXCEPTION_STATES:
            return self.prepare_value(result)
        if isinstance(result, BaseException):
            return self.prepare_exception(result)
        if exceptions.is_exception_data(result) or (result is None and status == states.RETRY):
            return result
        value = self.prepare_value(result)
        if self.serializer == "pickle":
            return Exception(value)
        return {"exc_type": "Exception", "exc_message": [value], "exc_module": "builtins"}

    def prepare_value(self, result: Any) -> Any:
        """Return a value as it is stored: except with pickle, the handle of a task or group becomes its tuple."""
        if self.serializer != "pickle" and is_result_object(result):
            return to_stored(result)
        return result

    def prepare_exception(self, exc: BaseException, serializer: str | None = None) -> Any:
        """Return an exception as a serializer, by default the configured one, stores it (EXC-6, EXC-11)."""
        codec = self._codec if serializer is None else Codec(serializer, [serializer])
        prepare = exceptions.to_pickle if codec.serializer == "pickle" else exceptions.to_data
        return prepare(exc, lambda value: codec.carries({"result": value}))

    def exception_to_python(self, exc: Any) -> BaseException | None:
        """Return stored data as an exception, None as None. Raises SecurityError. Rules: EXC-1 to EXC-7."""
        return None if exc is None else exceptions.from_data(exc)
