"""Results in the memory of this process."""

from resultspec_adapters.memory.backend import MemoryBackend

__all__ = ["MemoryBackend"]
