"""How long an entry lives: what the setting `result_expires` means, and when a life is over. No input or output.

A life is a number of seconds, or None, which is for ever. There is one rule for every store:

==============================  =================================================
what is configured              the life
==============================  =================================================
None, 0                         for ever
a positive number               as many seconds, fractions included
a timedelta                     as many seconds as it has
text that is a number           that number
negative, NaN, anything else    none: ImproperlyConfigured, when a backend is made
==============================  =================================================

A store that counts in units gets a life rounded up to the next one: half a second in whole seconds is one, never none
(EXP-7). A life that is longer than `LONGEST` becomes that (EXP-8).
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from resultspec_reference.errors import ImproperlyConfigured

LONGEST: Final = 100 * 365 * 24 * 3600.0
"""Seconds of the longest life: a hundred years, which every store of ours can count."""


def life(expires: Any) -> float | None:
    """Return a life in seconds, None for ever, of what is configured. Raises ImproperlyConfigured (EXP-6 to EXP-10)."""
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
    """Return a life in units of so many seconds, rounded up, at least one."""
    return max(1, math.ceil(seconds / unit))


def is_over(date_done: datetime, seconds: float | None, now: datetime) -> bool:
    """Whether the life of a task that became ready at `date_done` is over at `now`.

    Both are instants: one without an offset is in UTC, whatever the zone of the machine (EXP-11).
    """
    return seconds is not None and (_instant(now) - _instant(date_done)).total_seconds() > seconds


def oldest_alive(seconds: float, now: datetime) -> datetime:
    """Return the instant before which a task became ready whose life is over at `now`, in UTC."""
    return _instant(now) - timedelta(seconds=seconds)


def _instant(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
