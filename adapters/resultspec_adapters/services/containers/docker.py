"""A server in a Docker container, by testcontainers. As a program it is a keeper of one.

`container look STORE IMAGE` tells whether an engine answers and has the image, `container start STORE IMAGE` runs
it as a server of that store (`images`).
"""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from resultspec_adapters.services.containers.images import IMAGES, USER, Image
from resultspec_adapters.services.supervisor import Unavailable, answering, keep, tell

ENGINE_SECONDS = 2
"""How long an engine may take to answer that it is there."""
REQUEST_SECONDS = 60
READY_SECONDS = 60.0
POLL_SECONDS = 0.05
LOG_LINES = 5


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


def _failed(container: Any, how: str) -> Unavailable:
    log = b"\n".join(container.get_logs()).decode(errors="replace").splitlines()
    end = [" ".join(line.split()) for line in log if line.strip()][-LOG_LINES:]
    return Unavailable(f"the container {how}; its log ends: {' | '.join(end) or '(empty)'}")


def _has_ended(container: Any) -> bool:
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    return bool(wrapped.status == "exited")


def _await(container: Any, store: Image, password: str) -> str:
    """Return the URL of the server in a container as soon as it answers. Raises Unavailable with the end of its log."""
    deadline = time.monotonic() + READY_SECONDS
    try:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(store.port))
    except TimeoutError:  # a container that has ended publishes no port
        raise _failed(container, "ended") from None
    while not store.health_check.answered(host, port, USER, password):
        if _has_ended(container):
            raise _failed(container, "ended")
        if time.monotonic() > deadline:
            raise _failed(container, f"did not answer within {READY_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    return store.url.format(password=password, address=f"{host}:{port}")


def _remove(name: str) -> None:
    from docker.errors import NotFound

    with suppress(NotFound):
        _client(REQUEST_SECONDS).containers.get(name).remove(force=True, v=True)


@contextmanager
def running(name: str, image: str) -> Iterator[str]:
    """Run an image as a server of a store, and give its URL. Raises Unavailable.

    Docker publishes a port on every interface of the machine, hence the password.
    """
    _engine()
    if not _has_image(image):
        _pull(image)
    from testcontainers.core.container import DockerContainer

    store = IMAGES[name]
    called, password = f"resultspec-{name}-{secrets.token_hex(6)}", secrets.token_hex(16)
    container = DockerContainer(image).with_name(called).with_exposed_ports(store.port)
    for variable, value in store.environment(password).items():
        container.with_env(variable, value)
    try:
        container.with_command(list(store.command(password))).start()
        yield _await(container, store, password)
    finally:
        # by its name: a container that was created and could not start is unknown to some releases of testcontainers
        _remove(called)


def main(verb: str, name: str, image: str) -> None:
    """Answer one verb, `look` or `start`."""
    # the keeper itself removes the container; the reaper of testcontainers would be a second image to pull
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    answering((lambda: look(image)) if verb == "look" else (lambda: keep(running(name, image))))


if __name__ == "__main__":
    main(*sys.argv[1:])
