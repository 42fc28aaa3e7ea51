"""Passwords are found wherever a URL holds one, and are nowhere afterwards."""

import json

import pytest

from resultspec_conformance.text.redaction import REDACTED, has_password, passwords, redact, redact_text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("redis://:s3cret@host:6379/0", {"s3cret"}),
        ("redis://user:s3cret@host", {"s3cret"}),
        ("exec:node driver.mjs redis://:s3cret@host/0 --x", {"s3cret"}),
        ("redis://:p%40ss%2Fword@host", {"p%40ss%2Fword", "p@ss/word"}),
        ("postgresql://host/db?user=me&password=s3cret", {"s3cret"}),
        ("redis://host/0", set()),
        ("redis://:**@host/0", set()),
        ("memory://", set()),
    ],
)
def test_passwords_of_urls_are_found(text: str, found: set[str]) -> None:
    """As they are written in the URL, and as the store gets them."""
    assert passwords(text) == found
    assert has_password(text) == bool(found)


def test_a_password_among_parameters_is_hidden() -> None:
    """Whoever knows no secrets hides it by its name; what follows it stays."""
    text = redact_text("cannot reach redis://host/0?password=s3cret&db=1: refused")
    assert text == f"cannot reach redis://host/0?password={REDACTED}&db=1: refused"
    assert redact_text(text) == text


def test_a_document_is_free_of_secrets_afterwards() -> None:
    """In texts, in names of members, in lists, in URLs, and by itself."""
    document = {
        "a": ["redis://:s3cret@host", "it said s3cret", 1, None],
        "s3cret": {"b": "redis://me:another@host"},
    }
    cleaned = redact(document, frozenset({"s3cret"}))
    text = json.dumps(cleaned)
    assert "s3cret" not in text
    assert "another" not in text
    assert cleaned["a"][0] == f"redis://:{REDACTED}@host"


def test_a_short_password_is_hidden_in_urls_only() -> None:
    """A password of one letter must not eat the text."""
    assert redact_text("redis://:x@host is an example", frozenset({"x"})) == f"redis://:{REDACTED}@host is an example"


def test_what_kombu_has_hidden_stays_as_it_is() -> None:
    """It is seen who hid a password: two asterisks are of kombu."""
    assert redact_text("redis://:**@host") == "redis://:**@host"
