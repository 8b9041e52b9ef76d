"""`dicom-common scp`: several processes, an end in good order, and kill -9 in the middle."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from live_ae import dcmtk, until
from raw_scu import ACCEPT, data_set, fragment, p_data, raw_scu, uid_of
from scp_process import ScpProcess, scp_process

from dicom_common.core import Level, Query
from dicom_common.host import Services

KILLS = int(os.environ.get("DICOM_COMMON_TEST_KILLS", "5"))
SENDERS = 4


def indexed(data: Path) -> Counter[str]:
    """How often the index has each SOP instance, once the bytes of each were read and found whole."""
    with Services.from_file(overrides={"data": str(data)}) as services:
        rows = list(services.db.find(Query(tenant="local", level=Level.INSTANCE)))
        there = Counter(str(row["SOPInstanceUID"]) for row in rows)
        for stored in services.db.stored("local", set(there)).values():
            assert sum(map(len, services.storage.read(stored.key))) == stored.size
        return there


def send(running: ScpProcess, first: int, acknowledged: set[str]) -> None:
    """Store instances by one association until the other side is gone."""
    try:
        with raw_scu(running.port) as scu:
            if scu.associate()[0] != ACCEPT:
                return
            for number in range(first, first + 10_000):
                assert scu.store(number, size=15_000) == 0
                acknowledged.add(uid_of(number))
    except (OSError, AssertionError):
        return


def wait_for_another(acknowledged: set[str]) -> None:
    before = len(acknowledged)
    until(lambda: len(acknowledged) > before)


@pytest.mark.kills
@pytest.mark.slow
def test_7_3_what_was_acknowledged_is_there_once_whenever_the_server_is_killed(tmp_path: Path) -> None:
    chance = random.Random(20261129)
    acknowledged: set[str] = set()
    for number in range(KILLS):
        workers = str(1 + number % 2)
        with scp_process(tmp_path, "--workers", workers, expected="another one") as running:
            first = 1 + number * SENDERS
            senders = [
                threading.Thread(target=send, args=(running, (first + sender) * 100_000, acknowledged))
                for sender in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            wait_for_another(acknowledged)
            time.sleep(chance.uniform(0.1, 1.0))
            for process in (*running.workers(), running.process.pid):
                os.kill(process, signal.SIGKILL)
            running.process.wait()
            for sender in senders:
                sender.join()
    there = indexed(tmp_path / "data")
    assert acknowledged <= there.keys()
    assert set(there.values()) == {1}


@pytest.mark.kills
def test_several_processes_share_the_port_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    with scp_process(tmp_path, "--workers", "2", expected="another one is started") as running:
        echo = ("echoscu", "-aet", "CT1", "-aec", "DICOMCOMMON", "127.0.0.1", str(running.port))
        dcmtk(*echo)
        until(lambda: len(running.workers()) == 2)
        workers = running.workers()
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: workers[0] not in running.workers())  # what it has accepted until it is gone, goes with it
        for _ in range(5):
            dcmtk(*echo)
        until(lambda: len(running.workers()) == 2)
        acknowledged: set[str] = set()
        for first in (1, 1000, 2000):
            with raw_scu(running.port) as scu:
                assert scu.associate()[0] == ACCEPT
                for number in range(first, first + 10):
                    assert scu.store(number) == 0
                    acknowledged.add(uid_of(number))
    assert indexed(tmp_path / "data").keys() == acknowledged


@pytest.mark.kills
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with scp_process(tmp_path, "--workers", "2") as running:
        dcmtk("echoscu", "-aet", "CT1", "-aec", "DICOMCOMMON", "127.0.0.1", str(running.port))
        workers = running.workers()
        running.process.kill()
        running.process.wait()
        until(lambda: not [one for one in workers if Path(f"/proc/{one}").exists()])


@pytest.mark.kills
@pytest.mark.parametrize("workers", ["1", "2"])
def test_7_10_a_store_in_hand_is_finished_when_it_is_told_to_stop(tmp_path: Path, workers: str) -> None:
    with scp_process(tmp_path, "--workers", workers) as running, raw_scu(running.port) as scu:
        scu.associate()
        data = data_set(1, size=50_000)
        scu.begin_store(1, data[:1000])
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.is_stopping)
        time.sleep(0.5)  # in which it would end, if it ended at once
        assert running.process.poll() is None
        scu.send(p_data(fragment(3, data[1000:], is_command=False, is_last=True)))
        assert scu.status() == 0
        assert running.process.wait(60) == 0
    assert indexed(tmp_path / "data").keys() == {uid_of(1)}


@pytest.mark.kills
def test_the_configuration_may_be_named_behind_the_command(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[log]\nlevel = 'info'\n", encoding="utf-8")
    with scp_process(tmp_path, before=("--config", str(tmp_path / "other.toml"))) as running:
        dcmtk("echoscu", "-aet", "CT1", "-aec", "DICOMCOMMON", "127.0.0.1", str(running.port))
        assert (tmp_path / "data").is_dir()


@pytest.mark.kills
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with scp_process(tmp_path) as running, raw_scu(running.port) as scu:
        scu.associate()
        scu.begin_store(1, data_set(1)[:100])
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.is_stopping)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 130  # in good order it would be 0
