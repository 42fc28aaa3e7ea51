"""The conformance suite: it judges a task result backend, in any language, by the specification.

Most of it is used through the command `resultspec`. For a test module of one's own there is `conformance_tests`.
"""

from resultspec_conformance.pytest_plugin.api import conformance_tests

__all__ = ["conformance_tests"]
