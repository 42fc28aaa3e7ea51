"""The report of a driver fault: its kind in the closed list, what was seen, and how to fix it."""

import re

from resultspec.driver_faults import FAULTS
from resultspec_conformance.subject.errors import SubjectError

EXCERPT = 160

_PASSWORD = re.compile(r"(?P<before>\w[\w+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)")


class DriverFault(SubjectError):
    """A program that violates the driver protocol; its backend is not blamed.

    `kind` is one of the closed list of `driver-faults.json`, `detail` says what was seen and where.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"the driver is at fault ({kind}): {detail}\n{FAULTS[kind].cure}")
        self.kind = kind
        self.detail = detail

    def again(self) -> "DriverFault":
        """Return an equal fault to raise in another thread, since an exception has only one traceback."""
        return DriverFault(self.kind, self.detail)


def without_passwords(text: str) -> str:
    """Return a text with the passwords of its URLs hidden."""
    return _PASSWORD.sub(r"\g<before>**", text)


def excerpt(line: bytes | str, limit: int = EXCERPT) -> str:
    """Return a line as quoted text, with passwords hidden, cut to about `limit` characters."""
    text = line.decode("utf-8", "backslashreplace") if isinstance(line, bytes) else line
    text = without_passwords(text.rstrip("\r\n")[: 4 * limit])
    return repr(text) if len(text) <= limit else f"{text[:limit]!r}…"
