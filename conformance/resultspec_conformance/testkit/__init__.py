"""What checks are made with: the registry, the context, strategies, models of what is right, and histories."""
