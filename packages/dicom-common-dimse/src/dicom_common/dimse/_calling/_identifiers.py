"""Identifiers of C-FIND, C-MOVE and C-GET as a client writes and reads them (PS3.4 C.4.1.1.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Final

from pydicom import config, dcmwrite
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from dicom_common.core import Level, QueryError
from dicom_common.dimse._calling._keywords import KEYWORDS
from dicom_common.toolkit import did_you_mean

__all__ = ["Match", "decoded", "encoded", "identifier", "match_of"]

Match = Mapping[str, tuple[str, ...]]
"""One answer of a peer: the values of each attribute, as text, by keyword or by tag (eight hex digits). Attributes in a
sequence have a path, as in `RequestAttributesSequence.ScheduledProcedureStepID`."""

LEVELS: Final = {Level.PATIENT: "PATIENT", Level.STUDY: "STUDY", Level.SERIES: "SERIES", Level.INSTANCE: "IMAGE"}
"""Query/Retrieve Level (0008,0052)."""
_IMPLICIT: Final = "1.2.840.10008.1.2"
_UTF_8: Final = "ISO_IR 192"
_INTEGERS: Final = frozenset(("US", "SS", "UL", "SL", "UV", "SV"))
_NUMBERS: Final = frozenset(("FL", "FD"))


def identifier(
    level: Level, keys: Mapping[str, str], fields: Iterable[str] = (), *, character_set: str = ""
) -> Dataset:
    """Make an identifier.

    Args:
        level: what is asked for.
        keys: what has to match, as PS3.4 C.2.2.2 writes it, by keyword, tag, or a path of them.
        fields: what else is wanted of each match.
        character_set: the defined term in which text is written that is not ASCII; by default UTF-8.

    Raises:
        QueryError: a key is no attribute, or a value cannot be written.
    """
    made = Dataset()
    made.QueryRetrieveLevel = LEVELS[level]
    if any(not value.isascii() for value in keys.values()):
        made.SpecificCharacterSet = character_set or _UTF_8
    for name in fields:
        if name not in keys:
            _put(made, name, name.split("."), "")
    for name, value in keys.items():
        _put(made, name, name.split("."), value)
    return made


def _put(item: Dataset, name: str, path: list[str], value: str) -> None:
    tag = _tag(path[0], name)
    vr = dictionary_VR(tag)
    if len(path) > 1:
        if vr != "SQ":
            raise QueryError(f"The key {name} goes through an attribute that is not a sequence.")
        if tag not in item:
            item.add(DataElement(tag, "SQ", Sequence([Dataset()])))
        _put(item[tag].value[0], name, path[1:], value)
    elif vr == "SQ":
        if value:
            raise QueryError(f"The key {name} is a sequence: name an attribute in it, such as {name}.KEYWORD.")
        item.add(DataElement(tag, "SQ", Sequence([])))
    else:
        try:
            item.add(DataElement(tag, vr[:2], _value(vr[:2], value), validation_mode=config.IGNORE))
        except (ValueError, TypeError, OverflowError) as error:
            raise QueryError(f"The value of the key {name} cannot be written as {vr}: see PS3.5 6.2.") from error


def _value(vr: str, text: str) -> str | int | float | None:
    if not text:
        return None
    if vr in _INTEGERS:
        return int(text)
    return float(text) if vr in _NUMBERS else text


def _tag(word: str, name: str) -> int:
    tag = tag_for_keyword(word)
    if tag is None and len(word) == 8:
        try:
            tag = int(word, 16)
            dictionary_VM(tag)
        except (ValueError, KeyError):
            tag = None
    if tag is None or tag >> 16 <= 2:
        hint = did_you_mean(word, KEYWORDS)
        raise QueryError(f"The key {name} is not an attribute of a data set: write a keyword or a tag.{hint}")
    return int(tag)


def encoded(made: Dataset, transfer_syntax: str) -> bytes:
    """Return the bytes of an identifier, in Explicit or Implicit VR Little Endian."""
    stream = BytesIO()
    dcmwrite(stream, made, implicit_vr=transfer_syntax == _IMPLICIT, little_endian=True)
    return stream.getvalue()


def decoded(data: bytes, transfer_syntax: str) -> Dataset | None:
    """Read an identifier; None if it is no data set in this transfer syntax."""
    if not data:
        return None
    try:
        return read_dataset(BytesIO(data), transfer_syntax == _IMPLICIT, is_little_endian=True)
    except Exception:  # noqa: BLE001 - pydicom raises whatever the bytes make it do
        return None


def match_of(answer: Dataset) -> Match:
    """Read an identifier that a peer returned; a value that cannot be read counts as absent."""
    return dict(_flat(answer, ""))


def _flat(item: Dataset, before: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for tag in sorted(item.keys()):
        name = before + (keyword_for_tag(tag) or f"{int(tag):08X}")
        try:
            element = item[tag]
            value = element.value
        except Exception:  # noqa: BLE001 - pydicom raises whatever a value makes it do
            yield name, ()
            continue
        if element.VR == "SQ":
            for one in value:
                yield from _flat(one, f"{name}.")
        elif isinstance(value, (MultiValue, list)):
            yield name, tuple(str(one) for one in value)
        else:
            yield name, () if value is None or value in ("", b"") else (str(value),)
