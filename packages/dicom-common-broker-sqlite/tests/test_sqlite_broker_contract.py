from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from dicom_common.broker.sqlite import Settings, SqliteBroker
from dicom_common.core import Groups
from dicom_common.testing import BrokerContract


class TestSqliteBroker(BrokerContract):
    abilities = (Groups,)

    @pytest.fixture
    def open_broker(self, tmp_path: Path) -> partial[SqliteBroker]:
        return partial(SqliteBroker, Settings(path=tmp_path / "events.sqlite", lease=4))
