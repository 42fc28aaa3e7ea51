"""A small correct driver, and what goes wrong in it: `python sabotaged.py NAME` runs it with that sabotage.

It needs the standard library only, so it starts fast. Its store is a map in the memory of the process, which is
enough for one client; it says otherwise, since a driver whose store is not shared is refused.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Request = Mapping[str, Any]
AnswerDocument = dict[str, Any]
Trick = Callable[[Request, AnswerDocument], bytes]
"""What a driver writes instead of an answer."""


def encoded(message: object) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode() + b"\n"


@dataclass(frozen=True)
class Sabotage:
    """A trick, what it has to be diagnosed as, what is shown of it, and the method at which it is played.

    `found` is a fault of the driver, or the error that is the outcome of the operation. `awaits` is what the driver
    declares of that name.
    """

    trick: Trick
    found: str
    shown: str
    at: str = "get_task_meta"
    awaits: bool = False


def _with(**changes: Any) -> Trick:
    """Return a trick that changes members of the answer; None as a value leaves the member out."""

    def trick(_: Request, answer: AnswerDocument) -> bytes:
        changed = {**answer, **changes}
        return encoded({name: member for name, member in changed.items() if member is not Ellipsis})

    return trick


def _writes(line: bytes) -> Trick:
    """Return a trick that writes a line in front of the answer."""
    return lambda _, answer: line + encoded(answer)


def _result(changes: Mapping[str, Any]) -> Trick:
    """Return a trick that changes members of the result."""
    return lambda _, answer: encoded({**answer, "result": {**answer["result"], **changes}})


def _die(_: Request, __: AnswerDocument) -> bytes:
    print("Traceback …\nKeyError: 'status'", file=sys.stderr)
    raise SystemExit(7)


def _die_of_a_signal(_: Request, __: AnswerDocument) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def _hang(_: Request, __: AnswerDocument) -> bytes:
    print("waiting for a lock", file=sys.stderr, flush=True)
    while True:
        time.sleep(60)


def _close_output(_: Request, __: AnswerDocument) -> bytes:
    os.close(1)
    time.sleep(60)
    return b""


def _torn(_: Request, answer: AnswerDocument) -> bytes:
    return encoded(answer)[:25] + b"\n"


def _not_a_number(_: Request, answer: AnswerDocument) -> bytes:
    return encoded({**answer, "result": {**answer["result"], "result": float("nan")}})


def _latin_1(_: Request, answer: AnswerDocument) -> bytes:
    answer["result"]["traceback"] = "é"
    return json.dumps(answer, ensure_ascii=False).encode("latin-1") + b"\n"


def _long_line(_: Request, answer: AnswerDocument) -> bytes:
    return encoded({**answer, "result": "x" * (65 * 1024 * 1024)})


def _twice(_: Request, answer: AnswerDocument) -> bytes:
    return encoded(answer) * 2


def _unasked(_: Request, answer: AnswerDocument) -> bytes:
    return encoded(answer) + encoded({**answer, "id": 999})


CLAIMS = {"spec": "0.1", "classes": ["core", "waiting"], "implementation": {"name": "sabotaged"}}
CALL = {"jsonrpc": "2.0", "method": "body_called", "params": {"signature": {"task": "t"}, "args": []}}
BAD_CLAIMS = {"protocol": "1", "capabilities": {**CLAIMS, "classes": ["everything"]}}

SABOTAGES: Mapping[str, Sabotage] = {
    "exits-at-once": Sabotage(_die, "early-exit", "KeyError: 'status'", at="initialize"),
    "exits-in-the-middle": Sabotage(
        _die, "Died", "exit code 7 while get_task_meta was open; it last said 'Traceback …' / \"KeyError: 'status'\""
    ),
    "is-killed": Sabotage(_die_of_a_signal, "Died", "SIGKILL"),
    "closes-its-output": Sabotage(_close_output, "Died", "closed its standard output"),
    "hangs-at-the-start": Sabotage(
        _hang, "hang", "had not answered initialize after 2 s; it last said 'waiting for a lock'", at="initialize"
    ),
    "logs-to-stdout": Sabotage(_writes(b"connected to the store\n"), "noise", "'connected to the store'"),
    "prints-an-empty-line": Sabotage(_writes(b"\n"), "noise", "the line ''"),
    "shows-a-password": Sabotage(_writes(b"at redis://me:secret@host/0\n"), "noise", "redis://me:**@host/0"),
    "greets": Sabotage(_writes(b"driver 1.0 is ready\n"), "noise", "driver 1.0 is ready", at="initialize"),
    "tears-a-line": Sabotage(_torn, "bad-json", '{"jsonrpc": "2.0", "id": '),
    "answers-nan": Sabotage(_not_a_number, "bad-json", "NaN is not JSON"),
    "speaks-latin-1": Sabotage(_latin_1, "invalid-utf-8", "\\\\xe9"),
    "writes-without-end": Sabotage(_long_line, "oversize-line", "xxxx"),
    "prints-a-number": Sabotage(_writes(b"42\n"), "not-json-rpc", "'42'"),
    "leaves-out-jsonrpc": Sabotage(_with(jsonrpc=...), "not-json-rpc", '{"id": 2'),
    "leaves-out-the-result": Sabotage(_with(result=...), "not-json-rpc", "lacks"),
    "answers-a-batch": Sabotage(lambda _, answer: encoded([answer]), "not-json-rpc", "'[{"),
    "asks-back": Sabotage(_with(method="ping", result=..., params={}), "unexpected-message", '"ping"'),
    "reports-progress": Sabotage(
        _writes(encoded({"jsonrpc": "2.0", "method": "progress", "params": {}})), "unexpected-message", "progress"
    ),
    "calls-with-an-id": Sabotage(
        _writes(encoded({**CALL, "id": 1})), "unexpected-message", "with an id, and does not declare awaits"
    ),
    "calls-without-an-id": Sabotage(
        _writes(encoded(CALL)), "unexpected-message", "without an id, and declares awaits", awaits=True
    ),
    "logs-with-an-id": Sabotage(
        _writes(encoded({"jsonrpc": "2.0", "id": 1, "method": "log", "params": {"message": "m"}})),
        "unexpected-message",
        '"log"',
    ),
    "takes-another-id": Sabotage(_with(id=1000), "wrong-id", '"id": 1000'),
    "answers-with-a-text-as-id": Sabotage(_with(id="2"), "wrong-id", "the id '2'"),
    "answers-with-null-as-id": Sabotage(_with(id=None), "wrong-id", "the id None"),
    "answers-twice": Sabotage(_twice, "duplicate-answer", "request 2 was answered again"),
    "answers-unasked": Sabotage(_unasked, "unsolicited-answer", '"id": 999'),
    "has-result-and-error": Sabotage(
        _with(error={"code": 1, "message": "no", "data": {"kind": "ValueError"}}), "result-and-error", '"error"'
    ),
    "has-a-null-error": Sabotage(_with(error=None), "result-and-error", '"error": null'),
    "answers-a-list": Sabotage(_with(result=[]), "MalformedResult", "get_task_meta returned []: it is not a map"),
    "leaves-out-the-status": Sabotage(
        _with(result={"result": 1}), "MalformedResult", "{'result': 1}: it has no status that is a text"
    ),
    "invents-a-type": Sabotage(
        _result({"result": {"$type": "colour", "value": "red"}}), "MalformedResult", "value of type 'colour'"
    ),
    "tears-base64": Sabotage(_result({"result": {"$type": "bytes", "value": "a"}}), "MalformedResult", "type 'bytes'"),
    "fails-with-a-text": Sabotage(_with(result=..., error="boom"), "malformed-error", '"error": "boom"'),
    "fails-without-a-message": Sabotage(_with(result=..., error={"code": 1}), "malformed-error", '"code": 1'),
    "fails-without-a-kind": Sabotage(
        _with(result=..., error={"code": -32601, "message": "Method not found"}), "Unknown", "Method not found"
    ),
    "speaks-another-version": Sabotage(
        _result({"protocol": "99"}), "protocol-version", "it speaks '99'", at="initialize"
    ),
    "claims-everything": Sabotage(_with(result=BAD_CLAIMS), "invalid-capabilities", "everything", at="initialize"),
    "claims-nothing": Sabotage(_with(result=None), "invalid-capabilities", "object", at="initialize"),
}
"""Each sabotage by its name. `correct` and `takes-turns` are none: they are drivers without fault."""

HANGS = Sabotage(_hang, "", "", at="forget")
"""What the name `hangs` stands for: only a watchdog can see that."""


class Store:
    """The backend: enough of one for tests of the protocol."""

    def __init__(self, *, overlap: bool, awaits: bool = False) -> None:
        self.overlap = overlap
        self.awaits = awaits
        self.metas: dict[str, Any] = {}

    def perform(self, method: str, params: Mapping[str, Any]) -> Any:
        """Return the result of a request."""
        if method == "initialize":
            return {"protocol": "1", "capabilities": CLAIMS, "overlap": self.overlap, "awaits": self.awaits}
        if method == "store_result":
            self.metas[params["task_id"]] = {"status": params["state"], "result": params["result"]}
        if method == "get_task_meta":
            return self.metas.get(params["task_id"], {"status": "PENDING", "result": None})
        if method == "wait_for":
            time.sleep(min(params["timeout"], 0.5))
            return {"returned": os.getpid()}
        return None


def main(name: str) -> None:
    """Answer requests until the input ends, and play the trick of that name."""
    sabotage = HANGS if name == "hangs" else SABOTAGES.get(name)
    store = Store(overlap=name != "takes-turns", awaits=sabotage is not None and sabotage.awaits)
    for line in sys.stdin:
        request = json.loads(line)
        method = request["method"]
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": store.perform(method, request["params"])}
        written = sabotage.trick(request, answer) if sabotage and sabotage.at == method else encoded(answer)
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
        if method == "shutdown":
            return


if __name__ == "__main__":
    main(sys.argv[1])
