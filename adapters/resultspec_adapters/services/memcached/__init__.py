"""Throw-away memcached servers."""
