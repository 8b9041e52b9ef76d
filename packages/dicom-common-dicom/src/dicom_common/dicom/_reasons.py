"""Why bytes were refused: the stable codes of the errors of this package."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """The `reason` of every `DicomError` that this package raises. A code never changes its meaning."""

    EMPTY = "empty"
    """There are no bytes."""
    NOT_DICOM = "not-dicom"
    """Neither `DICM` (PS3.10 7.1), nor a File Meta group, nor a data set in a syntax that can be recognised."""
    TRUNCATED = "truncated"
    """A declared length exceeds what is left, or pixel data is shorter than its attributes say."""
    MALFORMED = "malformed"
    """The structure cannot be followed: it contradicts itself in a way that leaves no safe reading."""
    UNDECODABLE = "undecodable"
    """The data set cannot be read in the transfer syntax that the File Meta declares."""
    UNKNOWN_TRANSFER_SYNTAX = "unknown-transfer-syntax"
    """The transfer syntax is not of the standard, and the settings refuse such."""
    TOO_DEEP = "too-deep"
    """Sequences are nested deeper than `max_depth`."""
    TOO_MANY_ELEMENTS = "too-many-elements"
    """There are more than `max_elements` elements."""
    TOO_MANY_ITEMS = "too-many-items"
    """There are more than `max_items` sequence items and pixel data fragments."""
    TOO_MANY_VALUES = "too-many-values"
    """The values that have to be written one by one are more than `max_values`."""
    TOO_MUCH_JSON = "too-much-json"
    """The DICOM JSON would be longer than `max_json` bytes."""
    TOO_LARGE = "too-large"
    """The data set takes more than `max_header` bytes of memory, or more than there is."""
    INFLATES_TOO_MUCH = "inflates-too-much"
    """A deflated data set (PS3.5 A.5) becomes larger than `max_inflated_bytes`, or grows by more than the ratio."""
    BAD_DEFLATE = "bad-deflate"
    """The data set of a deflated transfer syntax is not a deflate stream (RFC 1951)."""
    MISSING_UID = "missing-uid"
    """SOP Class, SOP Instance, Study or Series Instance UID is absent or empty."""
    INVALID_UID = "invalid-uid"
    """One of these four is not a UID (PS3.5 9.1), or has another VR than UI or UN."""
    INVALID_PATIENT_ID = "invalid-patient-id"
    """Patient ID or its issuer has a value under a VR that is no text, so that it cannot be read."""
    CONFLICTING_IDENTITY = "conflicting-identity"
    """One of these four, Patient ID or its issuer has two values at the top level, or stands behind Pixel Data."""
    AMBIGUOUS = "ambiguous"
    """The data set can be read in two ways that say different things, and nothing tells which one is meant.

    So it is where one of these four, Patient ID or its issuer stands before a delimiter that ends nothing: it may be
    that of a sequence whose beginning is lost."""
    MEDIA_DIRECTORY = "media-directory"
    """The file is a DICOMDIR (PS3.10 8.6): a directory of instances, not an instance."""
    NO_PIXEL_DATA = "no-pixel-data"
    """Frames were asked for, and the instance has none."""
    NO_FRAMES = "no-frames"
    """The frames cannot be told apart, or the attributes that describe them are missing."""
    ENCAPSULATED = "encapsulated"
    """One value was asked for, and encapsulated Pixel Data has many: its fragments, of which frames are made."""
    INVALID_JSON = "invalid-json"
    """Bytes that should be a DICOM JSON object (PS3.18 F.2) are none."""
