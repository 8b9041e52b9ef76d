"""The identity of an object (the four UIDs and Patient ID) as this reader, pydicom and DCMTK have it."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pydicom

from dicom_common.core import DicomError
from dicom_common.dicom import Rule, read

TAGS: Final = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020)
_LINE: Final = re.compile(rb"\(([0-9a-f]{4}),([0-9a-f]{4})\) .. (?:\[(.*)\] +# )?", re.DOTALL)
_NAMES: Final = frozenset(f"{tag:08X}" for tag in TAGS)
_HEADING: Final = re.compile(rb"^# dcmdump \(\d+/\d+\): ", re.MULTILINE)
_NOT_DECODED: Final = frozenset("\N{REPLACEMENT CHARACTER}\x1b")
"""Characters of a value that the other reader has not decoded, so that there is nothing to compare."""
_HARMLESS: Final = frozenset(
    (
        *(Rule.LENGTH, Rule.NUMBER, Rule.VALUE, Rule.SEVERAL_VALUES, Rule.NO_PIXEL_DATA, Rule.PIXEL_DATA_FORM),
        *(Rule.PIXEL_DATA_LONGER, Rule.SHORT_PIXEL_DATA, Rule.PERSON_NAME_GROUPS, Rule.VALUE_TOO_LONG),
    )
)
"""Rules whose findings say nothing about where elements are, or which of them count."""


class Identity(NamedTuple):
    """The identity, each value without padding; None for one that is absent."""

    values: tuple[str | None, ...]
    explained: bool = False
    """Whether a finding says that the object has more than one reading."""


def ours(data: bytes) -> Identity | None:
    """Read with this reader; None where it refuses."""
    try:
        instance = read(data).instance
    except DicomError:
        return None
    values = (instance.sop_class_uid, instance.sop_uid, instance.study_uid, instance.series_uid, instance.patient_id)
    explained = any(finding.rule not in _HARMLESS or finding.tag in _NAMES for finding in instance.warnings)
    return Identity(values, explained)


def theirs_by_pydicom(data: bytes) -> Identity | None:
    """Read with pydicom; None where it refuses, or finds nothing without saying so."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it logs the values that it warns of
    try:
        with warnings.catch_warnings(action="ignore"):
            data_set = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
            values = [data_set[tag].value if tag in data_set else None for tag in TAGS]
    except Exception:  # noqa: BLE001  # pydicom raises many
        return None
    return Identity(tuple(map(_text, values))) if any(values) else None


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return _clean(value)
    return (
        "\\".join(map(str, value))
        if isinstance(value, pydicom.multival.MultiValue)
        else str(value).strip("\0 ") or None
    )


def _clean(value: bytes) -> str | None:
    return value.decode("utf-8", "replace").strip("\0 ") or None


def theirs_by_dcmtk(objects: Sequence[bytes], folder: Path) -> list[Identity | None]:
    """Read objects with one call of dcmdump; None for each that it refuses, or that ends it."""
    paths = []
    for number, data in enumerate(objects):
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(data)
    found: list[Identity | None] = [None] * len(paths)
    first = 0
    while first < len(paths):
        dump = _dcmdump(paths[first:])
        # Where dcmdump was ended by a signal, the object of its last heading did that.
        last = first + len(dump) - 1
        for place, text in enumerate(dump):
            found[first + place] = _identity_in(text)
        first = max(last, first) + 1
    return found


def _dcmdump(paths: Sequence[Path]) -> list[bytes]:
    wanted = [word for tag in TAGS for word in ("+P", f"{tag >> 16:04x},{tag & 0xFFFF:04x}")]
    command = ["dcmdump", "--quiet", "+F", "-Un", "+L", "+p", *wanted, *map(str, paths)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return _HEADING.split(done.stdout)[1:]


def _identity_in(text: bytes) -> Identity | None:
    """Take the values of the top level; nested ones have the tags of their sequences before theirs."""
    values: dict[int, str | None] = {}
    for line in text.split(b"\n("):
        match = _LINE.match(line if line.startswith(b"(") else b"(" + line)
        if match is not None:
            tag = int(match[1] + match[2], 16)
            if tag in values:
                return None
            values[tag] = _clean(match[3] or b"")
    return Identity(tuple(values.get(tag) for tag in TAGS)) if values else None


def disagreement(mine: Identity, who: str, other: Identity | None) -> str | None:
    """Say which attributes another reader gives another value, if no finding of ours explains it."""
    if other is None or mine.explained:
        return None
    different = [
        f"{tag:08X}"
        for tag, one, two in zip(TAGS, mine.values, other.values, strict=True)
        if two is not None and (one or None) != two and not _NOT_DECODED.intersection(two)
    ]
    return f"{who} has another {', '.join(different)}" if different else None
