"""From the results of checks to verdicts. Pure, and independent of Hypothesis."""
