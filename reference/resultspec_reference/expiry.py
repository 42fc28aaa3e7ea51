"""How long an entry lives: what the setting `result_expires` means, and when an entry has expired. Does no I/O.

A lifetime is a number of seconds, or None, which means forever. There is one rule for every store:

==============================  =================================================
setting                         lifetime
==============================  =================================================
None, 0                         forever
a positive number               as many seconds, fractions included
a timedelta                     its seconds
text that is a number           that number
negative, NaN, anything else    ImproperlyConfigured, when the backend is created
==============================  =================================================

For a store that counts in larger units a lifetime is rounded up: half a second in whole seconds is one, never zero
(EXP-7). A lifetime longer than `LONGEST` becomes `LONGEST` (EXP-8).
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from resultspec_reference.errors import ImproperlyConfigured

LONGEST: Final = 100 * 365 * 24 * 3600.0
"""The longest lifetime in seconds: a hundred years, which all our stores can represent."""


def life(expires: Any) -> float | None:
    """Return the lifetime in seconds of a setting, None for forever. Raises ImproperlyConfigured (EXP-6 to EXP-10)."""
    seconds = _number(expires)
    if seconds is None or seconds == 0:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ImproperlyConfigured(
            "result_expires must be a positive number of seconds, a timedelta, or None or 0 to keep results forever, "
            f"not {expires!r}"
        )
    return float(min(seconds, LONGEST))


def _number(expires: Any) -> Any:
    if isinstance(expires, timedelta):
        return expires.total_seconds()
    if isinstance(expires, str):
        try:
            return float(expires)
        except ValueError:
            return expires
    return expires


def units(seconds: float, unit: float) -> int:
    """Return a lifetime in units of `unit` seconds, rounded up, at least one."""
    return max(1, math.ceil(seconds / unit))


def is_over(date_done: datetime, seconds: float | None, now: datetime) -> bool:
    """Whether a task that became ready at `date_done` has expired at `now`.

    Both are instants: without an offset they are in UTC, whatever the zone of the machine (EXP-11).
    """
    return seconds is not None and (_instant(now) - _instant(date_done)).total_seconds() > seconds


def oldest_alive(seconds: float, now: datetime) -> datetime:
    """Return the instant in UTC such that tasks which became ready before it have expired at `now`."""
    return _instant(now) - timedelta(seconds=seconds)


def _instant(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
