"""The contracts as `dicom-common verify` runs them: pytest is given this file, in a process that knows its target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, ClassVar

import pytest

from dicom_common.core import BriefSearches, DerivedRows, Groups, KeptFrames, Logs, Migrations, Revisions, TopicChecks
from dicom_common.testing._broker._contract import BrokerContract
from dicom_common.testing._cache._contract import CacheContract
from dicom_common.testing._database._contract import DatabaseContract
from dicom_common.testing._processes import run_children
from dicom_common.testing._storage._contract import StorageContract
from dicom_common.testing._verify._names import scratch_name
from dicom_common.testing._verify._scratch import ABILITIES, sees
from dicom_common.testing._verify._target import Target, is_empty, live, open_scratch

__all__: list[str] = []

TARGET = Target.named()
KNOWN: dict[str, tuple[type, ...]] = {
    "broker": (Groups, TopicChecks),
    "cache": (),
    "db": (BriefSearches, DerivedRows, KeptFrames, Logs, Migrations, Revisions),
    "storage": tuple(ABILITIES),
}
BELOW_A_PREFIX = "a prefix leaves no room for it; the backend's own tests show it"


def offered() -> tuple[type, ...]:
    """Ask the backend itself what it offers."""
    if not TARGET.kind:
        return ()
    with scratch_name(TARGET) as name, closing(live(TARGET, name)) as backend:
        return tuple(ability for ability in KNOWN[TARGET.kind] if isinstance(backend, ability))


def is_shared() -> bool:
    """Ask another process whether it sees what this one keeps in the cache."""
    with scratch_name(TARGET) as name, closing(live(TARGET)) as cache:
        cache.set(name, b"kept", ttl=60)
        [seen] = run_children(sees, [(partial(live, TARGET), name)])
        cache.delete(name)
    return bool(seen)


OFFERED = offered()


class Live:
    """What the classes share."""

    abilities = OFFERED
    not_promised: ClassVar = TARGET.not_promised

    @pytest.fixture
    def case_scratch(self) -> Iterator[str]:
        """Give a name for what the test keeps, which goes with it."""
        with scratch_name(TARGET) as name:
            yield name

    @pytest.fixture
    def open_at(self) -> None:
        """Leave the server alone."""
        pytest.skip("the server is left alone; the backend's own tests make it unavailable")


if TARGET.kind == "storage":

    class TestStorage(Live, StorageContract):
        """Below a prefix of its own for each test."""

        overridden: ClassVar = {"test_the_longest_key_is_taken": BELOW_A_PREFIX}
        not_promised: ClassVar = TARGET.not_promised
        refused_keys = frozenset(TARGET.refused_keys)
        large_object_bytes = 64 << 20

        @pytest.mark.skip(reason=BELOW_A_PREFIX)
        def test_the_longest_key_is_taken(self) -> None:  # type: ignore[override]  # it is left out
            """Leave it out, and say so in the statement."""

        @pytest.fixture
        def open_storage(self, case_scratch: str) -> Callable[[], Any]:
            """Give what opens the storage below the prefix of the test."""
            return partial(open_scratch, case_scratch)


elif TARGET.kind == "cache":

    class TestCache(Live, CacheContract):
        """With keys that no one else has."""

        not_promised: ClassVar = TARGET.not_promised
        shared_between_processes = is_shared()

        @pytest.fixture
        def open_cache(self, case_scratch: str) -> Callable[[], Any]:
            """Give what opens the cache."""
            return partial(open_scratch, case_scratch)


elif TARGET.kind == "broker":

    class TestBroker(Live, BrokerContract):
        """With topics that no one else has."""

        not_promised: ClassVar = TARGET.not_promised

        @pytest.fixture
        def open_broker(self, case_scratch: str) -> Callable[[], Any]:
            """Give what opens the broker."""
            return partial(open_scratch, case_scratch)


elif TARGET.kind == "db":

    class TestDatabase(Live, DatabaseContract):
        """With an index of its own for each test."""

        not_promised: ClassVar = TARGET.not_promised

        @pytest.fixture
        def open_database(self, case_scratch: str) -> Callable[[], Any]:
            """Give what opens the index of the test."""
            opens = partial(open_scratch, case_scratch)
            with closing(opens()) as index:
                assert is_empty(index), "the index of this test has instances: --scratch selects the same one each time"
            return opens
