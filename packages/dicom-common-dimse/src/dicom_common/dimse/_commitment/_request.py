"""What an N-ACTION of storage commitment asks for (PS3.4 J.3.2)."""

from __future__ import annotations

from typing import Final, NamedTuple

from dicom_common.dicom import is_valid_uid
from dicom_common.dimse._identifiers import Identifier, StatusError

__all__ = ["CLASS", "INSTANCE", "Reference", "references_of", "transaction_of"]

CLASS: Final = "1.2.840.10008.1.20.1"
"""The Storage Commitment Push Model SOP Class."""
INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""Its well-known SOP Instance."""
_TRANSACTION, _REFERENCES = 0x00081195, 0x00081199
_SOP_CLASS, _SOP_INSTANCE = 0x00081150, 0x00081155
_INVALID, _MISSING, _MISSING_VALUE, _TOO_MANY = 0x0115, 0x0120, 0x0121, 0x0213


class Reference(NamedTuple):
    """An instance that is to be committed."""

    sop_class_uid: str
    sop_uid: str


def transaction_of(identifier: Identifier) -> str:
    """Return the Transaction UID (0008,1195).

    Raises:
        StatusError: 0120, 0121 or 0115: it is missing, empty or no UID.
    """
    return _uid(identifier, _TRANSACTION)


def references_of(identifier: Identifier, most: int) -> list[Reference]:
    """Return the instances of the Referenced SOP Sequence (0008,1199), each once.

    Raises:
        StatusError: 0120, 0121 or 0115: it, or part of it, is missing, empty or no UID; 0213: they are too many.
    """
    if _REFERENCES not in identifier:
        raise StatusError(_MISSING, "Referenced SOP Sequence is missing.", _REFERENCES)
    items = identifier.elements[_REFERENCES].items
    if not items:
        raise StatusError(_MISSING_VALUE, "Referenced SOP Sequence has no item.", _REFERENCES)
    if len(items) > most:
        raise StatusError(_TOO_MANY, f"More than {most} instances: split the request.", _REFERENCES)
    return list(dict.fromkeys(Reference(_uid(item, _SOP_CLASS), _uid(item, _SOP_INSTANCE)) for item in items))


def _uid(identifier: Identifier, tag: int) -> str:
    if tag not in identifier:
        raise StatusError(_MISSING, "A UID of the request is missing.", tag)
    value = identifier.text(tag)
    if not value:
        raise StatusError(_MISSING_VALUE, "A UID of the request has no value.", tag)
    if not is_valid_uid(value, strict=False):
        raise StatusError(_INVALID, "A UID of the request is not a valid UID.", tag)
    return value
