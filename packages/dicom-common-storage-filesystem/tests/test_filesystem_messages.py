"""What is told of the folder: its free space by `check`, its name and no key by errors."""

from __future__ import annotations

import os
from pathlib import Path

from objects_folder import own_files

from dicom_common.core import BackendError
from dicom_common.storage.filesystem import FilesystemStorage
from dicom_common.testing import health_of


def test_check_tells_the_free_space(storage: FilesystemStorage, root: Path) -> None:
    health = health_of(storage)
    free = health.facts["free_bytes"]
    assert isinstance(free, int)
    space = os.statvfs(root)
    assert abs(free - space.f_bavail * space.f_frsize) < 1 << 30
    assert health.facts["fsync"] is True
    assert not own_files(root)


def test_errors_name_the_folder_and_never_the_key(storage: FilesystemStorage, root: Path, outside: Path) -> None:
    key = "tenant/1.2.840.99/object"
    (root / "tenant").symlink_to(outside, target_is_directory=True)
    said = []
    for call in (
        lambda: storage.write(key, b""),
        lambda: storage.read(key),
        lambda: storage.stat(key),
        lambda: storage.write("a", b"", sha256="0"),
        lambda: storage.write("x" * 300, b""),
    ):
        try:
            call()
        except (BackendError, ValueError) as error:
            said.append(str(error))
    assert len(said) == 5
    assert not any("1.2.840" in text or "xxx" in text for text in said)
