"""The driver in Node, installed once for all tests."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[4] / "drivers" / "node"
INSTALL_SECONDS = 180


@pytest.fixture(name="driver", scope="session")
def install_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the driver in a copy of its own, with its packages installed there."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not on PATH, so the driver in Node cannot be run")
    folder = tmp_path_factory.mktemp("node")
    for file in (*SOURCE.glob("*.mjs"), *SOURCE.glob("package*.json")):
        shutil.copy(file, folder)
    command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    assert done.returncode == 0, f"npm ci failed:\n{done.stderr[-2000:]}"
    return folder / "driver.mjs"
