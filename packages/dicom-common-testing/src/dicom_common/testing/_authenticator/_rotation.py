"""The contract of an authenticator, the part of published keys: rotation, outages, and how often they are fetched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dicom_common.core import AuthenticationError, Authenticator, HealthStatus, UnavailableError
from dicom_common.testing._authenticator._identity_provider import Answer, IdentityProvider
from dicom_common.testing._authenticator._token_keys import signing_key
from dicom_common.testing._authenticator._token_scene import OpenAuthenticator, Scene, SteppedClock
from dicom_common.testing._contract import Contract, missing_fixture
from dicom_common.testing._health import health_of

__all__ = ["PublishedKeys"]

PATIENCE = 60.0
THREADS = 8


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for something that happens in the background."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def is_refused(authenticator: Authenticator, token: str) -> bool:
    """Tell whether a token is refused."""
    try:
        authenticator.authenticate(token)
    except AuthenticationError:
        return True
    return False


class PublishedKeys(Contract):
    """Tests of `AuthenticatorContract`."""

    @pytest.fixture
    def open_authenticator(self) -> OpenAuthenticator:
        """Return what opens an authenticator. A backend's test class overrides it."""
        opens: OpenAuthenticator = missing_fixture(
            "open_authenticator", "a callable: (Trust, SteppedClock) -> Authenticator"
        )
        return opens

    @pytest.fixture(scope="class")
    @classmethod
    def plain_provider(cls) -> Iterator[IdentityProvider]:
        """Give a provider that cases of the attack table use one after the other."""
        with IdentityProvider() as provider:
            yield provider

    @pytest.fixture
    def scene(self) -> Iterator[Scene]:
        """Give a provider with its keys published, and a clock."""
        with IdentityProvider() as provider:
            made = Scene(provider, SteppedClock())
            provider.keys = [made.rsa.jwk(), made.ec.jwk()]
            with made.stack:
                yield made

    @pytest.fixture
    def authenticator(self, scene: Scene, open_authenticator: OpenAuthenticator) -> Authenticator:
        """Give an authenticator that trusts the provider, with the keys in memory."""
        opened = open_authenticator(scene.trust(), scene.clock)
        opened.authenticate(scene.token())
        return opened

    def test_keys_are_fetched_once_for_many_tokens(self, scene: Scene, authenticator: Authenticator) -> None:
        for key in (scene.rsa, scene.ec) * 20:
            authenticator.authenticate(scene.token(key))
        assert scene.provider.fetches == 1

    def test_many_first_callers_share_one_fetch(self, scene: Scene, open_authenticator: OpenAuthenticator) -> None:
        scene.provider.answer = Answer(delay=0.2)
        opened = open_authenticator(scene.trust(time_limit=10.0), scene.clock)
        together = threading.Barrier(THREADS)

        def call() -> str:
            together.wait()
            return opened.authenticate(scene.token()).subject

        with ThreadPoolExecutor(THREADS) as pool:
            subjects = [future.result() for future in [pool.submit(call) for _ in range(THREADS)]]
        assert subjects == ["radiologist-7"] * THREADS
        assert scene.provider.fetches == 1

    def test_keys_rotate_without_a_false_answer(self, scene: Scene, authenticator: Authenticator) -> None:
        old, new = scene.rsa, signing_key("new")
        old_token = scene.token(old, exp=scene.clock.time() + 10_000)
        scene.provider.keys = [old.jwk(), new.jwk()]
        for key in (old, new, old):
            authenticator.authenticate(scene.token(key))
        assert scene.provider.fetches == 2, "a key id that is not known is a reason to look"
        scene.provider.keys = [new.jwk()]
        scene.clock.advance(601)
        authenticator.authenticate(scene.token(new))
        assert is_refused(authenticator, old_token), "a key that is withdrawn ends when what was fetched is too old"

    def test_keys_are_fetched_again_in_the_background_before_they_are_too_old(
        self, scene: Scene, authenticator: Authenticator
    ) -> None:
        scene.clock.advance(500)  # of 600
        scene.provider.gate.clear()
        authenticator.authenticate(scene.token())  # would be unavailable if it waited
        assert eventually(lambda: scene.provider.fetches == 2)
        authenticator.authenticate(scene.token())
        scene.provider.gate.set()
        assert eventually(lambda: health_of(authenticator).status == HealthStatus.OK)
        assert scene.provider.fetches == 2

    def test_unknown_key_ids_cause_one_fetch_in_a_cool_down(self, scene: Scene, authenticator: Authenticator) -> None:
        for number in range(50):
            assert is_refused(authenticator, scene.token(header={"kid": f"guess-{number}"}))
        assert scene.provider.fetches == 2
        scene.clock.advance(14)
        assert is_refused(authenticator, scene.token(header={"kid": "one-more"}))
        assert scene.provider.fetches == 2
        scene.clock.advance(2)
        assert is_refused(authenticator, scene.token(header={"kid": "one-more"}))
        assert scene.provider.fetches == 3

    def test_a_key_id_that_was_searched_for_in_vain_does_not_use_up_the_cool_down(
        self, scene: Scene, authenticator: Authenticator
    ) -> None:
        assert is_refused(authenticator, scene.token(header={"kid": "withdrawn"}))
        scene.clock.advance(16)
        assert is_refused(authenticator, scene.token(header={"kid": "withdrawn"}))
        new = signing_key("new")
        scene.provider.keys = [new.jwk()]
        authenticator.authenticate(scene.token(new))

    def test_many_callers_with_a_new_key_share_one_fetch(self, scene: Scene, authenticator: Authenticator) -> None:
        new = signing_key("new")
        scene.provider.keys = [scene.rsa.jwk(), new.jwk()]
        scene.provider.answer = Answer(delay=0.1)
        with ThreadPoolExecutor(THREADS) as pool:
            subjects = list(pool.map(lambda _: authenticator.authenticate(scene.token(new)).subject, range(THREADS)))
        assert subjects == ["radiologist-7"] * THREADS
        assert scene.provider.fetches == 2

    def test_an_outage_is_survived_with_the_old_keys_and_not_for_ever(
        self, scene: Scene, authenticator: Authenticator
    ) -> None:
        token = scene.token(exp=scene.clock.time() + 10_000)
        scene.provider.stop()
        scene.clock.advance(601)
        authenticator.authenticate(token)
        assert health_of(authenticator).status == HealthStatus.DEGRADED
        scene.clock.advance(3600)
        with pytest.raises(UnavailableError):
            authenticator.authenticate(token)
        assert health_of(authenticator).status == HealthStatus.FAILED
        scene.provider.start()
        scene.clock.advance(60)
        authenticator.authenticate(token)
        assert health_of(authenticator).status == HealthStatus.OK

    def test_without_keys_it_is_unavailable_until_the_provider_is_there(
        self, scene: Scene, open_authenticator: OpenAuthenticator
    ) -> None:
        scene.provider.stop()
        opened = open_authenticator(scene.trust(), scene.clock)
        assert health_of(opened).status == HealthStatus.FAILED
        with pytest.raises(UnavailableError):
            opened.authenticate(scene.token())
        scene.provider.start()
        scene.clock.advance(60)
        opened.authenticate(scene.token())

    def test_an_unknown_key_id_is_refused_while_the_provider_is_down(
        self, scene: Scene, authenticator: Authenticator
    ) -> None:
        scene.provider.stop()
        assert is_refused(authenticator, scene.token(header={"kid": "new"}))
        authenticator.authenticate(scene.token())

    def test_an_answer_that_is_no_key_set_does_not_replace_the_keys(
        self, scene: Scene, authenticator: Authenticator
    ) -> None:
        for body in (b"<html>", b'{"keys": []}'):
            scene.provider.answer = Answer(body=body)
            scene.clock.advance(601)
            authenticator.authenticate(scene.token())
        assert scene.provider.fetches >= 2

    def test_an_issuer_that_fails_is_not_asked_for_each_token(self, scene: Scene, authenticator: Authenticator) -> None:
        scene.provider.answer = Answer(status=500)
        scene.clock.advance(601)
        for _ in range(20):
            authenticator.authenticate(scene.token())
        assert scene.provider.fetches <= 3

    def test_an_answer_that_never_ends_does_not_hold_up_the_next_fetch(
        self, scene: Scene, open_authenticator: OpenAuthenticator
    ) -> None:
        scene.provider.answer = Answer(drip=0.1)  # a minute and more for all bytes
        opened = open_authenticator(scene.trust(time_limit=3.0), scene.clock)
        with pytest.raises(UnavailableError):
            opened.authenticate(scene.token())
        scene.provider.answer = Answer()
        scene.clock.advance(60)
        opened.authenticate(scene.token())

    def test_nothing_that_a_token_names_is_asked(self, scene: Scene, authenticator: Authenticator) -> None:
        other = scene.plain_keys()
        for name in ("jku", "x5u", "kid"):
            assert is_refused(authenticator, scene.token(header={name: other}))
        assert is_refused(authenticator, scene.token(iss=other))
        assert set(scene.provider.asked) == {"/keys"}
