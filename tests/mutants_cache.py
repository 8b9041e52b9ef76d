"""Faults in the cache in memory."""

from __future__ import annotations

import time
from typing import Any

from mutants import mutant

from dicom_common.cache.memory import MemoryCache as Cache, _cache
from dicom_common.core import BackendError

B = "cache"


@mutant(B, _cache, "_expiry", "time")
def never_expires(original: Any, ttl: float) -> Any:
    return original(ttl) + 1e9


@mutant(B, _cache, "_expiry", "time")
def takes_seconds_for_milliseconds(original: Any, ttl: float) -> Any:
    return original(ttl / 1000)


@mutant(B, _cache, "_expiry", "time_to_live")
def takes_any_time_to_live(original: Any, ttl: float) -> Any:
    return original(ttl) if ttl > 0 else 0.0


@mutant(B, Cache, "get", "use_does_not")
def lengthens_the_time_at_each_use(original: Any, self: Any, key: str) -> Any:
    value = original(self, key)
    if value is not None:
        self._entries[key] = (value, time.monotonic() + 0.5)
    return value


@mutant(B, Cache, "set", "setting_again")
def keeps_the_old_time(original: Any, self: Any, key: str, value: bytes, *, ttl: float) -> None:
    old = self._entries.get(key)
    original(self, key, value, ttl=ttl)
    if old is not None and key in self._entries:
        self._entries[key] = (value, old[1])


@mutant(B, Cache, "set", "replaces")
def keeps_the_first_value(original: Any, self: Any, key: str, value: bytes, *, ttl: float) -> None:
    if key not in self._entries:
        original(self, key, value, ttl=ttl)


@mutant(B, Cache, "add", "add")
def replaces_when_it_adds(_original: Any, self: Any, key: str, value: bytes, *, ttl: float) -> Any:
    self.set(key, value, ttl=ttl)
    return True


@mutant(B, Cache, "add", "add")
def always_says_it_added(original: Any, *arguments: Any, **named: Any) -> Any:
    original(*arguments, **named)
    return True


@mutant(B, Cache, "add", "threads_that_add")
def looks_before_it_adds(_original: Any, self: Any, key: str, value: bytes, *, ttl: float) -> Any:
    if self.get(key) is not None:
        return False
    time.sleep(0.0001)
    self.set(key, value, ttl=ttl)
    return True


@mutant(B, Cache, "add", "owner_died")
def counts_the_dead(original: Any, self: Any, key: str, value: bytes, *, ttl: float) -> Any:
    if key in self._entries:
        return False
    return original(self, key, value, ttl=ttl)


@mutant(B, Cache, "delete", "delete")
def always_says_it_deleted(original: Any, *arguments: Any, **named: Any) -> Any:
    original(*arguments, **named)
    return True


@mutant(B, Cache, "delete", "delete")
def deletes_nothing(_original: Any, self: Any, key: str, **_: Any) -> Any:
    return self.get(key) is not None


@mutant(B, Cache, "delete", "only_if")
def ignores_only_if(original: Any, self: Any, key: str, **_: Any) -> Any:
    return original(self, key)


@mutant(B, Cache, "delete", "only_if")
def takes_an_empty_only_if_for_none(original: Any, self: Any, key: str, *, only_if: bytes | None = None) -> Any:
    return original(self, key, only_if=only_if or None)


@mutant(B, Cache, "delete", "only_if")
def compares_beginnings(original: Any, self: Any, key: str, *, only_if: bytes | None = None) -> Any:
    value = self.get(key)
    begins = bool(only_if) and value is not None and value.startswith(only_if)
    return original(self, key, only_if=value if begins else only_if)


@mutant(B, Cache, "delete", "threads_that_delete")
def looks_before_it_deletes(original: Any, self: Any, key: str, **named: Any) -> Any:
    value, only_if = self.get(key), named.get("only_if")
    if value is None or only_if not in (None, value):
        return False
    time.sleep(0.0001)
    original(self, key)
    return True


@mutant(B, Cache, "get", "comes_back")
def takes_an_empty_value_for_none(original: Any, *arguments: Any) -> Any:
    return original(*arguments) or None


@mutant(B, Cache, "get", "comes_back")
def strips_values(original: Any, *arguments: Any) -> Any:
    value = original(*arguments)
    return value if value is None else value.rstrip(b"\0")


@mutant(B, Cache, "_keep", "above_the_limit")
def keeps_values_of_any_size(_original: Any, self: Any, key: str, value: bytes, expires: float) -> None:
    self._entries[key] = bytes(value), expires


@mutant(B, Cache, "set", "above_the_limit")
def keeps_the_old_value_where_the_new_is_too_large(
    original: Any, self: Any, key: str, value: bytes, **named: Any
) -> Any:
    if len(value) <= self._settings.max_value_bytes:
        original(self, key, value, **named)


@mutant(B, Cache, "_checked", "no_key")
def takes_any_key(_original: Any, self: Any, _key: str) -> Any:
    if self._closed:
        raise BackendError("It is closed.")
    return self._lock


@mutant(B, Cache, "_live", "told_apart")
def cuts_long_keys(original: Any, self: Any, key: str) -> Any:
    short = next((each for each in self._entries if each[:249] == key[:249]), key)
    return original(self, short)


@mutant(B, Cache, "_live", "told_apart")
def folds_case(original: Any, self: Any, key: str) -> Any:
    alike = [each for each in self._entries if each.lower() == key.lower()]
    return original(self, alike[-1] if alike else key)


@mutant(B, Cache, "close", "closing")
def does_not_close(_original: Any, self: Any) -> None:
    self._entries.clear()


@mutant(B, Cache, "check", "closing")
def is_well_when_it_is_closed(original: Any, self: Any) -> Any:
    closed, self._closed = self._closed, False
    try:
        return original(self)
    finally:
        self._closed = closed
