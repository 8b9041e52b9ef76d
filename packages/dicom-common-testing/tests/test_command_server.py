"""A server from a command line, killed and started again."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

import pytest

from dicom_common.testing import KilledServer
from dicom_common.testing.servers import AbsentError, PrivateServer, command_server, start_time

SERVE = ("-m", "http.server", "{port}", "--bind", "127.0.0.1", "--directory", "{folder}")


def fetch(server: PrivateServer) -> bytes:
    with urllib.request.urlopen(f"http://{server.host}:{server.port}/page", timeout=10) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.kills
def test_it_keeps_its_folder_and_its_port_over_a_kill() -> None:
    make_page = [sys.executable, "-c", "open('page', 'w').write('{port}')"]
    with command_server(sys.executable, *SERVE, prepare=[make_page]) as server:
        killed: KilledServer = server
        assert fetch(server) == str(server.port).encode()
        killed.kill()
        with pytest.raises(OSError, match="refused"):
            fetch(server)
        killed.start()
        assert fetch(server) == str(server.port).encode()
        process = server._process
    assert process is not None
    assert start_time(process.pid) is None
    assert not server.folder.exists()


@pytest.mark.kills
def test_a_program_beside_python_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with command_server(Path(sys.executable).name, *SERVE) as server:
        assert server.port


def test_a_program_that_is_not_there_or_does_not_start_is_said() -> None:
    with pytest.raises(AbsentError, match="no nowhere-to-be-found"), command_server("nowhere-to-be-found"):
        pass
    words = ("-c", "raise SystemExit('the disk is full')")
    with pytest.raises(AbsentError, match="does not start: the disk is full"), command_server(sys.executable, *words):
        pass
