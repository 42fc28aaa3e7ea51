"""From what checks saw to verdicts. Pure, and free of Hypothesis."""
