from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from dicom_common.core import BatchWrites, LocalFiles, OpenObjects, Uploads
from dicom_common.storage.filesystem import FilesystemStorage, Settings
from dicom_common.testing import StorageContract


class TestFilesystem(StorageContract):
    abilities = (BatchWrites, LocalFiles, OpenObjects, Uploads)

    @pytest.fixture
    def open_storage(self, tmp_path: Path) -> partial[FilesystemStorage]:
        return partial(FilesystemStorage, Settings(root=tmp_path / "objects"))
