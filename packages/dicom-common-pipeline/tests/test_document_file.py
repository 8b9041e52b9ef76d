"""The file of a metadata document: plain gzip that says of what it is and knows when it is damaged."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from collections.abc import Iterator
from datetime import date

import pytest

from dicom_common.core import DicomError
from dicom_common.pipeline import DocumentLayout
from dicom_common.pipeline._documents._document import HEADER_BYTES, open_document, write_document
from dicom_common.pipeline._documents._layout import Subject, is_document
from dicom_common.pipeline._documents._sealed import seal, unseal

NOW, THEN = "a" * 64, "b" * 64
OBJECTS = [b'{"00080018":{"vr":"UI","Value":["1.2.%d"]}}' % number for number in range(300)]


def written(objects: list[bytes]) -> bytes:
    with write_document(objects, NOW) as document:
        return b"".join(document.gzip())


@pytest.mark.parametrize("count", [0, 1, 300])
def test_a_document_is_gzip_of_a_json_array(count: int) -> None:
    with write_document(OBJECTS[:count], NOW) as document:
        data, text = b"".join(document.gzip()), b"".join(document.plain())
        assert (document.instances, document.size, document.revision) == (count, len(data), NOW)
        assert b"".join(document.gzip()) == data
    assert gzip.decompress(data) == text
    assert json.loads(text) == [json.loads(one) for one in OBJECTS[:count]]
    opened = open_document(iter([data]), NOW)
    assert opened is not None
    with opened:
        assert (opened.instances, opened.size, b"".join(opened.plain())) == (count, len(data), text)


@pytest.mark.parametrize(
    "poison",
    [
        b'{"00280106":{"vr":"}}',
        b'{"00280106":{"vr":"FD","Value":[NaN]}}',
        b'{"00280106":{"vr":"US","Value":[1]}',
        b"[]",
        b"null",
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"00080018":{"vr":"UI"}},{}',
    ],
    ids=lambda poison: repr(poison[:20]),
)
def test_an_object_that_is_not_json_does_not_poison_the_others(poison: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with write_document([OBJECTS[0], poison, OBJECTS[1]], NOW) as document:
        assert json.loads(b"".join(document.plain())) == [json.loads(one) for one in OBJECTS[:2]]
        assert document.instances == 2
    assert "metadata of 1 instances" in caplog.text


def test_a_document_may_come_in_pieces_of_any_size() -> None:
    data = written(OBJECTS)
    for size in (1, 7, HEADER_BYTES, HEADER_BYTES + 1, 100_000):
        opened = open_document((data[at : at + size] for at in range(0, len(data), size)), NOW)
        assert opened is not None
        assert b"".join(opened.gzip()) == data


def test_a_document_of_another_revision_is_not_read_further() -> None:
    data = written(OBJECTS)

    def chunks() -> Iterator[bytes]:
        yield data[:HEADER_BYTES]
        pytest.fail("the rest was read")

    assert open_document(chunks(), THEN) is None


def test_no_damaged_document_is_opened() -> None:
    data = written(OBJECTS[:20])
    chance = random.Random(7)
    for position in [*range(HEADER_BYTES), *chance.sample(range(HEADER_BYTES, len(data)), 60)]:
        damaged = bytearray(data)
        damaged[position] ^= 1 << chance.randrange(8)
        assert open_document([bytes(damaged)], NOW) is None, position
    for length in (0, 1, HEADER_BYTES - 1, HEADER_BYTES, len(data) - 1):
        assert open_document([data[:length]], NOW) is None
    assert open_document([data + b"\0"], NOW) is None
    assert open_document([b"garbage" * 1000], NOW) is None
    assert open_document([], NOW) is None


def test_memory_does_not_grow_with_the_document() -> None:
    # Text that gzip can only halve: 26 MB of it, and half as much.
    chance = random.Random(7)

    def objects(count: int) -> Iterator[bytes]:
        return (b'{"x":"%s"}' % chance.randbytes(65536).hex().encode() for _ in range(count))

    def peak(count: int) -> int:
        tracemalloc.start()
        with write_document(objects(count), NOW) as document:
            opened = open_document(document.gzip(), NOW)
            assert opened is not None
            with opened:
                assert sum(map(len, opened.plain())) > count * 131072
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(200) < 1.5 * peak(100)


def test_a_sealed_value_is_known_by_its_key_and_secret() -> None:
    sealed = seal("key", b"value", b"secret")
    assert unseal("key", sealed, b"secret") == b"value"
    for key, value, secret in (
        ("key2", sealed, b"secret"),
        ("key", sealed, b""),
        ("key", sealed, b"other"),
        ("key", sealed + b"x", b"secret"),
        ("key", sealed[:-1], b"secret"),
        ("key", sealed[:10], b"secret"),
        ("key", b"", b"secret"),
        ("key", b"\xff" * 100, b"secret"),
    ):
        assert unseal(key, value, secret) is None


def test_documents_lie_where_the_layout_says() -> None:
    layout = DocumentLayout()
    study = layout.key("t", date(2026, 1, 2), "1.2.3")
    series = layout.key("t", None, "1.2.3", "1.2.3.4")
    assert study == "t/metadata/20260102/1.2.3.json"
    assert series == "t/metadata/undated/1.2.3/1.2.3.4.json"
    assert layout.subject(study) == Subject("t", "1.2.3", None)
    assert layout.subject(series) == Subject("t", "1.2.3", "1.2.3.4")
    other = DocumentLayout("{tenant}/metadata/a.b/{study_uid}")
    assert other.subject(other.key("t", None, "1.2", "1.3")) == Subject("t", "1.2", "1.3")
    assert other.subject("t/metadata/aXb/1.2.json") is None
    assert layout.subject("t/metadata/20260102/1.2.3.txt") is None
    assert is_document(study)
    assert not is_document("t/20260102/metadata/1.dcm")


@pytest.mark.parametrize("uid", ["..", "1/2", "", "1.2\n", "x" * 65])
def test_a_uid_that_leads_elsewhere_makes_no_key(uid: str) -> None:
    with pytest.raises(DicomError):
        DocumentLayout().key("t", None, uid)
    with pytest.raises(DicomError):
        DocumentLayout().key("t", None, "1.2", uid)


@pytest.mark.parametrize(
    "template",
    [
        "metadata/{study_uid}",
        "{tenant}/{study_uid}",
        "{tenant}/metadata/{study_date}",
        "{tenant}/metadata/{sop_uid}/{study_uid}",
        "{tenant}/metadata/../{study_uid}",
        "{tenant}/metadata/x{study_uid}",
        "{tenant}/metadata/{",
    ],
)
def test_a_layout_that_cannot_work_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        DocumentLayout(template)
