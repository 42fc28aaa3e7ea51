"""`python -m resultspec.lint [spec-dir]`."""

import sys

from resultspec.lint import main

sys.exit(main(sys.argv[1:]))
