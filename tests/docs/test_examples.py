"""The examples are conformant, their tests and the commands of their CI are green, and a mistake in them is seen."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGET = "python:backend_factory.py:factory"
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the examples, as their README has a reader make one."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")))


def run(folder: Path, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder."""
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTEST_ADDOPTS": "", "PATH": path, **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_commands_of_the_workflow_are_green(copy: Path) -> None:
    """The gate lets the example pass, and leaves the reports that the workflow keeps."""
    jobs = yaml.safe_load((copy / "github-workflow.yml").read_text(encoding="utf-8"))["jobs"]
    commands = [step["run"] for step in jobs["conformance"]["steps"] if "run" in step]
    installs = [command for command in commands if command.startswith("pip install ")]
    gates = [command for command in commands if command not in installs]
    assert (len(installs), len(gates)) == (1, 1)
    done = run(copy, "bash", "-e", "-c", gates[0], GITHUB_STEP_SUMMARY=str(copy / "summary.md"))
    assert done.returncode == 0, done
    assert f"{TARGET}: conformant" in done.stdout
    assert {"conformance.xml", "conformance.html", "summary.md"} <= {path.name for path in copy.iterdir()}


def test_the_test_module_is_green(copy: Path) -> None:
    """Every check of what the example claims is a test that passes; the others are skipped."""
    done = run(copy, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done
    assert "failed" not in done.stdout
    assert " passed" in done.stdout


MISTAKES = [
    ('if self._stored_state(path) != "SUCCESS":', "if True:", "STATE-3", "states.every_pair"),
    ("hashlib.sha256(task_id.encode()).hexdigest()", "task_id", "ID-6", "identifiers.id_is_not_a_pattern"),
    ("if late:", "if False:", "WAIT-5", "waiting.timeout_of_zero_is_a_look"),
]


@pytest.mark.parametrize(("right", "wrong", "requirement", "check"), MISTAKES, ids=[one[2] for one in MISTAKES])
def test_a_mistake_in_the_example_is_seen(copy: Path, right: str, wrong: str, requirement: str, check: str) -> None:
    """One line of the backend is changed, and the suite says which sentence that breaks."""
    backend = copy / "file_backend.py"
    text = backend.read_text(encoding="utf-8")
    assert text.count(right) == 1
    backend.write_text(text.replace(right, wrong), encoding="utf-8")
    done = run(copy, "resultspec", "check", TARGET, "--select", check, "--call-timeout", "2")
    assert done.returncode == 1, done
    assert f"\n{requirement}  MUST" in done.stdout
