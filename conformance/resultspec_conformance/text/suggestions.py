"""Suggestions for misspelt words."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion for a misspelt word, as the end of a message, or an empty text."""
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), list(by_folded), n=3, cutoff=0.5)
    if not close:
        return ""
    return f" Did you mean {' or '.join(by_folded[name] for name in close)}?"
