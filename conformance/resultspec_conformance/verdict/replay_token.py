"""The replay token: a counterexample as one word, which a failure shows and `resultspec replay` accepts."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES
from resultspec_conformance.text.redaction import has_password, redact_text

TOKEN_VERSION = 1
LONGEST_TOKEN = 1500
"""The longest token with an example, in characters; if it would be longer, it has only the seed."""
_LARGEST_TEXT = 64 * 1024 * 1024


class ReplayError(ValueError):
    """A token or file without a counterexample. The text has one or two lines."""


@dataclass(frozen=True)
class Counterexample:
    """What is needed to replay a failure.

    `target` is the given one, or empty if that contains a password. `example` is in the tagged encoding; None: search
    again with the same `seed` and number of `examples`. `call_timeout` is in seconds.
    """

    target: str
    check: str
    requirement: str
    example: Mapping[str, Any] | None
    seed: int = 0
    examples: int = EXAMPLES
    call_timeout: float = CALL_SECONDS


def _encode(counterexample: Counterexample, target: str, *, exact: bool) -> str:
    content = {
        "v": TOKEN_VERSION,
        "target": target,
        "check": counterexample.check,
        "id": counterexample.requirement,
        "example": counterexample.example if exact else None,
        "seed": counterexample.seed,
        "examples": counterexample.examples,
        "timeout": counterexample.call_timeout,
    }
    packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def encode_token(
    counterexample: Counterexample, secrets: frozenset[str] = frozenset(), longest: int | None = LONGEST_TOKEN
) -> tuple[str, bool]:
    """Return the token of a counterexample, and whether it includes the example itself.

    The target is left out if it contains a password, and the example if it does or if the token would be too long; for
    `longest` None no token is.
    """
    target = counterexample.target
    if has_password(target) or redact_text(target, secrets) != target:
        target = ""
    text = json.dumps(counterexample.example)
    if counterexample.example is not None and redact_text(text, secrets) == text:
        token = _encode(counterexample, target, exact=True)
        if longest is None or len(token) <= longest:
            return token, True
    return _encode(counterexample, target, exact=False), False


def decode_token(token: str) -> Counterexample:
    """Return the counterexample of a token. Raises ReplayError."""
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        content = json.loads(unpacker.decompress(packed, _LARGEST_TEXT))
        if content["v"] != TOKEN_VERSION:
            raise ReplayError(f"the token has the version {content['v']}; this resultspec reads {TOKEN_VERSION}.")
        return Counterexample(
            target=content["target"],
            check=content["check"],
            requirement=content["id"],
            example=content["example"],
            seed=content["seed"],
            examples=content["examples"],
            call_timeout=content["timeout"],
        )
    except (binascii.Error, zlib.error, UnicodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ReplayError(
            f"{token[:40]!r} is neither a file nor a replay token.\n"
            "Copy the whole `resultspec replay` line of a failure."
        ) from error
