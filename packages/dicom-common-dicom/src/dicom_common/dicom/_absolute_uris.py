"""BulkDataURIs that are relative to the root of a DICOMweb service, made absolute."""

from __future__ import annotations

import re
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from typing import Final

__all__ = ["absolute_bulk_data"]

# In valid JSON this is a member's name and the beginning of its string, and never part of a text: inside a string each
# quotation mark has a backslash before it (RFC 8259 7). The name stands first: a text without it is soon passed over.
_RELATIVE: Final = re.compile(rb'"BulkDataURI"(?<!\\"BulkDataURI")[ \t\r\n]*:[ \t\r\n]*"(?=studies/)')


def absolute_bulk_data(json: bytes, public_url: str) -> bytes:
    """Return DICOM JSON whose BulkDataURIs are absolute (PS3.18 F.2.2, RFC 3986).

    URIs that are not relative to the root of the service, as this package writes them, stay as they are.

    Args:
        json: one DICOM JSON object, or an array of them, as `read` wrote it and the index keeps it.
        public_url: the root of the DICOMweb service, such as `https://pacs.example/dicomweb`; "": nothing is changed.
    """
    return _RELATIVE.sub(_replacement(public_url), json) if public_url else json


@lru_cache(maxsize=16)
def _replacement(public_url: str) -> bytes:
    root = quote(public_url.rstrip("/"))[1:-1]
    return f'"BulkDataURI":"{root}/'.encode("ascii").replace(b"\\", rb"\\")
