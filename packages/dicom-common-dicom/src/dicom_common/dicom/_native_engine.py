"""The native reader, where dicom-common-native is installed: it takes what is ordinary, and hands over all the rest."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from dicom_common.core import PersonName, PixelData
from dicom_common.dicom._elements import Elements
from dicom_common.dicom._fields import FAST
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import EXPLICIT, INDEXED, Head, heads_for
from dicom_common.dicom._identity import IDENTITY
from dicom_common.dicom._json import DataSetContext
from dicom_common.dicom._json_context import WRONG_LENGTH, Flaw
from dicom_common.dicom._native_module import native_module
from dicom_common.dicom._pixel_place import PixelPlace
from dicom_common.dicom._record import REQUESTS, indexed_fields
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._scanned import Scanned
from dicom_common.dicom._settings import ReaderSettings

__all__ = ["scan_natively"]

_FLAWS: Final[tuple[Flaw, ...]] = (
    (Rule.GROUP_LENGTH, "went by the elements"),
    (Rule.UID, "kept as it is"),
    (Rule.FILE_META, "the data set counts"),
    (Rule.NUL, "dropped what stands behind it"),
    (Rule.UID_CHARACTERS, "kept as text"),
    (Rule.NUMBER, "kept as text"),
    WRONG_LENGTH,
    (Rule.PERSON_NAME_GROUPS, "kept the first three component groups"),
)
"""What the native reader tolerates, by its numbers."""


_DEFAULTS: Final = ReaderSettings()
_CHARACTER_SET: Final = 0x00080005 << 16 | int.from_bytes(b"CS", "big")
"""Its tag and VR as one number."""


class _Heads(dict[int, Head]):
    """The heads of indexed attributes, by tag and VR as one number."""

    def __missing__(self, key: int) -> Head:
        heads = heads_for(EXPLICIT, _DEFAULTS.bulk_data_threshold, _DEFAULTS.max_element_value, _DEFAULTS.numbers_as)
        head = self[key] = heads.resolved(key >> 16, (key & 0xFFFF).to_bytes(2, "big").decode("ascii"))
        return head


_HEADS: Final = _Heads()


@lru_cache(maxsize=16)
def _reader(settings: ReaderSettings) -> Any:
    """Give the native reader for these settings; None where the Python reader is to read."""
    module = native_module() if settings.engine != "python" else None
    if module is None:
        return None
    indexed = [(tag, one.field, one.vr, one.multiple) for tag, one in INDEXED.items()]
    makers = FAST["DA", False], FAST["TM", False], PersonName
    dictionary = _has_dictionary(module.PYDICOM)
    return module.Reader(asdict(settings), indexed, list(IDENTITY), list(REQUESTS), makers, dictionary)


def _has_dictionary(version: str) -> bool:
    """Tell whether the installed pydicom is the one whose data dictionary is built in."""
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        return False
    return Path(package.origin).parent.with_name(f"pydicom-{version}.dist-info").is_dir()


def scan_natively(data: bytes, size: int, settings: ReaderSettings) -> Scanned | None:
    """Scan the instance of `size` bytes that begins with `data`; None where the Python reader has to."""
    reader = _reader(settings)
    if reader is None:
        return None
    told = reader.read(data, size)
    if type(told) is str:
        return None
    transfer_syntax_uid, offset, metadata, fields, character_set, flat, pixels, flaws, spent = told
    findings = Findings()
    for tags, number in flaws:
        findings.add(tags, *_FLAWS[number])
    if flat:  # what is not as most is
        context = DataSetContext(settings, findings)
        context.spend(spent)
        elements = _elements(flat)
        context.enter(elements if character_set is None else [_HEADS[_CHARACTER_SET], character_set, *elements])
        fields.update(indexed_fields(elements, context))
    return Scanned(
        transfer_syntax_uid=transfer_syntax_uid,
        data_set_offset=offset,
        fields=fields,
        character_set=() if character_set is None else _terms(character_set),
        pixels=PixelPlace() if pixels is None else PixelPlace(PixelData(*pixels[:4]), pixels[4]),
        metadata=metadata,
        findings=findings,
    )


@lru_cache(maxsize=64)
def _terms(value: bytes) -> tuple[str, ...]:
    """Give the terms of a Specific Character Set that the native reader understands, so of a short one."""
    context = DataSetContext(_DEFAULTS, Findings())
    context.enter([_HEADS[_CHARACTER_SET], value])
    return context.terms


def _elements(flat: list[Any]) -> Elements:
    """Make elements of what the native reader tells: in place of each number the head that it stands for."""
    for place in range(0, len(flat), 2):
        flat[place] = _HEADS[flat[place]]
        value = flat[place + 1]
        if type(value) is list:
            for item in value:
                _elements(item)
    return flat
