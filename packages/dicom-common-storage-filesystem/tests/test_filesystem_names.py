"""Names in the folder: one for each object, and no folders but those that objects need."""

from __future__ import annotations

from pathlib import Path

import pytest
from objects_folder import contents

from dicom_common.core import BackendError
from dicom_common.storage.filesystem import FilesystemStorage


def test_an_object_has_one_name(storage: FilesystemStorage, root: Path) -> None:
    for if_absent in (True, False):
        storage.write("a", b"x", if_absent=if_absent)
        assert (root / "a").stat().st_nlink == 1


def test_an_empty_folder_that_a_crash_left_is_no_obstacle(storage: FilesystemStorage, root: Path) -> None:
    for if_absent in (True, False):
        (root / "a" / f"{if_absent}").mkdir(parents=True)
        storage.write(f"a/{if_absent}", b"x", if_absent=if_absent)
    assert contents(storage) == {"a/True": b"x", "a/False": b"x"}


def test_deleting_removes_the_folders_that_it_empties(storage: FilesystemStorage, root: Path) -> None:
    storage.write("a/b/c/d", b"")
    storage.write("a/e", b"")
    storage.delete("a/b/c/d")
    assert sorted(path.name for path in (root / "a").iterdir()) == ["e"]
    storage.delete("a/e")
    assert sorted(path.name for path in root.iterdir()) == [".dicom-common"]


def test_a_failed_write_leaves_no_folders(storage: FilesystemStorage, root: Path) -> None:
    with pytest.raises(BackendError):
        storage.write("a/b/c", b"x", sha256="0" * 64)
    assert not (root / "a").exists()
