"""The authenticator jose, with the keys in memory, against a bare `jose.jwt.decode` with the same key."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jose.jwk
import jose.jwt
from rows import row, show

from dicom_common.auth.jose import Issuer, JoseAuthenticator, Settings
from dicom_common.testing import IdentityProvider, Scene, SigningKey, SteppedClock

_TOKENS = 400
_ROUNDS = 41


def _authenticator(scene: Scene) -> JoseAuthenticator:
    issuer = Issuer(
        issuer=scene.provider.issuer,
        jwks_uri=scene.provider.jwks_uri,
        audiences=("dicom-common",),
        role_claims=("$.realm_access.roles", "$.resource_access['wado-rs-api'].roles"),
        permission_claims=("$.permissions",),
    )
    return JoseAuthenticator(Settings(issuers=(issuer,)))


def _bare(scene: Scene, key: SigningKey) -> Callable[[str], object]:
    made = jose.jwk.construct(key.jwk(), key.algorithm)  # once: a JWK would be read for each token

    def decode(token: str) -> object:
        return jose.jwt.decode(
            token, made, algorithms=[key.algorithm], audience="dicom-common", issuer=scene.provider.issuer
        )

    return decode


def _seconds(verify: Callable[[str], object], token: str) -> float:
    begun = time.perf_counter()
    for _ in range(_TOKENS):
        verify(token)
    return time.perf_counter() - begun


def run() -> list[dict[str, Any]]:
    """Measure in turns; the ratio is that of each turn, so that what disturbs the machine disturbs both."""
    with IdentityProvider() as provider:
        scene = Scene(provider, SteppedClock())
        provider.keys = [scene.rsa.jwk(), scene.ec.jwk()]
        authenticator = _authenticator(scene)
        rows = []
        for key in (scene.rsa, scene.ec):
            now = int(time.time())
            token = scene.token(key, iat=now, exp=now + 3600)
            bare = _bare(scene, key)
            _seconds(bare, token), _seconds(authenticator.authenticate, token)  # warm
            ratios = [_seconds(bare, token) / _seconds(authenticator.authenticate, token) for _ in range(_ROUNDS)]
            rows.append(row(f"auth-jose / bare jose.jwt.decode, {key.algorithm}", ratios, 0.8))
    return rows


if __name__ == "__main__":
    show(run())
