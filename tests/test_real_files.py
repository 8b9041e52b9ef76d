"""Every real file at hand: stored byte by byte and found again, or refused with a reason."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from embedded import lines, real_files

from dicom_common.host import Services


def test_every_file_is_stored_as_it_is_and_found_again_or_refused_with_a_reason(
    data: Path, tmp_path: Path, dicom_common: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    files = list(real_files())
    answers = lines(dicom_common("ingest", "--json", *files, ok=(0, 1)).stdout)

    assert sorted(answer["path"] for answer in answers) == sorted(map(str, files))
    stored = [answer for answer in answers if answer["status"] not in {"rejected", "skipped"}]
    assert len(stored) >= 100
    assert all(answer["reason"] for answer in answers if answer["status"] == "rejected")

    with Services.from_file(overrides={"data": str(data)}) as services:
        rows = services.db.stored("local", [answer["sop_instance_uid"] for answer in stored])
        for answer in stored:
            row = rows[answer["sop_instance_uid"]]
            if answer["status"] == "stored":
                assert b"".join(services.storage.read(row.key)) == Path(answer["path"]).read_bytes()

    studies = lines(dicom_common("find", "--level", "study", "--json").stdout)
    assert {study["StudyInstanceUID"] for study in studies} == {row.study_uid for row in rows.values()}
    for study in studies:
        dicom_common("get", study["StudyInstanceUID"], "--output", tmp_path / "out")
    fetched = sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    expected = {answer["sop_instance_uid"]: answer["path"] for answer in stored if answer["status"] == "stored"}
    assert fetched == sorted(Path(path).read_bytes() for path in expected.values())
