"""Data that crosses a process boundary: values, results, their serialized forms, and stored metas."""
