"""Fixtures of the front end's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out
from live_server import LiveServer, live_server
from server_process import ServerProcess, server_process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server of its own for one test."""
    with live_server(tmp_path / "data") as live:
        yield live


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server as a process, which tests share: each stores instances of its own."""
    with server_process(tmp_path_factory.mktemp("process") / "data") as running:
        yield running
