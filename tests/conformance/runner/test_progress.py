"""What is shown while a run goes on."""

import io

from rich.console import Console

from resultspec_conformance.runner.progress import Bar
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
