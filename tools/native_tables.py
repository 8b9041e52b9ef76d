"""Write the tables of the native reader from those of the Python reader: `python tools/native_tables.py`.

Run it in an environment with dicom-common-dicom whenever pydicom, whose data dictionary it is, or the names of
character sets have changed. A test compares the files with what this makes.
"""

from __future__ import annotations

import struct
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dicom_common.dicom._character_set_names import _TERMS, codec_of
from dicom_common.dicom._dictionary import _repeaters, _tables, private_vr
from dicom_common.dicom._heads import VRS, _without_choice

FOLDER = Path(__file__).resolve().parents[1] / "packages" / "dicom-common-native" / "rust" / "tables"
SINGLE_BYTE = tuple(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16))
"""The codecs of one byte a character; Latin-1 is Unicode as it stands."""
ASCII, UTF_8, LATIN_1, FIRST_TABLE, OTHER = 0, 1, 2, 3, 255
"""How a set is numbered in `terms.bin`; `OTHER` is understood, and read by the Python reader where text needs it."""


def tables() -> dict[str, bytes]:
    """Make the content of each file, by its name."""
    private, creators = _private()
    return {
        "dictionary.bin": _standard(),
        "repeaters.bin": b"".join(struct.pack("<II", mask, tag) + _letters(vr) for mask, tag, vr in _repeaters()),
        "private.bin": private,
        "creators.bin": creators,
        "terms.bin": _terms(),
        "sets.bin": b"".join(map(_right_half, SINGLE_BYTE)),
        "pydicom.txt": version("pydicom").encode(),
    }


def _letters(vr: str) -> bytes:
    vr = _without_choice("UN" if vr == "NONE" else vr)
    return b"xs" if vr == "US or SS" else vr.encode()


def _standard() -> bytes:
    rows: dict[int, Any] = _tables("_dicom_dict")["DicomDictionary"]
    return b"".join(struct.pack("<I", tag) + _letters(rows[tag][0]) for tag in sorted(rows))


def _private() -> tuple[bytes, bytes]:
    """Give the private creators with their rows, and where each of them begins."""
    known: dict[str, dict[str, Any]] = _tables("_private_dict")["private_dictionaries"]
    out, places = bytearray(), []
    for creator in sorted(known, key=lambda creator: creator.encode("latin-1")):
        tags = sorted({int(key.replace("xx", "10"), 16) for key in known[creator] if key[4:6] == "xx"})
        found = [(tag, private_vr(creator, tag)) for tag in tags]
        rows = [(tag, vr) for tag, vr in found if vr in VRS and vr != "UN"]
        name = creator.encode("latin-1")
        places.append(len(out))
        out += bytes([len(name)]) + name + struct.pack("<H", len(rows))
        out += b"".join(struct.pack("<HB", tag >> 16, tag & 0xFF) + vr.encode() for tag, vr in rows)
    return bytes(out), struct.pack(f"<{len(places)}I", *places)


def _terms() -> bytes:
    """Give the defined terms, also as they are written with code extensions and misspelt: length, term, set."""
    named = [term for known in _TERMS for term in (known, known.replace("ISO_IR", "ISO 2022 IR"))]
    named += [term.replace("_", "-") for term in named]
    numbers = {"ascii": ASCII, "utf-8": UTF_8, "latin-1": LATIN_1}
    numbers |= {codec: FIRST_TABLE + index for index, codec in enumerate(SINGLE_BYTE)}
    rows = {term: numbers.get(codec, OTHER) for term in named if (codec := codec_of(term)) is not None}
    return b"".join(bytes([len(term)]) + term.encode() + bytes([number]) for term, number in sorted(rows.items()))


def _right_half(codec: str) -> bytes:
    """Give the characters of the bytes A0 to FF, 0 for none; those below are controls, which text does not have."""
    texts = [bytes([byte]).decode(codec, "ignore") for byte in range(0xA0, 0x100)]
    return struct.pack("<96H", *(ord(text) if text else 0 for text in texts))


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in tables().items():
        (FOLDER / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes")


if __name__ == "__main__":
    main()
