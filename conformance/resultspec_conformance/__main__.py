"""``python -m resultspec_conformance`` is the command ``resultspec``."""

from resultspec_conformance.cli import main

if __name__ == "__main__":
    main()
