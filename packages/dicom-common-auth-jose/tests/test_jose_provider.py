"""A real OpenID provider, certified as such: its tokens are taken, and no rotation of its keys fails a request."""

from __future__ import annotations

import base64
import json
import random
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import pytest

from dicom_common.auth.jose import Issuer, JoseAuthenticator, Settings
from dicom_common.core import AuthenticationError, HealthStatus
from dicom_common.testing import Endpoint, health_of

pytestmark = pytest.mark.service("oidc")

THREADS = 8
ALGORITHMS = ("RS256", "ES256")
FAST = 5
"""The clock for the age of keys runs so many times faster than that of the wall: their life is 5 seconds or more."""
LIFE = 5.0


class Realm:
    """An issuer of the test's own: what it publishes, what it signs with, and tokens of it."""

    audience = "archive.test"

    def __init__(self, server: Endpoint, options: Mapping[str, str], name: str = "") -> None:
        self._options = options
        self.issuer = f"http://{server}/realms/{name or uuid4().hex}"

    def change(self, **how: Any) -> None:
        """Change what is published (`publish`), what signs (`sign`), and the claims of tokens."""
        headers = {"Authorization": f"Bearer {self._options['secret']}"}
        url, body = f"{self.issuer}/control", json.dumps(how).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=20) as answer:
            assert answer.status == 204

    def token(self, algorithm: str, *, audience: str = audience, scope: str = "dicom:search dicom:retrieve") -> str:
        """Ask for a token as a program does (RFC 6749 4.4, RFC 8707)."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._options["client"],
            "client_secret": self._options["secret"],
            "resource": f"https://{audience}/{algorithm}",
            "scope": scope,
        }
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{self.issuer}/token", body, timeout=20) as answer:
            return str(json.load(answer)["access_token"])

    def tokens(self) -> list[str]:
        """Ask for a token of each algorithm."""
        return [self.token(algorithm) for algorithm in ALGORITHMS]

    def signed_by(self, word: str) -> list[str]:
        """Ask for tokens that are signed with a key which need not be published."""
        self.change(sign=word)
        return self.tokens()

    def settings(self, **more: Any) -> Settings:
        """Return settings for it, and nothing that is not needed: the keys are found by discovery."""
        issuer = Issuer(
            issuer=self.issuer,
            audiences=(self.audience,),
            typ="at+jwt",
            role_claims=("$.realm_access.roles", "$.resource_access['wado-rs-api'].roles"),
        )
        return Settings(issuers=(issuer,), **more)


@pytest.fixture
def realm_of(service_endpoint: Endpoint, service_options: dict[str, str]) -> Callable[[], Realm]:
    return lambda: Realm(service_endpoint, service_options)


@pytest.fixture
def realm(realm_of: Callable[[], Realm]) -> Realm:
    return realm_of()


def is_taken(authenticator: JoseAuthenticator, token: str) -> bool:
    try:
        authenticator.authenticate(token)
    except AuthenticationError:
        return False
    return True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_says_who_is_calling_with_the_roles_where_keycloak_puts_them(realm: Realm, algorithm: str) -> None:
    with closing(JoseAuthenticator(realm.settings())) as authenticator:
        principal = authenticator.authenticate(realm.token(algorithm))
        assert health_of(authenticator).status is HealthStatus.OK
    assert principal.subject == "archive"
    assert principal.tenant == "north"
    assert principal.scopes == {"dicom:search", "dicom:retrieve"}
    assert principal.roles == {"radiologist", "offline_access", "viewer"}  # and none of the client "account"


def test_tokens_for_others_are_refused(realm: Realm, realm_of: Callable[[], Realm]) -> None:
    with closing(JoseAuthenticator(realm.settings())) as authenticator:
        assert is_taken(authenticator, realm.token("RS256"))
        assert not is_taken(authenticator, realm.token("RS256", audience="elsewhere.test"))
        assert not is_taken(authenticator, realm_of().token("RS256"))
        realm.change(claims={"tenant": "../south"})
        assert not is_taken(authenticator, realm.token("RS256"))
        realm.change(claims={})
        assert not is_taken(authenticator, realm.token("RS256"))


# Rotation under load


class Load:
    """Threads that verify tokens, and compare each answer with what had to come."""

    def __init__(self, authenticator: JoseAuthenticator) -> None:
        self._authenticator = authenticator
        self._stop = threading.Event()
        self._phase: tuple[str, list[tuple[str, str, bool | None]]] = ("", [])
        self._judged: list[Counter[tuple[str, str]]] = [Counter() for _ in range(THREADS)]
        self.wrong: list[str] = []

    def enter(self, phase: str, **tokens: tuple[list[str], bool | None]) -> None:
        """Begin a phase: for each kind of token whether it has to be taken; None: either answer is right."""
        self._phase = (phase, [(kind, token, taken) for kind, (many, taken) in tokens.items() for token in many])

    def judged(self, phase: str, kind: str) -> list[int]:
        """Count the answers of a phase that were compared, for each thread."""
        return [counts[phase, kind] for counts in self._judged]

    def _verify(self, thread: int) -> None:
        chance = random.Random(thread)
        while not self._stop.is_set():
            phase, tokens = current = self._phase
            kind, token, expected = chance.choice(tokens)
            taken = is_taken(self._authenticator, token)
            if expected is None or self._phase is not current:  # another phase began meanwhile: either is right
                continue
            self._judged[thread][phase, kind] += 1
            if taken is not expected:
                self.wrong.append(f"{phase}: {kind} {'taken' if taken else 'refused'}")

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Verify for the length of the block, after a phase was entered."""
        with ThreadPoolExecutor(THREADS) as pool:
            threads = [pool.submit(self._verify, number) for number in range(THREADS)]
            try:
                yield self
            finally:
                self._stop.set()
            for thread in threads:
                thread.result(60)

    def wait(self, phase: str, *kinds: str) -> None:
        """Let a phase last until every thread has seen tokens of each of these kinds."""
        until(lambda: all(all(self.judged(phase, kind)) for kind in kinds))


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so. The seconds are a guard, no measure."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def tampered(token: str) -> Iterator[str]:
    """Change a claim, the key id, and one bit of the signature."""
    header, claims, signature = token.split(".")
    yield f"{header}.{_encoded(_decoded(claims) | {'scope': 'dicom:delete'})}.{signature}"
    yield f"{_encoded(_decoded(header) | {'kid': 'b-' + _decoded(header)['alg']})}.{claims}.{signature}"
    number = 10
    flipped = "A" if signature[number] != "A" else "B"
    yield f"{header}.{claims}.{signature[:number]}{flipped}{signature[number + 1 :]}"


