"""The SOP classes that are stored (PS3.4 B.5 and I.4), those that are retired too, by the dictionary of pydicom."""

from __future__ import annotations

from typing import Final

from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # its table of PS3.6 annex A
from pynetdicom import AllStoragePresentationContexts

__all__ = ["STORAGE_SOP_CLASSES"]

_NOT_OF_A_PATIENT: Final = frozenset(
    f"1.2.840.10008.5.1.4.{end}"
    for end in ("1.1.200.1", "1.1.200.3", "1.1.200.7", "1.1.201.1", "38.1", "39.1", "43.1", "44.1", "45.1")
)
"""Protocols, hanging protocols, palettes, implants, inventories (PS3.4 annex GG): they belong to no study."""
_IMAGES: Final = "1.2.840.10008.5.1.4."

STORAGE_SOP_CLASSES: Final = frozenset(
    [
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid.startswith(_IMAGES) and uid not in _NOT_OF_A_PATIENT
    ]
    + [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
)
"""Storage SOP classes of the standard whose instances belong to a study."""
