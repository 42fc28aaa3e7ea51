"""A client library that only waits: `python waiter_only.py NAME COMMAND …` makes one of a good driver.

It stands between the suite and the driver, refuses whatever stores or removes, and declares the role of the waiter.
`right` changes nothing else; `never-wakes` reads once and then sleeps until the timeout is over. It needs the standard
library only, so it starts fast.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

CLASSES = ("core", "waiting", "join", "kv-wire")
FEATURES = ("connection", "notify", "uuid")
READING = ("get_task_meta", "get_state", "get_result", "get_traceback", "get_children", "wait_for", "get_many")
OTHERS = ("initialize", "close", "shutdown", "as_uri")


def as_waiter(result: dict[str, Any]) -> dict[str, Any]:
    """Return what a driver says of itself, as a client library that only waits says it."""
    said = result["capabilities"]
    capabilities = {
        **said,
        "role": "waiter",
        "classes": [name for name in said["classes"] if name in CLASSES],
        "features": [name for name in said["features"] if name in FEATURES],
        "serializers": ["json"],
        "values": "json",
    }
    return {**result, "capabilities": capabilities, "overlap": False}


def asleep(request: Mapping[str, Any], ask: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Answer a wait with one read; a task that is not ready then is never noticed."""
    timeout = request["params"].get("timeout")
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or timeout <= 0:
        return ask(request)
    answer = ask({**request, "params": {**request["params"], "timeout": 0}})
    if "error" in answer:
        time.sleep(min(timeout, 60))
    return answer


def main(name: str, command: list[str]) -> None:
    """Hand what reads on to the driver, and its answer back, until the input ends."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:

        def ask(request: Mapping[str, Any]) -> Any:
            assert driver.stdin is not None
            assert driver.stdout is not None
            driver.stdin.write(json.dumps(request) + "\n")
            driver.stdin.flush()
            return json.loads(driver.stdout.readline())

        for line in sys.stdin:
            request = json.loads(line)
            method = request["method"]
            if method not in READING + OTHERS:
                error = {"code": -32000, "message": f"no {method} here", "data": {"kind": "NotImplementedError"}}
                answer = {"jsonrpc": "2.0", "id": request["id"], "error": error}
            elif name == "never-wakes" and method == "wait_for":
                answer = asleep(request, ask)
            else:
                answer = ask(request)
            if method == "initialize" and "result" in answer:
                answer["result"] = as_waiter(answer["result"])
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
