"""A driver in Python: it serves any target of the suite by the driver protocol.

`python -m resultspec_adapters.python_driver redis://127.0.0.1:6379/0` reads requests from standard input and writes
answers to standard output, one to a line, as chapter 17 of the specification says. It shows that the protocol covers
everything that the suite asks, and it is a template: the class `Driver` is what a port writes in its own language.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO, Any, Final

from resultspec import OPERATIONS, PROTOCOL
from resultspec_conformance.runner.targets import open_target
from resultspec_conformance.subject import ClientOptions, Connection, Subject, SubjectError
from resultspec_conformance.subject.history import Outcome
from resultspec_conformance.subject.outbox import SentCall
from resultspec_conformance.wire.results import encode_result
from resultspec_conformance.wire.values import decode, encode

USAGE = "usage: python -m resultspec_adapters.python_driver TARGET, for example redis://127.0.0.1:6379/0"
ERROR_CODE = -32000
UNKNOWN_METHOD = -32601


BROKER_ERRORS: Final[Mapping[str, type[Exception]]] = {"OperationalError": ConnectionError, "ValueError": ValueError}
"""The exceptions with which a client library fails to call a task, by the kinds of errors that the suite answers."""


class Driver:
    """One client of a target at a time. `handle` answers one request; requests may overlap.

    `ask` sends a request to the suite and returns its answer.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.ask: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = lambda _method, _params: {}
        self._subject: Subject | None = None
        self._connection: Connection | None = None

    def handle(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request."""
        method, params = request["method"], request["params"]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        if method == "initialize":
            return answer | self._initialize(params)
        if method in ("close", "shutdown"):
            self.close()
            return answer | {"result": None}
        if method not in OPERATIONS or self._connection is None:
            reason = "not initialized" if method in OPERATIONS else f"there is no operation {method}"
            return answer | _error("NotImplementedError", reason, UNKNOWN_METHOD)
        outcome = self._connection.call(method, {name: decode(value) for name, value in params.items()})
        return answer | _outcome(method, outcome)

    def _initialize(self, params: Mapping[str, Any]) -> dict[str, Any]:
        options = dict(params["options"])
        if "accept" in options:
            options["accept"] = tuple(options["accept"])
        if "expires" in options:
            options["expires"] = decode(options["expires"])
        try:
            self._subject = self._subject or self._opened(params["run"])
            capabilities = self._subject.capabilities
            options.setdefault("serializer", capabilities.serializers[0])
            self._connection = self._subject.connect(ClientOptions(**options))
        except SubjectError as error:
            kind = error.refusal or ("ImproperlyConfigured" if error.exit_code == 2 else "OperationalError")
            return _error(kind, str(error))
        document = capabilities.to_json() | {"store": capabilities.store}
        able = {"overlap": True, "reopens": True, "awaits": True}
        return {"result": {"protocol": PROTOCOL, "capabilities": document, **able}}

    def _opened(self, run: str) -> Subject:
        # "again": the suite itself checks with its first client that the store is empty, where that matters
        subject = open_target(self.target, run, "again")
        subject.outbox.listen(self._report)
        return subject

    def _report(self, sent: SentCall) -> None:
        """Report a call to the suite, and wait for what its broker says. Raises the error of the broker."""
        answer = self.ask("body_called", {"signature": encode(sent.signature), "args": encode(list(sent.args))})
        if "error" in answer:
            refusal = BROKER_ERRORS.get(answer["error"]["data"]["kind"], RuntimeError)
            raise refusal(answer["error"]["message"])

    def close(self) -> None:
        """Close the client. What it stored stays, for the other clients of the run."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _error(kind: str, message: str, code: int = ERROR_CODE) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "data": {"kind": kind}}}


def _outcome(method: str, outcome: Outcome) -> dict[str, Any]:
    if outcome.kind != "ok":
        return _error(outcome.error, outcome.message)
    return {"result": encode_result(method, outcome.value)}


def serve(driver: Driver, requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until `shutdown` or the end of the input, each in a thread of its own, so that they overlap."""
    lock = Lock()
    numbers = count(1)
    asked: dict[int, SimpleQueue[Mapping[str, Any]]] = {}

    def write(message: Mapping[str, Any]) -> None:
        line = json.dumps(message) + "\n"
        with lock:
            answers.write(line)
            answers.flush()

    def answer(request: Mapping[str, Any]) -> None:
        write(driver.handle(request))

    def ask(method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        number = next(numbers)
        answered = asked[number] = SimpleQueue()
        write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return answered.get()

    driver.ask = ask

    for line in requests:
        request = json.loads(line)
        if "method" not in request:
            asked.pop(request["id"]).put(request)
            continue
        if request["method"] in ("initialize", "close", "shutdown"):
            answer(request)
        else:
            Thread(target=answer, args=(request,), daemon=True).start()
        if request["method"] == "shutdown":
            return


def main(arguments: Sequence[str]) -> int:
    """Serve a target. Returns the exit code: 0, or 2 for wrong use."""
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    # output of the backend must not get between the answers: it goes to standard error
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(Driver(arguments[0]), sys.stdin, answers)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # without waiting for threads of the backend, such as a wait that does not end
    os._exit(code)
