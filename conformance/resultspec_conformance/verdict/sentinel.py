"""The broken backend that is judged before a run is believed, and whether the suite saw through it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sentinel:
    """A broken backend of the catalogue: the requirement that it breaks, and the check that saw it, if any
    did.
    """

    backend: str
    requirement: str
    check: str = ""
    seconds: float = 0.0
    trouble: str = ""

    @property
    def killed(self) -> bool:
        """Whether a check blamed it for its requirement."""
        return bool(self.check)

    @property
    def complaint(self) -> str:
        """Why the run is void."""
        why = self.trouble or "no check saw it"
        return f"self-check: the broken backend {self.backend} violates {self.requirement}, and {why}; the run is void"
