"""A full disk is said, and a write that it stopped leaves nothing."""

from __future__ import annotations

import errno
import gc
import io
import os
import resource
import signal
import subprocess
import weakref
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pytest
from forked_child import in_child
from objects_folder import contents, own_files

from dicom_common.core import BackendError, HealthStatus, ObjectInfo, UnavailableError, Write
from dicom_common.storage.filesystem import FilesystemStorage, Settings
from dicom_common.testing import health_of


def test_a_full_disk_is_said_and_leaves_nothing(root: Path) -> None:
    def work() -> str:
        # A file-size limit stops a write in its middle as a full disk does, and needs no disk of its own.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        storage = FilesystemStorage(Settings(root=root))
        storage.write("old", b"good")
        said = []
        for key in ("new/one", "old"):
            try:
                storage.write(key, bytes(2_000_000))
            except UnavailableError as error:
                said.append(str(error))
        answers = storage.write_many(
            [Write(key="batch/small", source=b"s"), Write(key="batch/large", source=bytes(2_000_000))]
        )
        assert isinstance(answers[0], ObjectInfo)
        assert isinstance(answers[1], UnavailableError)
        assert contents(storage) == {"old": b"good", "batch/small": b"s"}
        assert not own_files(root)
        assert not (root / "new").exists()
        storage.close()
        return "\n".join(said)

    said = in_child(work)
    assert said.count(f"The storage folder {root} is full") == 2
    assert os.strerror(errno.EFBIG) in said


class Source(io.BytesIO):
    """Bytes that are too many for the disk, and known while they are held."""

    held: ClassVar = weakref.WeakSet["Source"]()

    def __init__(self) -> None:
        super().__init__(bytes(600_000))
        self.held.add(self)


class Broken(Source):
    def read(self, *_: object) -> bytes:
        raise ValueError("it cannot be read")


def test_errors_hold_no_descriptors_and_no_bytes_until_the_garbage_collector_comes(root: Path) -> None:
    def work() -> str:
        gc.disable()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        storage = FilesystemStorage(Settings(root=root))
        storage.write("object", b"x")
        before, failed = len([*Path("/proc/self/fd").iterdir()]), 0
        for number in range(20):
            keys = (f"{number}/a/b", "object", "object/below")
            errors: dict[str, object] = {}  # as a caller has them for a while
            for key in keys:
                for source in (Source(), Broken()):
                    try:
                        storage.write(key, source, if_absent=True)
                    except (BackendError, ValueError) as error:
                        errors[f"{key} {type(error).__name__}"] = str(error)
            many = [Write(key=key, source=made(), if_absent=True) for key in keys for made in (Source, Broken)]
            answers = storage.write_many(many)
            failed += len(errors) + sum(isinstance(answer, BackendError) for answer in answers)
            del source, many
        left = len([*Path("/proc/self/fd").iterdir()]) - before
        return f"{failed > 150} {left < 10} {len(Source.held)}"

    assert in_child(work) == "True True 0"


def test_a_full_file_system_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode != 0:
        pytest.skip("no right to mount a file system")
    try:
        with closing(FilesystemStorage(Settings(root=mount / "objects"))) as storage:
            storage.write("old", b"good")
            with pytest.raises(UnavailableError, match="is full"):
                storage.write("new", bytes(5_000_000))
            answers = storage.write_many([Write(key=f"b/{n}", source=bytes(200_000)) for n in range(20)])
            written = [answer.key for answer in answers if isinstance(answer, ObjectInfo)]
            assert 0 < len(written) < 20
            assert {type(answer) for answer in answers} == {ObjectInfo, UnavailableError}
            assert sorted(contents(storage)) == sorted([*written, "old"])
            for key in written:
                storage.delete(key)
            storage.write("new", bytes(600_000))  # all room was given back
            assert health_of(storage).status is not HealthStatus.FAILED
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], capture_output=True, check=True)
