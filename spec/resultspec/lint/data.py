"""Checks of the data, and of the tables of the prose that repeat it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from resultspec.lint.markdown import Chapter, Table
from resultspec.lint.tree import OPERATIONS, PACKAGE, REGISTER, STATES, URN, Finding, Tree, schema_error

BINDINGS = "appendix-bindings.md"
CHOICES = "appendix-choices.md"
MATRIX = "3-states.md"
README = "README.md"
FIRST_VERSION = "0.1"
"""The version in which every requirement was new, and none provisional."""


def register(tree: Tree) -> Iterator[Finding]:
    """The register is valid; ids are given once; chapters, entailed ids and capabilities exist."""
    complaint = tree.complaint(tree.register, "requirements")
    if complaint:
        yield Finding(REGISTER, 0, f"not valid: {complaint}")
    counted = Counter(str(entry.get("id")) for entry in tree.entries)
    for identifier, entry in tree.requirements.items():
        for message in _entry(tree, identifier, entry):
            yield Finding(REGISTER, tree.line_of(identifier), message)
        if counted[identifier] > 1:
            yield Finding(REGISTER, tree.line_of(identifier), f"{identifier} is defined {counted[identifier]} times")


def _entry(tree: Tree, identifier: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if f"{entry.get('chapter')}.md" not in tree.chapters:
        yield f"{identifier} names the chapter {entry.get('chapter')}, which does not exist"
    added = entry.get("since") == tree.register.get("spec_version") != FIRST_VERSION
    if bool(entry.get("provisional")) != added:
        yield f"{identifier} is {'not ' * added}provisional: a requirement is so in the version that adds it"
    for entailed in entry.get("entails", ()):
        if entailed not in tree.requirements or entailed == identifier:
            yield f"{identifier} entails {entailed}, which is not another requirement"
    if "applies" in entry and entry["applies"] not in tree.capabilities:
        yield f"{identifier} applies with {entry['applies']}, which is not a capability"


def schemas(tree: Tree) -> Iterator[Finding]:
    """Every schema is valid by draft 2020-12, has its name in its URN, and refers to what exists."""
    for name, content in tree.schemas.items():
        path = f"{PACKAGE}/schemas/{name}.json"
        if not isinstance(content, dict):
            yield Finding(path, 0, "a schema is a map")
            continue
        if content.get("$id") != URN + name:
            yield Finding(path, 0, f"the $id is not {URN}{name}")
        if content.get("$schema") != "https://json-schema.org/draft/2020-12/schema":
            yield Finding(path, 0, "the $schema is not that of draft 2020-12")
        for message in _schema(tree, content):
            yield Finding(path, 0, message)


def _schema(tree: Tree, content: Mapping[str, Any]) -> Iterator[str]:
    error = schema_error(json.dumps(content))
    if error:
        yield f"not a schema: {error}"
    for reference in _references(content):
        if reference.startswith(URN) and reference.removeprefix(URN).split("#")[0] not in tree.schemas:
            yield f"the reference to {reference} does not resolve"


def _references(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        reference = content.get("$ref")
        if isinstance(reference, str):
            yield reference
        for member in content.values():
            yield from _references(member)
    elif isinstance(content, list):
        for member in content:
            yield from _references(member)


def states(tree: Tree) -> Iterator[Finding]:
    """`states.json` is valid, says something about every pair, and each pair falls to one requirement."""
    table = tree.data[STATES]
    complaint = tree.complaint(table, "states")
    if complaint:
        yield Finding(STATES, 0, f"not valid: {complaint}")
        return
    columns = [*table["named"], *table["reserved"], "custom"]
    for there in ["absent", *columns]:
        row = table["transitions"].get(there, {})
        for arrives in columns:
            if arrives not in row:
                yield Finding(STATES, 0, f"{arrives} arriving at {there} is not specified")
        yield from (Finding(STATES, 0, f"{there}: {extra} is not a state") for extra in sorted(set(row) - set(columns)))
    for extra in sorted(set(table["transitions"]) - {"absent", *columns}):
        yield Finding(STATES, 0, f"{extra} is not a state")
    yield from (Finding(STATES, 0, message) for message in _rules(tree, table))


def _rules(tree: Tree, table: Mapping[str, Any]) -> Iterator[str]:
    deciding: dict[tuple[str, str], list[str]] = {}
    cells_of: dict[str, set[str]] = {}
    for rule in table["requirements"]:
        entry = tree.requirements.get(rule["id"])
        if entry is None or f"{entry.get('chapter')}.md" != MATRIX:
            yield f"{rule['id']} is not a requirement of {MATRIX}"
        for there in rule["there"]:
            row = table["transitions"].get(there, {})
            for arrives in list(row) if "*" in rule["arrives"] else rule["arrives"]:
                deciding.setdefault((there, arrives), []).append(rule["id"])
                cells_of.setdefault(rule["id"], set()).add(str(row.get(arrives)))
    for identifier, cells in cells_of.items():
        if len(cells) > 1:
            yield f"{identifier} decides pairs that differ: {sorted(cells)}"
    for there, row in table["transitions"].items():
        for arrives in row:
            found = deciding.get((there, arrives), [])
            if len(found) != 1:
                yield f"{arrives} arriving at {there} is decided by {found or 'no requirement'}"


def matrix(tree: Tree) -> Iterator[Finding]:
    """The table of the chapter on states is `states.json`, cell by cell, in its order."""
    chapter = tree.chapters[MATRIX]
    found = [table for table in chapter.tables if table.head[0].startswith("there")]
    if len(found) != 1:
        yield Finding(MATRIX, 0, f"there are {len(found)} tables of transitions")
        return
    transitions = tree.data[STATES].get("transitions", {})
    prose = {_plain(row[0]): (line, [_plain(cell) for cell in row[1:]]) for line, row in found[0].rows}
    columns = [_plain(cell) for cell in found[0].head[1:]]
    for there in sorted(set(prose) ^ set(transitions)):
        yield Finding(MATRIX, found[0].line, f"the row {there} is on one side only: the chapter's or states.json's")
    for there, (line, cells) in prose.items():
        row = transitions.get(there, {})
        if there in transitions and (list(row) != columns or len(cells) != len(columns)):
            yield Finding(MATRIX, line, f"the columns of the row {there} are not those of states.json")
            continue
        for arrives, cell in zip(columns, cells, strict=False):
            if arrives in row and row[arrives] != cell:
                yield Finding(
                    MATRIX, line, f"{arrives} arriving at {there}: {cell} here, {row[arrives]} in states.json"
                )


def sets(tree: Tree) -> Iterator[Finding]:
    """The table of sets in the chapter on states has the sets of `states.json`."""
    expected = {name: set(members) for name, members in tree.data[STATES].get("sets", {}).items()}
    table = _table(tree.chapters[MATRIX], "set")
    stated = {} if table is None else {_plain(row[0]): (line, row[1]) for line, row in table.rows}
    for name in sorted(set(expected) ^ set(stated)):
        yield Finding(MATRIX, table.line if table else 0, f"the set {name} is on one side only")
    for name, (line, cell) in stated.items():
        if name in expected and {_plain(member) for member in cell.split(",")} != expected[name]:
            yield Finding(MATRIX, line, f"the set {name} has other members in states.json")


def operations(tree: Tree) -> Iterator[Finding]:
    """Parameters and results of the operations are schemas, errors are of the closed list, requirements exist."""
    table = tree.data[OPERATIONS]
    for name, entry in table["operations"].items():
        if entry["requirement"] not in tree.requirements:
            yield Finding(OPERATIONS, 0, f"{name} names the requirement {entry['requirement']}, which does not exist")
        for part in ("params", "result"):
            for message in _schema(tree, entry[part]):
                yield Finding(OPERATIONS, 0, f"{name}.{part}: {message}")
        for kind in entry["errors"]:
            if kind not in table["errors"]:
                yield Finding(OPERATIONS, 0, f"{name} ends in {kind}, which is not in the list of errors")


def bindings(tree: Tree) -> Iterator[Finding]:
    """Every operation has one row in the appendix of bindings, and no row is of anything else."""
    table = _table(tree.chapters.get(BINDINGS), "operation")
    stated = [] if table is None else [_plain(row[0]) for _, row in table.rows]
    for name in tree.data[OPERATIONS]["operations"]:
        if stated.count(name) != 1:
            yield Finding(BINDINGS, table.line if table else 0, f"{name} has {stated.count(name)} rows")
    for name in stated:
        if name not in tree.data[OPERATIONS]["operations"]:
            yield Finding(BINDINGS, table.line if table else 0, f"{name} is not an operation")


def error_kinds(tree: Tree) -> Iterator[Finding]:
    """The README's table of errors is that of `operations.json`."""
    expected = {
        name: ("definite" if entry["definite"] else "indefinite", entry["meaning"])
        for name, entry in tree.data[OPERATIONS]["errors"].items()
    }
    table = _table(tree.chapters[README], "error")
    stated = {} if table is None else {_plain(row[0]): (line, row[1:]) for line, row in table.rows}
    for name in sorted(set(expected) ^ set(stated)):
        yield Finding(README, table.line if table else 0, f"the error {name} is on one side only")
    for name, (line, cells) in stated.items():
        if name in expected and cells != expected[name]:
            yield Finding(README, line, f"the error {name} is described differently in operations.json")


