"""What stays of requests: metrics by peer, the access log, the audit trail; and DIMSE beside DICOMweb."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from live_ae import PEERS, LiveAe, dcmtk, live_ae, until
from raw_scu import ACCEPT, REJECT, data_set, fragment, p_data, raw_scu, store_rq, uid_of
from scp_process import scp_process

from dicom_common.core import Logs, WebAccess
from dicom_common.testing.servers import free_port


def test_metrics_count_by_peer_operation_and_status(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        assert [scu.store(1), scu.store(2), scu.echo()] == [0, 0, 0]
        assert ae.ae.metrics.get_sample_value("dicom_common_dimse_associations", {"peer": "ct1"}) == 1
    with raw_scu(ae.port) as scu:
        assert scu.associate(calling="STRANGER")[0] == REJECT
    with raw_scu(ae.port) as scu:
        scu.associate(calling="VIEWER")
        assert scu.store(3) == 0x0124
        expected = {
            ("ct1", "C-STORE", "0000"): 2,
            ("ct1", "C-ECHO", "0000"): 1,
            ("viewer", "C-STORE", "0124"): 1,
        }
        for (peer, operation, status), number in expected.items():
            labels = {"peer": peer, "operation": operation, "status": status}
            _until_counted(ae, "dicom_common_dimse_requests_total", labels, number)
    size = len(data_set(1)) * 2
    _until_counted(ae, "dicom_common_dimse_received_bytes_total", {"peer": "ct1"}, size)
    _until_counted(ae, "dicom_common_dimse_associations_rejected_total", {"why": "calling-ae-title"}, 1)


def _until_counted(ae: LiveAe, name: str, labels: dict[str, str], number: int) -> None:
    until(lambda: ae.ae.metrics.get_sample_value(name, labels) == number)


def test_the_stores_of_an_association_share_a_record_of_the_access_log(tmp_path: Path) -> None:
    with live_ae(tmp_path) as ae:
        with raw_scu(ae.port) as scu:
            scu.associate()
            assert [scu.store(1), scu.store(2), scu.echo()] == [0, 0, 0]
            scu.send(
                p_data(fragment(3, store_rq(uid_of(3)), is_command=True, is_last=True)),
                p_data(fragment(3, data_set(3)[:-5], is_command=False, is_last=True)),
            )
            assert scu.status() == 0xC003
        ae.ae.close()
        db = ae.services.db
        assert isinstance(db, Logs)
        (record,) = db.read_log(WebAccess, "local")
    assert (record.method, record.path, record.status) == ("C-STORE", "/dimse/DICOMCOMMON", 0xC003)
    assert (record.query, record.user, record.peer) == ("instances=3&failed=1", "CT1", "127.0.0.1")
    assert record.content_length == len(data_set(1)) * 3 - 5


def test_a15_the_audit_trail_has_stores_and_who_was_not_let_in(tmp_path: Path) -> None:
    peers = PEERS + '\n[audit]\nfolder = "trail"\n'
    (tmp_path / "site.toml").write_text("")
    with live_ae(tmp_path, peers=peers, top='extensions = ["audit"]') as ae:
        with raw_scu(ae.port) as scu:
            assert scu.associate()[0] == ACCEPT
            assert scu.store(1) == 0
        for _ in range(3):
            with raw_scu(ae.port) as scu:
                assert scu.associate(calling="STRANGER")[0] == REJECT
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("trail/**/*") if path.is_file())
    assert "CT1" in written
    assert len([line for line in written.splitlines() if "calling-ae-title" in line]) == 1


@pytest.mark.kills
@pytest.mark.parametrize("workers", ["1", "2"])
def test_prometheus_finds_the_metrics_of_all_processes(tmp_path: Path, workers: str) -> None:
    port = free_port()
    with scp_process(tmp_path, "--workers", workers, settings=f"metrics_port = {port}") as running:
        for _ in range(4):
            dcmtk("echoscu", "-aet", "CT1", "-aec", "DICOMCOMMON", "127.0.0.1", str(running.port))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            shown = answer.read().decode()
    assert 'dicom_common_dimse_requests_total{operation="C-ECHO",peer="ct1",status="0000"} 4.0' in shown


@pytest.mark.kills
def test_serve_runs_dimse_beside_dicomweb(tmp_path: Path) -> None:
    web, dimse = free_port(), free_port()
    site = f'data = "data"\n[web]\nport = {web}\nbeside = ["dimse"]\n[dimse]\nport = {dimse}\n{PEERS}'
    (tmp_path / "site.toml").write_text(site, encoding="utf-8")
    command = [sys.executable, "-m", "dicom_common.cli", "--config", str(tmp_path / "site.toml"), "serve"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "DICOMCOMMON" in line or "Error" in line)
            assert f"port {dimse}" in said
            with raw_scu(dimse) as scu:
                scu.associate()
                assert scu.store(1) == 0
            url = f"http://127.0.0.1:{web}/dicom-web/instances"
            end = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(url, timeout=10) as answer:
                        assert uid_of(1) in answer.read().decode()
                    break
                except OSError:
                    assert time.monotonic() < end
                    time.sleep(0.1)
        finally:
            process.terminate()
        process.stderr.read()
        assert process.wait(60) == 0
    (tmp_path / "site.toml").write_text(site.replace('"dimse"]', '"dimsy"]'), encoding="utf-8")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "web.beside names 'dimsy'" in done.stderr
    assert "Did you mean" in done.stderr
