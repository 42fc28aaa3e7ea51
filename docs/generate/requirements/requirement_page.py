"""The page of one requirement."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docs.generate import links, markdown
from docs.generate.page import Page, front_matter
from docs.generate.reference.glossary import OBSERVED_WITH, Glossary
from docs.generate.requirements.evidence import Evidence, Source, source
from docs.generate.requirements.mentions import Mention
from docs.generate.requirements.templating import environment
from resultspec import Requirement


def requirement_page(
    known: Evidence,
    requirements: Mapping[str, Requirement],
    chapters: Mapping[str, Page],
    glossary: Glossary,
    mentions: Sequence[Mention],
) -> Page:
    """Return the page. `chapters` has the pages of the chapters by the chapters' names."""
    requirement = known.requirement
    path = links.requirement_page(requirement.id)
    chapter = chapters[requirement.chapter]
    text = (
        environment()
        .get_template("requirement.md.j2")
        .render(
            path=path,
            known_ids=requirements.keys(),
            requirement=requirement,
            chapter_title=markdown.title(chapter.text),
            chapter_page=links.relative(path, chapter.path),
            class_promise=glossary.classes[requirement.conformance_class],
            role_meaning=glossary.roles[requirement.role],
            severity_meaning=glossary.severities[requirement.severity],
            capability_meaning=glossary.capabilities[requirement.applies][1] if requirement.applies else "",
            observe_meaning=OBSERVED_WITH.get(requirement.observe, ""),
            entails=[requirements[other] for other in requirement.entails],
            entailed_by=[requirements[other] for other in known.entailed_by],
            checks=list(_checks(known)),
            broken=list(_broken(known)),
            also_broken=known.also_broken,
            mentions=[_linked(path, mention) for mention in mentions],
        )
    )
    head = {"title": requirement.id, "description": requirement.statement}
    return Page(path, front_matter(head) + text)


def _checks(known: Evidence) -> Iterable[dict[str, Any]]:
    for check in known.checks:
        where = source(check.function)
        yield {
            "check": check,
            "doc": inspect.getdoc(check.function) or "",
            "others": [cited for cited in dict.fromkeys(check.cites) if cited != known.requirement.id],
            "needs": sorted(check.needs),
            "source": where,
            "code": _code(where),
        }


def _broken(known: Evidence) -> Iterable[dict[str, Any]]:
    for specimen in known.broken:
        where = source(specimen.backend)
        yield {"specimen": specimen, "source": where, "code": _code(where)}


def _code(where: Source) -> str:
    return markdown.fenced(where.text, "python", f'linenums="{where.line}"')


def _linked(path: str, mention: Mention) -> dict[str, str]:
    fragment = f"#{mention.fragment}" if mention.fragment else ""
    return {"title": mention.title, "link": links.relative(path, mention.page) + fragment}
