"""The counterexamples of recorded failures: in a report, in one failure from a report, or in a token."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resultspec_conformance.report.document import load
from resultspec_conformance.verdict.replay_token import Counterexample, ReplayError, decode_token


def _counterexample_of(failure: Mapping[str, Any]) -> Counterexample:
    """Return the counterexample of a failure: from its token, but with the failure's own example."""
    said = decode_token(failure["replay"]["token"])
    return Counterexample(
        target=said.target,
        check=said.check,
        requirement=failure["requirement"],
        example=failure["example"],
        seed=said.seed,
        examples=said.examples,
        call_timeout=said.call_timeout,
    )


def of_document(document: Any, name: str) -> list[Counterexample]:
    """Return the counterexamples of a report, or of one failure from a report. Raises ReplayError."""
    failures = document.get("failures", [document]) if isinstance(document, dict) else []
    try:
        found = [_counterexample_of(failure) for failure in failures]
    except (KeyError, TypeError) as error:
        raise ReplayError(f"{name} is neither a report nor a failure from one: it has no {error}.") from error
    if not found:
        raise ReplayError(f"{name} does not contain a failure that could be replayed.")
    return found


def find(file_or_token: str) -> list[Counterexample]:
    """Return the counterexamples in a file, or that of a token. Raises ReplayError or ReportError."""
    # Path.is_file raises for a name as long as a token
    if os.path.isfile(file_or_token) or file_or_token.endswith(".json"):
        return of_document(load(Path(file_or_token)), file_or_token)
    return [decode_token(file_or_token)]
