"""The version of each hook and Protocol, and what is on its way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CONTRACTS", "Contract"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The state of one hook or Protocol.

    The version is `MAJOR.MINOR`. The major number rises where an implementation has to change: a method of a Protocol
    comes or goes or takes other arguments, a hook loses an argument. The minor number rises where it need not: a hook
    gains an argument, which an implementation may leave out.

    A contract that goes away is deprecated first, and stays for two minor versions of dicom-common-core at least.
    Meanwhile whoever implements it gets a `DeprecationWarning` that names what to use instead.
    """

    version: str = "1.0"
    deprecated: str | None = None
    """The version of dicom-common-core in which it was deprecated, such as `0.3`."""
    leaves: str | None = None
    """The version of dicom-common-core that does not have it any more."""
    instead: str = ""
    """What to use instead, as the end of the sentence "use ..."."""


CONTRACTS: Mapping[str, Contract] = MappingProxyType(
    {
        # Hooks
        "dicom_common_accept": Contract(),
        "dicom_common_audit": Contract(),
        "dicom_common_audit_refusal": Contract(),
        "dicom_common_auth": Contract(),
        "dicom_common_broker": Contract(),
        "dicom_common_cache": Contract(),
        "dicom_common_commands": Contract(),
        "dicom_common_db": Contract(),
        "dicom_common_extension": Contract(),
        "dicom_common_keyring": Contract(),
        "dicom_common_storage": Contract(),
        "dicom_common_stored": Contract(),
        # Protocols
        "Authenticator": Contract(),
        "BatchWrites": Contract(),
        "Broker": Contract(),
        "Cache": Contract(),
        "Consumer": Contract(),
        "Database": Contract(),
        "DerivedRows": Contract(),
        "EncryptionKeys": Contract(),
        "Extension": Contract(),
        "Groups": Contract(),
        "KeptFrames": Contract(),
        "Keyring": Contract(),
        "LetsEverybodyIn": Contract(),
        "LocalFiles": Contract(),
        "Logs": Contract(),
        "Migrations": Contract(),
        "OpenObject": Contract(),
        "OpenObjects": Contract(),
        "Revisions": Contract(),
        "SignedUrls": Contract(),
        "Storage": Contract(),
        "TopicChecks": Contract(),
        "Upload": Contract(),
        "Uploads": Contract(),
    }
)
"""By the name of the hook or Protocol."""
