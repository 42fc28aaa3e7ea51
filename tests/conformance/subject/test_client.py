"""A recorded client: how long its calls may take before they count as hung."""

from collections.abc import Mapping
from typing import Any

import pytest

from resultspec_conformance.subject import ClientOptions
from resultspec_conformance.subject.client import CLEANUP_EXTRA_SECONDS, MOST_CLEANUP_SECONDS, Client, InFlight
from resultspec_conformance.subject.history import History, Outcome
from resultspec_conformance.wire.values import Value


class Watched:
    """A connection that looks, during each call, whether it counts as hung."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self.hung: list[str] = []

    def call(self, op: str, args: Mapping[str, Value]) -> Outcome:
        """Look, and do nothing."""
        if self._in_flight.overdue() is not None:
            self.hung.append(op)
        return Outcome("ok")

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("op", "args", "extra"),
    [
        ("forget", {"task_id": "t"}, 0.0),
        ("wait_for", {"task_id": "t", "timeout": 3.0}, 3.0),
        ("cleanup", {}, CLEANUP_EXTRA_SECONDS),
    ],
)
def test_a_call_has_the_time_that_it_asks_for(op: str, args: dict[str, Any], extra: float) -> None:
    """A wait that of its timeout, and a cleanup some, since it looks at what all others have left."""
    for limit, hung in ((1.0 - extra, []), (-1.0 - extra, [op])):
        in_flight = InFlight(limit)
        connection = Watched(in_flight)
        Client("client", connection, ClientOptions(), History(), in_flight).attempt(op, **args)
        assert connection.hung == hung


@pytest.mark.parametrize(("spent", "extra"), [(3.0, CLEANUP_EXTRA_SECONDS + 3.0), (1e6, MOST_CLEANUP_SECONDS)])
def test_a_cleanup_has_the_time_that_the_store_took_before(spent: float, extra: float) -> None:
    """It looks at what was stored then, on a machine that may be as slow as it was."""
    for limit, hung in ((1.0 - extra, []), (-1.0 - extra, ["cleanup"])):
        in_flight = InFlight(limit)
        in_flight.seconds = spent
        connection = Watched(in_flight)
        Client("client", connection, ClientOptions(), History(), in_flight).attempt("cleanup")
        assert connection.hung == hung
