"""The reference of the capabilities document: its members, and what each capability lets the suite judge."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from docs.generate import links, markdown
from docs.generate.page import Page, front_matter
from docs.generate.reference.glossary import OBSERVED_WITH, Glossary
from resultspec import Requirement

PATH = "reference/capabilities.md"


def capability_reference(
    schema: Mapping[str, Any], requirements: Mapping[str, Requirement], glossary: Glossary
) -> Page:
    """Return the page for the schema of the document."""
    text = [
        front_matter({"title": "Capabilities"}) + "# Capabilities",
        "",
        "What a backend claims, in one document: what it does not claim is not judged.",
        "A factory in Python has it as its attribute `capabilities`; a driver sends it in its first answer.",
        "The JSON Schema is [`capabilities`](schemas/capabilities.md).",
        "",
        "## Members of the document",
        "",
        *_members(schema, glossary),
        "",
        "## Declared choices",
        "",
        "Correct backends differ in these points, and each declares its own outcome in the member `choices`.",
        "",
        *_choices(schema, glossary),
        "",
        "## Capabilities that requirements ask for",
        "",
        "A requirement that names a capability is not applicable to a backend without it.",
        "",
        *_capabilities(requirements, glossary),
        "## What it takes to observe a requirement",
        "",
        "Where a run does not have it, the verdict is *not observable*.",
        "",
        *_observed(requirements),
    ]
    return Page(PATH, links.with_ids(PATH, "\n".join(text) + "\n", requirements.keys()))


def _members(schema: Mapping[str, Any], glossary: Glossary) -> Iterator[str]:
    required = schema["required"]
    yield from ["| member | value | default | meaning |", "|---|---|---|---|"]
    meanings = {
        "classes": "the [conformance classes](../requirements/by-class.md) that it claims",
        "choices": "its [declared choices](#declared-choices)",
        "features": "its [features](#capabilities-that-requirements-ask-for)",
        "implementation": "what the backend is called, its version and its language",
    }
    for name, member in schema["properties"].items():
        default = "required" if name in required else _default(member)
        meaning = meanings.get(name) or glossary.members.get(name) or member.get("description", "")
        yield f"| `{name}` | {markdown.cell(_value(member))} | {default} | {markdown.cell(meaning)} |"


def _default(member: Mapping[str, Any]) -> str:
    return f"`{json.dumps(member['default'])}`" if "default" in member else ""


def _value(member: Mapping[str, Any]) -> str:
    """Return in words what a schema allows."""
    if "enum" in member:
        return ", ".join(f"`{value}`" for value in member["enum"])
    if "anyOf" in member:
        return " or ".join(_value(one) for one in member["anyOf"])
    if member.get("type") == "array":
        return f"list of {_value(member['items'])}"
    if member.get("type") == "object":
        return "map with " + ", ".join(f"`{name}`" for name in member["properties"])
    bounds = [f"{words} {member[key]}" for key, words in _BOUNDS.items() if key in member]
    return " ".join([_TYPES[member["type"]], *bounds])


_BOUNDS = {"minimum": "of at least", "exclusiveMinimum": "above"}
_TYPES = {"string": "text", "number": "number", "integer": "whole number", "null": "null"}


def _choices(schema: Mapping[str, Any], glossary: Glossary) -> Iterator[str]:
    yield from ["| choice | outcomes | default | what it decides |", "|---|---|---|---|"]
    for name, choice in schema["properties"]["choices"]["properties"].items():
        outcomes = ", ".join(f"`{value}`" for value in choice["enum"])
        yield f"| `{name}` | {outcomes} | `{choice['default']}` | {markdown.cell(glossary.choices[name])} |"


def _capabilities(requirements: Mapping[str, Requirement], glossary: Glossary) -> Iterator[str]:
    for name, (declared, meaning) in glossary.capabilities.items():
        asking = [one.id for one in requirements.values() if one.applies == name]
        yield from [f"### {name}", "", f"{meaning[:1].upper()}{meaning[1:]}.", ""]
        yield f"Declared by: {'the feature ' + f'`{name}`' if declared == '`features`' else declared}."
        if asking:
            yield f"Requirements that ask for it: {', '.join(asking)}."
        yield ""


def _observed(requirements: Mapping[str, Requirement]) -> Iterator[str]:
    for name, meaning in OBSERVED_WITH.items():
        asking = [one.id for one in requirements.values() if one.observe == name]
        yield f"- `{name}`, {meaning}: {', '.join(asking)}"
