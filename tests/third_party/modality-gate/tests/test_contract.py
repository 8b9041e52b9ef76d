"""The contract of extensions, and what a user of the command line sees of this one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pydicom.data
import pytest
from acme_modality_gate import ModalityGate, Settings

from dicom_common.core import Instance
from dicom_common.testing import ExtensionContract, make_instance, run_command

CT, MR = (Path(pydicom.data.get_testdata_file(name) or "") for name in ("CT_small.dcm", "MR_small.dcm"))


class TestModalityGate(ExtensionContract):
    name = "modality-gate"
    command_names = ("modality-gate",)

    @pytest.fixture
    def open_extension(self, tmp_path: Path) -> partial[ModalityGate]:
        return partial(ModalityGate, Settings(modalities=("MR",), counts=tmp_path / "counts.sqlite"))

    @pytest.fixture
    def offered_instances(self) -> list[Instance]:
        return [
            make_instance(number, modality=modality) for number, modality in enumerate(("CT", "MR", "CANARY", None))
        ]


def test_what_is_refused_is_said_and_what_is_stored_is_counted(tmp_path: Path) -> None:
    text = 'extensions = ["modality-gate"]\n[modality-gate]\nmodalities = ["MR"]\n'
    (tmp_path / "dicom-common.toml").write_text(text, encoding="utf-8")
    refused = run_command("ingest", "--json", CT, cwd=tmp_path)
    assert refused.code != 0
    assert [line["status"] for line in refused.lines[:1]] == ["rejected"]
    assert "not one that this archive takes" in refused.out
    assert run_command("ingest", "--json", MR, cwd=tmp_path).code == 0
    [counted] = run_command("modality-gate", "--json", cwd=tmp_path).lines
    assert counted["stored"] == 1
