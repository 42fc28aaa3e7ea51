"""One greedy pass over a failing example: every step is left out without which it still fails in the same way.

Hypothesis shrinks the choices from which an example was drawn, and may stop before each step is needed.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from resultspec_conformance.wire.values import Value

Path = tuple[str | int, ...]
"""Where a part of an example is: names of members, and positions in lists."""


def _parts(value: Value, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of everything that may be left out of a value: items of lists, the last one first."""
    if isinstance(value, list) and len(value) > 1:
        for place in reversed(range(len(value))):
            yield (*path, place)
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _parts(member, (*path, name))


def _without(value: Value, path: Path) -> Value:
    """Return a value without the part at a path."""
    head, *rest = path
    if isinstance(value, list):
        return [*value[: int(head)], *value[int(head) + 1 :]]
    return {**value, head: _without(value[head], tuple(rest))}


def without_superfluous_steps(
    example: Mapping[str, Value], fails: Callable[[Mapping[str, Value]], bool], until: float
) -> Mapping[str, Value]:
    """Return an example without the items of its lists that are not needed for `fails` to hold.

    The pass ends at `until`, by the monotonic clock.
    """
    for path in list(_parts(dict(example))):
        if time.monotonic() > until:
            break
        smaller = _without(example, path)
        if fails(smaller):
            example = smaller
    return example
