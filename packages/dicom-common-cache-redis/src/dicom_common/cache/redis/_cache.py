"""The cache itself."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import OutOfMemoryError, ResponseError

from dicom_common.cache.redis._breaker import Breaker
from dicom_common.cache.redis._client import (
    ERRORS,
    answered,
    explained,
    forget_connections,
    is_read_only,
    open_client,
    refused_for_now,
)
from dicom_common.cache.redis._settings import Settings
from dicom_common.core import BackendError, Health, HealthStatus, UnavailableError

__all__ = ["RedisCache"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

_KEY = re.compile(r"[!-~]{1,250}")
_LONGEST_TTL = 100 * 366 * 86_400
"""Seconds; Redis counts in milliseconds of a signed 64-bit number from 1970 on."""
_DELETE_IF = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class RedisCache:
    """Bytes by key in Redis, which all processes share. Opening it connects to nothing.

    Whatever is wrong with the server, a call ends with `UnavailableError` and callers go on without the cache; after a
    few failures they are told so at once, for `pause` seconds.

    Args:
        settings: where the server is, and the limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._breaker = Breaker(settings.failures, settings.pause)
        self._opening = threading.Lock()
        self._opened: Redis | RedisCluster | None = None
        self._closed = False

    def get(self, key: str) -> bytes | None:
        """Return a value; see `Cache.get`. What is not a string of Redis is not a value of ours."""
        name = self._name(key)
        found = self._ask(lambda client: client.get(name), wrong_type=None)
        return found if isinstance(found, bytes) else None

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value; see `Cache.set`."""
        name, milliseconds = self._name(key), _milliseconds(ttl)
        if len(value) > self._settings.max_value_bytes:
            self._ask(lambda client: client.delete(name))
            return
        self._ask(lambda client: client.set(name, bytes(value), px=milliseconds))

    def add(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Keep a value if the key has none; see `Cache.add`. One that is too large counts as added, and is not kept."""
        name, milliseconds = self._name(key), _milliseconds(ttl)
        if len(value) > self._settings.max_value_bytes:
            return not self._ask(lambda client: client.exists(name))
        return bool(self._ask(lambda client: client.set(name, bytes(value), px=milliseconds, nx=True)))

    def delete(self, key: str, *, only_if: bytes | None = None) -> bool:
        """Delete a value; see `Cache.delete`."""
        name = self._name(key)
        if only_if is None:
            return bool(self._ask(lambda client: client.delete(name)))
        return bool(self._ask(lambda client: client.eval(_DELETE_IF, 1, name, only_if), wrong_type=0))

    def check(self) -> Health:
        """Ask the server how it is; see `Cache.check`."""
        settings = self._settings
        where = str(settings.address)
        started = time.monotonic()
        facts: dict[str, str | int | float | bool] = {"address": where, "left_alone": self._breaker.open}
        name = self._name("check")
        reads = False
        try:
            # What every call asks for, whatever the breaker says.
            self._send(lambda client: client.get(name))
            reads = True
            self._send(lambda client: client.set(name, b"", px=1000))
        except ERRORS as error:
            if not answered(error):
                self._breaker.failed()
            meant = explained(error, settings)
            if reads and (is_read_only(error) or isinstance(error, OutOfMemoryError)):
                return Health(status=HealthStatus.DEGRADED, detail=str(meant), facts=facts)
            raise meant from None  # redis-py's own texts may hold keys
        self._breaker.succeeded()
        facts["seconds"] = round(time.monotonic() - started, 4)
        facts |= self._facts()
        if facts.get("role") == "slave":
            return Health(
                status=HealthStatus.DEGRADED,
                detail=f"Redis at {where} is a replica, and will lose what it is given: name the primary in cache.url.",
                facts=facts,
            )
        if facts.get("maxmemory") and facts.get("maxmemory_policy") == "noeviction":
            return Health(
                status=HealthStatus.DEGRADED,
                detail=f"Redis at {where} will refuse values when it is full: set its maxmemory-policy to allkeys-lru.",
                facts=facts,
            )
        return Health(status=HealthStatus.OK, detail=f"Redis at {where} answers.", facts=facts)

    def close(self) -> None:
        """Close the connections; see `Cache.close`."""
        self._closed = True
        if self._opened is not None:
            self._opened.close()

    def _facts(self) -> dict[str, str | int | float | bool]:
        try:
            found: Any = self._client().info()
        except ERRORS:
            return {}  # not allowed to this user, which is no fault
        if isinstance(self._client(), RedisCluster):
            return {"nodes": len(found)} if isinstance(found, dict) else {}
        names = ("redis_version", "used_memory", "maxmemory", "maxmemory_policy", "evicted_keys", "role")
        return {name: found[name] for name in names if name in found}

    def _client(self) -> Redis | RedisCluster:
        opened = self._opened
        if opened is None:
            with self._opening:  # a cluster's is dear: it asks for the nodes
                opened = self._opened = self._opened or open_client(self._settings)
        return opened

    def _name(self, key: str) -> str:
        if _KEY.fullmatch(key) is None:
            raise ValueError("a cache key has 1 to 250 printable ASCII characters and no space")
        if self._closed:
            raise BackendError("The Redis cache is closed.")
        return self._settings.prefix + key

    def _send(self, command: Callable[[Any], T]) -> T:
        """Send a command, and once more on a new connection where the server refused it for now."""
        try:
            return command(self._client())
        except ERRORS as error:
            if not refused_for_now(error):
                raise
        forget_connections(self._client())
        return command(self._client())

    def _ask(self, command: Callable[[Any], T], *, wrong_type: T | None = None) -> T | None:
        """Send a command; `wrong_type` is the answer where somebody else keeps a list or the like under the key."""
        if not self._breaker.lets_pass():
            raise UnavailableError(f"Redis at {self._settings.address} failed and is left alone for a moment.")
        try:
            answer = self._send(command)
        except ERRORS as error:
            if isinstance(error, ResponseError) and "WRONGTYPE" in str(error):
                self._breaker.succeeded()
                return wrong_type
            meant = explained(error, self._settings)
            if answered(error):
                self._breaker.succeeded()
            elif self._breaker.failed():
                _log.warning("%s The cache is not asked for %g seconds.", meant, self._settings.pause)
            raise meant from None  # redis-py's own texts may hold keys
        self._breaker.succeeded()
        return answer


def _milliseconds(ttl: float) -> int:
    if not 0 < ttl < math.inf:
        raise ValueError("the time to live of a cache entry is above 0 and finite, in seconds")
    return max(1, int(min(ttl, _LONGEST_TTL) * 1000))
