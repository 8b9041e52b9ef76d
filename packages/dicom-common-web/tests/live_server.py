"""A server on a free port of this machine, with backends of its own, and a client."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from dicom_common.core import AuthenticationError, Authenticator, Health, HealthStatus, Principal
from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, Result
from dicom_common.web import create_app

__all__ = ["LiveServer", "TokenIsTenant", "live_server"]


class TokenIsTenant:
    """An authenticator for tests: a token is the name of the tenant that it stands for."""

    def authenticate(self, token: str) -> Principal:
        if not token.startswith("tenant-"):
            raise AuthenticationError("The token is not one of this test.")
        return Principal(subject=f"user of {token}", tenant=token, roles=frozenset({"all"}))

    def check(self) -> Health:
        return Health(status=HealthStatus.OK, detail="")

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class LiveServer:
    """A server, its backends, and a client whose paths are below the service root."""

    services: Services
    client: httpx.Client
    url: str

    def store(self, *instances: bytes, tenant: str = "local") -> list[Result]:
        with Ingest(self.services) as ingest:
            return ingest.store(
                [Received(source=one, name=str(number)) for number, one in enumerate(instances)], tenant=tenant
            )


@contextmanager
def live_server(data: Path, *, auth: Authenticator | None = None, **overrides: Any) -> Iterator[LiveServer]:
    """Serve until the block ends."""
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    config = Config.load(overrides={"data": str(data), **named}, variables={})
    with Services(config, auth=auth) if auth is not None else Services(config) as services:
        app = create_app(services)
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise RuntimeError("the server did not start")
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            root = f"http://127.0.0.1:{port}/dicom-web"
            with httpx.Client(base_url=root, timeout=60) as client:
                yield LiveServer(services, client, root)
        finally:
            server.should_exit = True
            thread.join()
