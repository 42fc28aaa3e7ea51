"""The benchmark: that it runs, and what it makes of its numbers. How fast anything is, is not tested."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from benchmarks.contender import Client, Contender, Store
from benchmarks.measures import MEASURES, Measure, Table
from benchmarks.rounds import lines, measure

ROOT = Path(__file__).parent.parent


def test_everything_is_measured_and_drawn(tmp_path: Path) -> None:
    """Each contender in everything that it takes part in, on a real Redis; a table, an SVG and the numbers."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--rounds", "2", "--calls", "10"),
            *("--plot", str(tmp_path / "b.svg"), "--json", str(tmp_path / "b.json")),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "b.json").read_text())
    for one in MEASURES:
        assert {"bare client", "resultspec", "Celery"} <= {
            line["contender"] for line in numbers if line["measure"] == one.name
        }
    assert all(line["seconds"] > 0 and line["low"] <= line["ratio"] <= line["high"] for line in numbers)
    assert len(done.stdout.splitlines()) == 1 + len(numbers)
    assert fromstring((tmp_path / "b.svg").read_text()).tag.endswith("svg")


class _Nobody:
    """A client that does nothing."""

    def __init__(self, _url: str) -> None:
        self.closed = False


def _store(*names: str, lacks: frozenset[str] = frozenset()) -> Store:
    def nobody(url: str) -> Client:
        client = _Nobody(url)
        client.close = lambda: None  # type: ignore[attr-defined]
        return client  # type: ignore[return-value]

    contenders = [Contender(name, nobody, "#000", lacks if name == names[-1] else frozenset()) for name in names]
    return Store("none", tuple(contenders), lambda _url: lambda _task_id: 0)


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    """Another one begins each round, so that none has always the warm or the cold place."""
    order: list[Table] = []

    def run(table: Table, calls: int) -> float:
        order.append(table)
        return calls / 1000

    samples = measure(_store("a", "b", "c"), [Measure("m", run, share=0.5)], "", rounds=3, calls=10)
    assert samples == {"m": {"a": [0.005] * 3, "b": [0.005] * 3, "c": [0.005] * 3}}
    firsts = order[::3]
    assert len(firsts) == 4
    assert len({id(table) for table in firsts}) == 3


def test_ratios_are_those_of_neighbours() -> None:
    """A round in which the machine was slow for all does not change them; a goal that was missed is named."""
    store = _store("bare", "resultspec", "other", lacks=frozenset({"m"}))
    samples = {"m": {"bare": [1.0, 10.0, 2.0], "resultspec": [2.0, 20.0, 4.0]}}
    found = lines(store, [Measure("m", lambda *_: 0.0, goal=0.8, limit=0.001)], samples)
    assert [(line.contender, line.ratio, line.low, line.high) for line in found] == [
        ("bare", 1.0, 1.0, 1.0),
        ("resultspec", 0.5, 0.5, 0.5),
    ]
    assert [line.missed for line in found] == ["", "below 0.8 of the bare client"]


@pytest.mark.parametrize(("seconds", "missed"), [(0.0004, ""), (0.006, "above 5 ms")])
def test_a_limit_is_one_of_time(seconds: float, missed: str) -> None:
    """It holds for our own contender, whatever the others need."""
    store = _store("bare", "resultspec")
    samples = {"m": {"bare": [1.0], "resultspec": [seconds]}}
    assert lines(store, [Measure("m", lambda *_: 0.0, limit=0.005)], samples)[1].missed == missed
