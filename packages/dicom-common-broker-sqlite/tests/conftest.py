"""A file for the broker of a test, and a broker over it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.broker.sqlite import Settings, SqliteBroker

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out


class Clock:
    """The clocks by which leases end, which a test sets forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def time(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("_consumer", "_members"):
        monkeypatch.setattr(f"dicom_common.broker.leases.{module}.time", clock)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "events.sqlite"


@pytest.fixture
def broker(path: Path) -> Iterator[SqliteBroker]:
    with closing(SqliteBroker(Settings(path=path))) as broker:
        yield broker
