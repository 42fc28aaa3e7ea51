"""Runs that end before their time, and stores that fail in the middle: nothing is left, nobody is blamed wrongly."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.progress import Silent
from resultspec_conformance.runner.run import run
from resultspec_conformance.runner.servers import ServedTarget, running
from resultspec_conformance.runner.session import stopped_at_end
from resultspec_conformance.runner.supervisor import Worker
from resultspec_conformance.subject import SubjectError
from resultspec_conformance.subject.probes.redis_health import Health
from resultspec_conformance.suite import all_checks
from resultspec_conformance.verdict.selection import Selection
from resultspec_conformance.verdict.settings import CheckSettings

Until = Callable[[Callable[[], object]], bool]


@pytest.fixture(name="server")
def start_server() -> Iterator[str]:
    """A Redis with a key of somebody else's, which has to be left alone; its URL."""
    with running("redis") as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("somebody-else's", b"key")
        yield server.url


@contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """See to it that a process is not left over by a test that fails."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _interrupt_once(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)


def _interrupt_twice(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)


def _hang_up(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGHUP)


def _kill(process: "subprocess.Popen[str]") -> None:
    process.kill()


@pytest.mark.parametrize("end", [_interrupt_once, _interrupt_twice, _hang_up, _kill])
def test_a_run_that_is_ended_leaves_nothing_in_a_store_of_others(
    end: Callable[["subprocess.Popen[str]"], None], server: str, tmp_path: Path, until: Until
) -> None:
    """However impatiently a run is ended, its workers end, and remove what they have written; the rest stays."""
    with _ended(subprocess.Popen(
        [sys.executable, "-m", "resultspec_conformance", "check", server, "--class", "core", "--examples", "100000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path,
    )) as process, redis.Redis.from_url(server) as client:  # fmt: skip
        assert until(lambda: int(client.dbsize()) > 50)
        family = psutil.Process(process.pid).children(recursive=True)
        end(process)
        process.wait(30)
        assert until(lambda: not any(one.is_running() and one.status() != "zombie" for one in family))
        assert client.keys() == [b"somebody-else's"]


def test_a_run_whose_last_check_hung_leaves_nothing(server: str) -> None:
    """A worker that was killed is started once more to clean up."""
    worker = Worker(server, "left-over", CheckSettings(examples=5))
    worker.start()

    worker.run_check(all_checks()["states.every_pair"])
    assert worker.traces
    worker.kill()

    with stopped_at_end(worker, ServedTarget(server)):
        pass
    with redis.Redis.from_url(server) as client:
        assert client.keys() == [b"somebody-else's"]


class _Saboteur(Silent):
    """Does harm when the checks begin."""

    def __init__(self, harm: Callable[[], object]) -> None:
        self._harm = harm

    def planned(self, checks: int) -> None:
        """Do the harm."""
        self._harm()


def _fill(client: Any) -> None:
    client.config_set("maxmemory", 1)


def _demote(client: Any) -> None:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")


def _shut_down(client: Any) -> None:
    client.shutdown(nosave=True)


@pytest.mark.parametrize(
    ("harm", "said"),
    [(_fill, "does not accept writes"), (_demote, "does not accept writes"), (_shut_down, "cannot be reached")],
)
def test_a_store_that_fails_is_named_and_the_backend_is_not(
    harm: Callable[[Any], None], said: str, server: str
) -> None:
    """A Redis that is full, became a replica, or went away: exit code 3, the reason first, and no failure."""
    with redis.Redis.from_url(server) as client:
        options = Options(Selection(("core",)), examples=5, call_timeout=1.0, self_check=False)
        report = run(server, options, _Saboteur(lambda: harm(client)))
    assert (report["exit_code"], report["verdict"]) == (3, "failed")
    assert said in report["reasons"][0]
    assert report["failures"] == []


def _empty(client: Any) -> None:
    client.flushdb()


def _evict(client: Any) -> None:
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError):
        client.set("one-more", b"x")
    client.config_set("maxmemory", 0)


@pytest.mark.parametrize(("harm", "said"), [(_empty, "was emptied"), (_evict, "has evicted keys")])
def test_a_store_that_loses_what_is_in_it_is_found_out(harm: Callable[[Any], None], said: str, server: str) -> None:
    """A backend is not blamed for what somebody else has removed."""
    with redis.Redis.from_url(server) as client:
        client.set("here", b"x")
        health = Health(client, server, "mine:")
        health.require()
        assert client.exists("mine:resultspec-trial") == 0
        harm(client)
        with pytest.raises(SubjectError, match=said):
            health.require()


def test_health_is_not_asked_where_the_user_may_not(server: str) -> None:
    """A user who may read and write keys, and nothing else, can judge a backend on them."""
    with redis.Redis.from_url(server) as client:
        client.execute_command("ACL", "SETUSER", "plain", "on", "nopass", "~*", "+get", "+set")
    with redis.Redis.from_url(server, username="plain", password="any") as plain:
        Health(plain, server, "mine:").require()
