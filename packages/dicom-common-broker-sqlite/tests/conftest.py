"""A file for the broker of a test, and a broker over it whose leases are short."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.broker.sqlite import Settings, SqliteBroker

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "events.sqlite"


@pytest.fixture
def broker(path: Path) -> Iterator[SqliteBroker]:
    with closing(SqliteBroker(Settings(path=path, lease=1))) as broker:
        yield broker
