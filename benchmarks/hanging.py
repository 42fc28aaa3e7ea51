"""`python -m benchmarks.hanging`: what judging takes if calls of the backend hang, in turns with a healthy one.

Both are this project's SQL backend on an SQLite in a file; the calls that hang are those of `HANGS`.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run

FACTORY = Path(__file__).parents[1] / "tests/conformance/runner/hanging.py"

HANGS = (
    "wait_for NaN",
    "wait_for interval 0",
    "get_many NaN",
    "get_many interval 0",
    "get_children",
    "mark_as_revoked",
    "delete_group",
    "get_group_meta",
    "on_task_call",
    "cleanup",
)

MOST_TIMES = 3.0
"""The goal: with ten hanging calls, a run takes less than so many times as long."""


def seconds(calls: tuple[str, ...], seed: int) -> tuple[float, int]:
    """Judge once, and return the seconds that it took, and the number of violated requirements."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HANGING_URL"] = f"sqlite:///{folder}/results.db"
        os.environ["HANGING_CALLS"] = ",".join(calls)
        began = time.monotonic()
        report = run(f"python:{FACTORY}:sqlite", Options(seed=seed))
        violated = sum(entry["verdict"] == "violated" for entry in report["requirements"])
        return time.monotonic() - began, violated


def main(rounds: int) -> int:
    """Print both times of each round and the median of the ratios."""
    ratios = []
    for seed in range(rounds):
        healthy, _ = seconds((), seed)
        sick, violated = seconds(HANGS, seed)
        ratios.append(sick / healthy)
        print(f"healthy {healthy:.1f} s, ten hanging calls {sick:.1f} s, {violated} violated: {ratios[-1]:.2f} times")
    ratio = statistics.median(ratios)
    print(f"median {ratio:.2f} times, goal: less than {MOST_TIMES}: {'met' if ratio < MOST_TIMES else 'MISSED'}")
    return 0 if ratio < MOST_TIMES else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
