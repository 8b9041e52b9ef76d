"""What is synced to the disk, and the warning where nothing is."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from objects_folder import contents

from dicom_common.core import HealthStatus
from dicom_common.storage.filesystem import FilesystemStorage, Settings
from dicom_common.testing import health_of


def test_check_warns_where_fsync_is_off(root: Path) -> None:
    with closing(FilesystemStorage(Settings(root=root, fsync=False))) as storage:
        storage.write("a", b"x")
        assert health_of(storage).status is HealthStatus.DEGRADED
        assert contents(storage) == {"a": b"x"}


def test_a_durable_write_syncs_the_file_and_each_new_folder(tmp_path: Path) -> None:
    # What a power failure would take cannot be tried here; what the kernel was asked for can.
    trace = tmp_path / "trace"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from dicom_common.core import Write\n"
        "from dicom_common.storage.filesystem import FilesystemStorage, Settings\n"
        "storage = FilesystemStorage(Settings(root=Path(sys.argv[1])))\n"
        "storage.write('x', b'')\n"  # makes the writer's own folder
        "sys.stderr.write('begin'); sys.stderr.flush()\n"
        "storage.write_many([Write(key=f'a/b/{n}', source=b'') for n in range(10)])\n"
        "sys.stderr.write('again'); sys.stderr.flush()\n"
        "storage.write('a/b/more', b'')\n"
        "sys.stderr.write('upload'); sys.stderr.flush()\n"
        "upload = storage.open_upload()\n"
        "upload.write(b'x')\n"
        "upload.commit('a/b/uploaded')\n"
    )
    command = ["strace", "-f", "-e", "trace=fsync,write", "-o", str(trace), sys.executable, "-c", script]
    with suppress(FileNotFoundError):
        subprocess.run([*command, str(tmp_path / "objects")], capture_output=True, check=True, timeout=120)
    if not trace.exists():
        pytest.skip("there is no strace here")
    first, again = trace.read_text().partition('"begin"')[2].split('"again"')
    assert first.count("fsync(") == 10 + 3, "each file, the root, a, and a/b once"
    again, upload = again.split('"upload"')
    assert again.count("fsync(") == 1 + 1, "the file and a/b"
    assert upload.count("fsync(") == 1 + 1, "the uploaded file and a/b"
