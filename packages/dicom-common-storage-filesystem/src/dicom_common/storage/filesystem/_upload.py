"""An object that arrives as a stream: a file without a name until its key is known."""

from __future__ import annotations

from pathlib import Path

from dicom_common.core import ObjectInfo, Write
from dicom_common.storage.filesystem._errors import translated
from dicom_common.storage.filesystem._staging import StagedFile
from dicom_common.storage.filesystem._writing import Step, Writing

__all__ = ["FileSink"]


class FileSink:
    """The bytes of an upload in a staged file; see `dicom_common.toolkit.Sink`.

    Args:
        file: the staged file; it is closed with this.
        writing: gives it a name.
        root: the folder of the storage, for messages.
    """

    def __init__(self, file: StagedFile, writing: Writing, root: Path) -> None:
        self._file, self._writing, self._root = file, writing, root

    def append(self, data: memoryview) -> None:
        """Write the bytes to the file; see `Sink.append`."""
        with translated(self._root, "writing"):
            self._file.append(data)

    def place(self, key: str, sha256: str, *, if_absent: bool) -> ObjectInfo:
        """Make the file durable and name it; see `Sink.place`."""
        step = Step(Write(key=key, source=b"", if_absent=if_absent, sha256=sha256), uploaded=self._file)
        self._writing.run([step], map)
        return step.answer()

    def drop(self) -> None:
        """Close the file; see `Sink.drop`."""
        self._file.close()
