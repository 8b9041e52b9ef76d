"""What the conformance statement says of character sets (PS3.2, PS3.3 C.12.1.1.2)."""

from __future__ import annotations

from dicom_common.dicom._character_set_names import DEFINED_TERMS
from dicom_common.toolkit import StatementSection, StatementTable

__all__ = ["conformance"]

_TEXT = """\
Text is read in the character set that its data set declares; the (0008,0005) of an item comes before that of the data
set. What is not what it is declared as is read as UTF-8 where it is that, else in `reader.default_character_set`, and
is a finding; no value is refused for its character set. Other names of the same sets, such as `ISO-IR 100` or
`latin1`, are understood.

DICOM JSON and XML are UTF-8 and say `ISO_IR 192`. Stored data sets keep their character set."""


def conformance(_config: object) -> StatementSection:
    """Return the section on character sets."""
    table = StatementTable(title="Character sets", columns=("Defined term", "Form"), rows=tuple(DEFINED_TERMS.items()))
    return StatementSection(place=60, title="Support of character sets", text=_TEXT, tables=(table,))
