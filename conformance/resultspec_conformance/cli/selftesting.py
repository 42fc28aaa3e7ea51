"""Judging the suite: what the command `selftest` does."""

import json
from collections.abc import Sequence
from pathlib import Path

from resultspec_conformance.broken import CATALOGUE, VARIATIONS
from resultspec_conformance.cli.terminal import say, width, write
from resultspec_conformance.selftest import hospital, scores, trials
from resultspec_conformance.selftest.render import diagnosis_lines, holds_up, summary_lines, table_lines, trial_lines
from resultspec_conformance.subject.errors import UsageError
from resultspec_conformance.text.suggestions import did_you_mean


def selftest(
    only: Sequence[str], examples: int, seed: int, jobs: int | None, report: Path | None, *, brief: bool
) -> int:
    """Try the backends of the catalogue, print and write the outcome; return the exit code. Raises UsageError."""
    for name in only:
        if name not in CATALOGUE and name not in VARIATIONS:
            hint = did_you_mean(name, [*CATALOGUE, *VARIATIONS])
            raise UsageError(f"no backend of the catalogue is named {name!r}.{hint}")
    outcome = trials.selftest(
        tuple(only),
        examples=examples,
        seed=seed,
        jobs=jobs or trials.JOBS,
        brief=brief,
        progress=lambda trial: say("\n".join(trial_lines(trial, width()))),
    )
    say("\n".join(summary_lines(outcome, width(), partial=bool(only))))
    write(report, json.dumps(outcome.to_json(), indent=1) + "\n")
    return 0 if holds_up(outcome, partial=bool(only)) else 1


def judge_patients(count: int, examples: int, seed: int, jobs: int | None, report: Path | None) -> int:
    """Judge backends with many defects, and print and write the scores; return the exit code."""
    diagnoses = hospital.judge_patients(
        count,
        examples=examples,
        seed=seed,
        jobs=jobs or trials.JOBS,
        progress=lambda found: say("\n".join(diagnosis_lines(found, width()))),
    )
    say("\n".join(table_lines(diagnoses)))
    write(report, json.dumps(scores.to_json(diagnoses), indent=1) + "\n")
    return 0 if scores.score(diagnoses).holds else 1
