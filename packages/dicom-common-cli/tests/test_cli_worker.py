"""`worker`, and `ingest` in queued mode."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from sqlite3 import OperationalError

import pytest
from cli_command import HANG, Installation


@pytest.mark.kills
def test_what_an_ingest_queues_a_worker_indexes_and_ends_well(new: Installation, patient_folder: Path) -> None:
    new.variables |= {"DICOM_COMMON_INGEST__MODE": "queued", "DICOM_COMMON_WORKER__BATCH_SECONDS": "0.1"}
    queued = new("ingest", patient_folder)
    assert (queued.code, queued.out) == (0, "7 files: 7 queued\n")

    process = new.start("worker", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    give_up = time.monotonic() + HANG
    while time.monotonic() < give_up:
        with suppress(OperationalError):  # the index is still being made
            if new.count == 7:
                break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    out, errors = process.communicate(timeout=HANG)

    assert process.returncode == 0, errors
    assert not out
    assert "7 messages dealt with, 0 of them went to the dead letters." in errors
    assert new.count == 7
    assert len(new("events", "dicom_image_queue").lines) == 7
