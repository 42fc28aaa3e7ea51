"""What docstrings say, as Markdown."""

import ast
import re
from pathlib import Path

from docs.generate import markdown


def first_sentence(path: Path) -> str:
    """Return the summary of a module: the first paragraph of its docstring, up to the end of a sentence or a colon."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?]) ", paragraph, maxsplit=1)[0]
    return markdown.cell(sentence.rstrip(".:"))
