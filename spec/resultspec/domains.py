"""The portable domains: what every backend takes (`domains.json`). The length of a state is in `states.json`."""

import json
import string
from dataclasses import dataclass
from typing import Any

from resultspec._data import text


@dataclass(frozen=True, slots=True)
class Domains:
    """The content of `domains.json`.

    `id_alphabet` and `id_max_length` (characters) are those of task ids and group ids. A group has up
    to `group_max_members` and is nested up to `group_max_depth` levels (GROUP-3). A value takes up to
    `value_max_encoded_bytes` in json and is nested up to `value_max_depth` lists and maps (VALUE-1).
    """

    id_alphabet: str
    id_max_length: int
    group_max_members: int
    group_max_depth: int
    value_max_encoded_bytes: int
    value_max_depth: int

    def has_id(self, candidate: str) -> bool:
        """Whether a text is an id of the portable domain."""
        return 1 <= len(candidate) <= self.id_max_length and set(candidate) <= set(self.id_alphabet)


def ranges(alphabet: str) -> str:
    """Return an alphabet as a person writes it, the letters and digits as ranges: `A-Z a-z 0-9 - _`."""
    spans = {"A-Z": string.ascii_uppercase, "a-z": string.ascii_lowercase, "0-9": string.digits}
    named = [name for name, characters in spans.items() if set(characters) <= set(alphabet)]
    spanned = "".join(spans[name] for name in named)
    return " ".join([*named, *(character for character in alphabet if character not in spanned)])


def _load() -> Domains:
    data: dict[str, Any] = json.loads(text("domains.json"))
    return Domains(
        id_alphabet=data["ids"]["alphabet"],
        id_max_length=data["ids"]["max_length"],
        group_max_members=data["groups"]["max_members"],
        group_max_depth=data["groups"]["max_depth"],
        value_max_encoded_bytes=data["values"]["max_encoded_bytes"],
        value_max_depth=data["values"]["max_depth"],
    )


DOMAINS = _load()
"""The portable domains of this version of the specification."""
