"""Redis servers that tests start, stop and kill themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from dicom_common.testing.servers import PrivateServer, free_port, listens, server_named

REDIS = server_named("redis")


def redis_server(*options: str, port: int | None = None) -> PrivateServer:
    """Make a server of the test's own, with any options."""

    def commands(folder: Path, port: int) -> list[list[str | Path]]:
        words: list[str | Path] = [*REDIS.commands(folder, port)[0][:1], *options, "--bind", "127.0.0.1"]
        if "--port" not in options:
            words += ["--port", str(port)]
        if "--sentinel" not in options:
            words += ["--save", "", "--appendonly", "no"]
        return [[*words, "--dir", folder]]

    return PrivateServer(replace(REDIS, commands=commands, ready=listens), port)


@pytest.fixture
def start_redis(without_service: Callable[[str], NoReturn]) -> Iterator[Callable[..., PrivateServer]]:
    """Start servers that are killed when the test ends."""
    if reason := REDIS.missing():
        without_service(reason)
    servers: list[PrivateServer] = []

    def start(*options: str, port: int | None = None) -> PrivateServer:
        servers.append(redis_server(*options, port=port))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.remove()


@pytest.fixture
def free() -> int:
    """Give a port that is free."""
    return free_port()
