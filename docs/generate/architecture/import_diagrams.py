"""Pictures of the imports: the four packages, and the rooms of each, so few arrows that a reader can follow them.

Four rules keep a picture small. A folder inside a folder is drawn as a part of the outer one. Rooms that import nothing
of their package are one box at the bottom, and rooms with the same neighbours are one box as well. And an arrow that
follows from others is left out (transitive reduction): what can be reached by arrows can be reached without it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import TypeVar

from docs.generate.architecture.imports import Arrows, Tree
from docs.generate.architecture.mermaid import fenced, identifier
from docs.generate.docstrings import first_sentence

T = TypeVar("T")

Box = tuple[str, ...]
"""Rooms that are drawn as one."""


def package_of(room: str) -> str:
    """Return the package of a room, by the name of the directory that it is in."""
    return "spec" if room.startswith("resultspec") else room.partition(".")[0]


def outermost(room: str) -> str:
    """Return the folder directly in the package that a room is, or is in."""
    return ".".join(room.split(".")[:2])


def between_packages(arrows: Arrows) -> Arrows:
    """Return for each package the packages that it imports from."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for room, targets in arrows.items():
        found[package_of(room)] |= {package_of(target) for target in targets} - {package_of(room)}
    return {name: frozenset(targets) for name, targets in found.items()}


def inside(arrows: Arrows, package: str, others: Sequence[str] = ()) -> Arrows:
    """Return the arrows between the outermost rooms of a package, and from these to `others`, which are packages."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for room, targets in arrows.items():
        if package_of(room) == package:
            here = outermost(room)
            found[here] |= {outermost(target) for target in targets if package_of(target) == package} - {here}
            found[here] |= {f"{other}/" for other in others if other in map(package_of, targets)}
    return {
        **{name: frozenset(targets) for name, targets in found.items()},
        **{f"{other}/": frozenset() for other in others},
    }


def reduced(arrows: Mapping[T, frozenset[T]]) -> Mapping[T, frozenset[T]]:
    """Return the arrows without those that follow from others. Raises CycleError where there is a circle."""
    reached: dict[T, frozenset[T]] = {}
    for room in TopologicalSorter(arrows).static_order():
        targets = arrows.get(room, frozenset())
        reached[room] = targets.union(*(reached[target] for target in targets))
    return {
        room: frozenset(one for one in targets if not any(one in reached[other] for other in targets))
        for room, targets in arrows.items()
    }


def merged(arrows: Arrows, boxes: Sequence[Box]) -> Mapping[Box, frozenset[Box]]:
    """Return the arrows between boxes of rooms."""
    box_of = {room: box for box in boxes for room in box}
    return {box: frozenset(box_of[target] for room in box for target in arrows[room]) - {box} for box in boxes}


def simplified(arrows: Arrows) -> Mapping[Box, frozenset[Box]]:
    """Return the arrows as they are drawn. A room without arrows is left to the table."""
    imported: frozenset[str] = frozenset().union(*arrows.values())
    others = [room for room in imported if room.endswith("/")]
    ground = tuple(sorted(room for room in imported if not arrows[room] and room not in others))
    alone = sorted(others) + sorted(room for room in arrows if arrows[room])
    drawn = reduced(merged(arrows, [*((room,) for room in alone), *([ground] if ground else [])]))
    alike: defaultdict[object, list[str]] = defaultdict(list)
    for box, targets in drawn.items():
        alike[frozenset(one for one in drawn if box in drawn[one]), targets] += box
    return reduced(merged(arrows, [tuple(rooms) for rooms in alike.values()]))


def _from_the_top(arrows: Mapping[T, frozenset[T]]) -> Iterator[T]:
    """Return what the arrows join from the top down, in an order that does not depend on that of the files."""
    ordered = {one: sorted(targets, key=str) for one, targets in sorted(arrows.items(), key=str)}
    return reversed(list(TopologicalSorter(ordered).static_order()))


def _flowchart(arrows: Mapping[T, frozenset[T]], name: Callable[[T], str], label: Callable[[T], str]) -> str:
    nodes = list(_from_the_top(arrows))
    lines = [f"    {identifier(name(node))}[{label(node)}]" for node in nodes]
    lines += [
        f"    {identifier(name(node))} --> {identifier(name(target))}"
        for node in nodes
        for target in sorted(arrows[node], key=name)
    ]
    return fenced(["flowchart TB", *lines])


def packages_diagram(tree: Tree) -> str:
    """Draw the four packages."""
    return _flowchart(reduced(between_packages(tree.arrows)), name=str, label="{}/".format)


def package_diagram(tree: Tree, package: str, others: Sequence[str] = ()) -> str:
    """Draw the rooms of one package, and `others`, which are packages that it imports from."""

    def label(box: Box) -> str:
        return "<br/>".join(_place(tree, room) for room in box)

    return _flowchart(simplified(inside(tree.arrows, package, others)), name=lambda box: box[0], label=label)


def rooms_table(tree: Tree, package: str) -> str:
    """Return a table of all rooms of a package, each with what its docstring says that it holds."""
    rows = [
        f"| `{_place(tree, room)}` | {first_sentence(tree.rooms[room])} |"
        for room in sorted(tree.rooms, key=lambda room: (not tree.is_folder(room), room))
        if package_of(room) == package
    ]
    return "\n".join(["| folder or module | what it holds |", "|---|---|", *rows])


def _place(tree: Tree, room: str) -> str:
    if room.endswith("/"):
        return room
    inner = "/".join(room.split(".")[1:])
    if not inner:
        return "__init__.py"
    return f"{inner}/" if tree.is_folder(room) else f"{inner}.py"