def choices(tree: Tree) -> Iterator[Finding]:
    """Every declared choice has one row in its appendix, with its outcomes and its default."""
    declared = tree.schemas["capabilities"]["properties"]["choices"]["properties"]
    table = _table(tree.chapters.get(CHOICES), "choice")
    stated = {} if table is None else {_plain(row[0]): (line, row[1:]) for line, row in table.rows}
    for name in sorted(set(declared) ^ set(stated)):
        yield Finding(CHOICES, table.line if table else 0, f"the choice {name} is on one side only")
    for name, (line, cells) in stated.items():
        if name in declared and {_plain(cell) for cell in cells[0].split(",")} != set(declared[name]["enum"]):
            yield Finding(CHOICES, line, f"the choice {name} has other outcomes in the schema of capabilities")
        if name in declared and _plain(cells[1]) != declared[name]["default"]:
            yield Finding(CHOICES, line, f"the choice {name} has another default in the schema of capabilities")
    for name, outcomes in tree.data[STATES].get("choices", {}).items():
        if set(outcomes) != set(declared.get(name, {}).get("enum", ())):
            yield Finding(STATES, 0, f"the choice {name} differs from that in the schema of capabilities")


def capabilities(tree: Tree) -> Iterator[Finding]:
    """Every capability that `applies` may name has one row in the appendix of choices."""
    table = _table(tree.chapters.get(CHOICES), "capability")
    stated = set() if table is None else {_plain(row[0]) for _, row in table.rows}
    for name in sorted(stated ^ tree.capabilities):
        yield Finding(CHOICES, table.line if table else 0, f"the capability {name} is on one side only")


