"""Whatever is changed on the disk: an error, and never a byte that was not written."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Iterator

import pytest
from sealed_folder import SealedFolder, content, pattern

from dicom_common.core import DamagedError, RefusedError

HEADER, CHUNK, TAG = 68, 65_536, 16
DATA = pattern(1, 2 * CHUNK + 1000)
KEY = "a/1"
FIELDS = {
    "magic": range(8),
    "version": range(8, 10),
    "flags": range(10, 12),
    "chunk size": range(12, 16),
    "generation": range(16, 20),
    "plain size": range(20, 28),
    "wrapped data key": range(28, 68),
}
RANGES = [(0, None), (10, 5), (CHUNK, 5), (2 * CHUNK, None), (len(DATA) - 1, 1), (len(DATA), 10), (10**12, None)]


@pytest.fixture
def written(folder: SealedFolder) -> bytes:
    """The encrypted bytes of the object."""
    folder.storage.write(KEY, DATA)
    return folder.path(KEY).read_bytes()


def flips(places: range) -> Iterator[tuple[int, int]]:
    """Each place, with every bit where there are few places, and with one bit of it where there are many."""
    for place in places:
        for bit in range(8) if len(places) < 100 else [random.Random(place).randrange(8)]:
            yield place, 1 << bit


def flipped(data: bytes, place: int, mask: int) -> bytes:
    return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


@pytest.mark.parametrize("field", FIELDS)
def test_a_flipped_bit_of_the_header_fails_every_read(folder: SealedFolder, written: bytes, field: str) -> None:
    for place, mask in flips(FIELDS[field]):
        folder.put(KEY, flipped(written, place, mask))
        for start, length in RANGES:
            with pytest.raises(DamagedError):
                b"".join(folder.storage.read(KEY, start=start, length=length))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_flipped_bit_of_a_chunk_or_its_tag_fails_each_read_that_touches_it(
    folder: SealedFolder, written: bytes, number: int
) -> None:
    begin = HEADER + number * (CHUNK + TAG)
    end = min(begin + CHUNK + TAG, len(written))
    for place in [begin, (begin + end) // 2, end - TAG - 1, *range(end - TAG, end)]:
        folder.put(KEY, flipped(written, place, 1 << place % 8))
        for start, length in RANGES:
            stop = len(DATA) if length is None else min(start + length, len(DATA))
            first = min(start // CHUNK, 2)
            touched = range(first, max(first + 1, -(-stop // CHUNK)))
            if number in touched:
                with pytest.raises(DamagedError):
                    b"".join(folder.storage.read(KEY, start=start, length=length))
            else:
                read = b"".join(folder.storage.read(KEY, start=start, length=length))
                assert read == DATA[start:stop]


def test_an_empty_object_is_authenticated_too(folder: SealedFolder) -> None:
    folder.storage.write(KEY, b"")
    written = folder.path(KEY).read_bytes()
    assert len(written) == HEADER + TAG
    for place in range(HEADER, HEADER + TAG):
        folder.put(KEY, flipped(written, place, 1 << place % 8))
        for start in (0, 1, CHUNK):
            with pytest.raises(DamagedError):
                b"".join(folder.storage.read(KEY, start=start))


def test_what_is_given_before_a_damaged_chunk_is_what_was_written(folder: SealedFolder) -> None:
    data = pattern(3, 40 * CHUNK)
    folder.storage.write(KEY, data)
    written = folder.path(KEY).read_bytes()
    folder.put(KEY, flipped(written, HEADER + 35 * (CHUNK + TAG), 1))
    got = b""
    with pytest.raises(DamagedError):  # noqa: PT012 - what came before the error counts
        for piece in folder.storage.read(KEY):
            got += piece
    assert 0 < len(got) <= 35 * CHUNK
    assert data.startswith(got)


@pytest.mark.parametrize(
    "length",
    [0, 1, 20, HEADER - 1, HEADER, HEADER + 1, HEADER + TAG, HEADER + CHUNK, HEADER + CHUNK + TAG,
     HEADER + CHUNK + TAG + 1, HEADER + 2 * (CHUNK + TAG), -1, -TAG],
)  # fmt: skip
def test_a_cut_object_is_damaged(folder: SealedFolder, written: bytes, length: int) -> None:
    folder.put(KEY, written[:length])
    with pytest.raises(DamagedError):
        content(folder.storage, KEY)
    with pytest.raises(DamagedError):
        b"".join(folder.storage.read(KEY, start=2 * CHUNK))


def test_an_extended_object_is_damaged(folder: SealedFolder, written: bytes) -> None:
    last = written[HEADER + 2 * (CHUNK + TAG) :]
    for more in (b"\0", last, written, written[HEADER : HEADER + CHUNK + TAG]):
        folder.put(KEY, written + more)
        with pytest.raises(DamagedError):
            content(folder.storage, KEY)
        with pytest.raises(DamagedError):
            b"".join(folder.storage.read(KEY, start=2 * CHUNK))


def test_chunks_that_changed_places_are_damaged(folder: SealedFolder, written: bytes) -> None:
    first, second = HEADER + CHUNK + TAG, HEADER + 2 * (CHUNK + TAG)
    head, chunks = written[:HEADER], (written[HEADER:first], written[first:second], written[second:])
    for order in ((1, 0, 2), (0, 0, 2), (1, 1, 2), (0, 2), (1, 2), (0, 1, 1, 2)):
        folder.put(KEY, head + b"".join(chunks[number] for number in order))
        with pytest.raises(DamagedError):
            content(folder.storage, KEY)


@pytest.mark.parametrize("other", ["a/2", "b/1"])
@pytest.mark.parametrize("part", ["all", "header", "wrapped key", "chunks", "first chunk"])
def test_what_belongs_to_another_object_or_tenant_is_damaged(
    folder: SealedFolder, written: bytes, other: str, part: str
) -> None:
    folder.storage.write(other, DATA[::-1])
    foreign = folder.path(other).read_bytes()
    where = {
        "all": slice(0, None),
        "header": slice(0, HEADER),
        "wrapped key": slice(28, HEADER),
        "chunks": slice(HEADER, None),
        "first chunk": slice(HEADER, HEADER + CHUNK + TAG),
    }[part]
    mixed = bytearray(written)
    mixed[where] = foreign[where]
    folder.put(KEY, bytes(mixed))
    with pytest.raises(DamagedError):
        content(folder.storage, KEY)


def test_an_older_version_of_an_object_is_not_mixed_with_the_newer(folder: SealedFolder, written: bytes) -> None:
    folder.storage.write(KEY, DATA)
    newer = folder.path(KEY).read_bytes()
    folder.put(KEY, newer[: HEADER + CHUNK + TAG] + written[HEADER + CHUNK + TAG :])
    with pytest.raises(DamagedError):
        content(folder.storage, KEY)


def test_an_object_that_was_put_there_unencrypted_is_damaged(folder: SealedFolder) -> None:
    folder.storage.write("a/sealed", b"x")
    folder.path(KEY).write_bytes(b"plain" * 100)
    folder.path("a/short").write_bytes(b"plain")
    for key in (KEY, "a/short"):
        with pytest.raises(DamagedError):
            folder.storage.read(key)
    with pytest.raises(DamagedError):
        folder.storage.stat("a/short")
    assert {found.key: found.size for found in folder.storage.scan()}["a/short"] == 0


def test_the_same_bytes_are_never_encrypted_to_the_same(folder: SealedFolder, written: bytes) -> None:
    folder.storage.write(KEY, DATA)
    again = folder.path(KEY).read_bytes()
    assert again[28:HEADER] != written[28:HEADER]
    chunks = [data[HEADER + n * (CHUNK + TAG) :][: CHUNK + TAG] for data in (written, again) for n in (0, 1)]
    assert len(set(chunks)) == 4
    assert DATA[:64] not in written


def test_a_flipped_bit_of_a_tenants_key_fails_every_read(folder: SealedFolder, written: bytes) -> None:
    assert written
    path = folder.key_path("a")
    record = path.read_bytes()
    for place, mask in flips(range(len(record))):
        folder.replace(path, flipped(record, place, mask))
        with pytest.raises(DamagedError):
            folder.storage.read(KEY)
        with pytest.raises(DamagedError):
            folder.storage.write(KEY, b"x")
    folder.replace(path, record[:-1])
    with pytest.raises(DamagedError):
        folder.storage.read(KEY)
    folder.replace(path, record)
    assert content(folder.storage, KEY) == DATA


def forged(record: bytes, **changes: object) -> bytes:
    """A record that somebody changed who knows how its digest is made."""
    body = json.dumps(json.loads(record.partition(b"\n")[2]) | changes, separators=(",", ":")).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def test_a_forged_key_of_a_tenant_is_refused(
    folder: SealedFolder, written: bytes, other_folder: Callable[[], SealedFolder]
) -> None:
    assert written
    record = folder.key_path("a").read_bytes()
    folder.storage.write("b/1", b"x")
    foreign = json.loads(folder.key_path("b").read_bytes().partition(b"\n")[2])["wrapped"]
    other_folder().storage.write(KEY, b"x")
    for fake in (
        folder.key_path("b").read_bytes(),
        other_folder().key_path("a").read_bytes(),
        forged(record, wrapped=foreign),
        forged(record, created="2020-01-01T00:00:00+00:00"),
        forged(record, tenant="b"),
        forged(record, generation=2),
        forged(record, version=2),
        forged(record, wrapped="no base64"),
        forged(record, wrapped=""),
        b"",
        os.urandom(len(record)),
    ):
        folder.replace(folder.key_path("a"), fake)
        with pytest.raises(DamagedError):
            folder.storage.read(KEY)
    folder.replace(folder.key_path("a"), forged(record, key_id="unknown"))
    with pytest.raises(RefusedError, match="unknown"):
        folder.storage.read(KEY)


def test_a_lost_key_of_a_tenant_is_told_and_harms_no_other(folder: SealedFolder, written: bytes) -> None:
    assert written
    folder.storage.write("b/1", b"x")
    folder.key_path("a").unlink()
    with pytest.raises(DamagedError, match="backup"):
        folder.storage.read(KEY)
    assert content(folder.storage, "b/1") == b"x"
