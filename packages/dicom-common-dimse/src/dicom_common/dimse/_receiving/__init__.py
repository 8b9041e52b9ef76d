"""The listening side: the upper layer (PS3.8), commands (PS3.7), and what a service has to do with them."""

from dicom_common.dimse._receiving._command_set import (
    NO_DATA_SET,
    Command,
    Operation,
    Tag,
    encode_command,
    parse_command,
)
from dicom_common.dimse._receiving._incoming import Incoming, TooLargeDataError
from dicom_common.dimse._receiving._listener import Listener
from dicom_common.dimse._receiving._pdu import AssociationEndError
from dicom_common.dimse._receiving._service import (
    UNCOMPRESSED,
    Association,
    Context,
    Handler,
    Request,
    Response,
    Service,
)
from dicom_common.dimse._receiving._site import Site

__all__ = [
    "NO_DATA_SET",
    "UNCOMPRESSED",
    "Association",
    "AssociationEndError",
    "Command",
    "Context",
    "Handler",
    "Incoming",
    "Listener",
    "Operation",
    "Request",
    "Response",
    "Service",
    "Site",
    "Tag",
    "TooLargeDataError",
    "encode_command",
    "parse_command",
]
