"""How the checks of a run are run."""

from dataclasses import dataclass

from resultspec_conformance.limits import CALL_SECONDS, EXAMPLES


@dataclass(frozen=True)
class CheckSettings:
    """How checks are run: the number of examples, the seed, and the seconds that one call may take.

    `most_cases` bounds the listed cases of a check; 0 tries them all, as a verdict needs.
    """

    examples: int = EXAMPLES
    seed: int = 0
    call_timeout: float = CALL_SECONDS
    most_cases: int = 0
