"""Identifiers: read strictly and within bounds, written so that others read them; text in every character set."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom_common.dicom import character_set
from dicom_common.dimse._identifiers import (
    StatusError,
    TextEncoder,
    Written,
    encoder_for,
    encoding_of,
    read_identifier,
    write_identifier,
)

_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_NAME = "Yamada^Tarou=山田^太郎=やまだ^たろう"


def _bytes_of(dataset: Dataset, syntax: str) -> bytes:
    stream = DicomBytesIO()
    stream.is_little_endian = syntax != _SYNTAXES[2]
    stream.is_implicit_VR = syntax == _SYNTAXES[0]
    write_dataset(stream, dataset)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", _SYNTAXES)
def test_what_pydicom_writes_is_read(syntax: str) -> None:
    item = Dataset()
    item.ScheduledProcedureStepID = "STEP"
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.ModalitiesInStudy, dataset.Rows = _NAME, ["CT", "MR"], 512
    dataset.RequestAttributesSequence = [item, Dataset()]
    dataset.add_new(0x00080000, "UL", 4)  # a group length, which is retired
    identifier = read_identifier(_bytes_of(dataset, syntax), encoding_of(syntax))
    assert identifier.text(0x00100010) == _NAME
    assert (identifier.text(0x00080061), identifier.text(0x00280010)) == ("CT\\MR", "512")
    items = identifier.elements[0x00400275].items
    assert [one.text(0x00400009) for one in items] == ["STEP", ""]
    assert 0x00080000 not in identifier
    assert not identifier.is_universal(0x00400275)
    assert "Yamada" not in repr(identifier) + repr(identifier.elements)


@pytest.mark.parametrize("syntax", _SYNTAXES)
@pytest.mark.parametrize(
    "terms",
    [
        ("ISO_IR 192",),
        ("GB18030",),
        ("", "ISO 2022 IR 87"),
        ("ISO 2022 IR 13", "ISO 2022 IR 87"),
        ("", "ISO 2022 IR 149", "ISO 2022 IR 87"),
        ("", "ISO 2022 IR 100", "ISO 2022 IR 87", "ISO 2022 IR 159"),
    ],
)
def test_what_is_written_is_read_by_pydicom(syntax: str, terms: tuple[str, ...]) -> None:
    name = "김^희중=山^太=" if "ISO 2022 IR 149" in terms else "Yamada^Tarou=山田^太郎="
    elements = [
        Written(0x00100010, "PN", name),
        Written(0x00080061, "CS", "CT\\MR"),
        Written(0x00280010, "US", (512).to_bytes(2, encoding_of(syntax).byte_order)),
        Written(0x00400275, "SQ", ((Written(0x00400009, "SH", "STEP"),), ())),
        Written(0x00081115, "SQ", ()),
        Written(0x00091001, "UN", b"ab"),
    ]
    data = write_identifier(elements, encoding_of(syntax), encoder_for(terms), declare=False)
    read = pydicom.filereader.read_dataset(io.BytesIO(data), syntax == _SYNTAXES[0], syntax != _SYNTAXES[2])
    read.decode()
    assert str(read.PatientName).rstrip("=") == name.rstrip("=")
    assert (list(read.ModalitiesInStudy), read.Rows) == (["CT", "MR"], 512)
    assert [list(item) and item.ScheduledProcedureStepID for item in read.RequestAttributesSequence] == ["STEP", []]
    declared = read.SpecificCharacterSet
    assert ((declared,) if isinstance(declared, str) else tuple(one or "" for one in declared)) == terms


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (("", "ISO 2022 IR 87"), "あ\\A^い=う"),
        (("", "ISO 2022 IR 149"), "김A희\\중^가"),
        (("", "ISO 2022 IR 58"), "Wang^XiaoDong=王^小东"),
        (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
        (("ISO 2022 IR 100", "ISO 2022 IR 126"), "Müller αβ ä\\Ω"),
        (("", "ISO 2022 IR 87", "ISO 2022 IR 159"), "鷗外^丂"),
    ],
)
def test_code_extensions_are_reset_where_they_have_to_be(terms: tuple[str, ...], text: str) -> None:
    """PS3.5 6.1.2.5.3. Read by the decoder that reads instances."""
    encoded = TextEncoder(terms).encode(text, person_name=True)
    assert character_set(terms, "ISO_IR 100").decode(encoded, person_name=True) == (text, "")


def test_chinese_is_written_as_the_example_of_the_standard() -> None:
    """PS3.5 K.2."""
    encoded = TextEncoder(("", "ISO 2022 IR 58")).encode("Wang^XiaoDong=王^小东=", person_name=True)
    assert encoded == b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab="


def test_a_character_that_a_set_lacks_is_an_error_and_unknown_sets_are_utf_8() -> None:
    with pytest.raises(UnicodeEncodeError):
        TextEncoder(("ISO_IR 100",)).encode("山")
    with pytest.raises(UnicodeEncodeError):
        TextEncoder(("", "ISO 2022 IR 100")).encode("山")
    assert encoder_for(("ISO-IR 100",)).terms == ("ISO_IR 100",)
    assert encoder_for(("NONSENSE",)).terms == ("ISO_IR 192",)


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        item = b"\xfe\xff\x00\xe0" + len(data).to_bytes(4, "little") + data
        data = b"\x40\x00\x75\x02" + len(item).to_bytes(4, "little") + item
    return data


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x00",
        b"\x08\x00\x52\x00\x10\x00\x00\x00STUDY ",  # longer than what is left
        b"\x08\x00\x52\x00\xff\xff\xff\xff",
        b"\x40\x00\x75\x02\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff",  # no delimiters
        b"\x40\x00\x75\x02\x08\x00\x00\x00\x08\x00\x52\x00\x00\x00\x00\x00",  # no item
        b"\x08\x00\x52\x00\x00\x00\x00\x00" * 2,  # twice
        _nested(9),
        _nested(2000),
        bytes(200_001 * 8),
    ],
)
def test_what_is_malformed_or_beyond_the_limits_is_refused(data: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        read_identifier(data, encoding_of(_SYNTAXES[0]))
    assert refused.value.status == 0xC000
    assert len(refused.value.comment) <= 64


def test_the_comment_of_an_error_fits_into_a_lo() -> None:
    assert StatusError(0xA900, "x" * 65).comment == "x" * 61 + "..."
    assert StatusError(0xA900, "ü").comment == "?"
