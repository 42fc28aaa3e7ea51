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

SHARED_CONNECTIONS: Final = 6
"""The number of connections that are kept from one example to the next: each can be a process, or one of a database."""

CHECK_SECONDS: Final = 60.0
"""How long a check may take with the default number of examples, unless it names its own limit."""

OPEN_SECONDS: Final = 30.0
"""How long a target may take to open, in addition to the time of one call."""

CALL_SECONDS_AFTER_HANG: Final = 3.0
"""The time after which a call counts as hung if another one of the run has hung, and this one has unusual arguments or
is made while nothing else is going on: ten hangs must not cost minutes."""

SHRINK_SECONDS: Final = 4.0
"""How long the first failing example of a check is shrunk. By then it is small enough to read."""

NEXT_SHRINK_SECONDS: Final = 2.0
"""How long each failing example that is found after the first is shrunk."""

MINIMISE_SECONDS: Final = 1.5
"""How long the steps of a shrunk example are left out one by one."""

EXPLORE_SECONDS: Final = 60.0
"""How long examples of one property are tried, for the default number of them. A slow store gets fewer examples."""

MAX_FAILURES: Final = 10
"""How many failures of one property are searched for, each with what is already known to be broken masked."""

MAX_HANGS_OF_A_CHECK: Final = 6
"""How often a check is run again because a call hung or ended the process."""

HANGS_UNTIL_GIVEN_UP: Final = 3
"""In how many checks a call with ordinary arguments must hang until no other check makes it."""

HEARTBEAT_SECONDS: Final = 2.0
"""How often a worker reports that the check that it runs makes progress."""

WORKER_CLEANUP_SECONDS: Final = 5.0
"""How long a worker may take after its run to remove what it has written."""

WORKER_EXIT_SECONDS: Final = 6.0
"""How long the parent waits for a dismissed worker to exit: a little longer than its cleanup may take."""

TARGET_CLOSE_SECONDS: Final = 10.0
"""How long a worker may take to close its target during a run."""

LAST_WORDS: Final = 12
"""The number of lines that are shown of what a process printed before it died."""

LONGEST_PRINTED_LINE: Final = 65536
"""Bytes after which a line that a backend prints is cut, so that one without an end does not fill the memory."""

REPLAY_ATTEMPTS: Final = 10
"""How often a recorded example is tried until it fails, since a race need not fail every time."""


def stalled_seconds(deadline: float, call_seconds: float) -> float:
    """Return the seconds without any progress after which a check counts as hung; `deadline` is its own limit."""
    return deadline + 2 * call_seconds
