from __future__ import annotations

from functools import partial

import pytest

from dicom_common.cache.redis import RedisCache, Settings
from dicom_common.testing import CacheContract, Endpoint


@pytest.mark.service("redis")
class TestRedisCache(CacheContract):
    value_limit = 4 << 20

    @pytest.fixture
    def open_cache(self, service_endpoint: Endpoint) -> partial[RedisCache]:
        # A timeout for machines that are busy with other tests.
        return partial(RedisCache, Settings(url=f"redis://{service_endpoint}/0", timeout=30, connect_timeout=30))
