from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dicom_common.cache.redis import RedisCache, Settings
from dicom_common.testing import CacheContract, CacheRestartContract, Endpoint


@pytest.mark.service("redis")
class TestRedisCache(CacheContract):
    value_limit = 4 << 20

    @pytest.fixture
    def open_cache(self, service_endpoint: Endpoint) -> partial[RedisCache]:
        # A timeout for machines that are busy with other tests.
        return partial(RedisCache, Settings(url=f"redis://{service_endpoint}/0", timeout=30, connect_timeout=30))

    @pytest.fixture
    def open_at(self) -> Callable[[Endpoint], RedisCache]:
        return lambda endpoint: RedisCache(Settings(url=f"redis://{endpoint}/0", timeout=1, connect_timeout=1))


class TestRedisCacheRestart(CacheRestartContract):
    @pytest.fixture
    def killed_server(self, start_redis: Callable[..., Any]) -> Any:
        return start_redis()

    @pytest.fixture
    def open_cache(self, killed_server: Any) -> partial[RedisCache]:
        url = f"redis://127.0.0.1:{killed_server.port}/0"
        return partial(RedisCache, Settings(url=url, timeout=2, connect_timeout=2, pause=0.2))
