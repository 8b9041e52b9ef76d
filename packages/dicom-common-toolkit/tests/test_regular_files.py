from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dicom_common.toolkit import NotRegularError, read_regular


def test_a_file_is_read_whole_through_a_link(tmp_path: Path) -> None:
    content = os.urandom(200_000)
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == content


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegularError):
        read_regular(tmp_path / "pipe")


def test_a_device_is_not_read() -> None:
    with pytest.raises(NotRegularError):
        read_regular(Path("/dev/zero"))


def test_a_folder_a_socket_and_nothing_are_errors_of_the_system(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for name in ("", "socket", "missing"):
            with pytest.raises(OSError, match="Errno"):
                read_regular(tmp_path / name)


def test_the_status_is_judged_before_a_byte_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"secret")
    file.chmod(0o640)

    def judge(status: os.stat_result) -> None:
        if status.st_mode & 0o077:
            raise PermissionError("others may read it")

    with pytest.raises(PermissionError, match="others may read it"):
        read_regular(file, judge)
    file.chmod(0o600)
    assert read_regular(file, judge) == b"secret"
