"""The page of Celery's own backends: what differs from the specification in each, from the data that the tests hold."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docs.generate import links, markdown, source_pages
from docs.generate.page import Page, front_matter
from docs.generate.reference.glossary import Glossary
from resultspec import Requirement
from resultspec.requirements import SEVERITIES

PATH = "reference/celery-backends.md"
DATA = Path("docs", "reference", "celery-backends.toml")
"""The data, in a checkout."""

FACTORIES = "examples/celery_factory.py"


@dataclass(frozen=True)
class Backend:
    """One of Celery's backends, by the name of its factory. `store`: with what it was judged. `run`: how."""

    name: str
    title: str
    store: str
    run: str
    seconds: int


@dataclass(frozen=True)
class Difference:
    """What some backends do otherwise than a requirement says."""

    requirement: str
    backends: tuple[str, ...]
    how: str


@dataclass(frozen=True)
class Findings:
    """What was found. `untested`: what could not be judged because of a difference."""

    release: str
    with_versions: str
    backends: tuple[Backend, ...]
    differences: tuple[Difference, ...]
    untested: tuple[Difference, ...]

    def of(self, backend: str) -> dict[str, str]:
        """Return the verdict on each requirement that a backend does not pass."""
        kinds = {"violated": self.differences, "not tested": self.untested}
        return {
            one.requirement: verdict for verdict, found in kinds.items() for one in found if backend in one.backends
        }


def findings(path: Path) -> Findings:
    """Read the data. Raises ValueError if a backend is unknown, or named twice for one requirement."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    backends = tuple(Backend(name=name, **about) for name, about in data["backends"].items())
    names = [one.name for one in backends]
    differences = _differences(data["difference"], names)
    return Findings(data["release"], data["with"], backends, differences, _differences(data["untested"], names))


def _differences(entries: Iterable[Mapping[str, str]], names: Sequence[str]) -> tuple[Difference, ...]:
    found: list[Difference] = []
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        of = tuple(names) if entry["in"] == "all" else tuple(entry["in"].split())
        pairs = {(entry["id"], name) for name in of}
        if not set(of) <= set(names) or pairs & seen:
            raise ValueError(f"{entry['id']}: in {entry['in']} names an unknown backend, or one a second time")
        seen |= pairs
        found.append(Difference(entry["id"], of, entry["how"]))
    return tuple(found)


# -- the page ------------------------------------------------------------------------------------


def celery_backends(found: Findings, requirements: Mapping[str, Requirement], glossary: Glossary) -> Page:
    """Return the page."""
    text = [
        front_matter({"title": "Celery's backends"}) + "# Celery's own backends",
        "",
        f"What the suite finds in the result backends that Celery {found.release} ships.",
        "The specification is younger than they are: a difference says that the code does something else than the "
        "sentence, and not which of the two should change.",
        "",
        *_summary(found, requirements),
        "",
        "## How it was measured",
        "",
        f"Every claimed class was judged with 30 examples, for each of the seeds 1 to 5, with {found.with_versions}.",
        "The five runs of a backend agree in every verdict, and each difference was looked at.",
        "The seconds are those of the slowest of five runs, on two cores that had other work too.",
        "",
        f"[The factories]({links.relative(PATH, source_pages.path_of(FACTORIES))}) give each client an application "
        "of Celery. Each line judges one backend, in a checkout of this repository:",
        "",
        "```sh",
        "pip install 'resultspec[celery,sql]' pymemcache",
        *(one.run for one in found.backends),
        "```",
        "",
        "## What differs",
        "",
        "By severity, the worst first, and within it in the order of the chapters.",
        "What is not a MUST is named as such.",
    ]
    for severity in SEVERITIES:
        rows = _of_severity(found.differences, severity, requirements)
        if rows:
            meaning = f"{glossary.severities[severity].capitalize()}."
            text += [
                "",
                f"### {severity.replace('-', ' ').capitalize()}",
                "",
                meaning,
                "",
                *_table(rows, found, requirements),
            ]
    if found.untested:
        text += ["", "## What could not be judged", "", *_table(found.untested, found, requirements)]
    return Page(PATH, links.with_ids(PATH, "\n".join(text) + "\n", requirements.keys()))


def _summary(found: Findings, requirements: Mapping[str, Requirement]) -> Iterator[str]:
    yield from ["| backend | store | differs from | of them MUST | not judged | seconds |", "|---|---|---|---|---|---|"]
    for one in found.backends:
        verdicts = found.of(one.name)
        differs = [name for name, verdict in verdicts.items() if verdict == "violated"]
        musts = sum(requirements[name].level == "MUST" for name in differs)
        cells = [one.title, one.store, len(differs), musts, len(verdicts) - len(differs), one.seconds]
        yield f"| {' | '.join(map(str, cells))} |"


def _of_severity(
    differences: Iterable[Difference], severity: str, requirements: Mapping[str, Requirement]
) -> list[Difference]:
    places = {name: place for place, name in enumerate(requirements)}
    found = [one for one in differences if requirements[one.requirement].severity == severity]
    return sorted(found, key=lambda one: places[one.requirement])


def _table(rows: Iterable[Difference], found: Findings, requirements: Mapping[str, Requirement]) -> Iterator[str]:
    yield from ["| differs from | how | in |", "|---|---|---|"]
    for one in rows:
        level = requirements[one.requirement].level
        named = one.requirement if level == "MUST" else f"{one.requirement} ({level})"
        places = "all" if len(one.backends) == len(found.backends) else ", ".join(one.backends)
        yield f"| {named} | {markdown.cell(one.how)} | {places} |"
