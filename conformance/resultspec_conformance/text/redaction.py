"""Passwords: finding them in targets, and removing them from everything that is shown or written."""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

REDACTED = "[redacted]"
"""The replacement of a password. It differs from kombu's, so that the origin of a redaction is visible."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_IN_URL = re.compile(r"(?<=://)([^\s:/@]*):(?!\*\*@|PASSWORD@)([^\s/@]+|[^\s/]+(?=@))@")
"""User and password of a URL, except for kombu's two asterisks and the word PASSWORD in our own messages."""

_SECRET_PARAMETERS = frozenset({"password", "passwd", "pwd", "secret", "token"})

_IN_QUERY = re.compile(rf"(?<=[?&])({'|'.join(sorted(_SECRET_PARAMETERS))})=(?!\*\*)[^\s&#'\"<>]+")
"""A password in the query of a URL."""

KOMBU_HIDDEN = "**"

MIN_REPLACED_LENGTH = 4
"""Shorter passwords are replaced only inside a URL: their letters occur in any text."""


def _of_url(url: str) -> set[str]:
    try:
        parts = urlsplit(url)
        found = {parts.password, *(value for name, value in parse_qsl(parts.query) if name in _SECRET_PARAMETERS)}
    except ValueError:
        return set()
    return {
        spelling
        for password in found
        if password and password != KOMBU_HIDDEN
        for spelling in (password, unquote(password))
    }


def passwords(*texts: str) -> frozenset[str]:
    """Return the passwords of all URLs in some texts, both as written and percent-decoded."""
    return frozenset().union(*(_of_url(url) for text in texts for url in _URL.findall(text)))


def redact_text(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """Return a text without the passwords of URLs in it, and without any of the `secrets`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MIN_REPLACED_LENGTH:
            text = text.replace(secret, REDACTED)
    return _IN_QUERY.sub(rf"\1={REDACTED}", _IN_URL.sub(rf"\1:{REDACTED}@", text))


def redact(document: Any, secrets: frozenset[str] = frozenset()) -> Any:
    """Return a JSON document without passwords in its texts and member names."""
    if isinstance(document, str):
        return redact_text(document, secrets)
    if isinstance(document, dict):
        return {redact_text(name, secrets): redact(member, secrets) for name, member in document.items()}
    if isinstance(document, list):
        return [redact(item, secrets) for item in document]
    return document


def has_password(text: str) -> bool:
    """Whether a text contains a URL with a password."""
    return bool(passwords(text)) or redact_text(text) != text
