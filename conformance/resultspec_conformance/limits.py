"""Every default and bound of a run, in one place. Times are seconds; the self-test has its own in `selftest.trials`.

This module imports nothing: the pytest plugin reads it in every run of pytest.
"""

from typing import Final

EXAMPLES: Final = 100
"""Examples of a property that are tried, unless `--examples` says otherwise."""

EXAMPLES_PER_BATCH: Final = 1000
"""Examples that are tried in one go. Hypothesis remembers them all, and the store keeps what they have written."""

SELF_CHECK_EXAMPLES: Final = 20
"""Examples of a property on the broken backend that is judged before a run."""

LARGEST_SEED: Final = 2**31

JOBS: Final = 2
"""Worker processes of a run: half of the time is spent in waits, so this pays on a single processor too."""

MAX_JOBS: Final = 26
"""Each worker has a letter of the alphabet behind the id of the run."""

CALL_SECONDS: Final = 10.0
"""After so long a call of the backend counts as hung, unless `--call-timeout` says otherwise."""

CHECK_SECONDS: Final = 60.0
"""How long a check may take with the default number of examples, unless it names its own limit."""

OPEN_SECONDS: Final = 30.0
"""How long a target may take to open, beside the time of one call."""

SHRINK_SECONDS: Final = 4.0
"""How long a failing example is made smaller. What is found by then is small enough to read."""

WORKER_CLEANUP_SECONDS: Final = 5.0
"""How long a worker whose run is over may take to remove what it has written."""

WORKER_EXIT_SECONDS: Final = 6.0
"""How long a worker that was dismissed is waited for: a little longer than it may clean."""

TARGET_CLOSE_SECONDS: Final = 10.0
"""How long a worker may take to close its target in the course of a run."""

MAX_LOSSES: Final = 3
"""After so many hangs and deaths of the backend the rest of the checks is given up."""

REPLAY_ATTEMPTS: Final = 10
"""How often a recorded example is tried until it fails: a race may be won."""


def check_seconds(deadline: float, examples: int, call_seconds: float) -> float:
    """Return how long a check may take whose own `deadline` is meant for the default number of examples."""
    return deadline * max(1.0, examples / EXAMPLES) + 2 * call_seconds
