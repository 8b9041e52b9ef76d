"""What opens an authenticator for the contract and for the tests of what it lets through without a check."""

from __future__ import annotations

import pytest

from dicom_common.auth.jose import Issuer, JoseAuthenticator, Settings
from dicom_common.core.tls import Tls
from dicom_common.testing import OpenAuthenticator, SteppedClock, Trust


def opened(trust: Trust, clock: SteppedClock) -> JoseAuthenticator:
    issuer = Issuer(
        issuer=trust.issuer,
        jwks_uri=trust.jwks_uri,
        audiences=trust.audiences,
        algorithms=trust.algorithms,
        typ="at+jwt" if trust.typ == "at+jwt" else "any",
        authorized_parties=trust.authorized_parties,
        required_claims=trust.required_claims,
        tenants=trust.tenants,
        role_claims=("$.realm_access.roles", "$.resource_access['wado-rs-api'].roles"),
        permission_claims=("$.permissions",),
    )
    settings = Settings(
        issuers=(issuer,),
        leeway=trust.leeway,
        key_seconds=trust.key_seconds,
        stale_seconds=trust.stale_seconds,
        cool_down=trust.cool_down,
        time_limit=trust.time_limit,
        tls=Tls(ca=trust.ca),
    )
    return JoseAuthenticator(settings, clock=clock.time, monotonic=clock.monotonic)


@pytest.fixture
def open_authenticator() -> OpenAuthenticator:
    return opened
