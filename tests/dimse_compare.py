"""What peers of DIMSE brought and got, compared with what we have."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pydicom
from dimse_peers import data_set

from dicom_common.core import Stored
from dicom_common.dicom import file_start

_PREFIX = re.compile(r"^[A-Za-z][A-Za-z0-9]*\.")
_NOT_OF_DCMTK = ("1.2.840.10008.1.2.4.20", "1.2.840.10008.1.2.4.11", "1.2.840.10008.1.2.8.", "1.2.840.10008.1.2.7.")
"""Transfer syntaxes that DCMTK 3.6.7 does not know: HTJ2K, JPEG XL, deflated frames, SMPTE."""


def studies_of(instances: list[Stored]) -> list[str]:
    return sorted({one.study_uid for one in instances})


def known_to_dcmtk(instances: list[Stored], damaged: set[str]) -> set[str]:
    known = {one.sop_uid for one in instances if not one.transfer_syntax_uid.startswith(_NOT_OF_DCMTK)}
    return known - damaged


def whole_studies(instances: list[Stored], damaged: set[str]) -> list[str]:
    """Return the studies of which no instance is damaged."""
    return sorted(set(studies_of(instances)) - {one.study_uid for one in instances if one.sop_uid in damaged})


def differing(theirs: dict[str, bytes], ours: dict[str, bytes]) -> list[str]:
    return sorted(uid for uid, data in theirs.items() if ours[uid] != data)


def changed(theirs: dict[str, bytes], ours: dict[str, bytes], instances: list[Stored]) -> list[str]:
    """Return what has other elements: a peer that decodes what it sends may write lengths and VRs otherwise."""
    syntaxes = {one.sop_uid: one.transfer_syntax_uid for one in instances}
    return sorted(
        uid
        for uid, data in theirs.items()
        if ours[uid] != data and _elements(data, syntaxes[uid]) != _elements(ours[uid], syntaxes[uid])
    )


def _elements(data: bytes, transfer_syntax: str) -> dict[int, object]:
    file = BytesIO(file_start("1.2", "1.2", transfer_syntax) + data)
    read = pydicom.dcmread(file, force=True)
    return {
        int(one.tag): str(one.value) if one.VR == "SQ" else one.value
        for one in read
        if one.tag.element and one.tag != 0xFFFCFFFC
    }


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the data sets of the files that a peer has written, by SOP Instance UID: `CT.1.2.3` or `1.2.3`."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return {_PREFIX.sub("", path.name): data_set(path.read_bytes()) for path in files}
