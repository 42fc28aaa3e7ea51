"""``python -m benchmarks``: measure, print the table of ratios, write the plot."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measures import MEASURES
from benchmarks.plot import draw
from benchmarks.redis_contenders import STORE as REDIS
from benchmarks.rounds import Line, lines, measure
from resultspec_conformance.servers import served

STORES = {store.server: store for store in (REDIS,)}


def table(found: Sequence[Line]) -> str:
    """Return the lines as text."""
    head = f"{'':<13}{'':<14}{'median':>10}{'ratio':>8}{'quartiles':>16}"
    rows = [
        f"{line.measure:<13}{line.contender:<14}{line.seconds * 1e6:>7.0f} µs{line.ratio:>8.2f}"
        f"{f'{line.low:.2f} to {line.high:.2f}':>16}{f'  {line.missed}' if line.missed else ''}"
        for line in found
    ]
    return "\n".join([head, *rows])


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--store", choices=STORES, default="redis", help="the kind of store")
    parser.add_argument("--url", default="", help="a server of your own; by default one is started")
    parser.add_argument("--rounds", type=int, default=40, help="turns that every contender gets")
    parser.add_argument("--calls", type=int, default=200, help="calls in a turn")
    parser.add_argument("--only", action="append", choices=[one.name for one in MEASURES], help="measure this only")
    parser.add_argument("--plot", type=Path, default=Path("benchmark.svg"), help="the picture")
    parser.add_argument("--json", type=Path, help="write the numbers, too")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Run the benchmark; the exit code is 0 also where a goal was missed, which the table says."""
    given = _arguments(words)
    store = STORES[given.store]
    chosen = [one for one in MEASURES if not given.only or one.name in given.only]

    def progress(done: int) -> None:
        print(f"\r{done} of {given.rounds} rounds", end="", file=sys.stderr, flush=True)

    with served(given.url or store.server) as place:
        samples = measure(store, chosen, place.target, rounds=given.rounds, calls=given.calls, progress=progress)
    print(file=sys.stderr)
    found = lines(store, chosen, samples)
    print(table(found))
    given.plot.write_text(draw(store, found), encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps([asdict(line) for line in found], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
