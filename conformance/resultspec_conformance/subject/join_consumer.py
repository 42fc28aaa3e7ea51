"""Consuming a join as its caller does, and recording as data what it yielded, when, and how it ended."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from resultspec_conformance.wire.values import Value


class NotAPair(Exception):
    """A join yielded something that is not a pair of an id and a map."""


def consume(
    items: Iterable[Any],
    read_meta: Callable[[Mapping[str, Any]], Value],
    error_of: Callable[[BaseException], tuple[str, str]],
    *,
    delay: float = 0.0,
    pause: float = 0.0,
    take: int | None = None,
) -> dict[str, Value]:
    """Consume items to their end and return the outcome, by the schema `join`.

    `delay` is the time in seconds before the first item is requested, `pause` the time between two items, `take` the
    number of items after which the iterator is closed. `read_meta` converts a meta to a value, `error_of` returns the
    kind and message of an error. Raises NotAPair, and whatever `iter` raises.
    """
    iterator = iter(items)
    yielded: list[dict[str, Value]] = []
    time.sleep(delay)
    began = time.monotonic()
    ended, message = "exhausted", ""
    try:
        for item in iterator:
            task_id, meta = _pair(item)
            at = time.monotonic() - began
            yielded.append({"task_id": task_id, "meta": read_meta(meta), "at": round(at, 6)})
            if len(yielded) == take:
                ended = "closed"
                _close(iterator)
                break
            time.sleep(pause)
    except (KeyboardInterrupt, NotAPair):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a backend raises is how the join ended
        ended, message = error_of(error)
    return {"yielded": yielded, "ended": ended, "message": message, "seconds": round(time.monotonic() - began, 6)}


def _pair(item: Any) -> tuple[Any, Mapping[str, Any]]:
    if not (isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[1], Mapping)):
        raise NotAPair(f"get_many yielded {item!r:.200}, which is not a pair of an id and a meta")
    return item[0], item[1]


def _close(iterator: Iterator[Any]) -> None:
    close = getattr(iterator, "close", None)
    if callable(close):
        close()
