"""A frame index as bytes is the same index, small, and damage to it is noticed."""

from __future__ import annotations

import random
from pathlib import Path

import pydicom
import pytest

from dicom_common.core import DicomError, Finding
from dicom_common.dicom import FrameIndex, index_frames, read
from dicom_common.dicom._fragments import Fragments

FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))


def places(index: FrameIndex) -> list[object]:
    return [index.frame(number) for number in range(1, index.count + 1)]


def told(index: FrameIndex) -> tuple[object, ...]:
    return index.count, index.encapsulated, index.inflated, index.warnings, places(index)


def of_fragments(offsets: list[int], lengths: list[int], starts: list[int]) -> FrameIndex:
    from array import array  # noqa: PLC0415 - of this function only

    return FrameIndex(
        count=len(starts) - 1,
        encapsulated=True,
        inflated=False,
        _fragments=Fragments(array("Q", offsets), array("Q", lengths)),
        _starts=starts,
    )


def test_the_frames_of_all_bundled_files_survive_being_kept() -> None:
    kept = 0
    for path in FILES:
        data = path.read_bytes()
        try:
            instance = read(data).instance
            index = index_frames(data, instance)
        except DicomError:
            continue
        kept += 1
        written = index.to_bytes()
        again = FrameIndex.from_bytes(written)
        assert told(again) == told(index), path.name
        assert again.to_bytes() == written
        if not index.encapsulated and not index.warnings:
            assert len(written) <= 16, path.name
        if not index.inflated:
            assert again.read(data, index.count) == index.read(data, index.count)
    assert kept > 50


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
@pytest.mark.parametrize("gap", [8, 9])
@pytest.mark.parametrize("step", [1, 2])
def test_fragments_of_any_kind(count: int, gap: int, step: int) -> None:
    made = random.Random(count)
    lengths = [made.choice((0, 2, 500, 70_000, 2**33)) for _ in range(count)]
    offsets, at = [], 1234
    for length in lengths:
        offsets.append(at)
        at += length + gap
    starts = [*range(0, count, step), count] if count else [0]
    index = of_fragments(offsets, lengths, starts)
    assert told(FrameIndex.from_bytes(index.to_bytes())) == told(index)


def test_many_fragments_take_few_bytes() -> None:
    made = random.Random(1)
    lengths = [20_000 + made.randrange(5_000) & ~1 for _ in range(5000)]
    offsets = [1000 + sum(lengths[:n]) + 8 * n for n in range(5000)]
    index = of_fragments(offsets, lengths, list(range(5001)))
    assert len(index.to_bytes()) < 4 * 5000


def test_warnings_are_kept() -> None:
    warnings = (Finding("00280008", "frame-count", "counted the frames by the length"),)
    index = FrameIndex(count=2, encapsulated=False, inflated=True, warnings=warnings, _start=5, _bits=12)
    again = FrameIndex.from_bytes(index.to_bytes())
    assert (again.warnings, again.inflated, places(again)) == (warnings, True, places(index))


@pytest.mark.parametrize("count", [3, 400])
def test_damage_is_noticed_or_harmless(count: int) -> None:
    index = of_fragments([100 * n for n in range(1, count + 1)], [92] * count, [0, *range(2, count + 1)])
    whole = index.to_bytes()
    for cut in range(len(whole)):
        with pytest.raises(ValueError, match="frame index"):
            FrameIndex.from_bytes(whole[:cut])
    with pytest.raises(ValueError, match="frame index"):
        FrameIndex.from_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="version"):
        FrameIndex.from_bytes(b"\x02" + whole[1:])
    made = random.Random(2)
    for _ in range(2000):
        damaged = bytearray(whole)
        damaged[made.randrange(len(whole))] ^= 1 << made.randrange(8)
        try:
            found = FrameIndex.from_bytes(bytes(damaged))
        except ValueError:
            continue
        assert len(places(found)) <= 2**20 if found.encapsulated else found.count >= 0


def test_a_bomb_is_not_inflated() -> None:
    import zlib  # noqa: PLC0415 - of this test only

    bomb = bytes((1, 0b1001)) + zlib.compress(bytes(64 * 2**20))
    with pytest.raises(ValueError, match="frame index"):
        FrameIndex.from_bytes(bomb)


def test_too_many_fragments_are_not_kept() -> None:
    count = 2**20 + 1
    index = of_fragments([8 * n for n in range(count)], [0] * count, [0, count])
    with pytest.raises(ValueError, match="not kept"):
        index.to_bytes()
