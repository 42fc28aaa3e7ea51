"""What resultspec judges: a FileBackend, with one directory for all clients of a process."""

import tempfile

from file_backend import FileBackend

DIRECTORY = tempfile.TemporaryDirectory()


def factory(app, **options):
    """Open a client, as an application would."""
    return FileBackend(DIRECTORY.name)


factory.capabilities = {
    "spec": "0.1",
    "implementation": {"name": "file-backend", "version": "1.0"},
    "classes": ["core", "waiting"],
    "sharing": "thread",
}
