"""The root: a link, a file, missing, taken away, or not ours to write."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from forked_child import in_child
from objects_folder import contents

from dicom_common.core import BackendError, HealthStatus, RefusedError, UnavailableError
from dicom_common.storage.filesystem import FilesystemStorage, Settings
from dicom_common.testing import health_of

_NOBODY = 65534


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "objects").symlink_to(tmp_path / "disk")
    with closing(FilesystemStorage(Settings(root=tmp_path / "objects"))) as storage:
        storage.write("a", b"x")
    assert (tmp_path / "disk" / "a").read_bytes() == b"x"


def as_nobody(work: Callable[[], None]) -> str:
    """Run without root's rights and return the error's class and message."""

    def child() -> str:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        try:
            work()
        except BackendError as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    return in_child(child)


def test_a_folder_that_must_not_be_written_is_refused_and_can_be_read(root: Path) -> None:
    settings = Settings(root=root, folder_mode=0o755, file_mode=0o644)
    with closing(FilesystemStorage(settings)) as storage:
        storage.write("a/b", b"x")
    for folder in (root / "a", root / ".dicom-common" / "writing", root / ".dicom-common", root):
        folder.chmod(0o555)
    for parent in root.parents:
        if parent.stat().st_uid == os.getuid() and "pytest-" in str(parent):
            parent.chmod(0o755)

    def read() -> None:
        storage = FilesystemStorage(settings)
        assert contents(storage) == {"a/b": b"x"}
        assert health_of(storage).status is HealthStatus.FAILED

    assert as_nobody(read) == "no error"
    refused = f"RefusedError: The storage folder {root} does not allow"
    assert as_nobody(lambda: (FilesystemStorage(settings).write("a/c", b"x"), None)[1]).startswith(refused)
    assert as_nobody(lambda: FilesystemStorage(settings).delete("a/b")).startswith(refused)
    other = Settings(root=root / "new" / "root")
    assert as_nobody(lambda: FilesystemStorage(other).close()).startswith("RefusedError: ")
    for folder in (root, root / "a", root / ".dicom-common", root / ".dicom-common" / "writing"):
        folder.chmod(0o755)


def test_a_root_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RefusedError, match=str(root)):
            FilesystemStorage(Settings(root=root))


def test_a_missing_root_that_is_not_to_be_made_is_a_disk_that_is_not_mounted(root: Path) -> None:
    settings = Settings(root=root, make_root=False)
    with pytest.raises(UnavailableError, match=f"{root} is not there: mount its disk"):
        FilesystemStorage(settings)
    assert not root.exists()
    root.mkdir()
    with closing(FilesystemStorage(settings)) as storage:
        storage.write("a/b", b"x")
        assert b"".join(storage.read("a/b")) == b"x"


def test_a_missing_root_is_made(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b" / "c"
    FilesystemStorage(Settings(root=root)).close()
    assert root.is_dir()


def test_a_root_that_was_taken_away_is_said(storage: FilesystemStorage, root: Path) -> None:
    storage.write("a", b"x")
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()
    assert health_of(storage).status is HealthStatus.FAILED
    with pytest.raises((UnavailableError, RefusedError)):
        storage.write("a/b", b"x")
