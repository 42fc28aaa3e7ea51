"""The header of a chord: how many leaves it has, how it is nested, and its results in that shape.

A header is given as the result tuple of a group, as the arguments of a result object (`(id, results)`), as
such an object, or as a list of task ids. Its *shape* is a list of the ids of its leaves, in which every group
is a list of the same kind.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from resultspec_reference.entries.result_tuples import to_stored

HeaderShape = list[Any]


class Returned(NamedTuple):
    """What a part returned: its state, and its value or exception."""

    task_id: str
    state: str
    value: Any


def shape_of(header: Any) -> HeaderShape:
    """Return the shape of a header. Raises TypeError for anything else."""
    return [_shape_of_member(member) for member in members_of(header)]


def members_of(header: Any) -> list[Any]:
    """Return the members of a header, each as its result tuple or id. Raises TypeError for anything but a header."""
    found = to_stored(header)
    if not isinstance(found, list):
        raise TypeError(f"a header must be a group or a list of results, not {type(found).__name__}")
    members: list[Any] = found[1] if _is_group(found) else found
    return members


def group_id_of(header: Any) -> str | None:
    """Return the group id in a header, None for a plain list."""
    found = to_stored(header)
    if _is_group(found):
        return str(_id(found))
    return None


def _is_group(found: Any) -> bool:
    """Whether this is the result tuple of a group, or the arguments of its result."""
    return isinstance(found, list) and len(found) == 2 and isinstance(found[1], list) and _id(found) is not None


def _id(found: list[Any]) -> str | None:
    head = found[0]
    if isinstance(head, list) and len(head) == 2:
        head = head[0]
    return head if isinstance(head, str) else None


def _shape_of_member(member: Any) -> Any:
    if isinstance(member, str):
        return member
    if isinstance(member, list) and len(member) == 2 and _id(member) is not None:
        return _id(member) if member[1] is None else [_shape_of_member(inner) for inner in member[1]]
    raise TypeError(f"a member of a header must be a result, not {member!r:.60}")


def leaves(shape: HeaderShape) -> int:
    """Return the number of tasks in a header."""
    return sum(leaves(member) if isinstance(member, list) else 1 for member in shape)


def is_nested(shape: HeaderShape) -> bool:
    """Whether a header contains groups."""
    return any(isinstance(member, list) for member in shape)


def arranged(parts: Sequence[Returned], shape: HeaderShape | None) -> list[Any]:
    """Return the values of the parts, which are ordered by index, in the shape of the header.

    Each leaf takes the value of the first part that has its id and is not taken. Leaves and parts without
    a counterpart are matched in their order. The parts that are then left were added, and come last.
    """
    if shape is None or not is_nested(shape):
        return [part.value for part in parts]
    by_id: defaultdict[str, deque[Returned]] = defaultdict(deque)
    for part in parts:
        by_id[part.task_id].append(part)
    wanted = [by_id[leaf].popleft() if by_id[leaf] else None for leaf in _flat(shape)]
    left = deque(part for part in parts if any(part is one for one in by_id[part.task_id]))
    matched = deque(one or (left.popleft() if left else None) for one in wanted)
    return [*_filled(shape, matched), *(part.value for part in left)]


def _flat(shape: HeaderShape) -> Iterable[str]:
    for member in shape:
        if isinstance(member, list):
            yield from _flat(member)
        else:
            yield member


def _filled(shape: HeaderShape, matched: deque[Returned | None]) -> list[Any]:
    filled: list[Any] = []
    for member in shape:
        if isinstance(member, list):
            filled.append(_filled(member, matched))
        else:
            found = matched.popleft()
            filled.append(None if found is None else found.value)
    return filled
