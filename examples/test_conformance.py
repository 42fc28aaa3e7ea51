from backend_factory import factory
from resultspec_conformance import conformance_tests

test_conformance = conformance_tests(factory)
