from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dicom_common.core import BatchWrites, EncryptionKeys, Secret, Storage, Uploads
from dicom_common.keyring import local
from dicom_common.storage import filesystem
from dicom_common.storage.encrypted import Settings, open_over
from dicom_common.testing import StorageContract

KEYS = local.Settings(
    keys=(local.KeyEntry(id="test", key=Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), active=True),)
)


class TestEncrypted(StorageContract):
    abilities = (BatchWrites, EncryptionKeys, Uploads)  # and no way around the encryption

    @pytest.fixture
    def open_storage(self, tmp_path: Path) -> Callable[[], Storage]:
        inner = partial(filesystem.FilesystemStorage, filesystem.Settings(root=tmp_path / "objects"))
        return partial(open_over, inner, partial(local.open_keyring, KEYS), Settings(storage="inner"))
