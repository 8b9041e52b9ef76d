from __future__ import annotations

from dicom_common.cache.memory import MemoryCache, Settings
from dicom_common.testing import health_of


def fact(cache: MemoryCache, name: str) -> int:
    number = health_of(cache).facts[name]
    assert isinstance(number, int)
    return number


def test_the_least_recently_used_entry_makes_way() -> None:
    cache = MemoryCache(Settings(max_entries=3))
    for key in ("a", "b", "c"):
        cache.set(key, key.encode(), ttl=60)
    cache.get("a")
    cache.set("d", b"d", ttl=60)
    assert [cache.get(key) for key in ("a", "b", "c", "d")] == [b"a", None, b"c", b"d"]


def test_bytes_are_bounded() -> None:
    cache = MemoryCache(Settings(max_bytes=100_000))
    for number in range(1000):
        cache.set(f"key{number}", bytes(1000), ttl=60)
        assert fact(cache, "bytes") <= 100_000
    assert 50 <= fact(cache, "entries") <= 100
    assert cache.get("key999") == bytes(1000)


def test_room_is_given_back() -> None:
    cache = MemoryCache(Settings(max_bytes=10_000))
    for number in range(500):
        cache.set("same", bytes(number), ttl=60)
        cache.add(f"key{number}", b"x", ttl=60)
        cache.delete(f"key{number}")
    cache.delete("same")
    assert health_of(cache).facts["bytes"] == 0


def test_a_value_that_would_push_out_everything_is_not_kept() -> None:
    cache = MemoryCache(Settings(max_bytes=1000))
    cache.set("small", b"x", ttl=60)
    cache.set("large", bytes(1000), ttl=60)
    assert cache.get("large") is None
    assert cache.get("small") == b"x"


def test_a_buffer_that_changes_later_does_not_change_the_value() -> None:
    cache = MemoryCache(Settings())
    buffer = bytearray(b"first")
    cache.set("a", buffer, ttl=60)  # type: ignore[arg-type]  # a caller without types may do so
    buffer[:] = b"later"
    assert cache.get("a") == b"first"
