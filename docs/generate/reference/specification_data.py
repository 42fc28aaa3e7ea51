"""The data of the specification as pages: schemas, operations, vectors."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docs.generate import links, markdown
from docs.generate.page import Page, front_matter

SCHEMAS = "reference/schemas"
OPERATIONS = "reference/operations.md"
VECTORS = "reference/vectors.md"
FOLDER = "data"
"""The folder of the site with the files of `spec/resultspec/` as they are."""

_URN = "urn:resultspec:schema:"


def schema_pages(schemas: Mapping[str, str]) -> Iterator[Page]:
    """Yield a page for each schema, given as its text by its name, and the list of them."""
    documents = {name: json.loads(text) for name, text in schemas.items()}
    text = [
        front_matter({"title": "Schemas"}) + "# Schemas",
        "",
        "The JSON Schemas of the specification, of draft 2020-12.",
        "",
        "| schema | what it describes |",
        "|---|---|",
    ]
    text += [f"| [`{name}`]({name}.md) | {_described(document)} |" for name, document in documents.items()]
    yield Page(f"{SCHEMAS}/index.md", "\n".join(text) + "\n")
    for name, document in documents.items():
        yield _schema_page(name, document, schemas[name])


def _schema_page(name: str, document: Mapping[str, Any], source: str) -> Page:
    path = f"{SCHEMAS}/{name}.md"
    download = links.relative(path, f"{FOLDER}/schemas/{name}.json")
    text = [
        front_matter({"title": f"Schema {name}", "hide": ["toc"]}) + f"# Schema `{name}`",
        "",
        f"{_described(document)}. [Download `{name}.json`]({download})",
    ]
    used = [other for other in sorted(_references(document)) if other != name]
    if used:
        text += ["", f"It refers to {', '.join(f'[`{other}`]({other}.md)' for other in used)}."]
    text += ["", "<div data-search-exclude markdown>", "", markdown.fenced(source, "json"), "", "</div>"]
    return Page(path, "\n".join(text) + "\n")


def _described(schema: Mapping[str, Any]) -> str:
    return markdown.cell(str(schema.get("title") or schema.get("description", "")).rstrip("."))


def _references(part: object) -> set[str]:
    """Return the names of the schemas to which a part of a schema refers."""
    if isinstance(part, dict):
        reference = part.get("$ref", "")
        here = {reference.removeprefix(_URN).partition("#")[0]} if str(reference).startswith(_URN) else set()
        return here.union(*map(_references, part.values()))
    if isinstance(part, list):
        return set().union(*map(_references, part))
    return set()


def operations_page(operations: Mapping[str, Any]) -> Page:
    """Return the page of the operations and errors, given as `operations.json` has them."""
    text = [
        front_matter({"title": "Operations and errors"}) + "# Operations and errors",
        "",
        "The closed list of what can be asked of a backend, and of the errors with which it can answer.",
        "[A binding](../specification/appendix-bindings.md) maps the operations to the methods of Celery's classes.",
        "",
        "## Errors",
        "",
        "| error | kind | meaning |",
        "|---|---|---|",
    ]
    for name, error in operations["errors"].items():
        text.append(f"| `{name}` | {'definite' if error['definite'] else 'indefinite'} | {error['meaning']} |")
    text += ["", "## Operations"]
    for name, operation in operations["operations"].items():
        text += ["", *_operation(name, operation)]
    return Page(OPERATIONS, "\n".join(text) + "\n")


def _operation(name: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from [f"### {name}", "", operation["summary"], ""]
    parameters = operation["params"].get("properties", {})
    required = operation["params"].get("required", [])
    if parameters:
        yield from ["| parameter | value | | meaning |", "|---|---|---|---|"]
    for parameter, schema in parameters.items():
        needed = "required" if parameter in required else "optional"
        meaning = markdown.cell(schema.get("description", ""))
        yield f"| `{parameter}` | {markdown.cell(_kind(schema))} | {needed} | {meaning} |"
    yield from ["", f"Result: {_kind(operation['result'])}.", ""]
    yield f"Errors: {', '.join(f'`{error}`' for error in operation['errors']) or 'none'}."
    yield from ["", f"If it fails although its arguments are ordinary, {operation['requirement']} is violated."]


def _kind(schema: Mapping[str, Any]) -> str:
    """Return in words what a schema of a parameter or a result allows."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_URN)
        return f"[`{name}`](schemas/{name}.md)" if schema["$ref"].startswith(_URN) else f"`{name}`"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_kind(schema['items'])}"
    kinds = schema.get("type", "any value")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def vectors_page(vectors: Iterable[tuple[str, Mapping[str, Any]]], ids: Iterable[str]) -> Page:
    """Return the list of the vectors, given by their paths below `vectors/`, in their order."""
    text = [
        front_matter({"title": "Vectors", "hide": ["toc"]}) + "# Vectors",
        "",
        "Stored payloads and rows, each with what a reader must make of it.",
        "[The chapter on vectors](../specification/vectors.md) says how to run them.",
    ]
    folder = ""
    for path, vector in vectors:
        here = path.rpartition("/")[0]
        if here != folder:
            folder = here
            text += ["", f"## {folder}", "", "| vector | requirement | what is stored | from |", "|---|---|---|---|"]
        name = path.rpartition("/")[2].removesuffix(".json")
        link = f"[`{name}`]({links.relative(VECTORS, f'{FOLDER}/vectors/{path}')})"
        origin = f"{vector['provenance']['kind']}: {vector['provenance']['by']}"
        row = [link, vector["requirement"], vector["description"], origin]
        text.append(f"| {' | '.join(map(markdown.cell, row))} |")
    return Page(VECTORS, links.with_ids(VECTORS, "\n".join(text) + "\n", set(ids)))
