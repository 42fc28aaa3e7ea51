"""How a target is judged: what a run was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES, JOBS
from resultspec_conformance.verdict.known_failures import KnownFailure
from resultspec_conformance.verdict.selection import Selection
from resultspec_conformance.verdict.settings import CheckSettings


@dataclass(frozen=True)
class Options:
    """How a target is judged. `claims`: capabilities said in the place of the target's own, see `claims`.

    `sys_path`: where modules of the target are looked for too. `self_check`: judge a broken backend
    first. `jobs`: in how many processes the checks run, 1 to MOST_JOBS; it changes no verdict.
    """

    selection: Selection = field(default_factory=Selection)
    examples: int = EXAMPLES
    seed: int = 0
    call_timeout: float = CALL_SECONDS
    known: tuple[KnownFailure, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    sys_path: Sequence[str] = ()
    self_check: bool = True
    jobs: int = JOBS

    @property
    def settings(self) -> CheckSettings:
        """What a worker needs of it."""
        return CheckSettings(self.examples, self.seed, self.call_timeout)
