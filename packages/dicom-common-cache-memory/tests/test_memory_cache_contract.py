from __future__ import annotations

from functools import partial

import pytest

from dicom_common.cache.memory import MemoryCache, Settings
from dicom_common.testing import CacheContract


class TestMemoryCache(CacheContract):
    shared_between_processes = False
    value_limit = 4 << 20

    @pytest.fixture
    def open_cache(self) -> partial[MemoryCache]:
        return partial(MemoryCache, Settings())
