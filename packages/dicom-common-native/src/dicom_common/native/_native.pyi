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
    tuple[str, str, str, str],  # SOP Class, SOP Instance, Study and Series Instance UID
    bytes,  # DICOM JSON
    Elements,  # Specific Character Set and the indexed attributes of the top level
    tuple[int, str, int, int | None, bytes] | None,  # pixel data: tag, VR, offset, length, first bytes
    list[tuple[list[int], int]],  # findings: tags, number of the flaw
    int,  # values that were written one by one
]

class Reader:
    """Reads instances with the limits that it was made with."""

    def __new__(  # noqa: D102
        cls, settings: dict[str, Any], indexed: list[int], identity: list[int], within: list[int], dictionary: bool
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
