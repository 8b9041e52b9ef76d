"""What a cache must do."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest

from dicom_common.core import BackendError, Cache, HealthStatus
from dicom_common.testing._cache import _children as children
from dicom_common.testing._health import health_of
from dicom_common.testing._processes import run_children

__all__ = ["CacheContract"]

INVALID_KEYS = ("", "a b", " ", "a\n", "a\0", "ä", "\U0001f600", "k" * 251, "a\x7f", "\t")
INVALID_TTLS = (0, -1, -0.001, math.nan)


def set_and_get(cache: Cache, key: str, value: bytes) -> bytes | None:
    """Set a value and get it."""
    cache.set(key, value, ttl=60)
    return cache.get(key)


class CacheContract:
    """Inherit from it in a class whose name starts with `Test`, and give one fixture.

    `open_cache` is a callable without arguments that opens the cache; built of installed code, so that other processes
    can call it.
    """

    shared_between_processes = True
    """Whether what one process sets another one gets."""
    value_limit: int | None = None
    """Bytes of the largest value that is kept, where there is a limit that the test can reach."""
    moment = 0.2
    """Seconds that a short time to live has; longer where the cache is far away."""

    @pytest.fixture
    def cache(self, open_cache: Callable[[], Cache]) -> Iterator[Cache]:
        """Open the cache of the test."""
        with closing(open_cache()) as cache:
            yield cache

    @pytest.fixture
    def open_cache(self) -> Callable[[], Cache]:
        """Give the callable that opens the cache."""
        raise NotImplementedError("give a fixture `open_cache`: a callable, built of installed code")

    @pytest.fixture
    def key(self) -> str:
        """Make a key of its own."""
        return f"test:{uuid4().hex}"

    @pytest.mark.parametrize("value", [b"", b"x", bytes(range(256)), b"\0" * 1000, b"large" * 100_000])
    def test_a_value_comes_back_as_it_was_set(self, cache: Cache, key: str, value: bytes) -> None:
        assert cache.get(key) is None
        assert set_and_get(cache, key, value) == value

    def test_a_second_value_replaces(self, cache: Cache, key: str) -> None:
        cache.set(key, b"first", ttl=60)
        assert set_and_get(cache, key, b"second") == b"second"

    def test_keys_are_told_apart(self, cache: Cache, key: str) -> None:
        keys = [key, key.upper(), key + ":", key + "*", key + "?", key + "[a]", key + "%", key + "\\", key + "\"'{}"]
        keys += [key + "k" * (250 - len(key)), key + "k" * (249 - len(key)), key + "!", key + "~"]
        for number, each in enumerate(keys):
            cache.set(each, b"%d" % number, ttl=60)
        assert [cache.get(each) for each in keys] == [b"%d" % number for number in range(len(keys))]

    @pytest.mark.parametrize("bad", INVALID_KEYS, ids=ascii)
    def test_what_is_no_key_is_refused_by_every_method(self, cache: Cache, bad: str) -> None:
        for call in (
            lambda: cache.get(bad),
            lambda: cache.set(bad, b"", ttl=1),
            lambda: cache.add(bad, b"", ttl=1),
            lambda: cache.delete(bad),
            lambda: cache.delete(bad, only_if=b""),
        ):
            with pytest.raises(ValueError, match="key"):
                call()

    @pytest.mark.parametrize("ttl", INVALID_TTLS)
    def test_a_time_to_live_that_is_not_above_0_is_refused(self, cache: Cache, key: str, ttl: float) -> None:
        with pytest.raises(ValueError, match="time to live"):
            cache.set(key, b"", ttl=ttl)
        with pytest.raises(ValueError, match="time to live"):
            cache.add(key, b"", ttl=ttl)
        assert cache.get(key) is None

    def test_a_value_goes_when_its_time_is_over(self, cache: Cache, key: str) -> None:
        cache.set(key, b"short", ttl=self.moment)
        cache.set(f"{key}:long", b"long", ttl=3600)
        cache.set(f"{key}:years", b"years", ttl=10 * 365 * 86_400)
        time.sleep(self.moment * 2)
        assert cache.get(key) is None
        assert cache.delete(key) is False
        assert cache.get(f"{key}:long") == b"long"
        assert cache.get(f"{key}:years") == b"years"

    def test_setting_again_begins_a_new_time(self, cache: Cache, key: str) -> None:
        cache.set(key, b"short", ttl=self.moment)
        cache.set(key, b"long", ttl=60)
        time.sleep(self.moment * 2)
        assert cache.get(key) == b"long"

    def test_a_use_does_not_lengthen_the_time(self, cache: Cache, key: str) -> None:
        cache.set(key, b"short", ttl=self.moment)
        for _ in range(8):
            cache.get(key)
            cache.add(key, b"other", ttl=self.moment / 4)
            time.sleep(self.moment / 4)
        assert cache.get(key) != b"short"  # the other may still have a moment of its own

    def test_add_keeps_only_the_first(self, cache: Cache, key: str) -> None:
        assert cache.add(key, b"first", ttl=60) is True
        assert cache.add(key, b"second", ttl=60) is False
        assert cache.get(key) == b"first"
        cache.set(key, b"third", ttl=60)
        assert cache.add(key, b"fourth", ttl=60) is False
        assert cache.get(key) == b"third"

    def test_a_lock_whose_owner_died_is_free_after_its_time(self, cache: Cache, key: str) -> None:
        assert cache.add(key, b"dead owner", ttl=self.moment)
        time.sleep(self.moment * 2)
        assert cache.add(key, b"next owner", ttl=60)
        assert cache.delete(key, only_if=b"dead owner") is False
        assert cache.get(key) == b"next owner"

    def test_delete_tells_whether_there_was_something(self, cache: Cache, key: str) -> None:
        assert cache.delete(key) is False
        cache.set(key, b"x", ttl=60)
        assert cache.delete(key) is True
        assert cache.delete(key) is False
        assert cache.get(key) is None
        assert cache.add(key, b"y", ttl=60) is True

    def test_delete_only_if_deletes_only_this_value(self, cache: Cache, key: str) -> None:
        assert cache.delete(key, only_if=b"") is False
        cache.set(key, b"mine", ttl=60)
        for other in (b"", b"min", b"mine2", b"MINE"):
            assert cache.delete(key, only_if=other) is False
        assert cache.get(key) == b"mine"
        assert cache.delete(key, only_if=b"mine") is True
        assert cache.get(key) is None
        cache.set(key, b"", ttl=60)
        assert cache.delete(key, only_if=b"") is True

    def test_of_many_threads_that_add_one_is_told_true(self, cache: Cache, key: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            for attempt in range(50):
                lock = f"{key}:{attempt}"
                won = list(pool.map(lambda number, lock=lock: cache.add(lock, b"%d" % number, ttl=60), range(8)))
                assert won.count(True) == 1
                assert cache.get(lock) == b"%d" % won.index(True)

    def test_of_many_threads_that_delete_one_is_told_true(self, cache: Cache, key: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(50):
                cache.set(key, b"x", ttl=60)
                won = list(pool.map(lambda number: cache.delete(key, only_if=b"x" if number % 2 else None), range(8)))
                assert won.count(True) == 1

    def test_a_lock_of_add_and_delete_excludes(self, cache: Cache, key: str) -> None:
        inside: list[int] = []
        most = 0

        def work(owner: int) -> None:
            nonlocal most
            name = b"%d" % owner
            for _ in range(15):
                while not cache.add(key, name, ttl=60):
                    time.sleep(0.0005)
                inside.append(owner)
                most = max(most, len(inside))
                time.sleep(0.0005)
                inside.remove(owner)
                assert cache.delete(key, only_if=name) is True

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert most == 1

    def test_of_many_processes_that_add_one_is_told_true(
        self, cache: Cache, open_cache: Callable[[], Cache], key: str
    ) -> None:
        if not self.shared_between_processes:
            pytest.skip("the cache belongs to one process")
        keys = [f"{key}:{number}" for number in range(200)]
        won = run_children(children.add_all, [(open_cache, keys, b"%d" % number) for number in range(3)])
        assert Counter(each for share in won for each in share) == dict.fromkeys(keys, 1)
        for owner, share in enumerate(won):
            assert all(cache.get(each) == b"%d" % owner for each in share)

    def test_a_value_above_the_limit_is_not_kept_and_the_old_one_is_gone(self, cache: Cache, key: str) -> None:
        if self.value_limit is None:
            pytest.skip("the cache has no limit that a test can reach")
        assert set_and_get(cache, key, b"x" * self.value_limit) == b"x" * self.value_limit
        assert set_and_get(cache, key, b"x" * (self.value_limit + 1)) is None

    def test_many_entries_do_not_break_it(self, cache: Cache, key: str) -> None:
        for number in range(5000):
            cache.set(f"{key}:{number}", b"v" * 100, ttl=60)
        assert cache.get(f"{key}:4999") == b"v" * 100

    def test_check_says_that_it_works(self, cache: Cache) -> None:
        health = health_of(cache)
        assert health.status is HealthStatus.OK
        assert health.detail

    def test_closing_twice_is_closing_once(self, open_cache: Callable[[], Cache], key: str) -> None:
        cache = open_cache()
        cache.close()
        cache.close()
        with pytest.raises(BackendError):
            cache.get(key)
        assert health_of(cache).status is HealthStatus.FAILED
