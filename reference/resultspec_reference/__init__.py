"""The smallest complete implementation of the specification.

Three classes have the names, signatures and meanings of Celery's API reference: `BaseBackend`,
`KeyValueStoreBackend` and `DisabledBackend`. They are built on four pure modules, which are written
for readers who port them:

* `resultspec_reference.states`: what a store does when an entry arrives;
* `resultspec_reference.waiting.machine`: how to wait for a task;
* `resultspec_reference.joining.machine`: how to wait for many;
* `resultspec_reference.chords.ledger`: how the parts of a chord are counted.

Nothing here imports Celery. The serializers are those of kombu.
"""

from resultspec_reference.app import App, AppProtocol, current_app, set_current_app
from resultspec_reference.base import BaseBackend
from resultspec_reference.disabled import DisabledBackend
from resultspec_reference.keyvalue import KeyValueStoreBackend

__all__ = [
    "App",
    "AppProtocol",
    "BaseBackend",
    "DisabledBackend",
    "KeyValueStoreBackend",
    "current_app",
    "set_current_app",
]
