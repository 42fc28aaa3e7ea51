"""Measuring in turns, and the results: medians and quartiles of the ratios of neighbours."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.contender import Contender, Store
from benchmarks.measures import Clients, Measure

Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""Seconds of a call in each round, or how many times those of another, by measure and contender."""


@dataclass(frozen=True)
class Line:
    """One line of the table: what a contender needs for one thing.

    `seconds`: the median of the rounds. `ratio`: that of the yardstick's time to this one's in the same round, so
    1 is as fast and 0.5 half as fast. `low` and `high`: the quartiles of the ratio. `goal`: the goal in words, or
    nothing; `met`: whether it was reached.
    """

    measure: str
    contender: str
    seconds: float
    ratio: float
    low: float
    high: float
    goal: str = ""
    met: bool = True


@dataclass(frozen=True)
class Growth:
    """The ratio of two times of one contender, as the median of the rounds."""

    comparison: str
    contender: str
    ratio: float
    goal: str = ""
    met: bool = True


@contextmanager
def _opened(store: Store, url: str) -> Iterator[dict[str, Clients]]:
    count = store.subscribers(url)
    with ExitStack() as stack:
        clients_by_name = {}
        for contender in store.contenders:
            clients = Clients(contender.open(url), contender.open(url), count)
            stack.callback(clients.writer.close)
            stack.callback(clients.waiter.close)
            clients_by_name[contender.name] = clients
        yield clients_by_name


def _rotated(contenders: Sequence[Contender], by: int) -> list[Contender]:
    return [*contenders[by % len(contenders) :], *contenders[: by % len(contenders)]]


def _capable(store: Store, one: Measure) -> list[Contender]:
    return [contender for contender in store.contenders if one.kind not in contender.lacks]


def measure(
    store: Store,
    measures: Sequence[Measure],
    url: str,
    *,
    rounds: int,
    calls: int,
    progress: Callable[[int], object] = id,
) -> Samples:
    """Measure every contender in turns; in each round another one begins."""
    samples: dict[str, dict[str, list[float]]] = {
        one.name: {contender.name: [] for contender in _capable(store, one)} for one in measures
    }
    rounds, calls = max(2, round(rounds * store.pace)), max(1, round(calls * store.pace))
    with _opened(store, url) as clients_by_name:
        for number in range(-1, rounds):
            # the first round opens connections and loads scripts, which must not be measured
            for one in (one for one in measures if number % one.every == 0 or (number < 0 and one.every == 1)):
                for contender in _rotated(_capable(store, one), number):
                    took = one.run(clients_by_name[contender.name], max(1, round(calls * one.share)))
                    if number >= 0:
                        samples[one.name][contender.name].append(took)
            progress(number + 1)
    return samples


def lines(store: Store, measures: Sequence[Measure], samples: Samples, *, judged: str = "resultspec") -> list[Line]:
    """Return the result for each contender; the goals are those of the one that is `judged`."""
    found = []
    yardstick = store.contenders[0].name
    for one in (one for one in measures if not one.compares):
        for contender in _capable(store, one):
            mine = samples[one.name][contender.name]
            ratios = [base / own for base, own in zip(samples[one.name][yardstick], mine, strict=True)]
            low, ratio, high = quartiles(ratios)
            seconds = statistics.median(mine)
            goal, met = reached(one, ratio, seconds) if contender.name == judged else ("", True)
            found.append(Line(one.name, contender.name, seconds, ratio, low, high, goal, met))
    return found


def growths(store: Store, measures: Sequence[Measure], samples: Samples, *, judged: str = "resultspec") -> list[Growth]:
    """Return the results of comparisons; the limits are those of the one that is `judged`."""
    found = []
    for one in (one for one in measures if one.compares):
        for contender in _capable(store, one):
            ratio = statistics.median(samples[one.name][contender.name])
            mine = contender.name == judged
            goal = f"at most {one.limit:g}" if mine else ""
            found.append(Growth(one.name, contender.name, ratio, goal, not mine or ratio <= one.limit))
    return found


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def reached(one: Measure, ratio: float, seconds: float) -> tuple[str, bool]:
    """Return the goal of a measure in words, empty if it has none, and whether it was reached."""
    if one.goal:
        return f"at least {one.goal:g}", ratio >= one.goal
    if one.limit:
        return f"at most {one.limit * 1000:g} ms", seconds <= one.limit
    return "", True
