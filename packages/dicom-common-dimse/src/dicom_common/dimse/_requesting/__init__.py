"""The side that asks for associations: for C-MOVE, for reports of storage commitment, and for the client."""

from dicom_common.dimse._requesting._negotiation import Proposal
from dicom_common.dimse._requesting._outgoing import Destination, NotAssociatedError, Outgoing

__all__ = ["Destination", "NotAssociatedError", "Outgoing", "Proposal"]
