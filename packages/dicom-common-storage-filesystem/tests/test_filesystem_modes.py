"""Modes of files and folders are those of the settings."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.core import ConfigError
from dicom_common.storage.filesystem import FilesystemStorage, Settings


def test_modes_are_those_of_the_settings_whatever_the_umask_is(root: Path) -> None:
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            with closing(FilesystemStorage(Settings(root=root, file_mode=0o664, folder_mode=0o775))) as storage:
                storage.write(f"a{umask}/b", b"x")
                storage.write(f"a{umask}/b", b"y")
        finally:
            os.umask(before)
        assert stat.S_IMODE((root / f"a{umask}").stat().st_mode) == 0o775
        assert stat.S_IMODE((root / f"a{umask}" / "b").stat().st_mode) == 0o664
    assert stat.S_IMODE((root / ".dicom-common" / "writing").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("setting", "mode"), [("file_mode", 0o440), ("file_mode", 0o1640), ("folder_mode", 0o640), ("folder_mode", -1)]
)
def test_a_mode_that_cannot_work_is_refused_by_name(setting: str, mode: int) -> None:
    with pytest.raises(ConfigError, match=setting):
        Settings(**{setting: mode})  # type: ignore[arg-type]  # one of two settings of the same type
