"""Trying again: the retry policy of a backend, as in kombu."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from resultspec_reference.errors import OperationalError

T = TypeVar("T")


def pauses(policy: Mapping[str, Any]) -> Iterator[float]:
    """Yield the seconds to pause before each of `max_retries` retries; endlessly if that is None."""
    retries = policy["max_retries"]
    for count in itertools.count() if retries is None else range(retries):
        yield min(policy["interval_start"] + count * policy["interval_step"], policy["interval_max"])


def with_retries(
    action: Callable[[], T],
    policy: Mapping[str, Any],
    sleep: Callable[[float], object] = time.sleep,
    retried: type[OperationalError] = OperationalError,
) -> T:
    """Return what the action returns, trying again while its connection is lost.

    The action has to be idempotent, unless an error of the class `retried` means that it had no effect.
    Raises the last OperationalError; a permanent one and any other error are raised without a retry.
    """
    for pause in pauses(policy):
        try:
            return action()
        except retried as error:
            if error.permanent:
                raise
        sleep(pause)
    return action()
