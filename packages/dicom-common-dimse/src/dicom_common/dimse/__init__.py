"""DIMSE (PS3.4, PS3.7, PS3.8) over any combination of backends: C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET, commitment.

`create_ae(services)` makes the application entity that `dicom-common scp` runs. A `Client` calls one peer; the commands
`dicom-common echo`, `query`, `send` and `fetch` use it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.dimse._ae import ApplicationEntity as ApplicationEntity, create_ae as create_ae
    from dicom_common.dimse._calling import (
        Client as Client,
        Destination as Destination,
        Fetched as Fetched,
        FetchStatus as FetchStatus,
        Match as Match,
        SendReason as SendReason,
        SendStatus as SendStatus,
        Sent as Sent,
        destination_of as destination_of,
    )
    from dicom_common.dimse._service_settings import (
        CommitmentSettings as CommitmentSettings,
        FindSettings as FindSettings,
        RetrieveSettings as RetrieveSettings,
    )
    from dicom_common.dimse._settings import DimseSettings as DimseSettings, PeerSettings as PeerSettings
    from dicom_common.dimse._status_ranges import StatusCategory as StatusCategory, category_of as category_of

__all__ = [
    "ApplicationEntity",
    "Client",
    "CommitmentSettings",
    "Destination",
    "DimseSettings",
    "FetchStatus",
    "Fetched",
    "FindSettings",
    "Match",
    "PeerSettings",
    "RetrieveSettings",
    "SendReason",
    "SendStatus",
    "Sent",
    "StatusCategory",
    "category_of",
    "create_ae",
    "destination_of",
]

_HOMES = {
    "ApplicationEntity": "_ae",
    "Client": "_calling",
    "CommitmentSettings": "_service_settings",
    "Destination": "_calling",
    "DimseSettings": "_settings",
    "FetchStatus": "_calling",
    "Fetched": "_calling",
    "FindSettings": "_service_settings",
    "Match": "_calling",
    "PeerSettings": "_settings",
    "RetrieveSettings": "_service_settings",
    "SendReason": "_calling",
    "SendStatus": "_calling",
    "Sent": "_calling",
    "StatusCategory": "_status_ranges",
    "category_of": "_status_ranges",
    "create_ae": "_ae",
    "destination_of": "_calling",
}
"""Where each name is. It is imported when it is used: whoever reads the settings needs no network."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
