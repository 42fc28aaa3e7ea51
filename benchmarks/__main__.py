"""`python -m benchmarks`: measure, print the tables of ratios, write the plots."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measures import KINDS, Measure, measures
from benchmarks.plot import draw
from benchmarks.postgresql_contenders import STORE as POSTGRESQL
from benchmarks.redis_contenders import STORE as REDIS
from benchmarks.rounds import Growth, Line, growths, lines, measure
from resultspec_conformance.runner.servers import served

STORES = {store.server: store for store in (REDIS, POSTGRESQL)}


def _judged(goal: str, met: bool) -> str:
    return f"  {goal}: {'met' if met else 'MISSED'}" if goal else ""


def table(found: Sequence[Line], grown: Sequence[Growth] = ()) -> str:
    """Return the lines as text."""
    head = f"{'':<13}{'':<14}{'median':>10}{'ratio':>8}{'quartiles':>16}  goal"
    rows = [
        f"{line.measure:<13}{line.contender:<14}{line.seconds * 1e6:>7.0f} µs{line.ratio:>8.2f}"
        f"{f'{line.low:.2f} to {line.high:.2f}':>16}{_judged(line.goal, line.met)}"
        for line in found
    ]
    growing = [
        f"{one.comparison:<27}{one.contender:<14}{one.ratio:>4.2f} times the time of a part{_judged(one.goal, one.met)}"
        for one in grown
    ]
    return "\n".join([head, *rows, *growing])


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="this kind of store only")
    parser.add_argument("--url", default="", help="a server of your own for the one --store; else one is started")
    parser.add_argument("--rounds", type=int, default=30, help="turns that every contender gets")
    parser.add_argument("--calls", type=int, default=200, help="calls in a turn")
    parser.add_argument("--parts", type=int, nargs="+", default=[100, 1000, 10_000], help="sizes of chords")
    parser.add_argument("--many", type=int, default=1000, help="ids of a join")
    parser.add_argument("--only", action="append", choices=KINDS, help="measure this only")
    parser.add_argument("--plots", type=Path, default=Path(), help="the directory for benchmark-STORE.svg")
    parser.add_argument("--json", type=Path, help="write the numbers, too")
    given = parser.parse_args(words)
    if given.url and len(given.store or ()) != 1:
        parser.error("--url is that of one --store")
    return given


def _chosen(given: argparse.Namespace) -> list[Measure]:
    return [one for one in measures(given.parts, given.many) if not given.only or one.kind in given.only]


def main(words: Sequence[str]) -> int:
    """Run the benchmark; the exit code is 0 also where a goal was missed, which the table says."""
    given = _arguments(words)
    numbers: dict[str, list[dict[str, object]]] = {}
    chosen = _chosen(given)
    for name in given.store or STORES:
        store = STORES[name]

        def progress(done: int, name: str = name) -> None:
            print(f"\r{name}: round {done}", end="", file=sys.stderr, flush=True)

        with served(given.url or store.server) as place:
            samples = measure(store, chosen, place.target, rounds=given.rounds, calls=given.calls, progress=progress)
            origin = place.origin
        print(file=sys.stderr)
        found, grown = lines(store, chosen, samples), growths(store, chosen, samples)
        print(f"{name} ({origin or 'a given one'})", table(found, grown), "", sep="\n")
        (given.plots / f"benchmark-{name}.svg").write_text(draw(store, found), encoding="utf-8")
        numbers[name] = [*map(asdict, found), *map(asdict, grown)]
    if given.json:
        given.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
