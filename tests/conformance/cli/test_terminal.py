"""The command where its surroundings are hostile: readers that go away, full disks, closed streams, no directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resultspec_conformance.cli import terminal
from resultspec_conformance.subject import UsageError

COMMAND = [sys.executable, "-m", "resultspec_conformance"]
BROKEN = ["check", "broken:success-overwritten", "--select", "STATE-3", "--examples", "2", "--seed", "1"]


def _shell(
    script: str, *arguments: str, cwd: Path | None = None, unbuffered: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a script of the shell, to which the words of a command are the parameters.

    `unbuffered` is PYTHONUNBUFFERED: whether what could not be written is still held at the end depends on it.
    """
    environment = {**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, *arguments],
        capture_output=True, text=True, timeout=120, cwd=cwd, env=environment,
    )  # fmt: skip


either_buffering = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@either_buffering
@pytest.mark.parametrize(
    "arguments",
    [["targets"], ["explain", "STATE-3", "STATE-4"], ["requirements"], ["--help"], ["check", "--help"], ["--version"]],
    ids=" ".join,
)
def test_a_reader_that_goes_away_ends_a_command_quietly(arguments: list[str], unbuffered: str) -> None:
    """As `cat` ends in front of `head`: no word on standard error, and the exit code of a closed pipe."""
    done = _shell('"$@" | exec <&-; echo ${PIPESTATUS[0]}', *arguments, unbuffered=unbuffered)
    assert (done.stdout, done.stderr) == ("141\n", "")


@either_buffering
def test_a_reader_that_goes_away_does_not_change_a_verdict(tmp_path: Path, unbuffered: str) -> None:
    """The run continues to its end, sets its exit code, and writes the report, even if nobody reads its log."""
    report = tmp_path / "r.json"
    script = '"$@" 2>&1 | exec <&-; echo ${PIPESTATUS[0]}'
    done = _shell(script, *BROKEN, "--report", str(report), unbuffered=unbuffered)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert '"exit_code": 1' in report.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@either_buffering
def test_a_full_disk_is_reported(unbuffered: str) -> None:
    """Standard output that takes nothing is the environment's fault, and so is a report that cannot be written."""
    for command in ("requirements", "--help", "--version"):
        done = _shell('"$@" >/dev/full', command, unbuffered=unbuffered)
        assert done.returncode == 3
        assert done.stderr == "resultspec: cannot write to standard output: No space left on device\n"
    done = _shell('"$@" 2>&1', *BROKEN, "--report", "/dev/full", unbuffered=unbuffered)
    assert done.returncode == 3
    assert "not conformant in what was selected" in done.stdout
    assert "cannot write /dev/full: No space left on device" in done.stdout


@pytest.mark.parametrize("reader", ["2>/dev/full", "2>&1 >/dev/null | exec <&-"], ids=["full", "gone"])
@pytest.mark.parametrize("arguments", [["check"], ["chek"], ["explain", "STATE-99"]], ids=" ".join)
def test_a_complaint_that_nobody_reads_does_not_change_the_exit_code(arguments: list[str], reader: str) -> None:
    """Wrong use exits with 2: 1 would say that a backend violates something."""
    assert _shell(f'"$@" {reader}; echo ${{PIPESTATUS[0]}}', *arguments).stdout == "2\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closed: str, tmp_path: Path) -> None:
    """The exit code is that of the verdict, and nothing is written into another file by mistake."""
    done = _shell(f'"$@" {closed}', *BROKEN, "--report", str(tmp_path / "r.json"))
    assert done.returncode == 1
    assert (tmp_path / "r.json").read_text().startswith("{")
    assert "Traceback" not in done.stderr
    assert _shell(f'"$@" {closed}', "check", "nonsense").returncode == 2


def test_a_removed_directory_is_reported(tmp_path: Path) -> None:
    """Wrong use with its cure, not a traceback with the exit code of a violation."""
    gone = tmp_path / "gone"
    gone.mkdir()
    done = _shell('rmdir "$PWD"; "$@"', "targets", cwd=gone)
    assert done.returncode == 2
    assert done.stderr == "resultspec: the current directory no longer exists; change to another one.\n"


def test_an_unwritable_file_is_reported_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in a directory nor over a file without permission."""
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith("locked"))
    (tmp_path / "file-locked").touch()
    (tmp_path / "locked").mkdir()
    for file in ("file-locked", "locked/r.json"):
        with pytest.raises(UsageError, match="permission denied"):
            terminal.require_writable(None, tmp_path / file)
    terminal.require_writable(None, tmp_path / "r.json")


@pytest.mark.parametrize(
    ("environment", "painted"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_only_a_terminal_that_wants_color_is_painted(
    environment: dict[str, str], painted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR and a terminal without abilities are respected."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert terminal.color() is painted
