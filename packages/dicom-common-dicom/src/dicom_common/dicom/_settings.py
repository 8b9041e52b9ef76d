"""The settings of the reader: its limits, and how tolerant it is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from dicom_common.core import ConfigError
from dicom_common.dicom._native_module import native_module

__all__ = ["ReaderSettings"]

_DEEPEST = 128
"""Items are written by recursion, three Python frames a level: this leaves the caller 600 of Python's own 1000."""
_LONGEST = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSettings:
    """The `[reader]` table of the configuration. Every limit is checked before anything is allocated for it.

    Raises:
        ConfigError: a limit is not positive, `max_depth` is above 128, or a choice is not one of those offered.
    """

    max_depth: int = 64
    """How deep sequences may be nested. Real data sets stay below 15."""
    max_elements: int = 1_000_000
    """How many elements a data set may have, those of nested items and delimiters included: what multi-frame objects of
    20,000 frames have. Above 50,000, few tags must come again and again, as they do there: items may have one different
    tag for 500 elements of this limit, and what is around them one element for 50."""
    max_items: int = 300_000
    """How many sequence items and pixel data fragments it may have."""
    max_element_value: int = 1 << 16
    """Bytes of one value that has to be held in memory: what explicit VR can hold (PS3.5 7.1.2). A longer one of a VR
    for which DICOM JSON allows no BulkDataURI is left out of the JSON, with a warning. Text of LT, ST, UC and UT is
    held up to this length, too: as bulk data it would go out in the character set of the data set."""
    max_values: int = 500_000
    """How many values a data set may have that are written one by one: those of text with backslashes, of DS and IS
    that are not plain numbers, of FL and FD. What takes longer counts as more (an escape sequence as two, text that is
    not what it is declared as by its length), binary integers as less."""
    max_json: int = 48 << 20
    """Bytes of the DICOM JSON; a data set that needs more is refused before it is written."""
    max_header: int = 64 << 20
    """Bytes of the data set that are parsed and kept; long values and fragments that are passed over do not count."""
    max_inflated_bytes: int = 1 << 29
    """Bytes that a deflated data set may become: what is passed over has to be inflated too, which takes time."""
    max_inflate_ratio: int = 1100
    """Above 16 MiB, how many times larger than the deflated bytes the inflated ones may be. Deflate itself ends
    at 1032, which an image of one value reaches."""
    bulk_data_threshold: int = 1024
    """Values of more bytes become a BulkDataURI in the DICOM JSON where PS3.18 F.2.2 allows that; text of LT, ST, UC
    and UT does above `max_element_value`."""
    engine: Literal["auto", "python", "native"] = "auto"
    """Which reader runs: `native` is that of dicom-common-native, `auto` takes it where it is installed. Both give the
    same answers; whatever is not ordinary is read by the Python reader in any case."""
    numbers_as: Literal["number", "string"] = "number"
    """How DS and IS are written in the DICOM JSON; a number that JSON would change is a string in both cases."""
    default_character_set: str = "ISO_IR 100"
    """The defined term (PS3.3 C.12.1.1.2) for text that is not what its data set declares, and not UTF-8."""
    uids: Literal["lenient", "strict"] = "lenient"
    """`strict` refuses UIDs with leading zeros or a first component above 2 (PS3.5 9.1); `lenient` warns."""
    truncated_pixel_data: Literal["refuse", "accept"] = "refuse"
    """What to do with pixel data that is shorter than its attributes say, or that lacks its sequence delimiter."""
    accept_unknown_transfer_syntaxes: bool = True
    """Read data sets of private and unknown transfer syntaxes as explicit VR little endian, if they can be."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            value, choices = getattr(self, field.name), get_args(hints[field.name])
            if choices and value not in choices:
                raise ConfigError(f"reader.{field.name} must be one of {', '.join(choices)}.")
            if type(value) is int and value < 1:
                raise ConfigError(f"reader.{field.name} must be at least 1.")
        if max(self.max_element_value, self.bulk_data_threshold) > _LONGEST:
            raise ConfigError(f"reader.max_element_value and reader.bulk_data_threshold must be at most {_LONGEST}.")
        if self.engine == "native" and native_module() is None:
            raise ConfigError(
                'reader.engine is "native", and dicom-common-native is not installed, or not in the version that goes '
                "with this dicom-common-dicom: run `pip install --upgrade dicom-common-native dicom-common-dicom`, or "
                'set reader.engine to "auto".'
            )
        if self.max_depth > _DEEPEST:
            raise ConfigError(f"reader.max_depth must be at most {_DEEPEST}.")

    def in_effect(self) -> dict[str, str]:
        """Tell which reader runs, for `dicom-common config explain`."""
        return {"engine": "python" if self.engine == "python" or native_module() is None else "native"}
