"""The backend under test, as the suite uses it: the names that the author of an adapter imports.

`protocols` has the subject and its connections, `probe_protocols` the suite's own view of a store, `errors` the reasons
why a subject cannot be opened, `findings` what a check reports. A backend is reached by `python_object` or by `driver`.
"""

from resultspec_conformance.subject.errors import (
    SubjectError,
    UsageError,
)
from resultspec_conformance.subject.findings import (
    Unobserved,
    Violation,
)
from resultspec_conformance.subject.probe_protocols import (
    BookkeepingProbe,
    CuttingProbe,
    GroupProbe,
    KeyProbe,
    LifeProbe,
    Listener,
    Notification,
    Probe,
    RowProbe,
    TrafficProbe,
    WireProbe,
)
from resultspec_conformance.subject.protocols import (
    DEFAULT_LIFE,
    Adapter,
    ClientOptions,
    Clock,
    Clocked,
    Connection,
    Role,
    Subject,
    Target,
    clock_of,
)

__all__ = [
    "DEFAULT_LIFE",
    "Adapter",
    "BookkeepingProbe",
    "ClientOptions",
    "Clock",
    "Clocked",
    "Connection",
    "CuttingProbe",
    "GroupProbe",
    "KeyProbe",
    "LifeProbe",
    "Listener",
    "Notification",
    "Probe",
    "Role",
    "RowProbe",
    "Subject",
    "SubjectError",
    "Target",
    "TrafficProbe",
    "Unobserved",
    "UsageError",
    "Violation",
    "WireProbe",
    "clock_of",
]
