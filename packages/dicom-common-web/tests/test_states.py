"""What a client is answered in states that are not the usual one, and what it is told of instances that fail."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from live_server import LiveServer, live_server
from made_instances import instance_uid, make_instance, series_uid, study_uid
from parts import parts_of
from pydicom.data import get_testdata_file
from server_process import multipart

INSTANCE = f"/studies/{study_uid()}/series/{series_uid()}/instances/{instance_uid()}"


def post(server: LiveServer, *instances: bytes, path: str = "/studies") -> tuple[int, dict[str, Any]]:
    body, content_type = multipart(instances)
    answer = server.client.post(path, content=body, headers={"content-type": content_type})
    return answer.status_code, answer.json()


def test_6_5_each_failure_has_its_reason(server: LiveServer) -> None:
    assert post(server, make_instance(1))[0] == 200
    directory = Path(get_testdata_file("DICOMDIR", download=False) or "").read_bytes()
    cut = Path(get_testdata_file("MR_truncated.dcm", download=False) or "").read_bytes()
    failures = (
        ("00081198", make_instance(1, PatientName="Other"), "/studies", 0x0111),
        ("00081198", make_instance(2), f"/studies/{study_uid()}", 0xA903),
        ("00081198", cut, "/studies", 0xC003),
        ("0008119A", b"no DICOM", "/studies", 0xC002),
        ("0008119A", directory, "/studies", 0x0122),
    )
    for sequence, instance, path, reason in failures:
        status, answer = post(server, instance, path=path)
        assert status in (400, 409)
        (item,) = answer[sequence]["Value"]
        assert item["00081197"]["vr"] == "US"
        (code,) = item["00081197"]["Value"]
        assert code == reason, f"{code:04X} in place of {reason:04X}"


def test_6_7_nothing_is_coerced_so_no_original_attributes_are_written(server: LiveServer) -> None:
    first, other = make_instance(1, instance=1), make_instance(1, instance=2, PatientID="ANOTHER")
    assert post(server, first)[0] == 200
    status, answer = post(server, other)
    (item,) = answer["00081199"]["Value"]
    assert (status, item["00081196"]["Value"]) == (202, [0xB007])
    assert "04000561" not in item
    path = f"/studies/{study_uid()}/series/{series_uid()}/instances/{instance_uid(instance=2)}"
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    (part,) = parts_of(server.client.get(path, headers=accept))
    assert part.data == other
    (metadata,) = server.client.get(f"{path}/metadata").json()
    assert "04000561" not in metadata
    assert metadata["00100020"]["Value"] == ["ANOTHER"]


def test_6_9_in_queued_mode_it_is_a_202_and_found_when_it_is_indexed(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", ingest__mode="queued") as live:
        status, answer = post(live, make_instance(1))
        assert status == 202
        assert answer["00081199"]["Value"][0]["00081155"]["Value"] == [instance_uid()]
        assert live.client.get("/studies").json() == []
        assert live.client.get(f"{INSTANCE}/metadata").status_code == 404


@pytest.mark.parametrize("path", ["/studies", f"{INSTANCE}/metadata", INSTANCE, f"{INSTANCE}/frames/1"])
def test_what_the_audit_trail_cannot_record_is_a_503_and_nothing_goes_out(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "audit"
    audit = {"folder": str(folder), "required": True}
    with live_server(tmp_path / "data", extensions=["audit"], audit=audit) as live:
        live.store(make_instance(1))
        shutil.rmtree(folder)
        folder.write_bytes(b"a file where the folder was")
        answer = live.client.get(path)
    assert answer.status_code == 503
    assert "audit trail" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    assert study_uid() not in answer.text
