"""The chapters of the specification as pages: the same text, with every normative sentence set apart and linked."""

import re
from collections.abc import Mapping

from docs.generate import links, markdown
from resultspec import Requirement
from resultspec.lint.markdown import INTENT, SENTENCE

_JSON_FENCE = re.compile(r"^```json ([\w-]+)$")
_ANY_SCHEMA = "any"


def chapter(path: str, text: str, requirements: Mapping[str, Requirement]) -> str:
    """Return the text of a chapter for the site.

    A normative sentence becomes a block that has its id as anchor and links to the page of the requirement. An example
    of JSON, which names its schema where only our linter looks, gets that name as its title.
    """
    found = []
    for line, is_code in markdown.lines(text):
        sentence, intent = SENTENCE.match(line), INTENT.match(line)
        if is_code:
            found.append(_JSON_FENCE.sub(_with_schema, line))
        elif sentence and sentence[1] in requirements:
            found += _opened(path, requirements[sentence[1]], sentence[2])
        elif intent:
            found += [line, "", "</div>"]
        else:
            found.append(line)
    return "\n".join(found) + "\n"


def _opened(path: str, requirement: Requirement, statement: str) -> list[str]:
    page = links.relative(path, links.requirement_page(requirement.id))
    facts = f"{requirement.level} · {requirement.conformance_class} · {requirement.severity}"
    return [
        f'<div class="sentence" id="{requirement.id}" markdown>',
        "",
        f"[**{requirement.id}**]({page}) {statement}",
        f'<span class="facts">{facts}</span>',
        "",
    ]


def _with_schema(match: re.Match[str]) -> str:
    return "```json" if match[1] == _ANY_SCHEMA else f'```json title="schema: {match[1]}"'
