"""Keys that processes share by way of the cache: authentic ones, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dicom_common.auth.jose import Issuer, JoseAuthenticator, Settings
from dicom_common.cache.memory import MemoryCache, Settings as CacheSettings
from dicom_common.core import AuthenticationError, Secret, UnavailableError
from dicom_common.testing import Answer, IdentityProvider, Scene, SteppedClock, signing_key

SECRET = "a secret of 32 characters or more"


@pytest.fixture
def scene() -> Iterator[Scene]:
    with IdentityProvider() as provider:
        made = Scene(provider, SteppedClock())
        provider.keys = [made.rsa.jwk()]
        yield made


class Cache(MemoryCache):
    """A cache that tells what is in it, as who writes there would know."""

    def __init__(self) -> None:
        super().__init__(CacheSettings())
        self.written: dict[str, bytes] = {}

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        self.written[key] = value
        super().set(key, value, ttl=ttl)


class DownCache(Cache):
    """A cache whose server is down."""

    def get(self, key: str) -> bytes | None:
        raise UnavailableError(f"no server for {key}")

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        raise UnavailableError(f"no server for {key}: {len(value)} bytes, {ttl} s")


def opened(scene: Scene, cache: Cache, secret: str = SECRET, stale_seconds: float = 3600.0) -> JoseAuthenticator:
    provider = scene.provider
    issuer = Issuer(issuer=provider.issuer, jwks_uri=provider.jwks_uri, audiences=("dicom-common",))
    settings = Settings(issuers=(issuer,), cache_secret=Secret(secret), time_limit=2.0, stale_seconds=stale_seconds)
    return JoseAuthenticator(settings, cache, clock=scene.clock.time, monotonic=scene.clock.monotonic)


def test_a_second_process_takes_the_keys_from_the_cache(scene: Scene) -> None:
    cache = Cache()
    opened(scene, cache).authenticate(scene.token())
    opened(scene, cache).authenticate(scene.token())
    assert scene.provider.fetches == 1


def test_without_a_secret_nothing_is_shared(scene: Scene) -> None:
    cache = Cache()
    opened(scene, cache, secret="").authenticate(scene.token())
    assert cache.written == {}


def test_an_entry_with_another_secret_is_not_there(scene: Scene) -> None:
    cache = Cache()
    opened(scene, cache).authenticate(scene.token())
    opened(scene, cache, secret="another secret of 32 characters or more").authenticate(scene.token())
    assert scene.provider.fetches == 2


def test_keys_that_somebody_wrote_into_the_cache_are_not_used(scene: Scene) -> None:
    cache, stranger = Cache(), signing_key("stranger")
    opened(scene, cache).authenticate(scene.token())
    ((key, entry),) = cache.written.items()
    forged = entry.replace(scene.rsa.jwk()["n"].encode(), stranger.jwk()["n"].encode())
    assert forged != entry
    for value in (forged, entry[32:], b"", b"x", entry[:-1], entry + b" ", entry[:32] + bytes(8) + entry[40:]):
        cache.set(key, value, ttl=60.0)
        authenticator = opened(scene, cache)
        with pytest.raises(AuthenticationError):
            authenticator.authenticate(stranger.token(scene.header(), scene.claims()))
        authenticator.authenticate(scene.token())


def test_each_flipped_bit_of_an_entry_makes_it_worthless(scene: Scene) -> None:
    cache = Cache()
    opened(scene, cache).authenticate(scene.token())
    ((key, entry),) = cache.written.items()
    scene.provider.stop()
    for place in (0, 31, 32, 39, 40, len(entry) // 2, len(entry) - 1):
        changed = bytearray(entry)
        changed[place] ^= 1
        cache.set(key, bytes(changed), ttl=60.0)
        with pytest.raises(UnavailableError):
            opened(scene, cache).authenticate(scene.token())
    cache.set(key, entry, ttl=60.0)
    opened(scene, cache).authenticate(scene.token())


def test_an_entry_of_one_issuer_is_none_of_another(scene: Scene) -> None:
    cache = Cache()
    opened(scene, cache).authenticate(scene.token())
    ((_, entry),) = cache.written.items()
    with IdentityProvider() as other:
        there = Scene(other, scene.clock)
        other.keys = [there.ec.jwk()]
        opened(there, cache).authenticate(there.token(there.ec))
        key = next(key for key in cache.written if cache.written[key] != entry)
        cache.set(key, entry, ttl=60.0)
        other.stop()
        with pytest.raises(UnavailableError):
            opened(there, cache).authenticate(there.token())


def test_an_old_entry_that_is_put_back_does_not_bring_a_withdrawn_key_back(scene: Scene) -> None:
    cache, new = Cache(), signing_key("new")
    opened(scene, cache).authenticate(scene.token())
    ((key, entry),) = cache.written.items()
    scene.provider.keys = [new.jwk()]
    scene.clock.advance(601)
    cache.set(key, entry, ttl=60.0)
    authenticator = opened(scene, cache)
    authenticator.authenticate(scene.token(new))
    with pytest.raises(AuthenticationError):
        authenticator.authenticate(scene.token())


def test_a_copy_is_as_old_as_it_was_when_it_was_fetched(scene: Scene) -> None:
    cache = Cache()
    opened(scene, cache).authenticate(scene.token())
    scene.clock.advance(200)
    second = opened(scene, cache)
    second.authenticate(scene.token())
    assert scene.provider.fetches == 1
    scene.provider.keys = [signing_key("new").jwk()]
    scene.clock.advance(401)
    with pytest.raises(AuthenticationError):
        second.authenticate(scene.token())


def test_a_new_process_starts_with_the_copy_while_the_issuer_is_down(scene: Scene) -> None:
    cache = Cache()
    token = scene.token(exp=scene.clock.time() + 10_000)
    opened(scene, cache).authenticate(token)
    scene.provider.stop()
    scene.clock.advance(1000)
    opened(scene, cache).authenticate(token)
    with pytest.raises(UnavailableError):
        opened(scene, cache, stale_seconds=100.0).authenticate(token)


def test_a_key_that_is_new_is_searched_at_the_issuer_and_not_in_the_cache(scene: Scene) -> None:
    cache, new = Cache(), signing_key("new")
    authenticator = opened(scene, cache)
    authenticator.authenticate(scene.token())
    scene.provider.keys = [scene.rsa.jwk(), new.jwk()]
    authenticator.authenticate(scene.token(new))


def test_a_cache_that_is_down_is_done_without(scene: Scene) -> None:
    opened(scene, DownCache()).authenticate(scene.token())


def test_an_entry_of_a_process_whose_clock_is_far_ahead_is_not_there(scene: Scene) -> None:
    cache = Cache()
    token = scene.token(exp=scene.clock.time() + 10_000)
    scene.clock.advance(3600)
    opened(scene, cache).authenticate(token)
    scene.provider.stop()
    scene.clock.advance(-3600)
    with pytest.raises(UnavailableError):
        opened(scene, cache).authenticate(token)


def test_while_the_issuer_is_down_an_old_entry_does_not_replace_newer_keys(scene: Scene) -> None:
    cache, new = Cache(), signing_key("new")
    authenticator = opened(scene, cache)
    authenticator.authenticate(scene.token())
    ((key, entry),) = cache.written.items()
    scene.provider.keys = [new.jwk()]
    scene.clock.advance(601)
    authenticator.authenticate(scene.token(new))
    scene.provider.stop()
    cache.set(key, entry, ttl=60.0)
    scene.clock.advance(601)
    authenticator.authenticate(scene.token(new))
    with pytest.raises(AuthenticationError):
        authenticator.authenticate(scene.token())


def test_while_the_issuer_is_down_an_old_copy_does_not_make_each_token_ask_again(scene: Scene) -> None:
    cache = Cache()
    token = scene.token(exp=scene.clock.time() + 10_000)
    opened(scene, cache).authenticate(token)
    scene.provider.answer = Answer(status=503)
    scene.clock.advance(1000)
    authenticator = opened(scene, cache)
    asked = scene.provider.fetches
    for _ in range(5):
        authenticator.authenticate(token)
    assert scene.provider.fetches <= asked + 1
