"""Runs: bounded, honest about what failed them, repeatable, and leaving nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from resultspec import REQUIREMENTS
from resultspec_conformance.broken import CATALOGUE
from resultspec_conformance.report.document import Report, dump, scope
from resultspec_conformance.report.known_list import known_list
from resultspec_conformance.runner import self_check
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.progress import Silent
from resultspec_conformance.runner.run import run
from resultspec_conformance.runner.self_check import SELF_CHECK_BACKENDS, SelfChecker
from resultspec_conformance.runner.servers import served
from resultspec_conformance.subject import SubjectError, UsageError
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.check_results import CheckResult
from resultspec_conformance.verdict.known_failures import (
    AS_RECORDED,
    NOT_TRIED,
    STILL_UNTESTED,
    TESTED,
    KnownFailure,
    parse,
)
from resultspec_conformance.verdict.selection import Selection
from resultspec_conformance.verdict.verdicts import trace

Until = Callable[[Callable[[], object]], bool]

CORE = sum(1 for one in REQUIREMENTS.values() if one.conformance_class == "core")

FEW = Selection(patterns=("STATE-2", "STATE-3", "META-2"))


def judged(target: str, **options: object) -> Report:
    """Judge a target on few requirements with few examples, without the self-check unless it is asked for."""
    chosen: dict[str, object] = {"selection": FEW, "examples": 5, "self_check": False, "jobs": 1, **options}
    return run(target, Options(**chosen))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(len(SELF_CHECK_BACKENDS)))
def test_the_self_check_finds_every_broken_backend(seed: int) -> None:
    """Whichever broken backend the seed chooses, a check finds its defect."""
    found = SelfChecker(seed).judge()
    assert found.killed, found
    assert found.backend == SELF_CHECK_BACKENDS[seed]


def test_the_self_check_does_not_depend_on_chance() -> None:
    """A check with listed cases finds each, so no seed can make a run void."""
    for name in SELF_CHECK_BACKENDS:
        violates = CATALOGUE[name].violates
        assert any(check.cases and violates in check.cites for check in all_checks().values()), name


def test_a_run_is_void_if_the_self_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no check finds the defect of the broken backend, nothing is run and the exit code is 3."""
    monkeypatch.setattr(self_check, "all_checks", dict)
    report = judged("broken:no-op", self_check=True)
    assert (report["exit_code"], report["verdict"]) == (3, "failed")
    assert report["self_check"] is not None
    assert not report["self_check"]["killed"]
    assert "the run is void" in report["reasons"][0]
    assert {check["status"] for check in report["checks"]} == {"skipped"}


def _essence(report: Report) -> object:
    """What a report says, without what depends on time: how small an example became, and how often was called."""
    return (
        [(entry["id"], entry["verdict"], entry["reason"]) for entry in report["requirements"]],
        [(entry["name"], entry["status"], entry["exercised"]) for entry in report["checks"]],
        [(entry["check"], entry["requirement"]) for entry in report["failures"]],
        (report["classes"], report["verdict"], report["reasons"]),
    )


def test_two_runs_with_one_seed_give_the_same_verdicts() -> None:
    """Also with three workers, which share the checks differently each time."""
    runs = [judged("broken:success-overwritten", seed=11, jobs=jobs, selection=Selection(("core",))) for jobs in (1, 3)]
    assert _essence(runs[0]) == _essence(runs[1])


def test_what_checks_exercise_is_what_they_cite() -> None:
    """A real run of everything emits no id that its check does not cite."""
    report = run("broken:no-op", Options(examples=5, self_check=False))
    cites = {check["name"]: check["cites"] for check in report["checks"]}
    found = trace(REQUIREMENTS, cites, {check["name"]: check["exercised"] for check in report["checks"]})
    assert not found.undeclared
    assert not found.unclaimed


