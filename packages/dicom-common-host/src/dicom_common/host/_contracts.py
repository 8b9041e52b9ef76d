"""The version of each hook and Protocol of the core, and what is on its way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CONTRACTS", "Contract"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The state of one hook or Protocol.

    Of its version, `MAJOR.MINOR`, the major number rises where an implementation has to change: a method of a Protocol
    comes, goes or takes other arguments, a hook loses an argument. The minor number rises where it need not: a hook
    gains an argument. What goes away is deprecated first, and stays for two minor versions of the core at least.
    """

    version: str = "1.0"
    deprecated: str | None = None
    """The version of dicom-common-core in which it was deprecated, such as `0.3`."""
    leaves: str | None = None
    """The version of dicom-common-core that does not have it any more."""
    instead: str = ""
    """What to use instead, as the end of the sentence "use ..."."""

    def warning(self, name: str, who: str = "A plugin") -> DeprecationWarning | None:
        """Return the warning for who implements it; None where it is not deprecated."""
        since = f"deprecated since dicom-common-core {self.deprecated}, and leaves in {self.leaves}"
        return DeprecationWarning(f"{who} implements {name}: {since}. Use {self.instead}.") if self.deprecated else None


_FIRST = (
    "dicom_common_accept dicom_common_audit dicom_common_audit_refusal dicom_common_auth dicom_common_broker "
    "dicom_common_cache dicom_common_commands dicom_common_db dicom_common_extension dicom_common_keyring "
    "dicom_common_storage dicom_common_stored Authenticator BatchWrites BriefSearches Broker Cache Consumer Database "
    "DerivedRows EncryptionKeys Extension Groups KeptFrames Keyring LetsEverybodyIn LocalFiles Logs Migrations "
    "OpenObject OpenObjects Revisions SignedUrls Storage TopicChecks Upload Uploads"
)
CONTRACTS: Mapping[str, Contract] = MappingProxyType(dict.fromkeys(_FIRST.split(), Contract()) | {})
"""By the name of the hook or Protocol: those that are as they began, then those that have changed."""
