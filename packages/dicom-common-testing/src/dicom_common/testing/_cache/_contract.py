"""What a cache must do."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from dicom_common.core import BackendError, Cache, HealthStatus
from dicom_common.testing._cache import _children as children
from dicom_common.testing._contract import ServedContract, across_processes, missing_fixture
from dicom_common.testing._health import health_of
from dicom_common.testing._processes import run_children

__all__ = ["CacheContract"]

INVALID_KEYS = ("", "a b", " ", "a\n", "a\0", "ä", "\U0001f600", "k" * 251, "a\x7f", "\t")
INVALID_TTLS = (0, -1, -0.001, math.nan)


def set_and_get(cache: Cache, key: str, value: bytes) -> bytes | None:
    """Set a value and get it."""
    cache.set(key, value, ttl=60)
    return cache.get(key)


class CacheContract(ServedContract):
    """Inherit from it in a class whose name starts with `Test`, and give one fixture.

    `open_cache` is a callable without arguments that opens the cache; built of installed code, so that other processes
    can call it.
    """

    value_limit: int | None = None
    """Bytes of the largest value that is kept, where there is a limit that the test can reach."""
    moment = 0.2
    """Seconds that a short time to live has; longer where the cache is far away."""

    calls: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "get": lambda cache: cache.get("test"),
        "set": lambda cache: cache.set("test", b"x", ttl=1),
        "add": lambda cache: cache.add("test", b"x", ttl=1),
        "delete": lambda cache: cache.delete("test"),
    }

    @pytest.fixture
    def cache(self, open_cache: Callable[[], Cache]) -> Iterator[Cache]:
        """Open the cache of the test."""
        with closing(open_cache()) as cache:
            yield cache

    @pytest.fixture
    def open_cache(self) -> Callable[[], Cache]:
        """Give the callable that opens the cache."""
        opens: Callable[[], Cache] = missing_fixture("open_cache", "a callable that opens the cache")
        return opens

    @pytest.fixture
    def case_key(self) -> str:
        """Make a key of its own."""
        return f"test:{uuid4().hex}"

    @pytest.mark.parametrize("case_value", [b"", b"x", bytes(range(256)), b"\0" * 1000, b"large" * 100_000])
    def test_a_value_comes_back_as_it_was_set(self, cache: Cache, case_key: str, case_value: bytes) -> None:
        assert cache.get(case_key) is None
        assert set_and_get(cache, case_key, case_value) == case_value

    def test_a_second_value_replaces(self, cache: Cache, case_key: str) -> None:
        cache.set(case_key, b"first", ttl=60)
        assert set_and_get(cache, case_key, b"second") == b"second"

    def test_keys_are_told_apart(self, cache: Cache, case_key: str) -> None:
        keys = [
            case_key,
            case_key.upper(),
            case_key + ":",
            case_key + "*",
            case_key + "?",
            case_key + "[a]",
            case_key + "%",
            case_key + "\\",
            case_key + "\"'{}",
        ]
        keys += [
            case_key + "k" * (250 - len(case_key)),
            case_key + "k" * (249 - len(case_key)),
            case_key + "!",
            case_key + "~",
        ]
        for number, each in enumerate(keys):
            cache.set(each, b"%d" % number, ttl=60)
        for order in (range(len(keys)), reversed(range(len(keys)))):
            for number in order:
                assert cache.get(keys[number]) == b"%d" % number

    @pytest.mark.parametrize("case_bad", INVALID_KEYS, ids=ascii)
    def test_what_is_no_key_is_refused_by_every_method(self, cache: Cache, case_bad: str) -> None:
        for call in (
            lambda: cache.get(case_bad),
            lambda: cache.set(case_bad, b"", ttl=1),
            lambda: cache.add(case_bad, b"", ttl=1),
            lambda: cache.delete(case_bad),
            lambda: cache.delete(case_bad, only_if=b""),
        ):
            with pytest.raises(ValueError, match="key"):
                call()

    @pytest.mark.parametrize("case_ttl", INVALID_TTLS)
    def test_a_time_to_live_that_is_not_above_0_is_refused(self, cache: Cache, case_key: str, case_ttl: float) -> None:
        with pytest.raises(ValueError, match="time to live"):
            cache.set(case_key, b"", ttl=case_ttl)
        with pytest.raises(ValueError, match="time to live"):
            cache.add(case_key, b"", ttl=case_ttl)
        assert cache.get(case_key) is None

    def test_a_value_goes_when_its_time_is_over(self, cache: Cache, case_key: str) -> None:
        cache.set(case_key, b"short", ttl=self.moment)
        cache.set(f"{case_key}:long", b"long", ttl=3600)
        cache.set(f"{case_key}:years", b"years", ttl=10 * 365 * 86_400)
        time.sleep(self.moment * 2)
        assert cache.get(case_key) is None
        assert cache.delete(case_key) is False
        assert cache.get(f"{case_key}:long") == b"long"
        assert cache.get(f"{case_key}:years") == b"years"

    def test_setting_again_begins_a_new_time(self, cache: Cache, case_key: str) -> None:
        cache.set(case_key, b"short", ttl=self.moment)
        cache.set(case_key, b"long", ttl=60)
        time.sleep(self.moment * 2)
        assert cache.get(case_key) == b"long"

    def test_a_use_does_not_lengthen_the_time(self, cache: Cache, case_key: str) -> None:
        cache.set(case_key, b"short", ttl=self.moment)
        for _ in range(8):
            cache.get(case_key)
            cache.add(case_key, b"other", ttl=60)
            time.sleep(self.moment / 4)
        assert cache.get(case_key) != b"short"  # the other has its own time

    def test_add_keeps_only_the_first(self, cache: Cache, case_key: str) -> None:
        assert cache.add(case_key, b"first", ttl=60) is True
        assert cache.add(case_key, b"second", ttl=60) is False
        assert cache.get(case_key) == b"first"
        cache.set(case_key, b"third", ttl=60)
        assert cache.add(case_key, b"fourth", ttl=60) is False
        assert cache.get(case_key) == b"third"

    def test_a_lock_whose_owner_died_is_free_after_its_time(self, cache: Cache, case_key: str) -> None:
        assert cache.add(case_key, b"dead owner", ttl=self.moment)
        time.sleep(self.moment * 2)
        assert cache.add(case_key, b"next owner", ttl=60)
        assert cache.delete(case_key, only_if=b"dead owner") is False
        assert cache.get(case_key) == b"next owner"

    def test_delete_tells_whether_there_was_something(self, cache: Cache, case_key: str) -> None:
        assert cache.delete(case_key) is False
        cache.set(case_key, b"x", ttl=60)
        assert cache.delete(case_key) is True
        assert cache.delete(case_key) is False
        assert cache.get(case_key) is None
        assert cache.add(case_key, b"y", ttl=60) is True

    def test_delete_only_if_deletes_only_this_value(self, cache: Cache, case_key: str) -> None:
        assert cache.delete(case_key, only_if=b"") is False
        cache.set(case_key, b"mine", ttl=60)
        for other in (b"", b"min", b"mine2", b"MINE"):
            assert cache.delete(case_key, only_if=other) is False
        assert cache.get(case_key) == b"mine"
        assert cache.delete(case_key, only_if=b"mine") is True
        assert cache.get(case_key) is None
        cache.set(case_key, b"", ttl=60)
        assert cache.delete(case_key, only_if=b"") is True

    def test_of_many_threads_that_add_one_is_told_true(self, cache: Cache, case_key: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            for attempt in range(50):
                lock = f"{case_key}:{attempt}"
                won = list(pool.map(lambda number, lock=lock: cache.add(lock, b"%d" % number, ttl=60), range(8)))
                assert won.count(True) == 1
                assert cache.get(lock) == b"%d" % won.index(True)

    def test_of_many_threads_that_delete_one_is_told_true(self, cache: Cache, case_key: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(50):
                cache.set(case_key, b"x", ttl=60)
                won = list(
                    pool.map(lambda number: cache.delete(case_key, only_if=b"x" if number % 2 else None), range(8))
                )
                assert won.count(True) == 1

    def test_a_lock_of_add_and_delete_excludes(self, cache: Cache, case_key: str) -> None:
        inside: list[int] = []
        most = 0

        def work(owner: int) -> None:
            nonlocal most
            name = b"%d" % owner
            for _ in range(15):
                while not cache.add(case_key, name, ttl=60):
                    time.sleep(0.0005)
                inside.append(owner)
                most = max(most, len(inside))
                time.sleep(0.0005)
                inside.remove(owner)
                assert cache.delete(case_key, only_if=name) is True

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert most == 1

    @across_processes
    def test_of_many_processes_that_add_one_is_told_true(
        self, cache: Cache, open_cache: Callable[[], Cache], case_key: str
    ) -> None:
        keys = [f"{case_key}:{number}" for number in range(200)]
        won = run_children(children.add_all, [(open_cache, keys, b"%d" % number) for number in range(3)])
        assert Counter(each for share in won for each in share) == dict.fromkeys(keys, 1)
        for owner, share in enumerate(won):
            assert all(cache.get(each) == b"%d" % owner for each in share)

    def test_a_value_above_the_limit_is_not_kept_and_the_old_one_is_gone(self, cache: Cache, case_key: str) -> None:
        if self.value_limit is None:
            pytest.skip("the cache has no limit that a test can reach")
        assert set_and_get(cache, case_key, b"x" * self.value_limit) == b"x" * self.value_limit
        assert set_and_get(cache, case_key, b"x" * (self.value_limit + 1)) is None

    def test_many_entries_do_not_break_it(self, cache: Cache, case_key: str) -> None:
        for number in range(5000):
            cache.set(f"{case_key}:{number}", b"v" * 100, ttl=60)
        assert cache.get(f"{case_key}:4999") == b"v" * 100

    def test_check_says_that_it_works(self, cache: Cache) -> None:
        health = health_of(cache)
        assert health.status is HealthStatus.OK
        assert health.detail

    def test_closing_twice_is_closing_once(self, open_cache: Callable[[], Cache], case_key: str) -> None:
        cache = open_cache()
        assert health_of(cache).status is HealthStatus.OK
        cache.close()
        cache.close()
        with pytest.raises(BackendError):
            cache.get(case_key)
        assert health_of(cache).status is HealthStatus.FAILED
