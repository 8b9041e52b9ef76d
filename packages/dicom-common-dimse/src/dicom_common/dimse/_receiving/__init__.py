"""The listening side: the upper layer (PS3.8), commands (PS3.7), and what a service has to do with them."""

from dicom_common.dimse._receiving._command_set import (
    NO_DATA_SET,
    Command,
    Operation,
    Tag,
    Value,
    encode_command,
    parse_command,
)
from dicom_common.dimse._receiving._incoming import Arriving, Incoming, Messages, TooLargeDataError
from dicom_common.dimse._receiving._listener import Listener
from dicom_common.dimse._receiving._negotiation import IMPLEMENTATION
from dicom_common.dimse._receiving._pdu import AssociationEndError, Pdu, ProtocolError, item, items, p_data
from dicom_common.dimse._receiving._service import (
    UNCOMPRESSED,
    Association,
    Context,
    Errand,
    Handler,
    Request,
    Response,
    Service,
)
from dicom_common.dimse._receiving._site import Site
from dicom_common.dimse._receiving._wire import Wire

__all__ = [
    "IMPLEMENTATION",
    "NO_DATA_SET",
    "UNCOMPRESSED",
    "Arriving",
    "Association",
    "AssociationEndError",
    "Command",
    "Context",
    "Errand",
    "Handler",
    "Incoming",
    "Listener",
    "Messages",
    "Operation",
    "Pdu",
    "ProtocolError",
    "Request",
    "Response",
    "Service",
    "Site",
    "Tag",
    "TooLargeDataError",
    "Value",
    "Wire",
    "encode_command",
    "item",
    "items",
    "p_data",
    "parse_command",
]
