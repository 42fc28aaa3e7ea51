"""How fast the reference's stores are, beside Celery's own backends and the bare clients: `python -m benchmarks`.

Everything is measured in one run and in turns, so that a busy machine slows all contenders alike; what is reported are
ratios of neighbours, with their spread, and not numbers of a machine.
"""
