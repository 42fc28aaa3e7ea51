"""Diagrams in pages: on a narrow screen they scroll, instead of being shrunk until nobody can read them."""

_OPENED = "```mermaid"
_CLOSED = "```"


def scrolling(text: str) -> str:
    """Return a page with each of its diagrams in an element of its own, which the style sheet lets scroll."""
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        if line == _OPENED:
            inside = True
            found += ['<div class="diagram" markdown>', "", line]
        elif inside and line == _CLOSED:
            inside = False
            found += [line, "", "</div>"]
        else:
            found.append(line)
    return "\n".join(found) + "\n"
