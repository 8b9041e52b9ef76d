"""A folder of encrypted objects, and storages over it that know one set of keys or another."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from dicom_common.core import Secret, Storage
from dicom_common.keyring.local import KeyEntry, LocalKeyring
from dicom_common.storage import filesystem
from dicom_common.storage.encrypted import EncryptedStorage, Settings, open_over

__all__ = ["SETTINGS", "ByRanges", "SealedFolder", "content", "entry", "opened", "pattern", "ring"]

SETTINGS = Settings(storage="inner", key_seconds=0)
"""Settings that keep no key in memory: each read asks for it."""


def entry(key_id: str, *, seed: int | None = None, tenant: str = "", active: bool = False) -> KeyEntry:
    """A key-encryption key that is always the same for an id."""
    number = seed if seed is not None else sum(key_id.encode())
    key = base64.b64encode(bytes((number + place) % 256 for place in range(32))).decode()
    return KeyEntry(id=key_id, key=Secret(key), tenant=tenant, active=active)


def ring(*keys: KeyEntry) -> LocalKeyring:
    """A keyring of these keys."""
    return LocalKeyring(keys, "keys of the test")


class ByRanges(filesystem.FilesystemStorage):
    """A folder that holds no object open: it is read by ranges, as object stores are."""

    open_object = None  # type: ignore[assignment]  # so it does not offer OpenObjects


def opened(root: Path, *keys: KeyEntry, inner: type[filesystem.FilesystemStorage]) -> EncryptedStorage:
    """Open the encrypted storage over a folder."""
    return open_over(lambda: inner(filesystem.Settings(root=root)), lambda: ring(*keys), SETTINGS)


def content(storage: Storage, key: str) -> bytes:
    """Read an object as a whole."""
    return b"".join(storage.read(key))


def pattern(seed: int, size: int) -> bytes:
    """Bytes of which no two pieces are the same."""
    return random.Random(seed).randbytes(size)


class SealedFolder:
    """The folder, and what was opened over it."""

    def __init__(
        self, root: Path, seed: int = 1, inner: type[filesystem.FilesystemStorage] = filesystem.FilesystemStorage
    ) -> None:
        self.root, self._inner = root, inner
        self._opened: list[EncryptedStorage] = []
        self.storage = self.open(entry("first", seed=seed, active=True))

    def open(self, *keys: KeyEntry) -> EncryptedStorage:
        """Open it with other keys."""
        storage = opened(self.root, *keys, inner=self._inner)
        self._opened.append(storage)
        return storage

    def path(self, key: str) -> Path:
        """Tell where an encrypted object is."""
        return self.root / key

    def key_path(self, tenant: str, generation: int = 1) -> Path:
        """Tell where the wrapped key of a tenant is."""
        return self.root / ".dicom-common-keys" / tenant / f"{generation:08}"

    def put(self, key: str, data: bytes) -> None:
        """Put bytes where an encrypted object is."""
        self.replace(self.path(key), data)

    @staticmethod
    def replace(path: Path, data: bytes) -> None:
        """Replace a file as somebody does who has the disk, and not the keys."""
        path.chmod(0o600)
        path.write_bytes(data)

    def close(self) -> None:
        """Close all."""
        for storage in self._opened:
            storage.close()