def _schema_of(vector: str) -> str:
    """Return the schema of a vector by its path."""
    kinds = {"/groups/": "group-vector", "/rows/": "row-vector"}
    return next((schema for folder, schema in kinds.items() if folder in vector), "vector")


def vectors(tree: Tree) -> Iterator[Finding]:
    """Every vector is valid, in the folder of its kind, and shows a requirement that exists."""
    for path, content in tree.vectors():
        complaint = tree.complaint(content, _schema_of(path))
        if complaint:
            yield Finding(path, 0, f"not a valid vector: {complaint}")
            continue
        if ("error" in content) != ("/invalid/" in path):
            yield Finding(path, 0, "a vector with an error is in invalid/, any other in valid/")
        if content["requirement"] not in tree.requirements:
            yield Finding(path, 0, f"shows {content['requirement']}, which is not in the register")
        if "applies" in content and content["applies"] not in tree.capabilities:
            yield Finding(path, 0, f"applies with {content['applies']}, which is not a capability")


def _table(chapter: Chapter | None, first: str) -> Table | None:
    if chapter is None:
        return None
    return next((table for table in chapter.tables if table.head[0] == first), None)


def _plain(cell: str) -> str:
    return cell.strip().strip("`")


CHECKS: tuple[Callable[[Tree], Iterator[Finding]], ...] = (
    register,
    schemas,
    states,
    matrix,
    sets,
    operations,
    bindings,
    error_kinds,
    choices,
    capabilities,
    vectors,
)
"""The checks of this module."""
