"""A server in a Docker container, by testcontainers. As a program, this module supervises one.

`docker look STORE IMAGE` reports whether an engine answers and has the image, `docker start STORE IMAGE` runs it as a
server of that store (see `images`).
"""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from resultspec_adapters.services.containers.images import IMAGES, USER, Image
from resultspec_adapters.services.supervisor import Unavailable, run_program, send, supervise

ENGINE_SECONDS = 2
"""How long an engine may take for its first answer."""
REQUEST_SECONDS = 60
READY_SECONDS = 60.0
POLL_SECONDS = 0.05
LOG_LINES = 5


def _reason(error: BaseException) -> str:
    """Return the innermost cause of an error of the Docker client, which wraps that of the system several times."""
    text = " ".join(str(error).split())
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return text[:300]


def _client(seconds: int) -> Any:
    # imported here: testcontainers reads its settings at import, and main() sets them
    from testcontainers.core.docker_client import DockerClient

    return DockerClient(timeout=seconds).client


def _engine() -> str:
    """Return the version of the engine. Raises Unavailable."""
    try:
        client = _client(ENGINE_SECONDS)
        return str(client.version()["Version"])
    except Exception as error:  # noqa: BLE001 - the client's errors can only be named after its import
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
    """Report what was found."""
    engine = _engine()
    state = "" if _has_image(image) else ", which will have to be pulled"
    send("found", f"Docker {engine} with the image {image}{state}")


def _pull(image: str) -> None:
    send("progress", f"Docker has no image {image} yet; pulling it")
    try:
        _client(REQUEST_SECONDS).images.pull(image)
    except Exception as error:  # noqa: BLE001 - after any error the next way is tried, and the reason is reported
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
    except TimeoutError:  # a container that has ended does not publish a port
        raise _failed(container, "ended") from None
    while not store.health_check.passes(host, port, USER, password):
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
    """Run an image as a server of a store, and yield its URL. Raises Unavailable.

    The password is needed because Docker publishes a port on every interface of the machine.
    """
    _engine()
    if not _has_image(image):
        _pull(image)
    from testcontainers.core.container import DockerContainer

    store = IMAGES[name]
    container_name, password = f"resultspec-{name}-{secrets.token_hex(6)}", secrets.token_hex(16)
    container = DockerContainer(image).with_name(container_name).with_exposed_ports(store.port)
    for variable, value in store.environment(password).items():
        container.with_env(variable, value)
    try:
        container.with_command(list(store.command(password))).start()
        yield _await(container, store, password)
    finally:
        # by its name: some releases of testcontainers do not know a container that was created but could not start
        _remove(container_name)


def main(verb: str, name: str, image: str) -> None:
    """Perform one verb, `look` or `start`."""
    # this process removes the container itself; the reaper of testcontainers would be another image to pull
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    run_program((lambda: look(image)) if verb == "look" else (lambda: supervise(running(name, image))))


if __name__ == "__main__":
    main(*sys.argv[1:])
