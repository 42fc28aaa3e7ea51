"""A lenient port: `python lenient.py COMMAND …` stands between the suite and a good driver, and makes it a sloppy one.

It does what ports do that nobody has judged yet: members that are null are left out of metas, children are maps of an
id, an entry that cannot be decoded ends the process, and requests are handled one at a time although overlap is
declared. It needs the standard library only, so it starts fast.
"""

import json
import subprocess
import sys
from typing import Any

META_OPERATIONS = ("get_task_meta",)


def as_maps(children: Any) -> Any:
    """Return children as maps of an id."""
    return [{"id": child[0][0]} for child in children] if isinstance(children, list) else children


def sloppy(method: str, result: Any) -> Any:
    """Return a result as this port answers it."""
    if method == "get_children":
        return as_maps(result)
    if method in META_OPERATIONS:
        changed = {**result, "children": as_maps(result.get("children"))}
        return {name: member for name, member in changed.items() if member is not None}
    return result


def main(command: list[str]) -> None:
    """Hand every request on to the driver, and its answer back, until the input ends."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        for line in sys.stdin.buffer:
            driver.stdin.write(line)
            driver.stdin.flush()
            answer = json.loads(driver.stdout.readline())
            method = json.loads(line)["method"]
            if answer.get("error", {}).get("data", {}).get("kind") == "DecodeError":
                driver.kill()
                raise RuntimeError(f"unhandled: {answer['error']['message']}")
            if "result" in answer:
                answer["result"] = sloppy(method, answer["result"])
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