def _decoded(part: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "==")))


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_keys_rotate_under_load_without_a_wrong_answer(realm: Realm, realm_of: Callable[[], Realm]) -> None:
    """A, then A and B, then B: strangers' tokens, many with key ids that nobody knows, come all the while."""
    realm.change(publish=["a"])
    never = {
        "other_audience": [realm.token(algorithm, audience="elsewhere.test") for algorithm in ALGORITHMS],
        "other_issuer": realm_of().tokens(),
        "unpublished": [token for word in ("x", "y", "z") for token in realm.signed_by(word)],
    }
    of_b = realm.signed_by("b")  # not used before b is published
    of_a = realm.signed_by("a")
    never["tampered"] = [bad for token in of_a for bad in tampered(token)]
    strangers: dict[str, tuple[list[str], bool | None]] = {kind: (tokens, False) for kind, tokens in never.items()}
    settings = realm.settings(key_seconds=LIFE, cool_down=1.0)
    with closing(JoseAuthenticator(settings, monotonic=lambda: time.monotonic() * FAST)) as authenticator:
        load = Load(authenticator)
        load.enter("a", a=(of_a, True), **strangers)
        with load.running():
            load.wait("a", "a", *never)
            realm.change(publish=["a", "b"])
            until(lambda: is_taken(authenticator, of_b[0]))  # the published keys have been read again
            load.enter("a and b", a=(of_a, True), b=(of_b, True), **strangers)
            load.wait("a and b", "a", "b", *never)
            load.enter("a ends", a=(of_a, None), b=(of_b, True), **strangers)  # first: the change may be seen at once
            realm.change(publish=["b"], sign="b")
            of_b = of_b + realm.tokens()
            load.enter("a ends", a=(of_a, None), b=(of_b, True), **strangers)
            load.wait("a ends", "b", *never)
            until(lambda: not is_taken(authenticator, of_a[0]))
            load.enter("b", a=(of_a, False), b=(of_b, True), **strangers)
            load.wait("b", "a", "b", *never)
    assert load.wrong == []


def test_a_provider_that_signs_with_a_new_key_at_once_fails_no_request(realm: Realm) -> None:
    of_a = realm.tokens()
    with closing(JoseAuthenticator(realm.settings(cool_down=1.0))) as authenticator:
        load = Load(authenticator)
        load.enter("a", a=(of_a, True))
        with load.running():
            load.wait("a", "a")
            realm.change(publish=["a", "b"], sign="b")
            load.enter("b", a=(of_a, True), b=(realm.tokens(), True))
            load.wait("b", "a", "b")
            time.sleep(1.0)  # the cool-down of the first search
            realm.change(publish=["b", "c"], sign="c")
            load.enter("c", b=(realm.signed_by("b"), True), c=(realm.signed_by("c"), True))
            load.wait("c", "b", "c")
    assert load.wrong == []
