"""Connections to Valkey, one pool a process and URL, made on first use after a fork."""

from __future__ import annotations

import os
from functools import lru_cache

import redis
from django.conf import settings


@lru_cache(maxsize=8)
def _client(url: str, _pid: int) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=5, socket_connect_timeout=3, max_connections=128
    )


def cache() -> redis.Redis:
    """Return the client of the cache database (every key there has a lifetime)."""
    return _client(settings.CACHE_URL, os.getpid())


def serving() -> redis.Redis:
    """Return the client of the database that holds the serving streams."""
    return _client(settings.SERVING_URL, os.getpid())


def broker() -> redis.Redis:
    """Return the client of Celery's database, to look at (only Celery writes there)."""
    return _client(settings.BROKER_URL, os.getpid())


def databases() -> list[redis.Redis]:
    """Return a client of each database in use, each once: to look for keys everywhere."""
    urls = dict.fromkeys([settings.CACHE_URL, settings.SERVING_URL, settings.BROKER_URL])
    return [_client(url, os.getpid()) for url in urls]
