# What the compiled module offers. It is told more where it is written, in `rust/lib.rs`.

from collections.abc import Callable
from typing import Any, Self, TypeAlias

# The number of what is asked and told; `dicom_common.dicom` takes no other one than its own.
INTERFACE: int
# The version of pydicom whose data dictionary is built in.
PYDICOM: str

# Tag and VR of an element as one number, its value, and so on; the value of a sequence is its items.
Elements: TypeAlias = list[int | bytes | list[list[int | bytes]]]
Told: TypeAlias = tuple[
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

# Reads instances with the limits that it was made with.
class Reader:
    def __new__(
        cls,
        settings: dict[str, Any],
        indexed: list[tuple[int, str, str, bool]],
        identity: list[int],
        within: list[int],
        makers: tuple[Callable[[bytes], Any], Callable[[bytes], Any], Callable[[str], Any]],
        dictionary: bool,
    ) -> Self: ...
    # Reads the instance of `size` bytes that begins with `data`; a text says why the Python reader has to.
    def read(self, data: bytes, size: int) -> Told | str: ...

# Offsets and lengths as arrays of 64 bits, a byte for each that says whether an image begins there, and its signature.
Fragments: TypeAlias = tuple[bytes, bytes, bytes, bytes | None]

# Finds the fragments of encapsulated pixel data between two places; None where the Python reader has to look.
def walk_fragments(data: bytes, offset: int, end: int, limit: int) -> Fragments | None: ...
