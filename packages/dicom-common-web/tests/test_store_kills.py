"""kill -9 of the server while many send: what was answered with 200 is there, once."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path

import pytest
from made_instances import instance_uid, make_instance
from server_process import ServerProcess, server_process, until

from dicom_common.core import Level, Query
from dicom_common.host import Services

KILLS = int(os.environ.get("DICOM_COMMON_TEST_KILLS", "5"))
SENDERS = 8


@pytest.mark.kills
@pytest.mark.slow
def test_6_8_what_was_acknowledged_is_there_once_whenever_the_server_is_killed(tmp_path: Path) -> None:
    chance = random.Random(20261129)
    acknowledged: set[str] = set()
    for number in range(KILLS):
        with server_process(tmp_path / "data") as running:
            senders = [
                threading.Thread(target=_send, args=(running, 1 + number * SENDERS + sender, acknowledged))
                for sender in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            _wait_for_another(acknowledged)
            time.sleep(chance.uniform(0.0, 1.5))
            running.process.kill()
            running.process.wait()
            for sender in senders:
                sender.join()
    with Services.from_file(overrides={"data": str(tmp_path / "data")}) as services:
        rows = services.db.find(Query(tenant="local", level=Level.INSTANCE))
        there = Counter(str(row["SOPInstanceUID"]) for row in rows)
        assert acknowledged <= there.keys()
        assert set(there.values()) == {1}
        for stored in services.db.stored("local", acknowledged).values():
            assert sum(map(len, services.storage.read(stored.key))) == stored.size


def _wait_for_another(acknowledged: set[str]) -> None:
    before = len(acknowledged)
    until(lambda: len(acknowledged) > before)


def _send(running: ServerProcess, study: int, acknowledged: set[str]) -> None:
    """Send single instances until the server is gone."""
    for number in range(1, 10_000):
        try:
            answer = running.store(make_instance(study, instance=number))
        except (OSError, HTTPException):
            return
        assert answer.status == 200
        acknowledged.add(instance_uid(study, instance=number))
