"""The command `resultspec`, or `python -m resultspec_conformance`: what has to be done before the suite is imported."""

import os
import sys

USAGE = 2
INTERRUPTED = 130


def _open_standard_streams() -> None:
    """Open /dev/null for each closed standard stream, so that no other file gets its number."""
    opened = os.open(os.devnull, os.O_RDWR)
    while opened <= 2:
        opened = os.dup(opened)
    os.close(opened)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))


def _discard_unread_output() -> None:
    """Discard buffered output that a closed pipe or a full disk did not accept.

    The interpreter would try to write it again at its end, fail, and exit with code 120 instead of ours.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def main() -> None:
    """Run the command."""
    _open_standard_streams()
    try:
        os.getcwd()
    except FileNotFoundError:
        print("resultspec: the current directory no longer exists; change to another one.", file=sys.stderr)
        sys.exit(USAGE)
    try:
        from resultspec_conformance.cli import app as cli

        cli.main()
    except KeyboardInterrupt:
        # while modules are imported
        sys.exit(INTERRUPTED)
    finally:
        _discard_unread_output()


if __name__ == "__main__":
    main()
