"""A Redis in a Docker container, by testcontainers. As a program it is a keeper of one.

``redis_container look IMAGE`` tells whether an engine answers and has the image, ``redis_container start IMAGE`` runs
it.
"""

import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from resultspec_adapters.services.kept import Unavailable, answering, keep, tell

REDIS_PORT = 6379
ENGINE_SECONDS = 2
"""How long an engine may take to answer that it is there."""
REQUEST_SECONDS = 60
READY_SECONDS = 30.0
POLL_SECONDS = 0.05


def _reason(error: BaseException) -> str:
    """Return the innermost cause of an error of the Docker client, which wraps what the system said several times."""
    told = " ".join(str(error).split())
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return told[:300]


def _client(seconds: int) -> Any:
    # testcontainers reads its settings when it is imported: after main() has made them
    from testcontainers.core.docker_client import DockerClient

    return DockerClient(timeout=seconds).client


def _engine() -> str:
    """Return the version of the engine. Raises Unavailable."""
    try:
        client = _client(ENGINE_SECONDS)
        return str(client.version()["Version"])
    except Exception as error:  # noqa: BLE001 - the client's errors have no base of their own before it is imported
        raise Unavailable(
            f"no Docker engine answers ({_reason(error)}); start one, or point DOCKER_HOST at one"
        ) from None


def _has_image(image: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        _client(REQUEST_SECONDS).images.get(image)
    except ImageNotFound:
        return False
    return True


def look(image: str) -> None:
    """Tell what was found."""
    engine = _engine()
    state = "" if _has_image(image) else ", which will have to be pulled"
    tell("found", f"Docker {engine} with the image {image}{state}")


def _pull(image: str) -> None:
    tell("said", f"Docker has no image {image} yet; pulling it")
    try:
        _client(REQUEST_SECONDS).images.pull(image)
    except Exception as error:  # noqa: BLE001 - whatever it is, the next way is tried and the reason kept
        raise Unavailable(f"the image {image} cannot be pulled ({_reason(error)}); run: docker pull {image}") from None


def _answers(host: str, port: int, password: str) -> bool:
    heard = b""
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            while b"+PONG" not in heard:
                piece = connection.recv(4096)
                if not piece:
                    return False
                heard += piece
    except OSError:
        return False
    return True


def _await(container: Any, password: str) -> str:
    """Return the URL of the Redis in a container as soon as it answers. Raises Unavailable with the end of its log."""
    deadline = time.monotonic() + READY_SECONDS
    host, port = container.get_container_host_ip(), int(container.get_exposed_port(REDIS_PORT))
    while not _answers(host, port, password):
        if time.monotonic() > deadline:
            log = b"".join(container.get_logs()).decode(errors="replace").strip().splitlines()
            raise Unavailable(f"the container did not answer; its log ends: {' | '.join(log[-5:]) or '(empty)'}")
        time.sleep(POLL_SECONDS)
    return f"redis://:{password}@{host}:{port}/0"


def _remove(name: str) -> None:
    from docker.errors import NotFound

    with suppress(NotFound):
        _client(REQUEST_SECONDS).containers.get(name).remove(force=True, v=True)


@contextmanager
def running(image: str) -> Iterator[str]:
    """Run an image of Redis that saves nothing, and give its URL. Raises Unavailable.

    Docker publishes a port on every interface of the machine, hence the password.
    """
    _engine()
    if not _has_image(image):
        _pull(image)
    from testcontainers.core.container import DockerContainer

    name, password = f"resultspec-redis-{secrets.token_hex(6)}", secrets.token_hex(16)
    settings = ["--save", "", "--appendonly", "no", "--requirepass", password]
    container = DockerContainer(image).with_name(name).with_exposed_ports(REDIS_PORT)
    try:
        container.with_command(["redis-server", *settings]).start()
        yield _await(container, password)
    finally:
        # by its name: a container that was created and could not start is unknown to some releases of testcontainers
        _remove(name)


def main(verb: str, image: str) -> None:
    """Answer one verb, ``look`` or ``start``."""
    # the keeper itself removes the container; the reaper of testcontainers would be a second image to pull
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    answering((lambda: look(image)) if verb == "look" else (lambda: keep(running(image))))


if __name__ == "__main__":
    main(*sys.argv[1:])
