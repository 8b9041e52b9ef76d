"""What a keyring must do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, ClassVar

import pytest

from dicom_common.core import BackendError, DamagedError, HealthStatus, Keyring, RefusedError, WrappedKey
from dicom_common.testing._contract import ServedContract, missing_fixture
from dicom_common.testing._health import health_of

__all__ = ["KeyringContract"]

CONTEXTS = (b"", b"x", b"1 2026-01-01T00:00:00+00:00", bytes(range(256)), b"long" * 256)


class KeyringContract(ServedContract):
    """Inherit from it in a class whose name starts with `Test`, and give three or four fixtures.

    Each `open_...` is a callable without arguments that opens a keyring which serves the tenants `a` and `b`, with the
    same key-encryption key or with one for each:

    - `open_keyring`: with a first one;
    - `open_rotated`: with the first one, and a second that is active;
    - `open_without_the_first`: with the second one alone;
    - `secrets`: texts that must not be seen anywhere, such as the keys or the credentials of the KMS.
    """

    calls: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "active": lambda keyring: keyring.active("a"),
        "wrap": lambda keyring: keyring.wrap("a", bytes(32), b""),
    }

    @pytest.fixture
    def open_keyring(self) -> Callable[[], Keyring]:
        """Give the callable that opens the keyring."""
        opens: Callable[[], Keyring] = missing_fixture(
            "open_keyring", "a callable that opens the keyring with a first key"
        )
        return opens

    @pytest.fixture
    def open_rotated(self) -> Callable[[], Keyring]:
        """Give the callable that opens it with a second key, which is active, and the first."""
        opens: Callable[[], Keyring] = missing_fixture(
            "open_rotated", "a callable that opens the keyring with the first key and a second, which is active"
        )
        return opens

    @pytest.fixture
    def open_without_the_first(self) -> Callable[[], Keyring]:
        """Give the callable that opens it with the second key alone."""
        opens: Callable[[], Keyring] = missing_fixture(
            "open_without_the_first", "a callable that opens the keyring with the second key alone"
        )
        return opens

    @pytest.fixture
    def secrets(self) -> tuple[str, ...]:
        """Give texts that must not be seen."""
        return ()

    @pytest.fixture
    def keyring(self, open_keyring: Callable[[], Keyring]) -> Iterator[Keyring]:
        """Open the keyring of the test."""
        with closing(open_keyring()) as keyring:
            yield keyring

    @pytest.fixture
    def case_key(self) -> bytes:
        """Make a key to wrap."""
        return os.urandom(32)

    @pytest.mark.parametrize("case_tenant", ["a", "b"])
    @pytest.mark.parametrize("case_context", CONTEXTS, ids=len)
    def test_a_key_comes_back_as_it_was_wrapped(
        self, keyring: Keyring, case_key: bytes, case_tenant: str, case_context: bytes
    ) -> None:
        assert keyring.unwrap(case_tenant, keyring.wrap(case_tenant, case_key, case_context), case_context) == case_key

    def test_a_wrapped_key_can_be_stored(self, keyring: Keyring, case_key: bytes) -> None:
        wrapped = keyring.wrap("a", case_key, b"context")
        assert re.fullmatch(r"[!-~]{1,200}", wrapped.key_id)
        assert wrapped.key_id == keyring.active("a")
        assert type(wrapped.data) is bytes
        assert 32 < len(wrapped.data) <= 1 << 16
        assert case_key not in wrapped.data
        assert keyring.unwrap("a", WrappedKey(wrapped.key_id, wrapped.data), b"context") == case_key

    def test_the_same_key_is_never_wrapped_to_the_same(self, keyring: Keyring, case_key: bytes) -> None:
        assert len({keyring.wrap("a", case_key, b"context").data for _ in range(20)}) == 20

    def test_it_opens_again_what_it_wrapped_before(self, open_keyring: Callable[[], Keyring], case_key: bytes) -> None:
        with closing(open_keyring()) as first:
            wrapped = first.wrap("a", case_key, b"context")
        with closing(open_keyring()) as second:
            assert second.unwrap("a", wrapped, b"context") == case_key

    def test_a_key_is_bound_to_its_tenant(self, keyring: Keyring, case_key: bytes) -> None:
        wrapped = keyring.wrap("a", case_key, b"context")
        for other in ("b", "ab", "A"):
            with pytest.raises((DamagedError, RefusedError)):
                keyring.unwrap(other, wrapped, b"context")

    def test_a_key_is_bound_to_its_context(self, keyring: Keyring, case_key: bytes) -> None:
        wrapped = keyring.wrap("a", case_key, b"context")
        for other in (b"", b"contex", b"context ", b"Context", b"acontext"):
            with pytest.raises(DamagedError):
                keyring.unwrap("a", wrapped, other)

    def test_tenant_and_context_are_not_one_text(self, keyring: Keyring, case_key: bytes) -> None:
        wrapped = keyring.wrap("a", case_key, b"bc")
        with pytest.raises((DamagedError, RefusedError)):
            keyring.unwrap("ab", wrapped, b"c")

    def test_every_byte_of_a_wrapped_key_counts(self, keyring: Keyring, case_key: bytes) -> None:
        wrapped = keyring.wrap("a", case_key, b"context")
        places = range(len(wrapped.data))
        for place in places if len(places) <= 100 else [*places[:50], *places[-50:]]:
            data = bytearray(wrapped.data)
            data[place] ^= 1 << place % 8
            self._is_damaged(keyring, WrappedKey(wrapped.key_id, bytes(data)))

    def test_what_is_no_wrapped_key_is_damaged(self, keyring: Keyring, case_key: bytes) -> None:
        wrapped = keyring.wrap("a", case_key, b"context")
        for data in (b"", b"x", wrapped.data[:-1], wrapped.data[:12], wrapped.data * 2, os.urandom(len(wrapped.data))):
            self._is_damaged(keyring, WrappedKey(wrapped.key_id, data))

    def _is_damaged(self, keyring: Keyring, wrapped: WrappedKey) -> None:
        with pytest.raises(DamagedError):
            keyring.unwrap("a", wrapped, b"context")

    def test_a_key_encryption_key_that_is_not_there_is_refused(self, keyring: Keyring, case_key: bytes) -> None:
        wrapped = keyring.wrap("a", case_key, b"context")
        for other in ("no-such-key", wrapped.key_id + "x", ""):
            with pytest.raises((RefusedError, DamagedError)):
                keyring.unwrap("a", WrappedKey(other, wrapped.data), b"context")

    def test_after_a_rotation_the_new_key_wraps_and_the_old_one_still_unwraps(
        self, keyring: Keyring, open_rotated: Callable[[], Keyring], case_key: bytes
    ) -> None:
        old = keyring.wrap("a", case_key, b"context")
        with closing(open_rotated()) as rotated:
            assert rotated.active("a") != old.key_id
            assert rotated.unwrap("a", old, b"context") == case_key
            new = rotated.wrap("a", case_key, b"context")
            assert new.key_id == rotated.active("a")
            assert rotated.unwrap("a", new, b"context") == case_key
            with pytest.raises((DamagedError, RefusedError)):
                rotated.unwrap("a", WrappedKey(new.key_id, old.data), b"context")

    def test_without_the_old_key_what_it_wrapped_is_refused_and_the_rest_is_read(
        self,
        keyring: Keyring,
        open_rotated: Callable[[], Keyring],
        open_without_the_first: Callable[[], Keyring],
        case_key: bytes,
    ) -> None:
        old = keyring.wrap("a", case_key, b"context")
        with closing(open_rotated()) as rotated:
            new = rotated.wrap("a", case_key, b"context")
        with closing(open_without_the_first()) as alone:
            assert alone.unwrap("a", new, b"context") == case_key
            with pytest.raises(RefusedError):
                alone.unwrap("a", old, b"context")

    def test_many_threads_wrap_and_unwrap_at_once(self, keyring: Keyring) -> None:
        def work(number: int) -> bool:
            tenant, key, context = "ab"[number % 2], os.urandom(32), b"%d" % number
            return keyring.unwrap(tenant, keyring.wrap(tenant, key, context), context) == key

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(200)))

    def test_no_secret_is_seen(self, keyring: Keyring, case_key: bytes, secrets: tuple[str, ...]) -> None:
        wrapped = keyring.wrap("a", case_key, b"context")
        texts = [repr(keyring), str(keyring), repr(wrapped), str(wrapped), repr(health_of(keyring))]
        for damaged in (WrappedKey(wrapped.key_id, wrapped.data[:-1]), WrappedKey("no-such-key", wrapped.data)):
            with pytest.raises(BackendError) as caught:
                keyring.unwrap("a", damaged, b"context")
            texts.append(str(caught.value))
        for secret in (*secrets, case_key.hex(), repr(case_key)[2:-1], repr(wrapped.data)[2:-1]):
            assert not any(secret in text for text in texts)

    def test_check_says_that_it_works(self, keyring: Keyring) -> None:
        health = health_of(keyring)
        assert health.status is HealthStatus.OK
        assert health.detail

    def test_closing_twice_is_closing_once(self, open_keyring: Callable[[], Keyring], case_key: bytes) -> None:
        keyring = open_keyring()
        wrapped = keyring.wrap("a", case_key, b"context")
        assert health_of(keyring).status is HealthStatus.OK
        keyring.close()
        keyring.close()
        calls: tuple[Callable[[], object], ...] = (
            lambda: keyring.active("a"),
            lambda: keyring.wrap("a", case_key, b"context"),
            lambda: keyring.unwrap("a", wrapped, b"context"),
        )
        for call in calls:
            with pytest.raises(BackendError):
                call()
        assert health_of(keyring).status is HealthStatus.FAILED
