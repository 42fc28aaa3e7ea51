"""What all tests share: a Redis, the driver in Node, waiting for others, examples without deadlines, usual signals.

The Redis is that of RESULTSPEC_REDIS_URL, or one that is started for the session.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from resultspec_conformance.runner.servers import running
from resultspec_conformance.subject import SubjectError

# how long one example takes says how busy the machine is
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Let what the tests start be interrupted, also where a shell has started the tests in the background.

    Such a shell has them ignore signals, and whatever they start does so too. A handler is not handed down.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(name="redis_url", scope="session")
def start_redis() -> Iterator[str]:
    """Yield the URL of a Redis."""
    try:
        with running("redis") as server:
            yield server.url
    except SubjectError as error:
        pytest.skip(f"no Redis: {error}")


NODE_DRIVER = Path(__file__).parent.parent / "drivers" / "node"
INSTALL_SECONDS = 180


@pytest.fixture(name="driver", scope="session")
def install_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the driver in a copy of its own, with its packages installed there."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not on PATH, so the driver in Node cannot be run")
    folder = tmp_path_factory.mktemp("node")
    for file in (*NODE_DRIVER.glob("*.mjs"), *NODE_DRIVER.glob("package*.json")):
        shutil.copy(file, folder)
    command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    assert done.returncode == 0, f"npm ci failed:\n{done.stderr[-2000:]}"
    return folder / "driver.mjs"


BOUND_SECONDS = 90.0


@pytest.fixture(name="until", scope="session")
def give_until() -> Callable[[Callable[[], object]], bool]:
    """Return what polls a condition, and says whether it has come true within the bound."""

    def until(condition: Callable[[], object]) -> bool:
        deadline = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.02)
        return bool(condition())

    return until
