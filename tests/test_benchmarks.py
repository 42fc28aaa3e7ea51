"""The benchmark: that it runs, and what it makes of its numbers. How fast anything is, is not tested."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from benchmarks import routes
from benchmarks.contender import Client, Contender, Store
from benchmarks.measures import Clients, Measure, growth, measures
from benchmarks.rounds import growths, lines, measure
from benchmarks.routes import Turn, table, turn

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("store", ["redis", "postgresql"])
def test_everything_is_measured_and_drawn(store: str, tmp_path: Path) -> None:
    """Each contender in everything that it takes part in, on a real server; a table, an SVG and the numbers."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--store", store, "--rounds", "2", "--calls", "2", "--many", "3"),
            *("--parts", "2", "4", "--plots", str(tmp_path), "--json", str(tmp_path / "b.json")),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "b.json").read_text())[store]
    told = [line for line in numbers if "measure" in line]
    for one in (one for one in measures([2, 4], many=3) if not one.compares):
        found = {line["contender"] for line in told if line["measure"] == one.name}
        assert {"bare client", "resultspec"} <= found
        assert "Celery" in found or (store == "postgresql" and one.kind in ("get_many", "chord"))
    assert all(line["seconds"] > 0 and line["low"] <= line["ratio"] <= line["high"] for line in told)
    assert len(numbers) - len(told) == (3 if store == "redis" else 2)
    assert len(done.stdout.splitlines()) == 1 + 1 + len(numbers) + 1
    assert done.stdout.count(": met") + done.stdout.count(": MISSED") == 7
    assert fromstring((tmp_path / f"benchmark-{store}.svg").read_text()).tag.endswith("svg")


class _Nobody:
    """A client that does nothing."""

    def __init__(self, _url: str) -> None:
        self.closed = False


def _store(*names: str, lacks: frozenset[str] = frozenset(), pace: float = 1.0) -> Store:
    def nobody(url: str) -> Client:
        client = _Nobody(url)
        client.close = lambda: None  # type: ignore[attr-defined]
        return client  # type: ignore[return-value]

    contenders = [Contender(name, nobody, "#000", lacks if name == names[-1] else frozenset()) for name in names]
    return Store("none", tuple(contenders), lambda _url: lambda _task_id: 0, pace)


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    """Another one begins each round, so that none has always the warm or the cold place."""
    order: list[Clients] = []

    def run(clients: Clients, calls: int) -> float:
        order.append(clients)
        return calls / 1000

    samples = measure(_store("a", "b", "c"), [Measure("m", run, share=0.5)], "", rounds=3, calls=10)
    assert samples == {"m": {"a": [0.005] * 3, "b": [0.005] * 3, "c": [0.005] * 3}}
    firsts = order[::3]
    assert len(firsts) == 4
    assert len({id(clients) for clients in firsts}) == 3


def test_what_takes_long_is_measured_less_often() -> None:
    """In each round of so many; and a slow store in fewer rounds, with fewer calls."""
    ran: list[int] = []

    def run(_clients: Clients, calls: int) -> float:
        ran.append(calls)
        return 1.0

    rare = Measure("rare", run, every=3)
    samples = measure(_store("a", pace=0.5), [rare], "", rounds=12, calls=10)
    assert samples == {"rare": {"a": [1.0, 1.0]}}
    assert ran == [5, 5]


def test_ratios_are_those_of_neighbours() -> None:
    """A round in which the machine was slow for all does not change them; a goal that was missed is named."""
    store = _store("bare", "resultspec", "other", lacks=frozenset({"m"}))
    samples = {"m": {"bare": [1.0, 10.0, 2.0], "resultspec": [2.0, 20.0, 4.0]}}
    found = lines(store, [Measure("m", lambda *_: 0.0, goal=0.8, limit=0.001)], samples)
    assert [(line.contender, line.ratio, line.low, line.high) for line in found] == [
        ("bare", 1.0, 1.0, 1.0),
        ("resultspec", 0.5, 0.5, 0.5),
    ]
    assert [(line.goal, line.met) for line in found] == [("", True), ("at least 0.8", False)]


@pytest.mark.parametrize(("seconds", "met"), [(0.0004, True), (0.006, False)])
def test_a_limit_is_one_of_time(seconds: float, met: bool) -> None:
    """It holds for our own contender, whatever the others need."""
    store = _store("bare", "resultspec")
    samples = {"m": {"bare": [1.0], "resultspec": [seconds]}}
    line = lines(store, [Measure("m", lambda *_: 0.0, limit=0.005)], samples)[1]
    assert (line.goal, line.met) == ("at most 5 ms", met)


@pytest.mark.parametrize(("dear", "ratio", "met"), [([1.0, 1.1, 3.3], 1.1, True), ([1.5, 1.5], 1.5, False)])
def test_a_comparison_has_a_limit_of_its_own(dear: list[float], ratio: float, met: bool) -> None:
    """It is not a duration, and so has no line among those."""
    store = _store("bare", "resultspec")
    one = Measure("a to b", lambda *_: 0.0, limit=1.2, compares=True)
    samples = {"a to b": {"bare": [1.3], "resultspec": dear}}
    found = growths(store, [one], samples)
    assert [(one.contender, one.ratio, one.met) for one in found] == [("bare", 1.3, True), ("resultspec", ratio, met)]
    assert lines(store, [one], samples) == []


def test_a_large_chord_is_compared_with_small_ones_in_between() -> None:
    """All parts of it are delivered, and after each few of them a small chord."""
    begun: list[int] = []
    returned: list[tuple[int, int]] = []

    class Counting(_Nobody):
        def begin_chord(self, _group_id: str, size: int) -> None:
            begun.append(size)

        def part_returned(self, _group_id: str, index: int, size: int) -> None:
            returned.append((size, index))

    client: Any = Counting("")
    assert growth(Clients(client, client, lambda _: 0), 0, small=2, large=5) > 0
    assert begun == [5, 2, 2, 2]
    assert returned == [(5, 0), (5, 1), *SMALL, (5, 2), (5, 3), *SMALL, (5, 4), *SMALL]


SMALL = [(2, 0), (2, 1)]


# -- the two routes --------------------------------------------------------------------------------


def test_both_routes_are_measured(driver: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Both judge the same classes on the same Redis, and the last line has the ratio of their times."""
    words = ["--url", redis_url, "--driver", f"node {driver}", "--rounds", "2", "--examples", "1"]
    assert routes.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["Python", "driver"]
    assert re.fullmatch(r"a run by the driver takes \d+\.\d\d times as long; at most 2: (met|MISSED)", lines[3])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [([15.0, 30.0, 10.0], "1.50 times as long; at most 2: met"), ([41.0], "4.10 times as long; at most 2: MISSED")],
)
def test_ratio_is_that_of_neighbours(seconds: list[float], told: str) -> None:
    """It is the median over the rounds, in each of which both routes had the same machine."""
    python = [Turn(took, 1.0, 10) for took in (10.0, 20.0, 5.0)[: len(seconds)]]
    assert told in table(python, [Turn(took, 1.0, 10) for took in seconds])


def test_time_of_a_failed_run_means_nothing() -> None:
    """A backend that is not conformant is not measured: there are calls that it does not make."""
    with pytest.raises(RuntimeError, match="null-members-left-out: violated: "):
        turn("broken:null-members-left-out", examples=1, seed=0)
