"""Calling peers: verify them, ask them, send to them, fetch from them. The commands are in `_commands`."""

from dicom_common.dimse._calling._client import Client
from dicom_common.dimse._calling._destination import Destination, destination_of
from dicom_common.dimse._calling._fetching import Fetched, FetchStatus
from dicom_common.dimse._calling._identifiers import Match
from dicom_common.dimse._calling._sending import SendReason, SendStatus, Sent

__all__ = [
    "Client",
    "Destination",
    "FetchStatus",
    "Fetched",
    "Match",
    "SendReason",
    "SendStatus",
    "Sent",
    "destination_of",
]
