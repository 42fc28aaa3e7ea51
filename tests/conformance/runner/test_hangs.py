"""A call that hangs: the sentence about it is violated, and nothing else, on stores that outlive the process."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from resultspec_conformance.report.document import Report
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.runner.servers import served
from resultspec_conformance.verdict.selection import Selection

HANGING = Path(__file__).with_name("hanging.py")

EXPECTED = {"wait_for NaN": {"WAIT-7"}, "on_task_call": {"WORK-11"}, "get_many interval 0": {"JOIN-7"}}
"""The requirement about each call that hangs."""


def judged(factory: str, url: str, hangs: str, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Judge a backend some of whose calls hang."""
    monkeypatch.setenv("HANGING_URL", url)
    monkeypatch.setenv("HANGING_CALLS", hangs)
    chosen = Selection(classes=("core", "waiting", "join"))
    return run(f"python:{HANGING}:{factory}", Options(examples=10, seed=1, selection=chosen, call_timeout=4.0))


def _violated(report: Report) -> set[str]:
    return {entry["id"] for entry in report["requirements"] if entry["verdict"] == "violated"}


@pytest.mark.parametrize("hangs", EXPECTED)
def test_one_hanging_call_on_a_file(hangs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started again meet nothing that an older one stored."""
    report = judged("sqlite", f"sqlite:///{tmp_path / 'results.db'}", hangs, monkeypatch)
    assert _violated(report) == EXPECTED[hangs]
    assert {failure["kind"] for failure in report["failures"]} == {"hung"}


def test_one_hanging_call_on_a_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of the process that hung are those of the run, and its ids are not given again."""
    with served("redis") as place:
        report = judged("redis", place.target, "wait_for NaN", monkeypatch)
    assert _violated(report) == EXPECTED["wait_for NaN"]


def test_an_operation_that_always_hangs_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sentence is violated; what cannot be tested without it says so, and all else has its verdict."""
    report = judged("sqlite", f"sqlite:///{tmp_path / 'results.db'}", "forget", monkeypatch)
    assert _violated(report) == {"READ-4"}
    gaps = {entry["id"]: entry["reason"] for entry in report["requirements"] if entry["verdict"] == "not tested"}
    assert "STATE-11" in gaps
    assert len(gaps) <= 8
    assert all("forget did not return (READ-4)" in reason for reason in gaps.values())


def test_a_backend_whose_first_call_ends_the_process_is_judged(backend: Callable[[str], str], tmp_path: Path) -> None:
    """The calls that are made when a target is opened are not required to succeed: checks find what they violate."""
    backend("def store_result(self, *args, **options):\n    os._exit(3)")
    chosen = Selection(patterns=("states.odd_state_comes_back",))
    report = run(
        f"python:{tmp_path / 'mine.py'}:factory", Options(examples=3, seed=1, selection=chosen, self_check=False)
    )
    assert _violated(report) == {"STATE-1"}
    assert {failure["kind"] for failure in report["failures"]} == {"died"}
    assert "with exit code 3" in report["failures"][0]["history"][-1]["outcome"]["message"]


def test_a_backend_that_is_killed_leaves_no_temporary_files(
    backend: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its temporary files are in a directory of the run, which is removed at the end, as the process cannot do it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    backend(
        "def store_result(self, *args, **options):\n"
        "    import sys, tempfile\n"
        "    print('made', tempfile.mkdtemp(), file=sys.stderr)\n"
        "    os._exit(3)"
    )
    chosen = Selection(patterns=("states.odd_state_comes_back",))
    report = run(
        f"python:{tmp_path / 'mine.py'}:factory", Options(examples=3, seed=1, selection=chosen, self_check=False)
    )
    assert f"made {temporary}/" in report["failures"][0]["history"][-1]["outcome"]["message"]
    assert list(temporary.iterdir()) == []
