from collections.abc import Callable
from typing import Any

INTERFACE: int
"""The number of what is asked and told; `dicom_common.dicom` takes no other one than its own."""
PYDICOM: str
"""The version of pydicom whose data dictionary is built in."""

Elements = list[int | bytes | list[list[int | bytes]]]
"""Tag and VR of an element as one number, its value, and so on; the value of a sequence is its items."""
Told = tuple[
    str,  # transfer syntax UID
    int,  # offset of the data set
    bytes,  # DICOM JSON
    dict[str, Any],  # fields of the record: the identity, and those whose values are as most are
    bytes | None,  # Specific Character Set
    Elements,  # indexed attributes that are no fields yet
    tuple[int, str, int, int | None, bytes] | None,  # pixel data: tag, VR, offset, length, first bytes
    list[tuple[list[int], int]],  # findings: tags, number of the flaw
    int,  # values that were written one by one
]

class Reader:
    """Reads instances with the limits that it was made with."""

    def __new__(  # noqa: D102, PLR0913, PLR0917  # documented where it is written
        cls,
        settings: dict[str, Any],
        indexed: list[tuple[int, str, str, bool]],
        identity: list[int],
        within: list[int],
        makers: tuple[Callable[[bytes], Any], Callable[[bytes], Any], Callable[[str], Any]],
        dictionary: bool,
    ) -> Reader: ...
    def read(self, data: bytes, size: int) -> Told | str:
        """Read the instance of `size` bytes that begins with `data`; a text says why the Python reader has to."""

def walk_fragments(
    data: bytes, offset: int, end: int, limit: int
) -> tuple[bytes, bytes, bytes, bytes | None] | None:
    """Find the fragments of encapsulated pixel data between two places; None where the Python reader has to look.

    Returns:
        Offsets and lengths as arrays of 64 bits, a byte for each fragment that says whether an image begins there, and
        the signature with which these begin.
    """
