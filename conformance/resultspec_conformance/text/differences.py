"""Shortening two long texts so that the place where they differ is still shown."""

from typing import Final

_BEFORE_DIFFERENCE: Final = 60
_ANCHOR: Final = 16
"""How many characters of a text have to be found in the other one, where that begins with other words."""


def around_difference(left: str, right: str, limit: int) -> tuple[str, str]:
    """Return two texts, the longer ones than `limit` shortened so that the first difference of the two is shown.

    Where one of the texts begins with a few words more, the other is looked for in it.
    """
    offset = max(0, left.find(right[:_ANCHOR])) - max(0, right.find(left[:_ANCHOR]))
    ahead, behind = (left, right) if offset >= 0 else (right, left)
    pairs = zip(ahead[abs(offset) :], behind, strict=False)
    same = next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(ahead), len(behind)))
    return _cut(left, same + max(0, offset), limit), _cut(right, same + max(0, -offset), limit)


def _cut(text: str, place: int, limit: int) -> str:
    """Return a text, shortened to about `limit` characters around a place if it is longer."""
    start = max(0, min(place - _BEFORE_DIFFERENCE, len(text) - limit))
    if len(text) <= limit:
        return text
    if start <= _BEFORE_DIFFERENCE:
        return f"{text[:limit]} …({len(text)} characters)…"
    after = text[start : start + limit - _BEFORE_DIFFERENCE]
    tail = "" if start + len(after) >= len(text) else " …"
    return f"{text[:_BEFORE_DIFFERENCE]} …({len(text)} characters)… {after}{tail}"
