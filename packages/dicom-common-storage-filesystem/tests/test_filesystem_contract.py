from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from dicom_common.core import BatchWrites, LocalFiles
from dicom_common.storage.filesystem import FilesystemStorage, Settings
from dicom_common.testing import StorageContract


class TestFilesystem(StorageContract):
    @pytest.fixture
    def open_storage(self, tmp_path: Path) -> partial[FilesystemStorage]:
        return partial(FilesystemStorage, Settings(root=tmp_path / "objects"))

    def test_it_offers_batches_and_local_files(self, storage: FilesystemStorage) -> None:
        assert isinstance(storage, BatchWrites)
        assert isinstance(storage, LocalFiles)
