"""What crosses a process boundary: values, results, what serializers make of them, and stored metas."""
