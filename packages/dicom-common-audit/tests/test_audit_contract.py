from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from dicom_common.audit import AuditSettings, Recorder
from dicom_common.testing import ExtensionContract


class TestAudit(ExtensionContract):
    name = "audit"
    command_names = ("audit",)

    @pytest.fixture
    def open_extension(self, tmp_path: Path) -> partial[Recorder]:
        return partial(Recorder, AuditSettings(folder=tmp_path / "audit", publish=False))
