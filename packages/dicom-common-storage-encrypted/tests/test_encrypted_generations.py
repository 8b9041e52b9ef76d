"""The number of a key is given once, and what is lost of a tenant's keys never leads to an older key being used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sealed_folder import SealedFolder, content, entry

from dicom_common.core import DamagedError, RefusedError
from dicom_common.storage.encrypted import EncryptedStorage
from dicom_common.storage.encrypted._format import HEADER_BYTES, Header

FIRST = entry("first", seed=1, active=True)


def mark(folder: SealedFolder, generation: int, tenant: str = "a") -> Path:
    return folder.key_path(tenant).parent / f"made-{generation:08}"


def generation_of(folder: SealedFolder, key: str) -> int:
    """Tell with which generation an object was written, as its header says."""
    return Header.decode(folder.path(key).read_bytes()[:HEADER_BYTES]).generation


def rotate(storage: EncryptedStorage, tenant: str | None = "a") -> list[int]:
    return [key.generation for key in storage.rotate_keys(tenant, new_generation=True)]


def rotated(folder: SealedFolder, times: int) -> None:
    """Write an object with each of some generations."""
    folder.storage.write("a/1", b"1")
    for number in range(2, times + 2):
        assert rotate(folder.storage) == [number]
        folder.storage.write(f"a/{number}", b"%d" % number)
        assert generation_of(folder, f"a/{number}") == number


@pytest.mark.parametrize("times", [1, 2, 9])
def test_a_newest_key_that_was_lost_stops_writing_and_harms_no_reading(folder: SealedFolder, times: int) -> None:
    rotated(folder, times)
    newest = folder.key_path("a", times + 1)
    record = newest.read_bytes()
    newest.unlink()
    for storage in (folder.storage, folder.open(FIRST)):  # one knows of the key from before, the other does not
        with pytest.raises(DamagedError, match=f"generation {times + 1}.*new-generation"):
            storage.write("a/more", b"x")
        assert content(storage, f"a/{times}") == b"%d" % times
        storage.write("b/1", b"of another tenant")
    newest.write_bytes(record)
    folder.open(FIRST).write("a/more", b"x")
    assert generation_of(folder, "a/more") == times + 1


def test_behind_a_lost_key_comes_a_new_number_and_the_lost_one_can_come_back(folder: SealedFolder) -> None:
    rotated(folder, 1)
    newest = folder.key_path("a", 2)
    record = newest.read_bytes()
    newest.unlink()
    assert rotate(folder.open(FIRST)) == [3]
    after = folder.open(FIRST)
    after.write("a/3", b"3")
    assert generation_of(folder, "a/3") == 3
    newest.write_bytes(record)
    assert [content(after, f"a/{number}") for number in (1, 2, 3)] == [b"1", b"2", b"3"]


def test_all_keys_lost_is_told_and_the_next_has_a_number_of_its_own(folder: SealedFolder) -> None:
    rotated(folder, 1)
    records = {number: folder.key_path("a", number).read_bytes() for number in (1, 2)}
    for number in records:
        folder.key_path("a", number).unlink()
        folder.path(f"a/{number}").unlink()  # without objects, too
    after = folder.open(FIRST)
    with pytest.raises(DamagedError, match="backup"):
        after.write("a/x", b"x")
    assert rotate(after, None) == [3]
    after.write("a/x", b"x")
    assert generation_of(folder, "a/x") == 3


@pytest.mark.parametrize("lost", [1, 2])
def test_a_mark_that_was_lost_is_made_again(folder: SealedFolder, lost: int) -> None:
    rotated(folder, 1)
    mark(folder, lost).unlink()
    storage = folder.open(FIRST)
    storage.write("a/more", b"x")
    assert generation_of(folder, "a/more") == 2
    assert mark(folder, 2).exists()
    assert rotate(storage) == [3]


def test_a_maker_that_was_killed_between_key_and_mark_leaves_a_key_that_is_used(folder: SealedFolder) -> None:
    # As he left it, and as versions without marks did: no mark at all.
    rotated(folder, 1)
    for number in (1, 2):
        mark(folder, number).unlink()
    folder.open(FIRST).write("a/more", b"x")
    assert mark(folder, 2).exists(), "it is there before anything is encrypted"
    folder.key_path("a", 2).unlink()
    with pytest.raises(DamagedError, match="generation 2"):
        folder.open(FIRST).write("a/more", b"y")


def test_a_process_does_not_go_back_behind_what_it_has_seen(folder: SealedFolder) -> None:
    rotated(folder, 1)
    folder.key_path("a", 2).unlink()
    mark(folder, 2).unlink()
    with pytest.raises(DamagedError, match="generation 2"):
        folder.storage.write("a/more", b"x")
    assert rotate(folder.storage) == [3]


def test_what_was_destroyed_keeps_its_numbers(folder: SealedFolder) -> None:
    rotated(folder, 2)
    assert folder.storage.destroy_keys("a") == 3
    with pytest.raises(RefusedError, match="destroyed"):
        folder.storage.write("a/x", b"x")
    assert rotate(folder.open(FIRST), None) == []
    for number in (1, 2, 3):
        folder.path(f"a/{number}").unlink()
    (folder.key_path("a").parent / "destroyed").unlink()  # it is lost, and no object is there that would tell
    after = folder.open(FIRST)
    with pytest.raises(DamagedError):
        after.write("a/x", b"x")
    assert rotate(after) == [4]


def test_marks_are_neither_keys_nor_objects(folder: SealedFolder) -> None:
    rotated(folder, 1)
    assert [key.generation for key in folder.storage.tenant_keys()] == [1, 2]
    assert [found.key for found in folder.storage.scan()] == ["a/1", "a/2"]
    for name in ("made-", "made-x", "made-2", "made-000000002", "2", "000000002", "٠٠٠٠٠٠٠٢"):
        stray = folder.key_path("a").parent / name
        stray.touch()
        with pytest.raises(DamagedError, match="not a key of a tenant"):
            folder.open(FIRST).write("a/more", b"x")
        stray.unlink()


def at_once(*calls: Callable[[], object]) -> None:
    """Run all at once; what one of them raises is raised."""
    barrier = threading.Barrier(len(calls))
    failures: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_those_who_rotate_and_write_at_once_agree_on_numbers_and_keys(folder: SealedFolder) -> None:
    storages = [folder.open(FIRST) for _ in range(4)]
    seen: dict[int, bytes] = {}
    for turn in range(8):
        at_once(
            *(lambda storage=storage: rotate(storage) for storage in storages[:2]),
            *(
                lambda storage=storage, number=number: storage.write(f"a/{turn}-{number}", b"%d" % number)  # noqa: B023 - used within the turn
                for number, storage in enumerate(storages)
            ),
        )
        for path in folder.key_path("a").parent.glob("0*"):
            assert seen.setdefault(int(path.name), path.read_bytes()) == path.read_bytes(), "made twice"
    reader = folder.open(FIRST)
    for turn in range(8):
        for number in range(len(storages)):
            assert content(reader, f"a/{turn}-{number}") == b"%d" % number
    assert sorted(seen) == list(range(1, max(seen) + 1))
    assert all(mark(folder, number).exists() for number in seen)
