"""What the tests of the run and the command share: the command in a process, backends in files, one real report."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resultspec_conformance.report.document import Report
from resultspec_conformance.runner.options import Options
from resultspec_conformance.runner.run import run
from resultspec_conformance.verdict.selection import Selection

Command = Callable[..., "subprocess.CompletedProcess[str]"]

BACKEND = """\
import os, threading, time
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.baseline.server import Server

SERVER = Server()


class Backend(Correct):
{body}


def factory(app, **options):
    return Backend(SERVER, **options)


factory.capabilities = {{"spec": "0.1", "classes": ["core"]}}
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Return a function that runs `resultspec` with arguments in a directory of its own."""

    def run_command(
        *args: str, stdin: bytes | None = None, seconds: float = 120.0, columns: int = 100
    ) -> "subprocess.CompletedProcess[str]":
        found = subprocess.run(
            [sys.executable, "-m", "resultspec_conformance", *args],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            timeout=seconds,
            env={**os.environ, "COLUMNS": str(columns), "RESULTSPEC_REDIS_URL": ""},
        )
        out, err = found.stdout.decode(), found.stderr.decode()
        assert "Traceback (most recent call last)" not in err, err
        return subprocess.CompletedProcess(found.args, found.returncode, out, err)

    return run_command


@pytest.fixture
def backend(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that writes a backend with the given methods to a file and returns its target."""

    def write(body: str) -> str:
        path = tmp_path / "mine.py"
        indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
        path.write_text(BACKEND.format(body=indented), encoding="utf-8")
        return "python:mine.py:factory"

    return write


@pytest.fixture(scope="session")
def broken_report() -> Report:
    """The report of a real run on a broken backend, of few requirements."""
    options = Options(Selection(patterns=("STATE-3", "STATE-1", "META-2")), examples=10, seed=7)
    return run("broken:success-overwritten", options)
