"""The data sets of query, retrieve and storage commitment: read strictly, and written in the requestor's encoding."""

from dicom_common.dimse._identifiers._elements import Element, Encoding, Identifier, encoding_of
from dicom_common.dimse._identifiers._reading import read_identifier
from dicom_common.dimse._identifiers._request import identifier_of
from dicom_common.dimse._identifiers._status_error import StatusError
from dicom_common.dimse._identifiers._texts import TextEncoder, encoder_for
from dicom_common.dimse._identifiers._writing import Written, head_writer, write_ascii, write_identifier

__all__ = [
    "Element",
    "Encoding",
    "Identifier",
    "StatusError",
    "TextEncoder",
    "Written",
    "encoder_for",
    "encoding_of",
    "head_writer",
    "identifier_of",
    "read_identifier",
    "write_ascii",
    "write_identifier",
]
