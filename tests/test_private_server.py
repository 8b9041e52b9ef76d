"""`tools/_private.py`: a server of a test's own, killed with all of its processes and started again with its data."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from dicom_common.testing.servers import SERVERS, AbsentError, PrivateServer, private_server, start_time

KEEPING = [server.name for server in SERVERS if server.name in ("azure", "mysql", "postgres", "redis", "s3")]


@pytest.fixture(params=KEEPING)
def server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    try:
        with private_server(request.param) as server:
            yield server
    except AbsentError as absent:
        pytest.skip(str(absent))


def answers(server: PrivateServer) -> bool:
    return server.server.ready(server.port)


@pytest.mark.kills
def test_a_killed_server_is_gone_at_once_and_starts_again_where_it_was(server: PrivateServer) -> None:
    port, folder = server.port, server.folder
    for _ in range(2):
        assert answers(server)
        server.kill()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, port), timeout=5)
        server.start()
    assert (server.port, server.folder) == (port, folder)
    assert answers(server)


@pytest.mark.kills
def test_its_folder_and_its_processes_go_with_the_block() -> None:
    try:
        with private_server("redis") as server:
            assert server._process is not None
            pid = server._process.pid
            assert server.folder.is_dir()
    except AbsentError as absent:
        pytest.skip(str(absent))
    assert not server.folder.exists()
    assert start_time(pid) is None
