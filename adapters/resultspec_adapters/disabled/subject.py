"""The disabled backend of the reference, put under test."""

from typing import Final

from resultspec_adapters.subject_support import factory
from resultspec_conformance.subject import Adapter, Target
from resultspec_conformance.subject.capabilities import Capabilities
from resultspec_conformance.subject.python_object import PythonSubject
from resultspec_reference.disabled import DisabledBackend


def open_subject(target: Target) -> PythonSubject:  # noqa: ARG001 - it stores nothing, so runs cannot meet
    """Put the disabled backend under test."""
    capabilities = Capabilities(
        classes=("disabled",),
        features=frozenset({"worker-calls"}),
        implementation={"name": "resultspec disabled backend", "language": "Python"},
    )
    return PythonSubject(factory(DisabledBackend), capabilities)


adapter: Final = Adapter(open_subject, "the backend that stores nothing", "disabled://")
