"""The few answers of S3 that have a body of XML, and the one request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from dicom_common.core import UnavailableError
from dicom_common.storage.object import Page, Part, RemoteObject, Unfinished

__all__ = ["completing", "page_of", "text_of", "unfinished_of"]


def completing(parts: Sequence[Part]) -> bytes:
    """Write the body of CompleteMultipartUpload; the receipt of a part is its checksum and its ETag.

    Not every store tells the checksum of a part that it has copied.
    """
    written = "".join(
        f"<Part>{f'<ChecksumSHA256>{checksum}</ChecksumSHA256>' if checksum else ''}<ETag>{escape(etag)}</ETag>"
        f"<PartNumber>{part.number}</PartNumber></Part>"
        for part in parts
        for checksum, _, etag in [part.receipt.partition(" ")]
    )
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<CompleteMultipartUpload xmlns="{namespace}">{written}</CompleteMultipartUpload>'.encode()


def text_of(data: bytes, name: str) -> str:
    """Return the text of the one element of a name; empty without one."""
    return _text(_parsed(data), name)


def page_of(data: bytes) -> Page:
    """Read the answer of ListObjectsV2."""
    answer = _parsed(data)
    encoded = _text(answer, "EncodingType") == "url"
    found = [_found(each, encoded=encoded) for each in _all(answer, "Contents")]
    # The last key is the cursor: unlike a continuation token, it has no age, and every store takes it.
    more = _text(answer, "IsTruncated") == "true" and found
    return Page(found=found, following=found[-1].key if more else None)


def unfinished_of(data: bytes) -> list[Unfinished]:
    """Read the answer of ListMultipartUploads."""
    answer = _parsed(data)
    encoded = _text(answer, "EncodingType") == "url"
    return [
        Unfinished(key=_key(each, encoded=encoded), started=_moment(_text(each, "Initiated")))
        for each in _all(answer, "Upload")
    ]


def _found(element: ET.Element, *, encoded: bool) -> RemoteObject:
    return RemoteObject(
        key=_key(element, encoded=encoded),
        size=int(_text(element, "Size")),
        modified=_moment(_text(element, "LastModified")),
        version=_text(element, "ETag").strip('"'),
    )


def _key(element: ET.Element, *, encoded: bool) -> str:
    key = _text(element, "Key")
    return unquote_plus(key) if encoded else key


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parsed(data: bytes) -> ET.Element:
    try:
        # Expat limits what entities may blow up to, and knows no external ones.
        return ET.fromstring(data)  # noqa: S314 - see above
    except ET.ParseError as error:
        raise UnavailableError("The S3 store gave an answer that is no XML: try again.") from error


def _all(element: ET.Element, name: str) -> Iterator[ET.Element]:
    """Iterate over the children of a name, in whichever namespace: not every store has Amazon's."""
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def _text(element: ET.Element, name: str) -> str:
    child = next(_all(element, name), None)
    return "" if child is None else child.text or ""
