"""The character set section of the conformance statement (PS3.2, PS3.3 C.12.1.1.2)."""

from __future__ import annotations

from dicom_common.dicom._character_set_names import DEFINED_TERMS
from dicom_common.toolkit import StatementSection, StatementTable

__all__ = ["conformance"]

_TEXT = """\
Text is decoded with the Specific Character Set (0008,0005) of its data set; that of an item takes precedence within the
item. Text that is invalid in the declared character set is decoded as UTF-8 if it is valid UTF-8, otherwise with
`reader.default_character_set`, and is reported as a finding. No value is refused because of its character set. Other
names of the same character sets, such as `ISO-IR 100` or `latin1`, are accepted.

DICOM JSON and XML are in UTF-8 and declare `ISO_IR 192`. Stored data sets keep their character set."""


def conformance(_config: object) -> StatementSection:
    """Return the character set section."""
    table = StatementTable(title="Character sets", columns=("Defined term", "Form"), rows=tuple(DEFINED_TERMS.items()))
    return StatementSection(place=60, title="Support of character sets", text=_TEXT, tables=(table,))
