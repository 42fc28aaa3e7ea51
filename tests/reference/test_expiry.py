"""What a life is, and when it is over."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from resultspec_reference import App, BaseBackend
from resultspec_reference.errors import ImproperlyConfigured
from resultspec_reference.expiry import LONGEST, is_over, life, oldest_alive, units

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize("expires", [None, 0, 0.0, timedelta(0), "0"])
def test_nothing_and_zero_are_for_ever(expires: Any) -> None:
    """EXP-6."""
    assert life(expires) is None


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        (60, 60.0),
        (0.25, 0.25),
        (1e-9, 1e-9),
        (timedelta(days=2, milliseconds=500), 172_800.5),
        ("600.5", 600.5),
        (10**400, LONGEST),
        (math.inf, LONGEST),
    ],
)
def test_a_life_is_its_seconds(expires: Any, seconds: float) -> None:
    """EXP-8, EXP-10; text that is a number is one."""
    assert life(expires) == seconds


@pytest.mark.parametrize(
    "expires", [-1, -0.5, math.nan, -math.inf, timedelta(-1), "soon", "", "nan", "-1", True, [60], {"seconds": 60}]
)
def test_an_invalid_lifetime_is_refused(expires: Any) -> None:
    """EXP-9."""
    with pytest.raises(ImproperlyConfigured, match="result_expires"):
        life(expires)


@pytest.mark.parametrize(
    ("seconds", "unit", "count"), [(60, 1, 60), (0.5, 1, 1), (1.5, 1, 2), (1e-9, 0.001, 1), (0.25, 0.001, 250)]
)
def test_a_life_is_rounded_up(seconds: float, unit: float, count: int) -> None:
    """EXP-7."""
    assert units(seconds, unit) == count


@pytest.mark.parametrize("zone", [UTC, TOKYO, timezone(timedelta(hours=-8)), None])
@pytest.mark.parametrize(("age", "over"), [(3599, False), (3600, False), (3601, True), (-9 * 3600, False)])
def test_an_end_is_an_instant(zone: timezone | None, age: int, over: bool) -> None:
    """EXP-11: the zone of a date changes nothing, and none is UTC."""
    done = NOW - timedelta(seconds=age)
    shown = done.astimezone(zone) if zone else done.replace(tzinfo=None)
    assert is_over(shown, 3600, NOW) == is_over(shown, 3600, NOW.astimezone(TOKYO)) == over
    assert not is_over(shown, None, NOW)
    assert (done < oldest_alive(3600, NOW.astimezone(TOKYO))) == over


def test_prepare_expires() -> None:
    """None takes the setting; a fraction as an integer is rounded up; what is for ever is None."""
    backend = BaseBackend(App(result_expires=timedelta(minutes=1)))
    assert backend.expires == backend.prepare_expires(None) == 60
    assert [backend.prepare_expires(value, int) for value in (None, 0.5, 2, 2.5, 0)] == [60, 1, 2, 3, None]
    assert isinstance(backend.prepare_expires(2.0, int), int)
    assert backend.prepare_expires(2, str) == "2.0"
    for wrong in (-1, math.nan, "soon"):
        with pytest.raises(ImproperlyConfigured):
            backend.prepare_expires(wrong)
        with pytest.raises(ImproperlyConfigured):
            BaseBackend(App(result_expires=wrong))


def test_a_base_backend_has_nothing_to_clean_up() -> None:
    """A store that does not end lives by itself overrides it."""
    assert BaseBackend(App()).cleanup() is None  # type: ignore[func-returns-value]
