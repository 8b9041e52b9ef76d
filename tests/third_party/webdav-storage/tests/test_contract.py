"""The contract of storages, against WsgiDAV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest
from acme_webdav import Settings, WebDavStorage

from dicom_common.testing import Endpoint, StorageContract
from dicom_common.testing.servers import PrivateServer, command_server

SERVE = ("--host=127.0.0.1", "--port={port}", "--root={folder}", "--auth=anonymous", "--no-config", "-qq")


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with command_server(Path(sys.executable).with_name("wsgidav"), *SERVE) as server:
        yield server


class TestWebDav(StorageContract):
    refused_keys = frozenset(("~/$HOME/`id`/;", "*/?/[a-z]", "plus+and&equals=/hash#query?x=1"))
    large_object_bytes = 64 << 20
    not_promised: ClassVar = {
        "test_a_deleted_key_can_become_a_folder_of_keys": (
            "an empty folder stays: WebDAV deletes a folder with all that is in it, and never only if it is empty"
        ),
    }

    @pytest.fixture
    def open_storage(self, server: PrivateServer) -> partial[WebDavStorage]:
        name = uuid4().hex
        (server.folder / name).mkdir()
        return partial(WebDavStorage, Settings(url=f"http://{server.host}:{server.port}/{name}/"))

    @pytest.fixture
    def open_at(self) -> Callable[[Endpoint], WebDavStorage]:
        return lambda endpoint: WebDavStorage(Settings(url=f"http://{endpoint}/", timeout=1, deadline=2))
