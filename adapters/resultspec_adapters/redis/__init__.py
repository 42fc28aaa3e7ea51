"""Results in a Redis."""

from resultspec_adapters.redis.backend import RedisBackend

__all__ = ["RedisBackend"]
