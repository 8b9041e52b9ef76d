"""Contract tests for every kind of backend, as classes that a backend's test file inherits.

A backend's test file provides one fixture and inherits one class; the README shows a complete file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.testing._authenticator._contract import AUTHENTICATOR_CASES, AuthenticatorContract, play_case
    from dicom_common.testing._authenticator._identity_provider import Answer, IdentityProvider
    from dicom_common.testing._authenticator._token_keys import SigningKey, signing_key
    from dicom_common.testing._authenticator._token_scene import Case, OpenAuthenticator, Scene, SteppedClock, Trust
    from dicom_common.testing._broker._contract import BrokerContract
    from dicom_common.testing._broker._restart import BrokerRestartContract
    from dicom_common.testing._cache._contract import CacheContract
    from dicom_common.testing._cache._restart import CacheRestartContract
    from dicom_common.testing._canary import find_canary
    from dicom_common.testing._command_line import CommandAnswer, run_command
    from dicom_common.testing._contract import Contract
    from dicom_common.testing._database._checks import assert_consistent
    from dicom_common.testing._database._contract import DatabaseContract
    from dicom_common.testing._database._corpus import CORPUS, SEARCHES, Search
    from dicom_common.testing._database._corpus_values import VALUE_SEARCHES
    from dicom_common.testing._database._logs import make_access, make_received
    from dicom_common.testing._dcm2json import dcm2json, dcm2json_differences, dcmtk_program
    from dicom_common.testing._extension import ExtensionContract
    from dicom_common.testing._faults._kinds import (
        PERMANENT_FAULTS,
        RETRYABLE_FAULTS,
        Fault,
        FaultStyle,
    )
    from dicom_common.testing._faults._proxy import FaultProxy
    from dicom_common.testing._health import health_of
    from dicom_common.testing._instances import make_entry, make_instance
    from dicom_common.testing._keyring import KeyringContract
    from dicom_common.testing._restart import KilledServer
    from dicom_common.testing._services import Endpoint
    from dicom_common.testing._storage._contract import StorageContract
    from dicom_common.testing._storage._remote import RemoteStorageContract

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
    "CommandAnswer",
    "Contract",
    "DatabaseContract",
    "Endpoint",
    "ExtensionContract",
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
    "dcm2json",
    "dcm2json_differences",
    "dcmtk_program",
    "find_canary",
    "health_of",
    "make_access",
    "make_entry",
    "make_instance",
    "make_received",
    "play_case",
    "run_command",
    "signing_key",
]

_HOMES = {
    "AUTHENTICATOR_CASES": "_authenticator._contract",
    "Answer": "_authenticator._identity_provider",
    "AuthenticatorContract": "_authenticator._contract",
    "BrokerContract": "_broker._contract",
    "BrokerRestartContract": "_broker._restart",
    "CORPUS": "_database._corpus",
    "CacheContract": "_cache._contract",
    "CacheRestartContract": "_cache._restart",
    "CommandAnswer": "_command_line",
    "Contract": "_contract",
    "run_command": "_command_line",
    "Case": "_authenticator._token_scene",
    "DatabaseContract": "_database._contract",
    "Endpoint": "_services",
    "ExtensionContract": "_extension",
    "Fault": "_faults._kinds",
    "FaultProxy": "_faults._proxy",
    "FaultStyle": "_faults._kinds",
    "IdentityProvider": "_authenticator._identity_provider",
    "KeyringContract": "_keyring",
    "KilledServer": "_restart",
    "OpenAuthenticator": "_authenticator._token_scene",
    "PERMANENT_FAULTS": "_faults._kinds",
    "RETRYABLE_FAULTS": "_faults._kinds",
    "RemoteStorageContract": "_storage._remote",
    "SEARCHES": "_database._corpus",
    "Scene": "_authenticator._token_scene",
    "Search": "_database._corpus",
    "SigningKey": "_authenticator._token_keys",
    "SteppedClock": "_authenticator._token_scene",
    "StorageContract": "_storage._contract",
    "Trust": "_authenticator._token_scene",
    "VALUE_SEARCHES": "_database._corpus_values",
    "assert_consistent": "_database._checks",
    "dcm2json": "_dcm2json",
    "dcm2json_differences": "_dcm2json",
    "dcmtk_program": "_dcm2json",
    "find_canary": "_canary",
    "health_of": "_health",
    "make_access": "_database._logs",
    "make_entry": "_instances",
    "make_instance": "_instances",
    "make_received": "_database._logs",
    "play_case": "_authenticator._contract",
    "signing_key": "_authenticator._token_keys",
}
"""Where each name is. It is imported when it is used: `servers` needs no pytest, and only the tests of authenticators
need the extra `auth`."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
