"""What the settings refuse, each by a sentence that names the setting."""

from __future__ import annotations

from typing import Any

import pytest

from dicom_common.auth.jose import Issuer, Settings
from dicom_common.core import Backend, ConfigError, Secret
from dicom_common.core.tls import Tls

GOOD = {"issuer": "https://login.example/realms/a", "audiences": ("dicom-common",)}


def issuer(**changes: Any) -> Issuer:
    return Issuer(**(GOOD | changes))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "login.example"}, "issuer"),
        ({"issuer": "http://login.example"}, "https://"),
        ({"issuer": "https://"}, "host"),
        ({"issuer": "http://"}, "host"),
        ({"jwks_uri": "http://login.example/keys"}, "jwks_uri"),
        ({"jwks_uri": "file:///etc/keys"}, "jwks_uri"),
        ({"jwks_uri": "https://a:b@login.example/keys"}, "jwks_uri"),
        ({"jwks_uri": "https://login.example/keys\r\nHost: x"}, "jwks_uri"),
        ({"jwks_uri": "https://login.example:port/keys"}, "jwks_uri"),
        ({"audiences": ()}, "audiences"),
        ({"audiences": ("",)}, "audiences"),
        ({"algorithms": ()}, "algorithms"),
        ({"algorithms": ("RS256", "PS256")}, "PS256"),
        ({"algorithms": ("EdDSA",)}, "EdDSA"),
        ({"algorithms": ("HS256",)}, "HS256"),
        ({"algorithms": ("none",)}, "none"),
        ({"algorithms": ("rs256",)}, "rs256"),
        ({"tenant": "Clinic A"}, "tenant"),
        ({"tenants": ("../b",)}, "tenant"),
        ({"tenant": "a", "tenants": ("a",)}, "tenants"),
        ({"tenant_claim": "tenant"}, "JSONPath"),
        ({"tenant_claim": ""}, "JSONPath"),
        ({"tenant_claim": "$"}, "JSONPath"),
        ({"tenant_claim": "$.groups[*]"}, "tenant_claim"),
        ({"role_claims": ("$..roles",)}, "filter"),
        ({"role_claims": ("$.x[?@.a == 'b']",)}, "filter"),
        ({"role_claims": ("$.realm_access.",)}, "JSONPath"),
        ({"role_claims": ("$.a | $.b",)}, "JSONPath"),
    ],
)
def test_an_issuer_that_cannot_work_or_lets_too_much_in_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word.replace("(", "\\(")):
        issuer(**changes)


@pytest.mark.parametrize("url", ["https://login.example:8443/r?p=policy", "http://127.0.0.1:9/k", "http://localhost/k"])
def test_https_and_this_machine_may_be_asked(url: str) -> None:
    assert issuer(jwks_uri=url).jwks_uri == url


def test_an_issuer_with_a_place_of_keys_may_be_called_anything() -> None:
    assert issuer(issuer="clinic-a", jwks_uri="https://login.example/keys").issuer == "clinic-a"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"issuers": ()}, "issuers"),
        ({"issuers": (issuer(), issuer())}, "twice"),
        ({"issuers": (issuer(tenant="a"), issuer(issuer="https://other.example"))}, "tenant"),
        ({"cache_secret": Secret("short")}, "cache_secret"),
        ({"tls": Tls(mode="off")}, r"tls\.mode"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Settings(**({"issuers": (issuer(),)} | changes))


def test_several_issuers_that_say_whose_tokens_they_issue_are_taken() -> None:
    issuers = (issuer(tenants=("*",)), issuer(issuer="https://b.example", tenant="b"))
    assert len(Settings(issuers=issuers).issuers) == 2


def test_it_is_built_on_the_cache_only_where_keys_are_shared() -> None:
    from dicom_common.auth.jose import dicom_common_auth  # noqa: PLC0415 - beside its one use

    backend: Backend[Any] = dicom_common_auth()
    assert backend.built_on is not None
    assert backend.built_on(Settings(issuers=(issuer(),))) == ()
    assert backend.built_on(Settings(issuers=(issuer(),), cache_secret=Secret("s" * 32))) == ("cache",)
