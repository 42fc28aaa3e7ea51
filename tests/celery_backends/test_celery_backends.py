"""Celery's own backends, which have dozens of defects: what the suite finds in them was looked at, one by one.

What differs is data of the documentation. A change of it is a change of the suite's judgement, or of Celery, and has to
be looked at likewise.
"""

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
from docs.generate.reference.celery_backends import DATA, findings
from docs.generate.repository import ROOT

from resultspec import REQUIREMENTS
from resultspec_conformance.report.document import load

pytest.importorskip("celery", reason="Celery is not installed; pip install 'resultspec[celery]'")

FACTORIES = ROOT / "examples" / "celery_factory.py"
KNOWN = findings(ROOT / DATA)


def judged(backend: str, report: Path, classes: Collection[str] = (), **environment: str) -> dict[str, str]:
    """Judge a backend; return the verdict on each requirement that it differs from, or could not be judged by."""
    chosen = [word for name in classes for word in ("--class", name)]
    command = [sys.executable, "-m", "resultspec_conformance", "check", f"python:{FACTORIES}:{backend}", *chosen]
    done = subprocess.run(
        [*command, "--seed", "1", "--examples", "30", "--report", str(report)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 1, done.stderr
    ended = {entry["id"]: entry["verdict"] for entry in load(report)["requirements"]}
    return {name: verdict for name, verdict in ended.items() if verdict in ("violated", "not tested")}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["memory", "file"])
def test_every_difference_of_a_backend_is_known(backend: str, tmp_path: Path) -> None:
    """Neither more nor less, and every requirement of the claimed classes has a verdict."""
    assert judged(backend, tmp_path / "report.json") == KNOWN.of(backend)


@pytest.mark.slow
def test_every_difference_of_the_chords_in_redis_is_known(tmp_path: Path, redis_url: str) -> None:
    """Those of a worker that dies included, and of calls that do not return."""
    found = judged("redis", tmp_path / "report.json", ["chords"], CELERY_REDIS=redis_url)
    known = KNOWN.of("redis").items()
    assert found == {name: verdict for name, verdict in known if REQUIREMENTS[name].conformance_class == "chords"}


def test_the_data_name_requirements() -> None:
    """Each difference has words of its own."""
    for found in (*KNOWN.differences, *KNOWN.untested):
        assert found.requirement in REQUIREMENTS
        assert found.how
