"""Callers that meet: who looked before another's fetch landed is not refused for it, and causes no other."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import pytest

from dicom_common.auth.jose import Issuer, Settings
from dicom_common.auth.jose._issuer_keys import Fetched, IssuerKeys
from dicom_common.auth.jose._key_set import KeySet
from dicom_common.core import UnavailableError
from dicom_common.testing import signing_key

SETTINGS = Settings(issuers=(Issuer(issuer="https://login.example", audiences=("x",)),))


class Meeting:
    """A clock that, when it is next read, lets another caller do all of its work first."""

    def __init__(self) -> None:
        self.now = 0.0
        self.first: Callable[[], object] | None = None

    def __call__(self) -> float:
        first, self.first = self.first, None
        if first is not None:
            other = Thread(target=first)
            other.start()
            other.join(20)
        return self.now


class Published:
    """What an issuer publishes, and how often it was asked."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.asked = 0
        self.fails = False

    def __call__(self, published_now: bool) -> Fetched:
        assert isinstance(published_now, bool)
        self.asked += 1
        if self.fails:
            raise UnavailableError("the issuer is down")
        return Fetched(KeySet([signing_key(kid).jwk() for kid in self.kids]))


@pytest.fixture
def clock() -> Meeting:
    return Meeting()


def test_a_key_that_another_caller_has_just_fetched_is_found(clock: Meeting) -> None:
    published = Published("rsa")
    keys = IssuerKeys("login", published, SETTINGS, clock)
    assert keys.find("rsa", "RS256") is not None
    published.kids = ("rsa", "new")
    clock.first = lambda: keys.find("new", "RS256")
    assert keys.find("new", "RS256") is not None
    assert published.asked == 2


def test_keys_that_another_caller_has_just_fetched_are_not_fetched_again(clock: Meeting) -> None:
    published = Published("rsa")
    keys = IssuerKeys("login", published, SETTINGS, clock)
    keys.keys()
    clock.now = 601.0
    clock.first = keys.keys
    assert keys.find("rsa", "RS256") is not None
    assert published.asked == 2


def test_no_more_than_a_number_of_key_ids_is_remembered(clock: Meeting) -> None:
    keys = IssuerKeys("login", Published("rsa"), SETTINGS, clock)
    for number in range(600):
        clock.now += SETTINGS.cool_down
        assert keys.find(f"guess-{number}", "RS256") is None
    assert len(keys._absent) <= 256


def test_after_a_failure_nothing_is_fetched_for_a_while_for_known_or_unknown_key_ids(clock: Meeting) -> None:
    published = Published("rsa")
    keys = IssuerKeys("login", published, SETTINGS, clock)
    keys.keys()
    published.fails = True
    clock.now = 601.0
    for kid in ("rsa", "new", "rsa", "newer"):
        assert (keys.find(kid, "RS256") is not None) == (kid == "rsa")
    assert published.asked == 2
    published.fails = False
    clock.now += 6
    assert keys.find("rsa", "RS256") is not None
    assert published.asked == 3
