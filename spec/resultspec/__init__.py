"""The specification as data, and a typed loader for it.

Everything here is language-neutral data that a port in any language can read as it is:

* `requirements.toml`: the register of normative sentences (`resultspec.requirements`);
* `states.json`: the states, their sets and every transition (`resultspec.states`);
* `domains.json`: the ids, groups and values that every backend takes (`resultspec.domains`);
* `operations.json`: what may be asked of a backend, and how it may fail (`resultspec.operations`);
* `schemas/`: JSON Schemas, draft 2020-12 (`resultspec.schemas`);
* `vectors/`: stored bytes and what a reader must make of them (`resultspec.vectors`).
"""

from resultspec.domains import DOMAINS, Domains
from resultspec.operations import ERRORS, OPERATIONS, PROTOCOL, ErrorKind, OperationSpec
from resultspec.requirements import REQUIREMENTS, SPEC_VERSION, Requirement
from resultspec.states import STATES, Action, StateTable
from resultspec.vectors import GroupVector, RowVector, Vector, group_vectors, row_vectors, vectors

__all__ = [
    "DOMAINS",
    "ERRORS",
    "OPERATIONS",
    "PROTOCOL",
    "REQUIREMENTS",
    "SPEC_VERSION",
    "STATES",
    "Action",
    "Domains",
    "ErrorKind",
    "GroupVector",
    "OperationSpec",
    "Requirement",
    "RowVector",
    "StateTable",
    "Vector",
    "group_vectors",
    "row_vectors",
    "vectors",
]
