"""The probe of a folder in which every key is the name of a file."""

import math
import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from resultspec_conformance.subject.errors import SubjectError
from resultspec_conformance.subject.findings import Unobserved
from resultspec_conformance.subject.probes.keyed import KeyedProbe


class FileProbe(KeyedProbe):
    """A probe of a folder. How old an entry is, the time says at which its file was changed."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(prefix)
        self.shown = url
        place = urlsplit(url)
        self._folder = os.fsencode(unquote(place.path))
        if place.netloc not in ("", "localhost") or not os.path.isabs(self._folder):
            raise SubjectError(f"{url} is not the URL of a folder.\nWrite file:///PATH, with three slashes.")
        self.ping()

    def _path(self, key: str) -> bytes:
        return os.path.join(self._folder, key.encode("utf-8", "surrogatepass"))

    def get(self, key: str) -> bytes | None:
        """Return the bytes of a file, or None; None also for a name that no file can have."""
        with suppress(OSError, ValueError):
            return Path(os.fsdecode(self._path(key))).read_bytes()
        return None

    def set(self, key: str, value: bytes) -> None:
        """Write a file. Raises Unobserved for a name that no file can have."""
        try:
            Path(os.fsdecode(self._path(key))).write_bytes(value)
        except (OSError, ValueError) as error:
            raise Unobserved(f"no file can have the name {key[:80]!r}: {error}") from error

    def delete(self, *keys: str) -> None:
        """Remove files."""
        for key in keys:
            with suppress(OSError, ValueError):
                os.unlink(self._path(key))

    def keys(self) -> frozenset[str]:
        """Return the names of all files, those in folders below with their path from here."""
        found = (
            os.path.relpath(os.path.join(folder, name), self._folder)
            for folder, _, names in os.walk(self._folder)
            for name in names
        )
        return frozenset(name.decode("utf-8", "replace") for name in found)

    def remaining(self, task_id: str) -> float | None:
        """Return infinity for a task with a file, since files do not expire by themselves, and None for one without."""
        return None if self.read(task_id) is None else math.inf

    def age(self, task_id: str, seconds: float) -> bool:
        """Move the times of a file back; return whether there is one."""
        try:
            now = os.stat(self._path(self.key(task_id)))
            os.utime(self._path(self.key(task_id)), (now.st_atime - seconds, now.st_mtime - seconds))
        except (OSError, ValueError):
            return False
        return True

    def ping(self) -> None:
        """Raise SubjectError if there is no such folder, or no file can be written there."""
        trial = os.path.join(self._folder, b".resultspec-trial-" + secrets.token_hex(8).encode())
        try:
            Path(os.fsdecode(trial)).write_bytes(b"trial")
            os.unlink(trial)
        except OSError as error:
            raise SubjectError(
                f"{self.shown} cannot be used: {error.strerror}.\nMake the folder, or correct the URL or its rights."
            ) from error

    def close(self) -> None:
        """Do nothing: nothing is held open."""
