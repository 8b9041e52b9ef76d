"""The elements of a data set as the scanner gives them, and the state of the scan inside sequences."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

from dicom_common.core import DicomError
from dicom_common.dicom._findings import Findings, tag_path
from dicom_common.dicom._heads import Head, Heads
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings

__all__ = [
    "Damage",
    "Elements",
    "Items",
    "Level",
    "Value",
    "little_endian",
    "malformed",
    "ordered",
    "pairs",
    "path_of",
    "too_deep",
    "too_large",
    "too_many_elements",
    "too_many_items",
    "too_many_tags",
    "truncated",
]


Elements = list[Any]
"""The elements of a data set or item, by ascending tag, each once: head, value, head, value, and so on; see `pairs`.

A tuple for each element would be an object for the garbage collector, whose visits cost as much as reading does.
"""
Items = list[Elements]
"""The value of a sequence."""
Value = bytes | Items | Skipped


def pairs(elements: Elements) -> Iterator[tuple[Head, Value]]:
    """Iterate over elements, each as its head and its value."""
    members = iter(elements)
    return zip(members, members, strict=False)


class Level(NamedTuple):
    """What the loop has to know again when the sequence that it enters ends: the data set or item around it."""

    elements: Elements
    last: int
    disorder: bool
    creators: dict[int, str]
    stop: int
    open_item: bool
    heads: Heads
    items: Items
    sequence_stop: int
    open_sequence: bool
    begin: int
    """Where the value of the sequence begins that holds this item; as the three before and the one behind, its."""
    spoiled: bool
    head: Head
    """Of the sequence that is entered; of an item where there is none."""

    @property
    def tag(self) -> int:
        """Give the tag of the sequence."""
        return self.head.tag


class Damage(DicomError):  # noqa: N818  # an error only where nothing says where to go on
    """The bytes of an item or sequence cannot be followed. One around it, or its own length, may say where to go on."""

    def final(self) -> DicomError:
        """Make the error for a data set that cannot be read on."""
        return DicomError(self.reason, str(self))


def path_of(stack: list[Level]) -> list[int]:
    """Give the tags of the sequences that are open."""
    return [level.tag for level in stack]


def ordered(elements: Elements, stack: list[Level], findings: Findings) -> Elements:
    """Sort elements by tag; of those with the same tag the first one stays."""
    path = path_of(stack)
    by_tag: dict[int, tuple[Head, Value]] = {}
    for head, value in pairs(elements):
        tag = head.tag
        if tag in by_tag:
            findings.add([*path, tag], Rule.DUPLICATE, "the first one counts")
        else:
            by_tag[tag] = head, value
    tags = list(by_tag)
    if tags != sorted(tags):
        findings.add(path, Rule.ORDER, "sorted the elements by tag")
    return [member for tag in sorted(tags) for member in by_tag[tag]]


def truncated(stack: list[Level], tag: int) -> Damage:
    """Make the error for a length beyond what is left, or for bytes that end too early."""
    path = tag_path([*path_of(stack), tag] if tag >= 0 else path_of(stack))
    return Damage(
        Reason.TRUNCATED,
        f"The data set ends early, or a length in it is wrong, at {path or 'its start'}; "
        "ask the sender for a new copy.",
    )


def malformed(stack: list[Level], what: str) -> Damage:
    """Make the error for a structure that has no safe reading."""
    path = tag_path(path_of(stack))
    return Damage(
        Reason.MALFORMED,
        f"The data set cannot be followed: {what}{f' (in {path})' if path else ''}; ask the sender for a new copy.",
    )


def too_deep() -> DicomError:
    """Make the error for a limit."""
    return DicomError(
        Reason.TOO_DEEP,
        "Sequences are nested deeper than reader.max_depth; raise it if the sender is trusted.",
    )


def too_large() -> DicomError:
    """Make the error for a limit."""
    return DicomError(Reason.TOO_LARGE, "The header is longer than reader.max_header; raise it to read the data set.")


def too_many_items(settings: ReaderSettings) -> DicomError:
    """Make the error for a limit."""
    return DicomError(
        Reason.TOO_MANY_ITEMS,
        f"There are more than {settings.max_items} sequence items and fragments; raise reader.max_items to read it.",
    )


def too_many_elements(settings: ReaderSettings) -> DicomError:
    """Make the error for a limit."""
    return DicomError(
        Reason.TOO_MANY_ELEMENTS,
        f"There are more than {settings.max_elements} elements; raise reader.max_elements to read it.",
    )


def too_many_tags() -> DicomError:
    """Make the error for a limit."""
    return DicomError(
        Reason.TOO_MANY_ELEMENTS,
        "There are more than 50000 elements, and too many of them of different tags, as no data set has; "
        "raise reader.max_elements to read it.",
    )


def little_endian(value: bytes, width: int) -> bytes:
    """Swap a big-endian value to little endian; one of a wrong length is left to the encoder, which will refuse it."""
    if len(value) % width:
        return value
    words = array({2: "H", 4: "I", 8: "Q"}[width], value)
    words.byteswap()
    return words.tobytes()
