"""Keys of tenants: rotated without a change of the data, renewed, destroyed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sealed_folder import SealedFolder, content, entry, pattern

from dicom_common.core import DamagedError, NotFoundError, RefusedError, TenantKey

FIRST, OLD = entry("first", seed=1, active=True), entry("first", seed=1)
SECOND = entry("second", active=True)
DATA = pattern(1, 200_000)


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    """All encrypted objects, with the time of their last change; not the keys."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and ".dicom-common" not in str(path.relative_to(root))
    }


def wrapped_by(keys: list[TenantKey]) -> list[tuple[str, int, str]]:
    return [(key.tenant, key.generation, key.key_id) for key in keys]


def test_a_rotation_leaves_the_data_as_it_is_and_the_old_key_is_not_needed_any_more(folder: SealedFolder) -> None:
    keys = [f"{tenant}/{number}" for tenant in "abc" for number in range(3)]
    for key in keys:
        folder.storage.write(key, DATA)
    before = files(folder.root)
    assert len(before) == len(keys)
    with pytest.raises(RefusedError, match="first"):
        folder.open(SECOND).read("a/0")

    rotating = folder.open(OLD, SECOND)
    rotated = list(rotating.rotate_keys())

    assert wrapped_by(rotated) == [(tenant, 1, "second") for tenant in "abc"]
    assert list(rotating.rotate_keys()) == []
    assert files(folder.root) == before
    after = folder.open(SECOND)
    assert all(content(after, key) == DATA for key in keys)
    assert wrapped_by(list(after.tenant_keys())) == wrapped_by(rotated)


def test_an_interrupted_rotation_goes_on_where_it_was(folder: SealedFolder) -> None:
    for tenant in "abcd":
        folder.storage.write(f"{tenant}/1", b"x")
    storage = folder.open(OLD, SECOND)
    rotation = storage.rotate_keys()
    done = [next(rotation).tenant, next(rotation).tenant]
    del rotation
    assert [content(storage, f"{tenant}/1") for tenant in "abcd"] == [b"x"] * 4
    assert done + [key.tenant for key in folder.open(OLD, SECOND).rotate_keys()] == list("abcd")


def test_one_tenant_is_rotated_alone(folder: SealedFolder) -> None:
    for tenant in ("a", "ab", "b"):
        folder.storage.write(f"{tenant}/1", b"x")
    storage = folder.open(OLD, SECOND)
    assert [key.tenant for key in storage.rotate_keys("a")] == ["a"]
    assert [key.key_id for key in storage.tenant_keys()] == ["second", "first", "first"]
    assert [key.tenant for key in storage.tenant_keys("a")] == ["a"]


def test_a_new_generation_is_for_new_objects_and_the_old_stay_readable(folder: SealedFolder) -> None:
    folder.storage.write("a/old", b"old")
    [made] = folder.storage.rotate_keys("a", new_generation=True)
    assert made.generation == 2
    folder.storage.write("a/new", b"new")
    assert content(folder.storage, "a/old") == b"old"
    folder.key_path("a", 1).unlink()
    assert content(folder.storage, "a/new") == b"new"
    with pytest.raises(DamagedError):
        folder.storage.read("a/old")


def test_two_writers_of_a_new_tenant_agree_on_one_key(folder: SealedFolder) -> None:
    other = folder.open(FIRST)
    folder.storage.write("a/1", b"1")
    other.write("a/2", b"2")
    assert [content(other, "a/1"), content(folder.storage, "a/2")] == [b"1", b"2"]
    assert len(list(other.tenant_keys())) == 1


def test_destroyed_keys_end_a_tenant_and_no_other(folder: SealedFolder) -> None:
    for tenant in ("a", "ab"):
        folder.storage.write(f"{tenant}/1", DATA)
    record = folder.key_path("a").read_bytes()

    assert folder.storage.destroy_keys("a") == 1

    for storage in (folder.storage, folder.open(FIRST)):
        with pytest.raises(RefusedError, match="destroyed"):
            storage.read("a/1")
        with pytest.raises(RefusedError, match="destroyed"):
            storage.write("a/2", b"x")
        assert content(storage, "ab/1") == DATA
        assert [(key.tenant, key.destroyed) for key in storage.tenant_keys()] == [("a", True), ("ab", False)]
        assert list(storage.rotate_keys(new_generation=False)) == []
    assert not folder.key_path("a").exists()
    assert folder.storage.stat("a/1").size == len(DATA)

    # A rotation elsewhere that had read the key before may write it once more: it stays out of use.
    folder.key_path("a").write_bytes(record)
    with pytest.raises(RefusedError, match="destroyed"):
        folder.open(FIRST).read("a/1")
    assert folder.storage.destroy_keys("a") == 1
    assert not folder.key_path("a").exists()
    assert folder.storage.destroy_keys("a") == 0


def test_keys_that_never_were_cannot_be_destroyed(folder: SealedFolder) -> None:
    with pytest.raises(NotFoundError, match="clinic"):
        folder.storage.destroy_keys("clinic")


def test_a_tenant_with_a_key_of_its_own_is_not_opened_by_that_of_all(folder: SealedFolder) -> None:
    own = entry("own", tenant="a", active=True)
    storage = folder.open(FIRST, own)
    storage.write("a/1", b"x")
    storage.write("b/1", b"x")
    assert [key.key_id for key in storage.tenant_keys()] == ["own", "first"]
    with pytest.raises(RefusedError, match="own"):
        folder.open(FIRST).read("a/1")
    with pytest.raises(RefusedError, match="own"):
        folder.open(FIRST, entry("own", tenant="b", active=True)).read("a/1")
    assert content(folder.open(FIRST), "b/1") == b"x"


def test_another_key_under_the_same_id_is_told(folder: SealedFolder) -> None:
    folder.storage.write("a/1", b"x")
    with pytest.raises(DamagedError, match="another key under that id"):
        folder.open(entry("first", seed=2, active=True)).read("a/1")


def test_the_keys_are_no_objects(folder: SealedFolder) -> None:
    folder.storage.write("a/1", b"x")
    for prefix in ("", ".", ".dicom-common-keys", ".dicom-common-keys/a/"):
        assert ".dicom-common-keys" not in {found.key.partition("/")[0] for found in folder.storage.scan(prefix)}
    key = ".dicom-common-keys/a/00000001"
    for call in (folder.storage.read, folder.storage.stat, folder.storage.delete):
        with pytest.raises(RefusedError):
            call(key)
    with pytest.raises(RefusedError):
        folder.storage.write(key, b"x")
    assert folder.key_path("a").exists()


def test_an_object_among_the_keys_that_is_none_is_told(folder: SealedFolder) -> None:
    folder.storage.write("a/1", b"x")
    stray = folder.key_path("a").parent / "deeper" / "stray"
    stray.parent.mkdir()
    stray.write_bytes(b"")
    for listing in (folder.storage.tenant_keys(), folder.storage.rotate_keys()):
        with pytest.raises(DamagedError, match="not a key of a tenant"):
            list(listing)


def test_a_key_that_was_lost_is_not_replaced_by_another(folder: SealedFolder) -> None:
    folder.storage.write("a/1", b"1")
    record = folder.key_path("a").read_bytes()
    folder.key_path("a").unlink()
    with pytest.raises(DamagedError, match="backup"):
        folder.storage.write("a/2", b"2")
    folder.storage.write("ab/1", b"of a tenant without objects")
    folder.key_path("a").write_bytes(record)
    folder.storage.write("a/2", b"2")
    assert [content(folder.storage, "a/1"), content(folder.storage, "a/2")] == [b"1", b"2"]
