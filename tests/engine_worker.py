"""One process that compares the two engines of the reader on a range of numbers; each difference is a line of JSON.

python tests/engine_worker.py 12345           compare one number
python tests/engine_worker.py 10000 20000     compare those from 10000 to 19999

An even number is an object that `fuzz_changes` damages, of which the native reader leaves most to the Python reader. An
odd one has other values in whole elements, of which it reads most.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from functools import cache
from typing import Any, Final

from fuzz_changes import CHARACTER_SETS, VALUES, changed
from fuzz_objects import Template, templates

from dicom_common.core import DicomError, Instance
from dicom_common.dicom import FrameIndex, ReaderSettings, index_frames, read

_SETTINGS: Final = (
    *(ReaderSettings(engine="native"),) * 4,
    ReaderSettings(engine="native", numbers_as="string", bulk_data_threshold=16, default_character_set="ISO_IR 144"),
    ReaderSettings(engine="native", uids="strict", max_element_value=64, truncated_pixel_data="accept"),
    ReaderSettings(engine="native", max_depth=2, max_items=20, max_elements=60, max_json=6000, max_values=40),
    ReaderSettings(engine="native", max_header=3000, accept_unknown_transfer_syntaxes=False),
)
"""With which objects are compared, by their numbers: more often than not those without a configuration."""
_CHARACTER_SET: Final = 0x00080005
_NUMBERS: Final = (b"-0.0", b"1.50", b"+7", b".5", b"1E5", b"0.30000000000000004", b"12345678901234567", b"-2147483649")
_TEXTS: Final = ("Größe", "Ærø\\Å", "=x=y", "Ωμέγα", "Ж\\Б", "\u00a0", "a^b=c", "\U0001f600", "\x7f")
_KEPT: Final = frozenset((0x00080016, 0x00080018, 0x0020000D, 0x0020000E))

Verdict = tuple[Instance, bytes] | tuple[str, str]


def object_of(number: int) -> bytes:
    """Make the object of a number: always the same one, as long as the real files are the same."""
    return changed(number // 2).data if number % 2 == 0 else _with_other_values(number)


@cache
def _little_endian() -> list[Template]:
    return [one for one in templates() if one.meta and not one.way.big and not one.deflated]


def _with_other_values(number: int) -> bytes:
    """Write other values over those of some elements, as long as these: so every length still leads to an element."""
    chance = random.Random(number)
    template = chance.choice(_little_endian())
    data = bytearray(template.data)
    for _ in range(chance.choice((1, 2, 5, 20))):
        element = chance.choice(template.elements)
        length = element.end - element.value
        if not 0 < length < 1 << 12 or element.tag in _KEPT:
            continue
        value = _value(chance, character_set=element.tag == _CHARACTER_SET)
        fitted = (value * (length // max(len(value), 1) + 1))[:length] if chance.random() < 0.3 else value[:length]
        data[element.value : element.end] = fitted + (b" ", b"\0")[chance.random() < 0.2] * (length - len(fitted))
    return bytes(data)


def _value(chance: random.Random, *, character_set: bool) -> bytes:
    kind = chance.randrange(5)
    if character_set or kind == 0:
        return chance.choice(CHARACTER_SETS)
    if kind == 1:
        return chance.choice(VALUES)
    if kind == 2:
        return b"\\".join(chance.choices(_NUMBERS, k=chance.choice((1, 1, 2, 6))))
    if kind == 3:
        text = chance.choice(_TEXTS)
        return text.encode(chance.choice(("utf-8", "latin-1", "iso8859-7", "iso8859-5")), "ignore")
    return chance.randbytes(chance.choice((1, 2, 4, 8, 64)))


def verdict_of(data: bytes, settings: ReaderSettings) -> Verdict:
    """Read an object; of a refusal, give reason and message."""
    try:
        reading = read(data, settings=settings)
    except DicomError as refusal:
        return str(refusal.reason), str(refusal)
    return reading.instance, reading.metadata


def difference(data: bytes, number: int = 0) -> str | None:
    """Say in what the engines differ, without a value; None where they do not. The number chooses the settings."""
    settings = _SETTINGS[number // 2 % len(_SETTINGS)]
    python, native = verdict_of(data, replace(settings, engine="python")), verdict_of(data, settings)
    if python != native:
        one, other = python[0], native[0]
        if not isinstance(one, Instance) or not isinstance(other, Instance):
            return "one of them refuses it, or for another reason"
        names = [name for name in Instance.__slots__ if getattr(one, name) != getattr(other, name)]
        return f"another {', '.join(names)}" if names else "another JSON"
    instance = python[0]
    if isinstance(instance, Instance) and instance.pixel_data is not None:
        # The native reader finds fragments in bytes; through a function for range reads it is asked nothing.
        ranges = lambda offset, length: data[offset : offset + length]  # noqa: E731  # it is this or three lines
        if _index(data, instance) != _index(ranges, instance):
            return "another frame index"
    return None


def _index(source: Any, instance: Instance) -> FrameIndex | str:
    try:
        return index_frames(source, instance)
    except DicomError as refusal:
        return str(refusal)


def main(first: int, stop: int) -> None:
    """Compare a range of numbers; the last line says how many there were."""
    for number in range(first, stop):
        found = difference(object_of(number), number)
        if found is not None:
            print(json.dumps({"number": number, "difference": found}), flush=True)
    print(json.dumps({"done": stop - first}), flush=True)


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    if len(words) not in (1, 2):
        sys.exit(__doc__)
    main(words[0], words[-1] + (len(words) == 1))
