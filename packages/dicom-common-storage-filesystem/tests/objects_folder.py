"""What lies in a storage's folder: its objects, and the files of writers."""

from __future__ import annotations

from pathlib import Path

from dicom_common.storage.filesystem import FilesystemStorage

__all__ = ["contents", "own_files"]


def contents(storage: FilesystemStorage) -> dict[str, bytes]:
    return {info.key: b"".join(storage.read(info.key)) for info in storage.scan()}


def own_files(root: Path) -> list[Path]:
    return [path for path in (root / ".dicom-common").rglob("*") if path.is_file() and path.suffix != ".lock"]
