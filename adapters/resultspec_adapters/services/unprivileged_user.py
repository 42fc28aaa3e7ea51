"""The account that a server runs as: the current one, or another if that is root and the server refuses root."""

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

from resultspec_adapters.services.supervisor import Unavailable


class Identity(TypedDict):
    """The arguments of `subprocess.Popen` to run a program as another user; all None means the current one."""

    user: int | None
    group: int | None
    extra_groups: Sequence[int] | None


@dataclass(frozen=True)
class Account:
    """An account that programs run as."""

    name: str
    identity: Identity

    def own(self, path: Path) -> None:
        """Make this account the owner of a file or a directory."""
        user, group = self.identity["user"], self.identity["group"]
        if user is not None and group is not None:
            os.chown(path, user, group)

    def can(self, option: str, path: Path) -> bool:
        """Whether this account can do something with a path: `-w` write, `-x` execute or enter."""
        return subprocess.run(["test", option, path], check=False, **self.identity).returncode == 0

    @contextmanager
    def directory(self, prefix: str) -> Iterator[Path]:
        """Make a directory that only this account and root can enter; remove it at the end. Raises Unavailable."""
        with TemporaryDirectory(prefix=prefix) as name:
            directory = Path(name)
            self.own(directory)
            if not self.can("-w", directory):
                raise Unavailable(
                    f"it has to run as {self.name}, which cannot enter {directory.parent}; "
                    "set TMPDIR to a directory that everybody can enter"
                )
            yield directory


CURRENT_ACCOUNT = Account("the current account", {"user": None, "group": None, "extra_groups": None})


def without_root(*names: str) -> Account:
    """Return the current account or, if that is root, the first of some others that exists. Raises Unavailable."""
    if os.geteuid() != 0:
        return CURRENT_ACCOUNT
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []})
    raise Unavailable(
        f"it does not run as root, and there is no account {' or '.join(names)}; create one, or run as another user"
    )
