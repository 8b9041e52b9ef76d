"""Frames of stored instances: the right bytes, in little endian, by ranges, and never those of something else."""

from __future__ import annotations

import io
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest
from documents_site import Told, tell
from pipeline_site import Site
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicom_common.core import DamagedError, DicomError, Instance, NotFoundError, Stored
from dicom_common.dicom import FrameIndex, index_frames, read
from dicom_common.host import Services
from dicom_common.pipeline import Frames, open_frames
from dicom_common.pipeline._frames import _Cache, _cache, _Known

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
STUDY, SERIES, SOP = "2.25.7", "2.25.7.1", "2.25.7.1.1"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    _cache.clear()
    yield
    _cache.clear()


@pytest.fixture(params=[True, False], ids=["kept", "not kept"])
def index_keeps(request: pytest.FixtureRequest) -> bool:
    """Whether the index keeps where the frames lie, or the header of the object tells."""
    return bool(request.param)


@pytest.fixture
def services(site: Site, index_keeps: bool) -> Services:
    services = site.services()
    if not index_keeps:
        services.db.check()  # it is there from the first call on
        with closing(sqlite3.connect(site.data / "index.sqlite")) as index:
            index.execute(
                "CREATE TRIGGER forget AFTER INSERT ON instance_json BEGIN"
                " UPDATE instance_json SET frames = NULL WHERE instance_fk = NEW.instance_fk; END"
            )
    return services


def made(make: Callable[..., bytes], syntax: str, pixels: bytes, *, frames: int, **attributes: Any) -> bytes:
    """Make an instance of several frames; `attributes` win over 4 x 4 pixels of 8 bits."""
    written = make(
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=SERIES,
        SOPInstanceUID=SOP,
        **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 4, "Columns": 4}
        | {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "NumberOfFrames": frames}
        | attributes,
    )
    read_again = pydicom.dcmread(io.BytesIO(written))
    dataset = pydicom.Dataset()  # one that was not read, which may be written in any encoding
    for one in read_again:
        dataset.add(one)
    dataset.file_meta = read_again.file_meta
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(SOP)
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OB" if syntax in (JPEGBaseline8Bit, MPEG4HP41) else "OW"
    dataset["PixelData"].is_undefined_length = syntax in (JPEGBaseline8Bit, MPEG4HP41)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def opened(services: Services, site: Site, data: bytes | Path) -> Frames:
    [result] = site.store(data)
    assert result.status == "stored", result.reason
    assert result.study_uid
    assert result.series_uid
    assert result.sop_uid
    return open_frames(services, "local", result.study_uid, result.series_uid, result.sop_uid)


def all_of(frames: Frames) -> list[bytes]:
    with frames:
        return [frames.read(number) for number in range(1, frames.count + 1)]


def indexed(data: bytes, instance: Instance) -> tuple[FrameIndex | None, str]:
    try:
        return index_frames(data, instance), ""
    except DicomError as error:
        return None, error.reason


def test_they_are_what_the_frame_index_reads_of_every_file(services: Services, site: Site) -> None:
    paths = [path for path in sorted(FILES.glob("*.dcm")) if path.stat().st_size < 4 << 20]
    with_frames = 0
    for path, result in zip(paths, site.store(*paths), strict=True):
        if result.status != "stored":
            continue
        data = path.read_bytes()
        uids = (str(result.study_uid), str(result.series_uid), str(result.sop_uid))
        instance = read(data).instance
        syntax = instance.transfer_syntax_uid
        if syntax in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
            continue  # see below
        index, reason = indexed(data, instance)
        if index is None:
            with pytest.raises(DicomError) as caught:
                open_frames(services, "local", *uids)
            assert caught.value.reason == reason
            continue
        frames = open_frames(services, "local", *uids)
        expected = [index.read(data, number) for number in range(1, index.count + 1)]
        assert (frames.count, frames.encapsulated, frames.transfer_syntax_uid) == (
            index.count,
            index.encapsulated,
            syntax,
        )
        assert all_of(frames) == expected, path.name
        assert list(frames.read_several(range(1, index.count + 1))) == expected
        assert [b"".join(frames.chunks(number)) for number in range(1, index.count + 1)] == expected
        with_frames += 1
    assert with_frames > 25


