"""A throw-away Redis in Docker, on a real engine.

The tests use the engine that answers. Where none does and RESULTSPEC_TEST_DOCKER=1 is set, they start one: this needs
the program dockerd, the rights of root, and a redis-server on PATH, of which the image is made if it is not there.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from resultspec_adapters.services import redis_server
from resultspec_adapters.services.kept import Unavailable
from resultspec_conformance.servers import Rung

BOUND_SECONDS = 60.0
STARTS_ENGINE = os.environ.get("RESULTSPEC_TEST_DOCKER") == "1"

HOLD_A_SERVER = """
import sys
from resultspec_adapters.services import redis_server
server = redis_server.docker.start()
print(server.url, flush=True)
sys.stdin.read()
"""


def until(condition: Callable[[], bool]) -> bool:
    """Poll a condition; return whether it has come true within the bound."""
    deadline = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def docker(*arguments: str, given: bytes = b"") -> str:
    """Run the docker command; return what it prints."""
    done = subprocess.run(["docker", *arguments], input=given, capture_output=True, check=True, timeout=BOUND_SECONDS)
    return done.stdout.decode().strip()


def containers() -> set[str]:
    """Return the ids of all containers of the image, those that do not run too."""
    return set(docker("ps", "--all", "--quiet", "--filter", f"ancestor={redis_server.IMAGE}").split())


def make_image() -> None:
    """Make the image of the redis-server on PATH and the libraries that it is linked with."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("there is no redis-server on PATH to make an image of")
    linked = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    libraries = [word for word in linked.split() if word.startswith("/")]
    tree = ["tar", "--create", "--dereference", "--absolute-names", binary, *libraries]
    docker("import", "-", redis_server.IMAGE, given=subprocess.run(tree, capture_output=True, check=True).stdout)


def start_engine(directory: Path) -> "subprocess.Popen[bytes]":
    """Start an engine of our own, which DOCKER_HOST then points at."""
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        pytest.skip("an engine can only be started by root, where dockerd is installed")
    os.environ["DOCKER_HOST"] = f"unix://{directory}/docker.sock"
    command = [
        "dockerd", "--storage-driver=vfs", "--iptables=false", "--ip6tables=false",
        f"--host=unix://{directory}/docker.sock", f"--data-root={directory}/data",
        f"--exec-root={directory}/exec", f"--pidfile={directory}/pid",
    ]  # fmt: skip
    log = directory / "log"
    with log.open("wb") as output:
        engine = subprocess.Popen(command, stdout=output, stderr=output)
    if not until(lambda: engine.poll() is not None or redis_server.docker.rung().available) or engine.poll():
        engine.terminate()
        pytest.fail(f"the engine did not start; its log ends: {log.read_text()[-2000:]}")
    return engine


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rung]:
    """The rung of Docker, with an engine that answers and has the image."""
    before = dict(os.environ)
    engine = None
    rung = redis_server.docker.rung()
    if not rung.available and STARTS_ENGINE:
        engine = start_engine(tmp_path_factory.mktemp("docker"))
        rung = redis_server.docker.rung()
        assert rung.available, rung.why
    try:
        if not rung.available:
            pytest.skip(f"{rung.why}; or set RESULTSPEC_TEST_DOCKER=1 to have these tests start one")
        if STARTS_ENGINE and "pulled" in rung.why:
            make_image()
        yield redis_server.docker.rung()
    finally:
        if engine is not None:
            engine.terminate()
            engine.wait(BOUND_SECONDS)
        os.environ.clear()
        os.environ.update(before)


def test_the_engine_and_its_image_are_told(found: Rung) -> None:
    """The rung says which engine was found and that it has the image."""
    assert found.available
    assert redis_server.IMAGE in found.why


def test_a_container_is_started_and_removed(found: Rung) -> None:
    """The server answers when start returns, only to who has its password, and nothing of it is left after stop."""
    before = containers()
    server = redis_server.docker.start()
    try:
        assert len(containers() - before) == 1
        with redis.Redis.from_url(server.url) as client:
            assert client.set("key", "value")
            assert client.info("server")["redis_version"]
        location = server.url.rpartition("@")[2]
        with redis.Redis.from_url(f"redis://{location}") as stranger, pytest.raises(redis.AuthenticationError):
            stranger.get("key")
        assert server.url.rpartition("@")[0].rpartition(":")[2] not in repr(server) + server.origin
    finally:
        server.stop()
    assert containers() == before


def test_no_container_outlives_the_process_that_asked_for_it(found: Rung) -> None:
    """A process that is killed leaves no container behind."""
    before = containers()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("redis://")
        assert containers() != before
        process.kill()
    assert until(lambda: containers() == before)


def test_an_image_that_cannot_be_pulled_is_a_reason(
    found: Rung, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The pull is announced before it is tried; that it failed is the reason why the next way is taken."""
    image = "resultspec.invalid/no/such:image"
    monkeypatch.setattr(redis_server, "IMAGE", image)
    with pytest.raises(Unavailable, match=f"{image} cannot be pulled"):
        redis_server.docker.start()
    assert f"Docker has no image {image} yet; pulling it" in capfd.readouterr().err


def test_a_container_that_cannot_start_is_a_reason_and_is_removed(
    found: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image in which there is no Redis is a reason, and its container does not stay."""
    image = "resultspec-test:empty"
    empty = subprocess.run(["tar", "--create", "--files-from", os.devnull], capture_output=True, check=True).stdout
    docker("import", "-", image, given=empty)
    try:
        monkeypatch.setattr(redis_server, "IMAGE", image)
        before = containers()
        with pytest.raises(Unavailable, match="redis-server"):
            redis_server.docker.start()
        assert containers() == before
    finally:
        docker("image", "rm", image)
