"""Every default and bound of a run, in one place. Times are seconds; the self-test has more in `selftest.trials`.

This module imports nothing: the pytest plugin reads it in every run of pytest.
"""

from typing import Final

EXAMPLES: Final = 100
"""The default of `--examples`: the number of examples that are tried for a property."""

EXAMPLES_PER_BATCH: Final = 1000
"""Examples in one batch. Hypothesis remembers all of a batch, and the store keeps what they have written."""

SELF_CHECK_EXAMPLES: Final = 20
"""Examples of a property in the self-check, which judges a broken backend before a run."""

SELFTEST_EXAMPLES: Final = 40
"""Examples of each check that has to find the defect of a broken backend, in the self-test."""

LARGEST_SEED: Final = 2**31

JOBS: Final = 2
"""Worker processes of a run. Half of the time is spent in waits, so two are faster even on one processor."""

MAX_JOBS: Final = 26
"""Each worker appends a letter of the alphabet to the id of the run."""

CALL_SECONDS: Final = 10.0
"""The default of `--call-timeout`: the time after which a call of the backend counts as hung."""

CHECK_SECONDS: Final = 60.0
"""How long a check may take with the default number of examples, unless it names its own limit."""

OPEN_SECONDS: Final = 30.0
"""How long a target may take to open, in addition to the time of one call."""

SHRINK_SECONDS: Final = 4.0
"""How long a failing example is shrunk. By then it is small enough to read."""

WORKER_CLEANUP_SECONDS: Final = 5.0
"""How long a worker may take after its run to remove what it has written."""

WORKER_EXIT_SECONDS: Final = 6.0
"""How long the parent waits for a dismissed worker to exit: a little longer than its cleanup may take."""

TARGET_CLOSE_SECONDS: Final = 10.0
"""How long a worker may take to close its target during a run."""

MAX_LOSSES: Final = 3
"""The number of hangs and deaths of the backend after which the remaining checks are skipped."""

LAST_WORDS: Final = 12
"""The number of lines that are shown of what a process printed before it died."""

LONGEST_PRINTED_LINE: Final = 65536
"""Bytes after which a line that a backend prints is cut, so that one without an end does not fill the memory."""

REPLAY_ATTEMPTS: Final = 10
"""How often a recorded example is tried until it fails, since a race need not fail every time."""


def check_seconds(deadline: float, examples: int, call_seconds: float) -> float:
    """Return the time limit of a check; its own `deadline` is for the default number of examples."""
    return deadline * max(1.0, examples / EXAMPLES) + 2 * call_seconds
