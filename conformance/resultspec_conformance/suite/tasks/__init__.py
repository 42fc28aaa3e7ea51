"""Checks of the chapters on tasks: ids, states, metas, values, exceptions, keys, reads, and the calls of a worker."""
