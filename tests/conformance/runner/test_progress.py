"""What is shown while a run goes on."""

import io

import pytest
from rich.console import Console

from resultspec_conformance.runner.progress import Bar, Lines, Observer, Silent, observer
from resultspec_conformance.verdict.check_results import CheckResult


def _shown(bar: Bar) -> str:
    return bar._progress.tasks[0].description


def test_the_check_that_has_run_longest_is_shown() -> None:
    """Of several at the same time it is the one that may hold the run up; what has ended is shown no more."""
    bar = Bar(Console(file=io.StringIO(), force_terminal=True))
    bar.planned(3)
    bar.began("slow")
    bar.began("quick")
    assert _shown(bar) == "slow and 1 more"
    bar.ended(CheckResult("quick", "passed"))
    assert _shown(bar) == "slow"
    bar.began("next")
    bar.ended(CheckResult("slow", "hung"))
    assert _shown(bar) == "1 failed, next"
    bar.ended(CheckResult("next", "passed"))
    assert _shown(bar) == "1 failed, "
    assert bar._progress.tasks[0].completed == 3
    bar.close()


@pytest.mark.parametrize("watching", [Silent(verbose=True), Lines(verbose=True)])
def test_a_verbose_run_writes_what_the_backend_prints(watching: Observer, capsys: pytest.CaptureFixture[str]) -> None:
    """With the check, so that nobody takes it for ours; without passwords, and without what moves the cursor."""
    watching.heard("states.every_pair", "\tto redis://:s3cret@host/0\x1b[2J")
    watching.heard("", "hello")
    shown = capsys.readouterr().err
    assert shown == "states.every_pair | \tto redis://:[redacted]@host/0\\x1b[2J\nopening | hello\n"


def test_other_runs_pass_over_what_the_backend_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """It would hide what the suite has to say."""
    for watching in (observer(quiet=True, verbose=False), observer(quiet=False, verbose=False)):
        watching.heard("states.every_pair", "hello")
    assert capsys.readouterr().err == ""


def test_above_the_bar_the_lines_stay() -> None:
    """The bar is drawn again below them."""
    screen = io.StringIO()
    bar = Bar(Console(file=screen, force_terminal=True, width=60), verbose=True)
    bar.planned(1)
    bar.heard("states.every_pair", "a [bold]long[/bold] line " * 5)
    bar.close()
    assert "states.every_pair | a [bold]long[/bold] line a [bold]" in screen.getvalue()