@pytest.mark.parametrize(
    ("little", "big"),
    [
        ("MR_small.dcm", "MR_small_bigendian.dcm"),
        ("rtdose.dcm", "rtdose_expb.dcm"),
        ("liver_1frame.dcm", "liver_expb_1frame.dcm"),
        ("SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm"),
    ],
)
def test_big_endian_files_have_the_frames_of_their_twins(
    services: Services, site: Site, tmp_path: Path, little: str, big: str
) -> None:
    other = Site(tmp_path / "other")
    with other.services() as elsewhere:
        assert all_of(opened(services, site, FILES / big)) == all_of(opened(elsewhere, other, FILES / little))


def words_reversed(pixels: bytes, word: int) -> bytes:
    return b"".join(pixels[at : at + word][::-1] for at in range(0, len(pixels), word))


@pytest.mark.parametrize("shape", [(1, 2, 3), (8, 2, 3), (8, 2, 4), (16, 2, 3), (32, 4, 3), (64, 8, 3)], ids=str)
def test_frames_of_big_endian_pixels(services: Services, site: Site, make: Any, shape: tuple[int, int, int]) -> None:
    bits, word, size = shape
    pixels = bytes(number % 251 for number in range((size * size * 6 * bits + 7) // 8))
    pixels += bytes(len(pixels) % 2)
    described = {"Rows": size, "Columns": size, "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    little = read(made(make, ExplicitVRLittleEndian, pixels, frames=6, **described))
    assert little.instance.pixel_data
    data = made(make, ExplicitVRLittleEndian, pixels, frames=6, **described)
    index = index_frames(data, little.instance)
    frames = opened(
        services, site, made(make, ExplicitVRBigEndian, words_reversed(pixels, word), frames=6, **described)
    )
    expected = [index.read(data, number) for number in range(1, 7)]
    assert all_of(frames) == expected
    for numbers in ([6, 1, 2, 3], [2, 2], [3], [5, 4]):
        assert list(frames.read_several(numbers)) == [expected[number - 1] for number in numbers]


def test_a_deflated_data_set_is_inflated_once(services: Services, site: Site, make: Any) -> None:
    pixels = bytes(range(16)) * 40
    storage = tell(services, "storage")
    frames = opened(services, site, made(make, DeflatedExplicitVRLittleEndian, pixels, frames=40))
    with frames:
        assert frames.read(3) == bytes(range(16))
        before = storage.count("read")
        assert list(frames.read_several(range(1, 41))) == [bytes(range(16))] * 40
        assert storage.count("read") == before
    frames.close()
    assert frames.read(1) == bytes(range(16)), "it is inflated again"
    frames.close()


def test_a_deflated_file(services: Services, site: Site) -> None:
    dataset = pydicom.dcmread(FILES / "image_dfl.dcm")
    assert all_of(opened(services, site, FILES / "image_dfl.dcm")) == [dataset.PixelData]


JPEGS = [b"\xff\xd8\xff\xe0" + bytes([number]) * (20 + 2 * number) + b"\xff\xd9" for number in range(1, 6)]


@pytest.mark.parametrize("per_frame", [1, 3])
def test_encapsulated_frames_are_their_fragments(services: Services, site: Site, make: Any, per_frame: int) -> None:
    pixels = encapsulate(JPEGS, fragments_per_frame=per_frame)
    frames = opened(services, site, made(make, JPEGBaseline8Bit, pixels, frames=5))
    assert (frames.encapsulated, frames.count) == (True, 5)
    assert [frame[: len(jpeg)] for frame, jpeg in zip(all_of(frames), JPEGS, strict=True)] == JPEGS


class Counting(Told):
    """A storage that tells the ranges that are read."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.ranges: list[tuple[int, int | None]] = []

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.ranges.append((start, length))
        return self.real.read(key, start=start, length=length)  # type: ignore[no-any-return]  # what it stands for


def counting(services: Services) -> Counting:
    storage = Counting(services.storage)
    services._opened["storage"] = storage
    return storage


def test_a_frame_is_one_range_of_a_large_object(services: Services, site: Site, make: Any, index_keeps: bool) -> None:
    pixels = struct.pack("<I", 7) * (1 << 20)
    data = made(make, ExplicitVRLittleEndian, pixels, frames=64, Rows=256, Columns=256)
    storage = counting(services)
    frames = opened(services, site, data)
    assert sum(length or 0 for _, length in storage.ranges) < 300 << 10, "the header only"
    assert bool(storage.ranges) != index_keeps
    storage.ranges.clear()
    frames.read(33)
    assert [length for _, length in storage.ranges] == [65536]
    storage.ranges.clear()
    assert b"".join(frames.read_several(range(1, 65))) == pixels
    assert len(storage.ranges) == 1, "frames beside each other share a range, up to 4 MiB"
    storage.ranges.clear()
    list(frames.read_several([1, 3, 64]))
    assert len(storage.ranges) == 3


def test_the_header_is_read_once(services: Services, site: Site, make: Any) -> None:
    data = made(make, JPEGBaseline8Bit, encapsulate(JPEGS), frames=5)
    opened(services, site, data)
    storage = counting(services)
    for number in range(1, 6):
        frames = open_frames(services, "local", STUDY, SERIES, SOP)
        assert frames.read(number).startswith(JPEGS[number - 1])
    assert len(storage.ranges) == 5, "one for each frame"


@pytest.mark.parametrize("numbers", [[0], [-1], [6], [1, 2, 6], [10**30]])
def test_there_are_no_other_frames(services: Services, site: Site, make: Any, numbers: list[int]) -> None:
    frames = opened(services, site, made(make, JPEGBaseline8Bit, encapsulate(JPEGS), frames=5))
    storage = counting(services)
    with pytest.raises(IndexError, match="is not one of the frames 1 to 5"):
        frames.read_several(numbers)
    with pytest.raises(IndexError):
        frames.read(numbers[-1])
    with pytest.raises(IndexError):
        frames.chunks(numbers[-1])
    assert not storage.ranges
    assert list(frames.read_several([])) == []


def test_only_the_instance_that_is_named(services: Services, site: Site, make: Any) -> None:
    opened(services, site, made(make, JPEGBaseline8Bit, encapsulate(JPEGS), frames=5))
    for wanted in (
        ("other", STUDY, SERIES, SOP),
        ("local", "2.25.8", SERIES, SOP),
        ("local", STUDY, "2.25.7.2", SOP),
        ("local", STUDY, SERIES, "2.25.7.1.2"),
    ):
        with pytest.raises(NotFoundError, match="search to list what exists"):
            open_frames(services, *wanted)


def test_no_pixel_data(services: Services, site: Site, make: Any) -> None:
    site.store(make(1))
    with pytest.raises(DicomError) as caught:
        open_frames(services, "local", "2.25.1.1", "2.25.1.1.1", "2.25.1.1.1.1")
    assert caught.value.reason == "no-pixel-data"


@pytest.mark.parametrize("known", [True, False])
def test_an_object_that_is_lost_or_damaged(
    services: Services, site: Site, make: Any, known: bool, index_keeps: bool
) -> None:
    data = made(make, ExplicitVRLittleEndian, bytes(96), frames=6)
    frames = opened(services, site, data)
    if not known:
        _cache.clear()
    stored: Stored = frames.stored
    [place] = site.data.rglob(Path(stored.key).name)
    place.chmod(0o600)
    place.write_bytes(data[:-50])
    with pytest.raises((DamagedError, DicomError)):
        open_frames(services, "local", STUDY, SERIES, SOP).read(6)
    if not known and not index_keeps:  # its header is read
        place.write_bytes(data.replace(SOP.encode(), b"2.25.7.1.9"))
        with pytest.raises(DamagedError, match="Restore it"):
            open_frames(services, "local", STUDY, SERIES, SOP)
    place.unlink()
    with pytest.raises(NotFoundError):
        open_frames(services, "local", STUDY, SERIES, SOP).read(6)


def test_a_video_is_one_frame_in_pieces(services: Services, site: Site, make: Any) -> None:
    video = b"\0\0\0\x18ftypmp42" + bytes(3 << 20)
    frames = opened(services, site, made(make, MPEG4HP41, encapsulate([video], has_bot=False), frames=90))
    assert frames.count == 1
    pieces = list(frames.chunks(1))
    assert b"".join(pieces) == video
    assert max(map(len, pieces)) == 1 << 20


def test_what_is_remembered_is_bounded() -> None:
    class Index:
        fragments = 100

    one: Any = _Known(Index())  # type: ignore[arg-type]  # only its size is asked for
    cache = _Cache(one.size * 10)
    keys: Sequence[Any] = [(str(number), None) for number in range(20)]
    for key in keys:
        cache.put(key, one)
        assert cache.get(keys[0]) is one, "what is used stays"
    assert sum(cache.get(key) is not None for key in keys) == 10
    assert cache.get(keys[5]) is None
    Index.fragments = 10**6
    cache.put(("large", None), _Known(Index()))  # type: ignore[arg-type]  # as above
    assert cache.get(("large", None)) is None  # type: ignore[arg-type]  # as above
