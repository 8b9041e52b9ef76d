"""The Native DICOM Model (PS3.19 A.1) of what is DICOM JSON already: `application/dicom+xml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

__all__ = ["to_xml"]

_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What no XML 1.0 document can have, however it is written (XML 2.2)."""
_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def to_xml(data_set: Mapping[str, Any]) -> bytes:
    """Write a data set as an XML document.

    Args:
        data_set: a DICOM JSON object (PS3.18 F.2), decoded.
    """
    body = "".join(_attributes(data_set))
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{_NAMESPACE}">{body}</NativeDicomModel>\n'
    return text.encode()


def _attributes(data_set: Mapping[str, Any]) -> Iterator[str]:
    for tag, attribute in data_set.items():
        names = f'tag="{tag}" vr="{attribute["vr"]}"'
        if int(tag[3], 16) % 2:
            names += _private(data_set, tag)
        elif keyword := keyword_for_tag(int(tag, 16)):
            names += f' keyword="{keyword}"'
        yield f"<DicomAttribute {names}>{''.join(_content(attribute))}</DicomAttribute>"


def _private(data_set: Mapping[str, Any], tag: str) -> str:
    """Return the attribute that names the private creator: that of the element's block (PS3.5 7.8.1)."""
    creator = data_set.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value")
    return f" privateCreator={quoteattr(_clean(str(creator[0])))}" if creator and tag[4:6] != "00" else ""


def _content(attribute: Mapping[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in attribute:
        yield f"<BulkData uri={quoteattr(_clean(attribute['BulkDataURI']))}/>"
    elif "InlineBinary" in attribute:
        yield f"<InlineBinary>{attribute['InlineBinary']}</InlineBinary>"
    for number, value in enumerate(attribute.get("Value", ()), 1):
        if attribute["vr"] == "SQ":
            yield f'<Item number="{number}">{"".join(_attributes(value or {}))}</Item>'
        elif attribute["vr"] == "PN":
            yield f'<PersonName number="{number}">{"".join(_name(value or {}))}</PersonName>'
        else:
            text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
            yield f'<Value number="{number}">{_escaped(text)}</Value>'


def _name(groups: Mapping[str, str]) -> Iterator[str]:
    for group in _GROUPS:
        if group in groups:
            # What stands behind the fifth component is no part of a name (PS3.5 6.2.1.1): it stays with the suffix.
            parts = zip(_NAME_PARTS, groups[group].split("^", len(_NAME_PARTS) - 1), strict=False)
            written = (f"<{part}>{_escaped(text)}</{part}>" for part, text in parts if text)
            yield f"<{group}>{''.join(written)}</{group}>"


def _escaped(text: str) -> str:
    """Return text as content; a parser would take a carriage return for the end of a line (XML 2.11)."""
    return escape(_clean(text), {"\r": "&#13;"})


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
