"""The contract of an authenticator that verifies tokens: the attack table, and when keys are fetched."""

from __future__ import annotations

import logging
import os
import random
import statistics
import time
from collections.abc import Iterator

import pytest

from dicom_common.core import AuthenticationError, HealthStatus, Principal
from dicom_common.testing._authenticator._claim_cases import CLAIM_CASES
from dicom_common.testing._authenticator._identity_provider import IdentityProvider
from dicom_common.testing._authenticator._key_cases import KEY_CASES
from dicom_common.testing._authenticator._rotation import PublishedKeys
from dicom_common.testing._authenticator._token_cases import TOKEN_CASES
from dicom_common.testing._authenticator._token_fuzz import malformed
from dicom_common.testing._authenticator._token_scene import Case, OpenAuthenticator, Played, Scene, play
from dicom_common.testing._health import health_of

__all__ = ["AUTHENTICATOR_CASES", "AuthenticatorContract", "play_case"]

AUTHENTICATOR_CASES: tuple[Case, ...] = (*TOKEN_CASES, *CLAIM_CASES, *KEY_CASES)
"""The attack table: what is accepted, and what is refused."""
FUZZ_TOKENS = int(os.environ.get("DICOM_COMMON_TEST_FUZZ_TOKENS", "2000"))
PIECE = 24
"""Characters of a token that no message may have in a row."""


def play_case(case: Case, open_authenticator: OpenAuthenticator, provider: IdentityProvider) -> None:
    """Play a case of the table, with a provider (without TLS) that any number of cases use one after the other.

    Raises:
        AssertionError: something else came of it than has to, or an error tells of the token.
    """
    played = play(case, open_authenticator, provider)
    assert played.outcome == case.outcome, f"{case.name}: {played.outcome}, has to be {case.outcome}"
    if played.error is not None:
        assert_silent(played, case)


def assert_silent(played: Played, case: Case) -> None:
    """Assert that an error, and all that led to it, says nothing of the token."""
    for error in _chain(played.error):
        for text in (str(error), repr(error), repr(error.args)):
            assert not _pieces(played.token) & _pieces(text), f"{case.name}: {type(error).__name__} holds the token"
            assert "radiologist-7" not in text, f"{case.name}: {type(error).__name__} names the subject"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _pieces(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


class AuthenticatorContract(PublishedKeys):
    """What an authenticator must do that verifies tokens with published keys. Inherit, and give `open_authenticator`.

    The fixture returns a callable that takes a `Trust` and a `SteppedClock`, and opens an authenticator with that trust
    to which the clock tells the time: of claims by `clock.time`, of keys by `clock.monotonic`.
    """

    @pytest.mark.parametrize(
        "case_of_table", AUTHENTICATOR_CASES, ids=lambda case: case.name.encode("ascii", "replace").decode()
    )
    def test_the_attack_table(
        self,
        case_of_table: Case,
        open_authenticator: OpenAuthenticator,
        plain_provider: IdentityProvider,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        play_case(case_of_table, open_authenticator, plain_provider)
        assert "radiologist-7" not in caplog.text
        assert "eyJ" not in caplog.text, "a log line has a part of a token"

    def test_a_good_token_stands_for_its_principal(self, scene: Scene, open_authenticator: OpenAuthenticator) -> None:
        principal = open_authenticator(scene.trust(), scene.clock).authenticate(scene.token())
        assert principal == Principal(
            subject="radiologist-7",
            tenant="clinic-a",
            scopes=frozenset({"dicom:read", "dicom:write"}),
            roles=frozenset({"reader", "Night Shift", "full"}),
            permissions=frozenset({"export"}),
        )

    def test_scopes_may_be_a_list_and_all_grants_may_be_missing(
        self, scene: Scene, open_authenticator: OpenAuthenticator
    ) -> None:
        authenticator = open_authenticator(scene.trust(), scene.clock)
        assert authenticator.authenticate(scene.token(scope=["a", "b"])).scopes == {"a", "b"}
        bare = authenticator.authenticate(
            scene.token(scope=None, realm_access=None, resource_access=None, permissions=None)
        )
        assert (bare.scopes, bare.roles, bare.permissions) == (frozenset(), frozenset(), frozenset())

    def test_an_accepted_token_is_refused_once_it_has_expired(
        self, scene: Scene, open_authenticator: OpenAuthenticator
    ) -> None:
        authenticator = open_authenticator(scene.trust(leeway=0.0), scene.clock)
        token = scene.token()
        authenticator.authenticate(token)
        scene.clock.advance(301)
        with pytest.raises(AuthenticationError):
            authenticator.authenticate(token)

    def test_check_tells_whether_keys_can_be_had(self, scene: Scene, open_authenticator: OpenAuthenticator) -> None:
        authenticator = open_authenticator(scene.trust(), scene.clock)
        assert health_of(authenticator).status == HealthStatus.OK
        authenticator.close()
        authenticator.close()

    def test_malformed_tokens_are_refused_in_no_more_time_than_a_good_one_takes(
        self, scene: Scene, open_authenticator: OpenAuthenticator
    ) -> None:
        """`DICOM_COMMON_TEST_FUZZ_TOKENS` says how many, 2,000 by default."""
        authenticator = open_authenticator(scene.trust(), scene.clock)
        good = [scene.token(), scene.token(scene.ec)]
        authenticator.authenticate(good[0])  # from here on the keys are there
        chance = random.Random(7)
        took: list[float] = []  # of the processor, of this thread: the machine may be busy with something else
        usual: list[float] = []
        for number, token in enumerate(malformed(scene, chance, FUZZ_TOKENS)):
            if number % 4 == 0:  # by turns: what else the machine does meets both
                start = time.thread_time()
                authenticator.authenticate(good[number // 4 % 2])
                usual.append(time.thread_time() - start)
            start = time.thread_time()
            try:
                authenticator.authenticate(token)
            except AuthenticationError:
                took.append(time.thread_time() - start)
            else:
                pytest.fail(f"malformed token {number} was accepted")
        ratios = {part: _percentile(took, part) / _percentile(usual, part) for part in (50, 90, 99)}
        print("refusals / a good token:", {part: round(ratio, 2) for part, ratio in ratios.items()})  # noqa: T201 - for -s
        assert ratios[50] <= 1
        # With room: the slowest of either kind are those that the machine has interrupted.
        assert ratios[90] <= 1.5
        assert ratios[99] <= 3


def _percentile(values: list[float], part: int) -> float:
    return statistics.quantiles(values, n=100)[part - 1]
