"""Checks of the chapters: sentences, ids, key words, links, examples, and one sentence a line."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

from resultspec.lint.markdown import Chapter, Fence, mask
from resultspec.lint.tree import REGISTER, Finding, Tree, load_json

KEY_WORD = re.compile(r"\b(MUST NOT|MUST|SHALL NOT|SHALL|SHOULD NOT|SHOULD|REQUIRED|RECOMMENDED|MAY|OPTIONAL)\b")
LOWER_KEY_WORD = re.compile(r"\b(must|shall|should|may)\b")
DEFINITION = ("README.md", "Key words")
"""The one place where key words stand outside normative sentences: a file and a heading in it."""

_ID = re.compile(r"\b([A-Z]{2,})-([0-9]+)\b")
_NOT_AN_ID = frozenset({"UTF", "RFC", "ISO", "CVE"})
_EXTERNAL = re.compile(r"^[a-z]+://")
_LIST_MARKER = re.compile(r"^\s*([0-9]+\.|[-*]) ")
_LINKED = re.compile(r"\[[^\]]*\]\(")
_TWO_SENTENCES = re.compile(r"[^\s.][.!?]['\")*`]* +[A-Z`*\"(]")
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|cf|vs|No)\. ")


def sentences(tree: Tree) -> Iterator[Finding]:
    """Every id of the register exactly once, in its chapter, with its sentence and its intent."""
    seen = Counter(sentence.id for chapter in tree.chapters.values() for sentence in chapter.sentences)
    for name, chapter in tree.chapters.items():
        for sentence in chapter.sentences:
            entry = tree.requirements.get(sentence.id)
            if entry is None:
                yield Finding(name, sentence.line, f"{sentence.id} is not in the register")
                continue
            if seen[sentence.id] > 1:
                yield Finding(name, sentence.line, f"{sentence.id} is stated {seen[sentence.id]} times")
            if f"{entry.get('chapter')}.md" != name:
                yield Finding(name, sentence.line, f"{sentence.id} belongs to {entry.get('chapter')}.md")
            if sentence.statement != entry.get("statement"):
                yield Finding(name, sentence.line, f"{sentence.id} differs from the statement of the register")
            if sentence.intent != entry.get("intent"):
                yield Finding(name, sentence.line + 1, f"{sentence.id} differs from the intent of the register")
    for identifier, entry in tree.requirements.items():
        if identifier not in seen:
            text = f"{identifier} is not stated in {entry.get('chapter')}.md"
            yield Finding(REGISTER, tree.line_of(identifier), text)


def mentions(tree: Tree) -> Iterator[Finding]:
    """No id in the prose that the register does not have."""
    for name, chapter in tree.chapters.items():
        for number, line in chapter.lines:
            for match in _ID.finditer(line):
                if match[1] not in _NOT_AN_ID and match[0] not in tree.requirements:
                    yield Finding(name, number, f"{match[0]} is mentioned, but is not in the register")


def key_words(tree: Tree) -> Iterator[Finding]:
    """Key words in capitals stand in normative sentences, and where they are defined."""
    for name, chapter in tree.chapters.items():
        normative = {sentence.line for sentence in chapter.sentences}
        for number, line in chapter.lines:
            if number in normative or (name, chapter.heading_of(number)) == DEFINITION:
                continue
            for match in KEY_WORD.finditer(mask(line)):
                yield Finding(name, number, f"the key word {match[0]} stands outside a normative sentence")


def levels(tree: Tree) -> Iterator[Finding]:
    """A statement has key words of one level, that of its entry, and none in lower case."""
    for identifier, entry in tree.requirements.items():
        statement = mask(str(entry.get("statement", "")))
        found = {match[1].removesuffix(" NOT") for match in KEY_WORD.finditer(statement)}
        if found != {entry.get("level")}:
            text = f"{identifier} has the level {entry.get('level')}, and its key words are {sorted(found)}"
            yield Finding(REGISTER, tree.line_of(identifier), text)
        for match in LOWER_KEY_WORD.finditer(statement):
            text = f"{identifier} has the key word {match[0]!r} in lower case"
            yield Finding(REGISTER, tree.line_of(identifier), text)


def links(tree: Tree) -> Iterator[Finding]:
    """Every link leads to a file below `spec/` and a heading in it; the README links to every chapter."""
    linked: set[str] = set()
    for name, chapter in tree.chapters.items():
        for number, target in chapter.links():
            if _EXTERNAL.match(target):
                continue
            path, _, fragment = target.partition("#")
            if name == "README.md":
                linked.add(path)
            message = _dead(tree, chapter, path, fragment)
            if message:
                yield Finding(name, number, message)
    for name in tree.chapters:
        if name != "README.md" and name not in linked:
            yield Finding(name, 0, "README.md does not link to this file")


def _dead(tree: Tree, chapter: Chapter, path: str, fragment: str) -> str:
    if path and not (tree.root / path).exists():
        return f"the link to {path} is dead"
    target = tree.chapters.get(path) if path else chapter
    if fragment and (target is None or fragment not in target.anchors):
        return f"the link to {path}#{fragment} is dead: no such heading exists"
    return ""


def examples(tree: Tree) -> Iterator[Finding]:
    """Every block of JSON names its schema, or `any`, and is valid: one document, or one on each line."""
    for name, chapter in tree.chapters.items():
        for fence in chapter.fences:
            words = fence.info.split()
            if fence.info == "unclosed":
                yield Finding(name, fence.line, "the block of code is never closed")
            elif words[:1] == ["json"]:
                for line, message in _example(tree, words[1:], fence):
                    yield Finding(name, line, message)


def _example(tree: Tree, words: list[str], fence: Fence) -> Iterator[tuple[int, str]]:
    if len(words) != 1 or (words[0] != "any" and words[0] not in tree.schemas):
        yield fence.line, f"an example of JSON needs the name of its schema, or any: {fence.info!r}"
        return
    for offset, text in _documents(fence.text):
        try:
            document = load_json(text)
        except ValueError as error:
            yield fence.line + offset, f"the example is not JSON: {error}"
            continue
        complaint = None if words[0] == "any" else tree.complaint(document, words[0])
        if complaint:
            yield fence.line + offset, f"the example is not a valid {words[0]}: {complaint}"


def _documents(text: str) -> list[tuple[int, str]]:
    lines = [(offset, line) for offset, line in enumerate(text.splitlines()) if line.strip()]
    if len(lines) > 1 and all(line.startswith(("{", "[")) for _, line in lines):
        return lines
    return [(0, text)]


def one_sentence_a_line(tree: Tree) -> Iterator[Finding]:
    """A line of prose holds one sentence, so that a diff is a sentence."""
    for name, chapter in tree.chapters.items():
        for number, line in chapter.prose():
            if line.startswith(("*Intent:*", "*Applies:*", "*Observed:*")):
                continue
            plain = _ABBREVIATION.sub("", _LINKED.sub("(", _LIST_MARKER.sub("", line)))
            if _TWO_SENTENCES.search(plain):
                yield Finding(name, number, "two sentences on one line")


CHECKS: tuple[Callable[[Tree], Iterator[Finding]], ...] = (
    sentences,
    mentions,
    key_words,
    levels,
    links,
    examples,
    one_sentence_a_line,
)
"""The checks of this module."""
