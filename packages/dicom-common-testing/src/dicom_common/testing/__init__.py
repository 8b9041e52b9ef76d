"""Contract tests for every kind of backend: what a backend must do to be one, as classes to inherit from.

A backend's test file gives one fixture and inherits one class; the README shows a whole one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

# The asserts of these modules shall explain themselves. It must be said before they are imported, and by name:
# pytest finds the modules of an installed plugin by itself, but not those of an editable installation.
pytest.register_assert_rewrite(
    "dicom_common.testing._authenticator",
    "dicom_common.testing._broker",
    "dicom_common.testing._cache",
    "dicom_common.testing._database",
    "dicom_common.testing._keyring",
    "dicom_common.testing._storage",
)

from dicom_common.testing._broker._contract import BrokerContract  # noqa: E402  # behind the registration, on purpose
from dicom_common.testing._broker._restart import BrokerRestartContract  # noqa: E402  # the same
from dicom_common.testing._cache._contract import CacheContract  # noqa: E402  # the same
from dicom_common.testing._cache._restart import CacheRestartContract  # noqa: E402  # the same
from dicom_common.testing._canary import find_canary  # noqa: E402  # the same
from dicom_common.testing._database._checks import assert_consistent  # noqa: E402  # the same
from dicom_common.testing._database._contract import DatabaseContract  # noqa: E402  # the same
from dicom_common.testing._database._corpus import CORPUS, SEARCHES, Search  # noqa: E402  # the same
from dicom_common.testing._database._corpus_values import VALUE_SEARCHES  # noqa: E402  # the same
from dicom_common.testing._database._logs import make_access, make_received  # noqa: E402  # the same
from dicom_common.testing._faults._kinds import (  # noqa: E402  # the same
    PERMANENT_FAULTS,
    RETRYABLE_FAULTS,
    Fault,
    FaultStyle,
)
from dicom_common.testing._faults._proxy import FaultProxy  # noqa: E402  # the same
from dicom_common.testing._health import health_of  # noqa: E402  # the same
from dicom_common.testing._instances import make_entry, make_instance  # noqa: E402  # the same
from dicom_common.testing._keyring import KeyringContract  # noqa: E402  # the same
from dicom_common.testing._restart import KilledServer  # noqa: E402  # the same
from dicom_common.testing._services import Endpoint  # noqa: E402  # the same
from dicom_common.testing._storage._contract import StorageContract  # noqa: E402  # the same
from dicom_common.testing._storage._remote import RemoteStorageContract  # noqa: E402  # the same

if TYPE_CHECKING:
    from dicom_common.testing._authenticator._contract import AUTHENTICATOR_CASES, AuthenticatorContract, play_case
    from dicom_common.testing._authenticator._identity_provider import Answer, IdentityProvider
    from dicom_common.testing._authenticator._token_keys import SigningKey, signing_key
    from dicom_common.testing._authenticator._token_scene import Case, OpenAuthenticator, Scene, SteppedClock, Trust

_NEEDS_CRYPTOGRAPHY = {
    "AUTHENTICATOR_CASES": "_contract",
    "Answer": "_identity_provider",
    "AuthenticatorContract": "_contract",
    "Case": "_token_scene",
    "IdentityProvider": "_identity_provider",
    "OpenAuthenticator": "_token_scene",
    "Scene": "_token_scene",
    "SigningKey": "_token_keys",
    "SteppedClock": "_token_scene",
    "Trust": "_token_scene",
    "play_case": "_contract",
    "signing_key": "_token_keys",
}
"""What the extra `auth` is for; imported when it is used, so that other tests need no cryptography."""


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_CRYPTOGRAPHY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}._authenticator.{_NEEDS_CRYPTOGRAPHY[name]}"), name)


__all__ = [
    "AUTHENTICATOR_CASES",
    "CORPUS",
    "PERMANENT_FAULTS",
    "RETRYABLE_FAULTS",
    "SEARCHES",
    "VALUE_SEARCHES",
    "Answer",
    "AuthenticatorContract",
    "BrokerContract",
    "BrokerRestartContract",
    "CacheContract",
    "CacheRestartContract",
    "Case",
    "DatabaseContract",
    "Endpoint",
    "Fault",
    "FaultProxy",
    "FaultStyle",
    "IdentityProvider",
    "KeyringContract",
    "KilledServer",
    "OpenAuthenticator",
    "RemoteStorageContract",
    "Scene",
    "Search",
    "SigningKey",
    "SteppedClock",
    "StorageContract",
    "Trust",
    "assert_consistent",
    "find_canary",
    "health_of",
    "make_access",
    "make_entry",
    "make_instance",
    "make_received",
    "play_case",
    "signing_key",
]
