"""Fixtures of the tests of DIMSE."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out
from live_ae import LiveAe, live_ae


@pytest.fixture
def ae(tmp_path: Path) -> Iterator[LiveAe]:
    """An application entity of its own for one test."""
    with live_ae(tmp_path) as live:
        yield live