def test_a_backend_that_hangs_is_named_and_the_run_is_bounded(
    backend: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The hang is paid for once, and violates the requirement about the operation; what needs it is not tested."""
    monkeypatch.chdir(tmp_path)
    target = backend("def store_result(self, *args, **kwargs):\n    time.sleep(3600)")
    began = time.monotonic()
    report = judged(target, call_timeout=0.5, selection=Selection())
    assert time.monotonic() - began < 60
    assert (report["exit_code"], report["verdict"]) == (1, "violated")
    assert {failure["requirement"] for failure in report["failures"]} == {"STATE-1"}
    assert {failure["cause"] for failure in report["failures"]} == {"store_result did not return"}
    assert "store_result by client writer had not returned" in report["failures"][0]["got"]
    reasons = {entry["reason"] for entry in report["requirements"] if entry["verdict"] == "not tested"}
    assert any("store_result did not return (STATE-1)" in reason for reason in reasons)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_backend_that_dies_half_way_is_a_finding(
    jobs: int, backend: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its worker is started again, the others continue, and the call that did it is named, with its history."""
    monkeypatch.chdir(tmp_path)
    target = backend(
        "count = 0\n"
        "def store_result(self, *args, **kwargs):\n"
        "    Backend.count += 1\n"
        "    if Backend.count == 50:\n"
        "        os._exit(3)\n"
        "    return super().store_result(*args, **kwargs)"
    )
    chosen = Selection(patterns=("states.every_pair", "states.any_sequence_of_operations"))
    report = judged(target, jobs=jobs, selection=chosen, examples=20)
    died = [failure for failure in report["failures"] if failure["kind"] == "died"]
    assert died
    assert report["exit_code"] == 1
    assert "exit code 3" in died[0]["got"]
    assert died[0]["history"][-1]["op"] == "store_result"


def test_a_backend_whose_store_is_lost_is_not_blamed(
    backend: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What cannot be reached from the beginning is the environment's fault, exit code 3."""
    monkeypatch.chdir(tmp_path)
    target = backend("def get_task_meta(self, *args, **kwargs):\n    raise ConnectionError('refused')")
    with pytest.raises(SubjectError, match="cannot be reached: ConnectionError: refused"):
        judged(target)


class Watching(Silent):
    """Remembers which checks ran beside each one."""

    def __init__(self) -> None:
        super().__init__()
        self.running: set[str] = set()
        self.beside: dict[str, set[str]] = {}

    def began(self, name: str) -> None:
        """Each of two that run at the same time runs beside the other."""
        self.beside[name] = set(self.running)
        for other in self.running:
            self.beside[other].add(name)
        self.running.add(name)

    def ended(self, result: CheckResult) -> None:
        """It runs no more."""
        self.running.discard(result.name)


def test_nothing_runs_beside_a_check_that_cleans_up() -> None:
    """A cleanup may remove what lives, and the other check would accuse another sentence."""
    watching = Watching()
    chosen = Selection(patterns=("EXP-11", "EXP-14", "READ-1", "READ-4", "STATE-3", "META-1"))
    options = Options(seed=1, examples=20, jobs=2, self_check=False, selection=chosen)
    run("broken:cleanup-empties-the-store", options, watching)
    cleaning = {name for name, check in all_checks().items() if check.cleans}
    assert cleaning & watching.beside.keys()
    assert not any(watching.beside[name] for name in cleaning & watching.beside.keys())
    assert any(watching.beside.values())


def test_what_is_deselected_is_neither_judged_nor_shown() -> None:
    """The check that breaks it runs for its other requirements; the report says what was left out."""
    chosen = Selection(patterns=("states.*",), deselected=("STATE-3", "states.every_pair"))
    report = judged("broken:success-overwritten", selection=chosen, seed=7, examples=10)
    assert "states.any_sequence_of_operations" in {check["name"] for check in report["checks"]}
    assert "states.every_pair" not in {check["name"] for check in report["checks"]}
    assert report["failures"] == []
    assert not {"STATE-1", "STATE-3"} & {entry["id"] for entry in report["requirements"]}
    assert report["settings"]["deselect"] == ["STATE-3", "states.every_pair"]
    assert f"{len(report['requirements'])} of {CORE} requirements selected" in report["classes"][0]["summary"]
    assert scope(report) == "states.* without STATE-3, states.every_pair"


def test_nothing_selected_is_wrong_use() -> None:
    """No vacuous green: a selection that is empty on this target is refused."""
    for selection in (Selection(("disabled",)), Selection(("waiting",), ("STATE-3",))):
        with pytest.raises(UsageError):
            judged("broken:no-op", selection=selection)


def test_all_skipped_is_inconclusive(
    backend: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Checks that all need what the subject lacks leave nothing to be green about."""
    monkeypatch.chdir(tmp_path)
    report = judged(backend("pass"), selection=Selection(patterns=("VALUE-3", "META-4")))
    assert {check["status"] for check in report["checks"]} == {"skipped"}
    assert {entry["verdict"] for entry in report["requirements"]} == {"not applicable", "not observable"}
    assert (report["exit_code"], report["verdict"]) == (4, "inconclusive")


def test_known_failures_that_fail_as_recorded_exit_0(broken_report: Report) -> None:
    """By requirement, and by concrete counterexample; the class stays not conformant."""
    text = "".join(
        f'[[known]]\nrequirement = "STATE-3"\ncheck = "{one["check"]}"\nreason = "old"\n'
        f'replay = "{one["replay"]["token"]}"\n'
        for one in broken_report["failures"]
    )
    known = parse(text, "known.toml", all_checks())
    report = judged(
        "broken:success-overwritten", known=known, selection=Selection(patterns=("STATE-3",)), seed=7, examples=10
    )
    assert [entry["outcome"] for entry in report["known_failures"]] == [AS_RECORDED] * len(known)
    assert (report["exit_code"], report["verdict"]) == (0, "nothing new")
    assert report["classes"][0]["verdict"] == "violated"
    assert "known" in report["classes"][0]["summary"]
    assert all(failure["known"] for failure in report["failures"])


MANY = {
    "several defects": "broken:success-overwritten+unknown-task-has-no-result+stored-id-returned",
    "one that hangs": "broken:success-overwritten+hangs-forget",
    "one that dies": "broken:unknown-task-has-no-result+dies-forget",
}


@pytest.mark.parametrize("target", MANY.values(), ids=MANY)
def test_a_list_that_a_run_has_written_makes_the_next_one_exit_0(target: str) -> None:
    """With another seed; what the failures hide is excused with them, and the class is still not conformant."""
    chosen: dict[str, Any] = {"selection": Selection(("core",)), "examples": 10, "call_timeout": 2.0}
    first = judged(target, seed=1, **chosen)
    assert first["exit_code"] == 1
    known = parse(known_list(first), "known.toml", all_checks())
    again = judged(target, seed=2, known=known, **chosen)
    assert (again["exit_code"], again["verdict"], again["reasons"]) == (0, "nothing new", [])
    assert again["classes"][0]["verdict"] == "violated"
    assert again["classes"][0]["summary"].startswith("not conformant: ")
    assert {entry["outcome"] for entry in again["known_failures"]} <= {AS_RECORDED, STILL_UNTESTED, TESTED, NOT_TRIED}
    one_less = judged(target, seed=2, known=known[1:], **chosen)
    assert one_less["exit_code"] == 1
    assert known[0].requirement in one_less["reasons"][0]


def test_a_baseline_subtracts_what_it_fails_too(tmp_path: Path) -> None:
    """Judged in the same run, or from its report: the exit code counts what only the target fails."""
    chosen: dict[str, Any] = {"selection": Selection(patterns=("STATE-3", "META-2")), "examples": 10, "seed": 3}
    target, older = "broken:success-overwritten+unknown-task-has-no-result", "broken:success-overwritten"
    worse = judged(target, baseline=older, **chosen)
    assert worse["baseline"] is not None
    assert (worse["exit_code"], worse["baseline"]["shared"], worse["baseline"]["own"]) == (1, ["STATE-3"], ["META-2"])
    assert {failure["requirement"]: failure["shared"] for failure in worse["failures"]} == {
        "STATE-3": True,
        "META-2": False,
    }
    path = tmp_path / "worse.json"
    path.write_text(dump(worse))
    better = judged(older, baseline=str(path), **chosen)
    assert better["baseline"] is not None
    assert (better["exit_code"], better["verdict"]) == (0, "nothing new")
    assert (better["baseline"]["shared"], better["baseline"]["mended"]) == (["STATE-3"], ["META-2"])
    assert better["classes"][0]["verdict"] == "violated"
    assert "1 of them shared with the baseline" in better["classes"][0]["summary"]


def test_a_baseline_is_judged_by_what_it_claims(
    backend: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A class that it does not claim is not compared, so a violation there is the target's own."""
    monkeypatch.chdir(tmp_path)
    chosen = Selection(patterns=("STATE-3", "GROUP-1"))
    report = judged("broken:no-op", baseline=backend("pass"), selection=chosen, examples=3)
    assert report["exit_code"] == 0
    assert report["baseline"] is not None
    assert report["baseline"]["verdict"] == "conformant"


@pytest.mark.parametrize(
    ("baseline", "error", "said"),
    [
        ("no-such.json", UsageError, "--baseline: cannot read no-such.json"),
        ("memory", UsageError, "the baseline memory: .*Did you mean memory://"),
        ("redis://localhost:1/0", SubjectError, "the baseline redis://localhost:1/0: .*cannot be reached"),
    ],
)
def test_a_baseline_that_cannot_be_judged_ends_the_run(baseline: str, error: type[Exception], said: str) -> None:
    """There is nothing to subtract, and to count everything would be wrong."""
    with pytest.raises(error, match=f"(?s){said}"):
        judged("broken:no-op", baseline=baseline, selection=FEW)


def test_known_failures_that_pass_are_inconclusive() -> None:
    """The user's own line and the cure are in the reasons."""
    known = (KnownFailure("STATE-3", "old", where='known.toml, line 2: requirement = "STATE-3"'),)
    report = judged("broken:no-op", known=known)
    assert (report["exit_code"], report["verdict"]) == (4, "inconclusive")
    assert report["reasons"][0].startswith('known.toml, line 2: requirement = "STATE-3"\n')
    assert "remove the entry" in report["reasons"][0]


def _processes() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def _redis_at(url: str) -> int | None:
    """Return the process id of the Redis that answers there, or None. What other users run cannot be looked into."""
    with redis.Redis.from_url(url) as client:
        try:
            process_id: int = client.info("server")["process_id"]
        except redis.ConnectionError:
            return None
    return process_id


@pytest.mark.parametrize("target", ["redis", "exec:{python} -c 'import sys; print(sys.argv)' {redis}"])
def test_servers_are_started_for_a_target_and_stopped(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name is a server, and so is its placeholder in a program's command."""
    monkeypatch.delenv("RESULTSPEC_REDIS_URL", raising=False)
    with served(target.replace("{python}", sys.executable)) as place:
        assert place.origin
        url = re.search(r"redis://[^'\s]+", place.target)
        assert url is not None, place.target
        server = _redis_at(url[0])
        assert server is not None
    assert _redis_at(url[0]) != server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("target", ["memory://", "redis"])
def test_an_interrupted_run_leaves_nothing_behind(
    target: str, number: signal.Signals, tmp_path: Path, until: Until
) -> None:
    """Workers and servers end, the exit code is 130, without a traceback."""
    environment = {**os.environ, "RESULTSPEC_REDIS_URL": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "resultspec_conformance", "check", target, "--examples", "100000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    family: list[psutil.Process] = []

    def seconds(child: psutil.Process) -> float:
        try:
            return float(child.cpu_times().user)
        except psutil.NoSuchProcess:
            # the worker of the self-check has ended
            return 0.0

    def at_work() -> bool:
        family[:] = psutil.Process(process.pid).children(recursive=True)
        return sum(seconds(child) > 1.0 for child in family) >= 2

    assert until(at_work)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err
    assert "interrupted" in err
    assert until(lambda: not any(child.is_running() and child.status() != "zombie" for child in family))


def test_the_report_of_a_run_can_be_written(broken_report: Report) -> None:
    """The last line of defence: the text is ASCII JSON whatever is in it."""
    dump(broken_report).encode("ascii")
