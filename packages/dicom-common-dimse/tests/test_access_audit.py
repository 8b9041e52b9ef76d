"""The audit trail and the log: who searched, what was sent whereto; and nothing of a patient in the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from live_ae import LiveAe
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from stored_instances import STUDY_ROOT, ask, asked, destination, free_port, ingest, key, make_instance, study_uid

from dicom_common.dimse import create_ae
from dicom_common.host import Config, Services

_CANARY = "Zanzibar^Canary"


@contextmanager
def _audited(folder: Path, port: int) -> Iterator[LiveAe]:
    file = folder / "site.toml"
    file.write_text(
        f'data = "data"\nextensions = ["audit"]\n[audit]\nfolder = "{folder}/audit"\n[dimse]\nport = 0\n'
        '[dimse.peers.ct1]\nae_title = "CT1"\ntenant = "local"\nallow = ["find", "retrieve"]\n'
        f'[dimse.peers.dest]\nae_title = "DEST"\ntenant = "local"\nhost = "127.0.0.1"\nport = {port}\n',
        encoding="utf-8",
    )
    with Services(Config.load(file, variables={})) as services, create_ae(services) as ae:
        yield LiveAe(ae, services)


def _events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [line for file in sorted((folder / "audit").glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [one["event"] for one in map(json.loads, lines) if one["event"]["kind"] == kind]


def test_queries_and_what_was_sent_are_in_the_trail(tmp_path: Path) -> None:
    port, uid = free_port(), f"{STUDY_ROOT}.2"
    with _audited(tmp_path, port) as live:
        ingest(live, make_instance(1, 1, 1), make_instance(1, 1, 2))
        ask(live, key("STUDY", StudyInstanceUID="", PatientID="P1"))
        (event,) = _events(tmp_path, "queried")
        assert (event["tenant"], event["ae_title"], event["query"]) == ("local", "CT1", "STUDY&00100020=P1")
        with asked(live, uid) as association:
            wanted = key("STUDY", StudyInstanceUID=study_uid(1))
            with destination(port, [SecondaryCaptureImageStorage], [ExplicitVRLittleEndian]):
                list(association.send_c_move(wanted, "DEST", uid))
            list(association.send_c_move(wanted, "DEST", uid))
        sent, failed = _events(tmp_path, "instances-sent")
    assert (sent["outcome"], failed["outcome"]) == (0, 4)
    for one in (sent, failed):
        assert one["destination"] == f"dicom://127.0.0.1:{port}/DEST"
        (study,) = one["studies"]
        assert (study["study_uid"], study["patient_id"]) == (study_uid(1), "P1")
        assert study["sop_classes"] == {SecondaryCaptureImageStorage: 2}


def test_9_8_nothing_of_a_patient_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """conformance.md 9.8: canary values of a patient, in queries and in what they find, are in no log line.

    The pytest plugin of dicom-common-testing looks into what every logger got, and fails the test.
    """
    caplog.set_level(logging.DEBUG, logger="dicom_common")
    for peer in ("pynetdicom", "pydicom"):  # the other side logs what it has asked for
        caplog.set_level(logging.CRITICAL, logger=peer)
    with _audited(tmp_path, free_port()) as live:
        ingest(live, make_instance(1, PatientName=_CANARY, PatientID="CANARY7", AccessionNumber="CANARY8"))
        for keys in (
            {"PatientName": _CANARY},
            {"PatientName": "Zanz*", "PatientID": "", "AccessionNumber": ""},
            {"PatientID": "CANARY7", "StudyDate": "CANARY9-"},
        ):
            ask(live, key("STUDY", StudyInstanceUID="", **keys))
        with asked(live, f"{STUDY_ROOT}.2") as association:
            list(association.send_c_move(key("STUDY", StudyInstanceUID=study_uid(1)), "DEST", f"{STUDY_ROOT}.2"))
