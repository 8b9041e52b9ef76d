"""The value that a BulkDataURI stands for, out of the storage: whole, in parts, and without holding it."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pipeline_site import Site
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from dicom_common.core import DamagedError, DicomError, NotFoundError, Stored
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Services
from dicom_common.pipeline import ObjectLostError, list_bulk_data, open_all_bulk_data, open_bulk_data

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
VALUE = bytes(number * 7 % 256 for number in range(3000))


@pytest.fixture
def services(site: Site) -> Services:
    return site.services()


def stored(services: Services, site: Site, data: Any) -> Stored:
    [result] = site.store(data)
    assert result.status == "stored", result.reason
    return services.db.stored("local", [str(result.sop_uid)])[str(result.sop_uid)]


def written(make: Any, syntax: str, **attributes: Any) -> bytes:
    read_again = pydicom.dcmread(io.BytesIO(make(1)))
    dataset = Dataset()  # one that was not read, which may be written in any encoding
    for one in read_again:
        dataset.add(one)
    dataset.file_meta = read_again.file_meta
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def nested() -> Items:
    inner = Dataset()
    inner.add_new(0x00420011, "OB", VALUE)
    return Items([Dataset(), inner])


def whole(services: Services, one: Stored, path: str) -> bytes:
    return b"".join(open_bulk_data(services.storage, one, path).chunks())


def test_every_uri_in_the_index_is_a_value(services: Services, site: Site) -> None:
    checked = 0
    paths = [path for path in sorted(FILES.glob("*.dcm")) if path.stat().st_size < 2 << 20]
    for result in site.store(*paths):
        if result.status != "stored":
            continue
        sop = str(result.sop_uid)
        one = services.db.stored("local", [sop])[sop]
        [metadata] = services.db.metadata("local", one.study_uid, one.series_uid, sop)
        listed = list(list_bulk_data(services.storage, one))
        assert listed == list(list_bulk_data(services.storage, one, metadata=metadata))
        assert len(listed) == metadata.count(b'"BulkDataURI":')
        for path in listed[:20]:
            try:
                bulk = open_bulk_data(services.storage, one, path)
            except DicomError as error:
                assert (path, error.reason) == ("7FE00010", "encapsulated")  # noqa: PT017  # only some are
                continue
            value = b"".join(bulk.chunks())
            assert len(value) == bulk.length > 0
            assert b"".join(bulk.range(1, 5)) == value[1:6]
            assert b"".join(bulk.range(bulk.length - 3, 100)) == value[-3:]
            checked += 1
    assert checked > 15


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", DeflatedExplicitVRLittleEndian])
def test_nested_values_of_every_encoding(services: Services, site: Site, make: Any, syntax: str) -> None:
    one = stored(services, site, written(make, syntax, ConceptNameCodeSequence=nested(), EncapsulatedDocument=VALUE))
    assert list(list_bulk_data(services.storage, one)) == ["0040A043.2.00420011", "00420011"]
    for path in ("0040A043.2.00420011", "00420011"):
        bulk = open_bulk_data(services.storage, one, path)
        assert (bulk.vr, bulk.length) == ("OB", 3000)
        assert b"".join(bulk.chunks()) == VALUE
        assert b"".join(bulk.range(1000, 7)) == VALUE[1000:1007]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 1499, 2997, 2998, 2999, 3000, 9999])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 1000, 1 << 40])
def test_parts_of_words_that_are_reversed(services: Services, site: Site, make: Any, start: int, length: int) -> None:
    one = stored(services, site, written(make, ExplicitVRBigEndian, RedPaletteColorLookupTableData=VALUE))
    bulk = open_bulk_data(services.storage, one, "00281201")
    little = b"".join(VALUE[at : at + 2][::-1] for at in range(0, 3000, 2))
    assert bulk.vr == "OW"
    assert b"".join(bulk.chunks()) == little
    assert b"".join(bulk.range(start, length)) == little[start : start + length]


@pytest.mark.parametrize(
    "path", ["", "00091001", "7FE00010", "0040A043", "0040A043.1.00420011", "../00420011", "0" * 99]
)
def test_what_is_not_the_path_of_a_value(services: Services, site: Site, make: Any, path: str) -> None:
    one = stored(services, site, make(1, payload=VALUE, ConceptNameCodeSequence=nested()))
    with pytest.raises(NotFoundError, match="take the paths of its BulkDataURIs"):
        open_bulk_data(services.storage, one, path)


def test_a_part_that_cannot_be(services: Services, site: Site, make: Any) -> None:
    bulk = open_bulk_data(services.storage, stored(services, site, make(1, payload=VALUE)), "00420011")
    for start, length in ((-1, 5), (0, -1)):
        with pytest.raises(ValueError, match="0 or more"):
            bulk.range(start, length)


def test_encapsulated_pixel_data_is_not_one_value(services: Services, site: Site) -> None:
    one = stored(services, site, FILES / "JPEG2000.dcm")
    with pytest.raises(DicomError, match="ask for its frames"):
        open_bulk_data(services.storage, one, "7FE00010")
    assert "7FE00010" in list(list_bulk_data(services.storage, one))


def test_other_settings_of_the_reader(services: Services, site: Site, make: Any) -> None:
    one = stored(services, site, make(1, payload=bytes(100)))
    assert list(list_bulk_data(services.storage, one)) == []
    assert list(list_bulk_data(services.storage, one, settings=ReaderSettings(bulk_data_threshold=99))) == ["00420011"]
    assert whole(services, one, "00420011") == bytes(100), "a value that is inline in the metadata is one, too"


@pytest.mark.parametrize("deflated", [False, True])
def test_memory_does_not_grow_with_the_value(services: Services, site: Site, make: Any, deflated: bool) -> None:
    value = bytes(48 << 20)
    syntax = DeflatedExplicitVRLittleEndian if deflated else "1.2.840.10008.1.2.1"
    one = stored(services, site, written(make, syntax, EncapsulatedDocument=value))
    del value
    tracemalloc.start()
    try:
        bulk = open_bulk_data(services.storage, one, "00420011")
        assert sum(map(len, bulk.chunks())) == 48 << 20
        assert sum(map(len, bulk.range(40 << 20, 1 << 20))) == 1 << 20
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_object_that_is_lost_or_another_one(services: Services, site: Site, make: Any) -> None:
    one = stored(services, site, make(1, payload=VALUE))
    [place] = site.data.rglob(Path(one.key).name)
    bulk = open_bulk_data(services.storage, one, "00420011")
    place.chmod(0o600)
    data = place.read_bytes()
    place.write_bytes(data.replace(one.sop_uid.encode(), one.sop_uid.encode()[:-1] + b"9"))
    with pytest.raises(DamagedError, match="Restore it"):
        open_bulk_data(services.storage, one, "00420011")
    place.write_bytes(data[:-1000])
    with pytest.raises(DamagedError):
        list(bulk.chunks())
    place.unlink()
    for call in (lambda: list(bulk.chunks()), lambda: whole(services, one, "00420011")):
        with pytest.raises(ObjectLostError) as caught:
            call()
        assert caught.value.sop_uid == one.sop_uid


def test_json_of_third_parties(services: Services, site: Site, make: Any) -> None:
    one = stored(services, site, make(1))
    metadata = json.dumps(
        {
            "00091001": {"vr": "OB", "BulkDataURI": "https://elsewhere"},
            "0040A043": {"vr": "SQ", "Value": [{"00091002": {"vr": "OB", "BulkDataURI": "x"}}, {}]},
            "0040A044": {"vr": "SQ"},
            "00104000": {"vr": "LT", "Value": ["BulkDataURI"]},
        }
    ).encode()
    found: Iterator[str] = list_bulk_data(services.storage, one, metadata=metadata)
    assert list(found) == ["00091001", "0040A043.1.00091002"]


# All at once


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "waveform_ecg.dcm"])
def test_all_values_are_those_that_are_found_one_by_one(site: Site, services: Services, name: str) -> None:
    one = stored(services, site, FILES / name)
    found = dict(open_all_bulk_data(services.storage, one))
    assert list(found) == list(list_bulk_data(services.storage, one))
    assert found, "there has to be a value"
    for path, value in found.items():
        single = open_bulk_data(services.storage, one, path)
        assert (value.vr, value.length) == (single.vr, single.length)
        assert b"".join(value.chunks()) == b"".join(single.chunks())


def test_all_values_of_encapsulated_pixel_data_are_none(site: Site, services: Services) -> None:
    one = stored(services, site, FILES / "JPEG2000.dcm")
    assert "7FE00010" in list(list_bulk_data(services.storage, one))
    assert "7FE00010" not in dict(open_all_bulk_data(services.storage, one))


def test_many_values_are_found_by_one_reading_of_the_header(site: Site, services: Services, make: Any) -> None:
    items = Items([Dataset() for _ in range(1000)])
    for number, item in enumerate(items):
        item.add_new(0x00420011, "OB", number.to_bytes(2, "little") * 600)
    one = stored(services, site, make(1, ReferencedImageSequence=items))
    reads = Reads(services.storage)
    found = list(open_all_bulk_data(reads, one))  # type: ignore[arg-type]  # it counts, and leaves the rest to a storage
    assert reads.bytes < 3 * one.size
    assert [path for path, _ in found] == [f"00081140.{number}.00420011" for number in range(1, 1001)]
    assert b"".join(found[-1][1].chunks()) == (999).to_bytes(2, "little") * 600


@pytest.mark.parametrize(("bits", "of_icon"), [(32, 16), (16, 32)])
def test_words_of_an_icon_are_those_of_its_own_bits(
    site: Site, services: Services, make: Any, bits: int, of_icon: int
) -> None:
    """Big endian: its pixels are reversed by the Bits Allocated of its own item."""
    icon = Dataset()
    icon.BitsAllocated = of_icon
    icon.add_new(0x7FE00010, "OW", VALUE[:2400])
    data = written(make, ExplicitVRBigEndian, BitsAllocated=bits, IconImageSequence=Items([icon]))
    one = stored(services, site, data)
    width = of_icon // 8
    expected = b"".join(VALUE[at : at + width][::-1] for at in range(0, 2400, width))
    assert whole(services, one, "00880200.1.7FE00010") == expected


class Reads:
    """A storage that counts the bytes that are read of it."""

    def __init__(self, storage: Any) -> None:
        self._storage, self.bytes = storage, 0

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        for piece in self._storage.read(key, start=start, length=length):
            self.bytes += len(piece)
            yield piece
