"""What a check says of a backend: that it broke a sentence of the specification, or that nothing could be observed."""


class Violation(Exception):
    """A sentence of the specification that a subject broke. `got` and `allowed` are texts for a
    person.
    """

    def __init__(self, requirement: str, got: str, allowed: str) -> None:
        super().__init__(f"{requirement}: got {got}; allowed: {allowed}")
        self.requirement = requirement
        self.got = got
        self.allowed = allowed


class Unobserved(Exception):
    """Something that a check had to bring about did not happen, so nothing was tested. The text says what."""
