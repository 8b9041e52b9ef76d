"""What a cache that is a server must do when the server dies and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from dicom_common.core import Cache, HealthStatus, UnavailableError
from dicom_common.testing._contract import Contract, missing_fixture
from dicom_common.testing._health import health_of
from dicom_common.testing._restart import KilledServer

__all__ = ["CacheRestartContract"]


class CacheRestartContract(Contract):
    """For caches that are servers, beside `CacheContract`: give two fixtures.

    `killed_server` is the server, which the test may kill and start again. `open_cache` opens the cache on it.
    """

    patience = 60.0
    """Seconds after which a cache counts as lost that does not come back. A guard, no measure."""

    @pytest.fixture
    def killed_server(self) -> KilledServer:
        """Give the server."""
        server: KilledServer = missing_fixture("killed_server", "an object with the methods kill() and start()")
        return server

    @pytest.fixture
    def open_cache(self) -> Callable[[], Cache]:
        """Give the callable that opens the cache."""
        opens: Callable[[], Cache] = missing_fixture("open_cache", "a callable that opens the cache on `killed_server`")
        return opens

    @pytest.fixture
    def cache(self, open_cache: Callable[[], Cache]) -> Iterator[Cache]:
        """Open the cache of the test."""
        with closing(open_cache()) as cache:
            yield cache

    @pytest.mark.kills
    @pytest.mark.parametrize("case_method", ["get", "set", "add", "delete"])
    def test_without_its_server_each_call_is_unavailable_within_its_time_limit(
        self, cache: Cache, killed_server: KilledServer, case_method: str
    ) -> None:
        key = f"test:{uuid4().hex}"
        calls: dict[str, Callable[[], object]] = {
            "get": lambda: cache.get(key),
            "set": lambda: cache.set(key, b"x", ttl=60),
            "add": lambda: cache.add(key, b"x", ttl=60),
            "delete": lambda: cache.delete(key),
        }
        calls[case_method]()
        killed_server.kill()
        for _ in range(5):
            started = time.monotonic()
            with pytest.raises(UnavailableError):
                calls[case_method]()
            assert time.monotonic() - started < self.time_limit
        started = time.monotonic()
        assert health_of(cache).status is HealthStatus.FAILED
        assert time.monotonic() - started <= self.time_limit, "check took longer than `time_limit`"

    @pytest.mark.kills
    def test_after_a_restart_it_knows_or_has_forgotten_but_does_not_lie(
        self, cache: Cache, killed_server: KilledServer
    ) -> None:
        keys = [f"test:{uuid4().hex}" for _ in range(50)]
        for number, key in enumerate(keys):
            cache.set(key, b"old-%d" % number, ttl=600)
            cache.set(key, b"new-%d" % number, ttl=600)
        cache.delete(keys[0])
        killed_server.kill()
        killed_server.start()
        self._wait_for(cache)
        assert cache.get(keys[0]) is None, "what was deleted is back"
        for number, key in enumerate(keys[1:], start=1):
            kept = cache.get(key)
            assert kept in (None, b"new-%d" % number)
            assert cache.delete(key, only_if=b"old-%d" % number) is False
            assert cache.add(key, b"mine", ttl=600) is (kept is None), "a lock was given that is held"
        assert health_of(cache).status is HealthStatus.OK

    def _wait_for(self, cache: Cache) -> None:
        end = time.monotonic() + self.patience
        while True:
            try:
                cache.get("test:is-it-back")
            except UnavailableError:
                assert time.monotonic() < end, "the cache does not come back"
                time.sleep(0.05)
            else:
                return
