"""The driver in Node: a port written from the specification alone, conformant in all that it claims."""

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from resultspec.schemas import complaint
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.subject import ClientOptions, Connection, Target
from resultspec_conformance.subject.driver.program import open_program


@contextmanager
def connected(driver: Path, url: str, **options: object) -> Iterator[Connection]:
    """Open a client of the driver, and the subject around it."""
    subject = open_program(Target("exec:" + shlex.join(["node", str(driver), url]), "t1"))
    try:
        yield subject.connect(ClientOptions(**options))  # type: ignore[arg-type]
    finally:
        subject.close()


def test_driver_is_conformant_in_what_it_claims(driver: Path, redis_url: str) -> None:
    """Every check that applies to its claims passes, and every class is tested."""
    target = "exec:" + shlex.join(["node", str(driver), redis_url])
    report = run(target, Options(examples=5, seed=1))
    assert complaint(report["capabilities"], "capabilities") is None
    assert report["failures"] == []
    verdicts = {entry["id"]: entry["verdict"] for entry in report["requirements"]}
    assert verdicts["WAIT-11"] == "passed", "two waits of one client overlap, since the driver declares it"
    assert (report["verdict"], report["exit_code"]) == ("conformant", 0)
    assert sum(entry["status"] == "passed" for entry in report["checks"]) > 30


def test_numbers_are_not_rounded(driver: Path, redis_url: str) -> None:
    """Numbers that JavaScript would round or rewrite come back as the numbers that they are."""
    numbers = [2**53 - 1, 2**53 + 1, -(10**30), -(10**4299), 5.137738886118946e16, 1e308, 5e-324, -0.0, 1.5]
    with connected(driver, redis_url) as client:
        assert client.call("store_result", {"task_id": "n", "result": numbers, "state": "SUCCESS"}).kind == "ok"
        assert client.call("get_result", {"task_id": "n"}).value == numbers


def test_names_that_mean_something_in_javascript(driver: Path, redis_url: str) -> None:
    """Members called __proto__ or $type are members."""
    value: dict[str, object] = {
        "__proto__": {"a": 1},
        "constructor": None,
        "$type": "int",
        "toString": [],
        "\ud800": "\udc00",
    }
    with connected(driver, redis_url) as client:
        client.call("store_result", {"task_id": "m", "result": value, "state": "SUCCESS"})
        assert client.call("get_task_meta", {"task_id": "m"}).value["result"] == value


def test_what_json_lacks_is_refused(driver: Path, redis_url: str) -> None:
    """Bytes and NaN are refused before the store is touched."""
    with connected(driver, redis_url) as client:
        for value in (b"a", float("nan"), {1: 2}, [{"a": (1,)}]):
            refused = client.call("store_result", {"task_id": "r", "result": value, "state": "SUCCESS"})
            assert (refused.kind, refused.error) == ("fail", "EncodeError")
        assert client.call("get_state", {"task_id": "r"}).value == "PENDING"


def test_other_serializers_are_refused(driver: Path, redis_url: str) -> None:
    """A client with another serializer is refused when it is opened."""
    with pytest.raises(Exception, match="ImproperlyConfigured"), connected(driver, redis_url, serializer="pickle"):
        pass


def test_closed_client_ends_its_waits(driver: Path, redis_url: str) -> None:
    """A wait of a client that is closed ends, and the next client of the process knows nothing of it."""
    subject = open_program(Target("exec:" + shlex.join(["node", str(driver), redis_url]), "t1"))
    client = subject.connect(ClientOptions())
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(client.call, "wait_for", {"task_id": "w", "timeout": 60})
        client.call("get_state", {"task_id": "w"})
        client.close()
        assert wait.result().error == "OperationalError"
    newcomer = subject.connect(ClientOptions(max_cached_results=1))
    assert newcomer.call("get_state", {"task_id": "w"}).value == "PENDING"
    assert len({process.pid for process in subject._processes}) == 2  # type: ignore[attr-defined]
    subject.close()


def test_unreachable_store_is_reported(driver: Path) -> None:
    """An unreachable Redis is reported soon, without its password, and not as a fault of the driver."""
    with (
        pytest.raises(Exception, match="refused to open a client: OperationalError") as raised,
        connected(driver, "redis://me:secret@127.0.0.1:1/0"),
    ):
        pass
    assert "secret" not in str(raised.value)


def test_password_is_not_in_the_uri(driver: Path, redis_url: str) -> None:
    """`as_uri` shows no password."""
    with connected(driver, redis_url.replace("redis://", "redis://default:@")) as client:
        assert client.call("as_uri", {}).value == redis_url.replace("redis://", "redis://default:**@")
