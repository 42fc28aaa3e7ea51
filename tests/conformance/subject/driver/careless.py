"""A careless port: `python careless.py NAME COMMAND …` stands between the suite and a good driver of chords.

Like a simple port it handles one request at a time: it writes a call and reads its answer. `careful` does just that.
`calls-too-late` lets the driver finish a chord first, and calls its body only then. `ignores-refusals` takes every call
for accepted. `notifies` reports calls and waits for nothing. It needs the standard library only, so it starts fast.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import IO, Any

ACCEPTED = {"jsonrpc": "2.0", "result": None}


def written(message: Mapping[str, Any]) -> None:
    """Write a message."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def called(message: Mapping[str, Any]) -> dict[str, Any]:
    """Let the suite call a task, and return its answer; without one, the suite is gone."""
    written(message)
    return json.loads(sys.stdin.readline() or sys.exit())  # type: ignore[no-any-return]


def performed(line: str, requests: IO[str], answers: IO[str], name: str) -> dict[str, Any]:
    """Return the answer of the driver to a request; calls that it makes meanwhile are made as the port does it."""
    late: list[dict[str, Any]] = []
    while True:
        requests.write(line)
        requests.flush()
        message: dict[str, Any] = json.loads(answers.readline())
        if message.get("method") != "body_called":
            break
        answer = {**ACCEPTED, "id": message["id"]}
        if name == "calls-too-late":
            late.append(message)
        elif name == "ignores-refusals":
            called(message)
        elif name == "notifies":
            written({member: value for member, value in message.items() if member != "id"})
        else:
            answer = called(message)
        line = json.dumps(answer) + "\n"
    for call in late:
        called(call)
    return message


def main(name: str, command: list[str]) -> None:
    """Hand every request on to the driver, and its answer back, until the input ends."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        while line := sys.stdin.readline():
            answer = performed(line, driver.stdin, driver.stdout, name)
            if json.loads(line)["method"] == "initialize" and "result" in answer:
                answer["result"] |= {"overlap": False, "awaits": name != "notifies"}
            written(answer)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
