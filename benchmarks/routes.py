"""`python -m benchmarks.routes`: how much longer a run takes by a driver than by the Python route, on one Redis."""

import argparse
import resource
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resultspec_conformance.limits import EXAMPLES
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.runner.servers import served
from resultspec_conformance.verdict.selection import Selection

DRIVER = f"node {Path(__file__).parents[1] / 'drivers' / 'node' / 'driver.mjs'}"
CLASSES = ("core", "waiting", "atomic", "kv-wire")
"""The classes that the driver claims."""

GOAL = 2.0
"""How many times as long a run by the driver may take."""


@dataclass(frozen=True)
class Turn:
    """One run: its seconds, the processor time of its processes in seconds, and the number of its calls."""

    seconds: float
    processor: float
    calls: int


def turn(target: str, examples: int, seed: int) -> Turn:
    """Judge a target. Raises RuntimeError if it is not conformant: then its time means nothing."""
    before = _processor()
    options = Options(Selection(classes=CLASSES), examples=examples, seed=seed, self_check=False)
    report = run(target, options)
    if report["exit_code"]:
        raise RuntimeError(f"{target}: {report['verdict']}: {'; '.join(report['reasons'][:3])}")
    return Turn(report["duration"], _processor() - before, report["backend"]["calls"])


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(python: Sequence[Turn], driver: Sequence[Turn]) -> str:
    """Return the medians of both routes, and the ratio of neighbours."""
    rows = [f"{'':<8}{'run':>9}{'processor':>12}{'calls':>8}{'a call':>10}"]
    for name, turns in (("Python", python), ("driver", driver)):
        seconds, processor, calls = (
            statistics.median(getattr(one, figure) for one in turns) for figure in ("seconds", "processor", "calls")
        )
        rows.append(f"{name:<8}{seconds:>7.1f} s{processor:>10.1f} s{calls:>8.0f}{1000 * seconds / calls:>7.2f} ms")
    ratio = statistics.median(mine.seconds / base.seconds for base, mine in zip(python, driver, strict=True))
    rows.append(f"a run by the driver takes {ratio:.2f} times as long; at most {GOAL:g}: {_judged(ratio)}")
    return "\n".join(rows)


def _judged(ratio: float) -> str:
    return "met" if ratio <= GOAL else "MISSED"


def main(words: Sequence[str]) -> int:
    """Run the benchmark in turns; the exit code is 0 also where the goal was missed, which the last line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routes", description=__doc__)
    parser.add_argument("--url", default="redis", help="a Redis of your own; else one is started")
    parser.add_argument("--driver", default=DRIVER, help="the command of a driver, to which the URL is added")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each route")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="examples of a property")
    given = parser.parse_args(words)
    turns: dict[str, list[Turn]] = {"python": [], "driver": []}
    with served(given.url) as place:
        targets = {"python": place.target, "driver": f"exec:{given.driver} {place.target}"}
        for seed in range(given.rounds):
            # another one begins each round, so that a busy moment slows both alike
            for route in sorted(targets, reverse=bool(seed % 2)):
                turns[route].append(turn(targets[route], given.examples, seed))
            print(f"\rround {seed + 1}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(turns["python"], turns["driver"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
