"""URLs without their secrets."""

from urllib.parse import quote, unquote

from kombu.utils.url import maybe_sanitize_url


def sanitize(url: str | None) -> str:
    """Return the URL of a store with its password masked, and without its query, which may contain others.

    Several URLs, separated by semicolons, are each sanitized. Never raises, since error messages use it.
    """
    return ";".join(_sanitize_one(part) for part in (url or "").split(";"))


def _sanitize_one(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    try:
        clean = str(maybe_sanitize_url(f"{scheme}://{_quoted(rest)}"))
    except ValueError:
        return f"{scheme}://**"
    return clean[:-1] if clean.endswith(":///") else clean


def _quoted(rest: str) -> str:
    """Return what follows the scheme, with the user part quoted: a slash in a password would end it for a parser."""
    user_part, at, host_part = rest.rpartition("@")
    user, colon, password = user_part.partition(":")
    return f"{quote(unquote(user), safe='')}{colon}{quote(unquote(password), safe='')}{at}{host_part}"
