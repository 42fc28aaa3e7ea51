"""The lives of entries in the small correct backend."""

import datetime as dt
import math
import zoneinfo
from collections.abc import Mapping
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec import STATES
from resultspec_conformance.broken.baseline.core import CorrectCore, DecodeError
from resultspec_conformance.broken.baseline.server import TASK_KEY_PREFIX

LONGEST = 100 * 365 * 24 * 3600.0
"""Seconds of the longest life that is counted."""


class ImproperlyConfigured(Exception):
    """An option that cannot be served."""


class WithExpiry(CorrectCore):
    """A client whose entries have a life, which its server ends."""

    time_passes = "clock"
    """How the suite lets lives end: it moves the clock of the server, makes entries older (ageing), or waits."""
    resolution = 0.0
    """Seconds in which lives are counted; 0 counts fractions."""

    def __init__(self, *args: Any, expires: Any = 3600, timezone: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.zone = zoneinfo.ZoneInfo(timezone) if timezone else dt.UTC
        self.link.life = self.rounded(self.life_of(expires))

    @property
    def life_of_groups(self) -> float:
        """The seconds for which a group is kept."""
        return self.link.life

    # -- lives ---------------------------------------------------------------------------------

    def life_of(self, expires: Any) -> float:
        """Return the seconds of a life, infinity for ever. Raises ImproperlyConfigured."""
        seconds = self.seconds(expires)
        if seconds is None or seconds == 0:
            return math.inf
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
            raise ImproperlyConfigured(f"{expires!r} is not a valid lifetime")
        return self.counted(seconds)

    def seconds(self, expires: Any) -> Any:
        """Return the seconds of a timedelta, and anything else as it is."""
        return expires.total_seconds() if isinstance(expires, dt.timedelta) else expires

    def counted(self, seconds: float) -> float:
        """Return a life that the server can count."""
        return min(seconds, LONGEST)

    def rounded(self, life: float) -> float:
        """Return a life in the resolution of the server."""
        if not self.resolution or math.isinf(life):
            return life
        return math.ceil(life / self.resolution) * self.resolution

    # -- the clock -----------------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """Return the moment of now in the zone of the app, by the clock that the suite can move."""
        return (super().now() + dt.timedelta(seconds=self.link.server.made_up)).astimezone(self.zone)

    # -- operations ----------------------------------------------------------------------------

    def cleanup(self) -> None:
        """Do nothing: the server ends lives."""

    def get_key_for_task(self, task_id: Any) -> str:
        """Return the key of a task."""
        return self.key(self.normal_id(task_id))

    def expire(self, key: str, value: Any) -> None:
        """Give a key another life, which begins now."""
        self.steadily(lambda: self.link.expire(key, self.rounded(self.life_of(value))))


class WithoutAutoexpire(WithExpiry):
    """A client whose entries end by `cleanup` alone, as in a table of a database."""

    def __init__(self, *args: Any, expires: Any = 3600, **options: Any) -> None:
        super().__init__(*args, expires=expires, **options)
        self.life, self.link.life = self.link.life, math.inf

    @property
    def life_of_groups(self) -> float:
        """The seconds for which a group is kept; its server ends it, since a group has no date."""
        return self.life

    def cleanup(self) -> None:
        """Remove the tasks that are over."""
        for key in self.steadily(lambda: self.link.keys(self.prefix + TASK_KEY_PREFIX)):
            self.clean(key)

    def clean(self, key: str) -> None:
        """Remove an entry if it is over, and still the one that was looked at."""
        payload = self.steadily(lambda: self.link.get(key))
        if payload is not None and self.is_known_to_be_over(payload, key):
            self.steadily(lambda: self.link.remove_if(key, payload))

    def is_known_to_be_over(self, payload: bytes, key: str) -> bool:
        """Whether an entry can be decoded, and its life is over."""
        try:
            meta = self.load(payload, key)
        except (DecodeError, ContentDisallowed):
            return False
        return self.is_over(meta)

    def is_over(self, meta: Mapping[str, Any]) -> bool:
        """Whether the life of a task is over."""
        # an entry without a date, as some writers store it, is kept
        return STATES.is_ready(meta["status"]) and meta.get("date_done") is not None and self.age(meta) > self.life

    def age(self, meta: Mapping[str, Any]) -> float:
        """Return how many seconds ago a task became ready."""
        return (self.now() - dt.datetime.fromisoformat(meta["date_done"])).total_seconds()
