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
from live_ae import dcmtk
from raw_scu import ACCEPT, data_set, fragment, p_data, raw_scu, store_rq, uid_of
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


@pytest.mark.kills
@pytest.mark.slow
def test_7_3_what_was_acknowledged_is_there_once_whenever_the_server_is_killed(tmp_path: Path) -> None:
    chance = random.Random(20261129)
    acknowledged: set[str] = set()
    for number in range(KILLS):
        before = len(acknowledged)
        workers = str(1 + number % 2)
        with scp_process(tmp_path, "--workers", workers, expected="another one") as running:
            first = 1 + number * SENDERS
            senders = [
                threading.Thread(target=send, args=(running, (first + sender) * 100_000, acknowledged))
                for sender in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            end = time.monotonic() + 20
            while len(acknowledged) == before and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(chance.uniform(0.1, 1.0))
            for process in (*running.workers(), running.process.pid):
                os.kill(process, signal.SIGKILL)
            running.process.wait()
            for sender in senders:
                sender.join()
        assert len(acknowledged) > before
    there = indexed(tmp_path / "data")
    assert acknowledged <= there.keys()
    assert set(there.values()) == {1}


@pytest.mark.kills
def test_several_processes_share_the_port_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    with scp_process(tmp_path, "--workers", "2", expected="another one is started") as running:
        echo = ("echoscu", "-aet", "CT1", "-aec", "DICOMCOMMON", "127.0.0.1", str(running.port))
        dcmtk(*echo)
        workers = running.workers()
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        for _ in range(5):
            dcmtk(*echo)
        end = time.monotonic() + 20
        while (now := running.workers()) == workers or len(now) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)
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
        end = time.monotonic() + 20
        while any(Path(f"/proc/{one}").exists() for one in workers) and time.monotonic() < end:
            time.sleep(0.1)
        assert not [one for one in workers if Path(f"/proc/{one}").exists()]


@pytest.mark.kills
@pytest.mark.parametrize("workers", ["1", "2"])
def test_7_10_a_store_in_hand_is_finished_when_it_is_told_to_stop(tmp_path: Path, workers: str) -> None:
    with scp_process(tmp_path, "--workers", workers) as running, raw_scu(running.port) as scu:
        scu.associate()
        data = data_set(1, size=50_000)
        scu.send(p_data(fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)))
        scu.send(p_data(fragment(3, data[:1000], is_command=False, is_last=False)))
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert running.process.poll() is None
        scu.send(p_data(fragment(3, data[1000:], is_command=False, is_last=True)))
        assert scu.status() == 0
        assert running.process.wait(20) == 0
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
        scu.send(p_data(fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)))
        time.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(5) == 130
