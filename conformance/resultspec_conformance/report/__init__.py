"""The report as one document, and what is made of it: renderings, scripts, and counterexamples to replay."""
