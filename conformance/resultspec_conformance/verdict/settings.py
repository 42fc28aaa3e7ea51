"""The settings with which checks run."""

from dataclasses import dataclass

from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES


@dataclass(frozen=True)
class CheckSettings:
    """The number of examples, the seed, and the seconds that one call may take.

    `most_cases` limits the listed cases of a check; 0 tries all, which a verdict needs.
    """

    examples: int = EXAMPLES
    seed: int = 0
    call_timeout: float = CALL_SECONDS
    most_cases: int = 0
