"""Killing the ingest at any moment: what it acknowledged is there, once, and its events arrive.

20 kills by default, and 5 of senders of single instances; 50 by `python3 tools/dev.py test crash`.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from embedded import COMMAND, contents, lines

from dicom_common.host import Services
from dicom_common.pipeline import Relay

KILLS = int(os.environ.get("DICOM_COMMON_TEST_KILLS", "20"))
SENDERS_KILLS = int(os.environ.get("DICOM_COMMON_TEST_KILLS", "5"))
FILES = 2000
SENDERS = 8


def _ingest_and_kill(
    data: Path, folder: Path, *, after_answers: int, pause: float, whole_group: bool
) -> list[dict[str, str]]:
    """Start an ingest, kill it a moment after so many answers, and return what it acknowledged."""
    command = [*COMMAND, "--data", str(data), "ingest", "--json", "--jobs", "2", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert process.stdout is not None
    answers = "".join(itertools.islice(process.stdout, after_answers))
    time.sleep(pause)
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    answers += process.stdout.read()
    process.stdout.close()
    process.wait()
    _wait_until_gone(process.pid)
    complete = answers[: answers.rfind("\n") + 1]  # a last line that is half written was not acknowledged
    return lines(complete)


def _wait_until_gone(group: int) -> None:
    """Wait for the worker processes, which notice that their parent is gone."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("worker processes live on without their parent")


@pytest.mark.kills
def test_an_ingest_that_is_killed_loses_nothing_that_it_acknowledged(
    data: Path,
    tmp_path: Path,
    small_files: Callable[[int], list[Path]],
    dicom_common: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    files = small_files(FILES)
    moments = random.Random(20261122)
    acknowledged: dict[str, dict[str, str]] = {}
    for number in range(KILLS):
        answers = _ingest_and_kill(
            data,
            tmp_path / "files",
            after_answers=moments.randrange(FILES),
            pause=moments.uniform(0, 0.2),
            whole_group=number % 2 == 0,
        )
        acknowledged |= {answer["path"]: answer for answer in answers}
        assert {answer["status"] for answer in answers} <= {"stored", "duplicate"}
    assert acknowledged, "the ingest was always killed before it did anything"

    # What was acknowledged is there before anything is repaired.
    before = contents(data)
    there = {stored.sop_uid: stored for stored in before["stored"]}
    for path, answer in acknowledged.items():
        stored = there[answer["sop_instance_uid"]]
        assert stored.key == answer["key"]
        assert before["objects"][stored.key] == Path(path).read_bytes()

    again = lines(dicom_common("ingest", "--json", tmp_path / "files").stdout)
    assert Counter(answer["status"] for answer in again).keys() <= {"stored", "duplicate"}
    assert len(again) == len(files)
    everything = contents(data)
    assert len(everything["rows"]["INSTANCE"]) == len(everything["objects"]) == len(files)
    assert sorted(everything["objects"].values()) == sorted(file.read_bytes() for file in files)
    dicom_common("reconcile")  # exit code 0: no difference
    _assert_every_instance_has_its_events(data, {stored.sop_uid for stored in everything["stored"]})


def _send_and_kill(data: Path, folder: Path, *, after_answers: int, pause: float) -> list[list[str]]:
    """Start the senders, kill them a moment after so many answers, and return the lines of what was acknowledged."""
    program: list[str | Path] = [sys.executable, Path(__file__).parent / "crash_senders.py", data, str(SENDERS), folder]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    answers = "".join(itertools.islice(process.stdout, after_answers))
    time.sleep(pause)
    process.kill()
    answers += process.stdout.read()
    process.stdout.close()
    process.wait()
    return [line.split() for line in answers[: answers.rfind("\n") + 1].splitlines()]


@pytest.mark.kills
def test_senders_that_are_killed_lose_nothing_that_was_acknowledged_to_them(
    data: Path,
    tmp_path: Path,
    small_instances: Callable[[int], Iterator[bytes]],
    dicom_common: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    each = 60
    made = small_instances(each * SENDERS_KILLS)
    moments = random.Random(20261129)
    acknowledged: dict[str, list[str]] = {}
    for number in range(SENDERS_KILLS):
        folder = tmp_path / "files" / f"{number:03}"
        folder.mkdir(parents=True)
        for one in range(each):
            (folder / f"{one:03}.dcm").write_bytes(next(made))
        answers = _send_and_kill(data, folder, after_answers=moments.randrange(each), pause=moments.uniform(0, 0.03))
        assert {answer[3] for answer in answers} <= {"stored"}
        assert len({answer[0] for answer in answers}) == len(answers)
        acknowledged |= {answer[0]: answer for answer in answers}
    assert acknowledged, "the senders were always killed before they had an answer"

    before = contents(data)
    there = {stored.sop_uid: stored for stored in before["stored"]}
    assert len(there) == len(before["stored"]) == len(before["rows"]["INSTANCE"])
    for file, sop_uid, key, _ in acknowledged.values():
        assert there[sop_uid].key == key
        assert before["objects"][key] == Path(file).read_bytes()

    again = lines(dicom_common("ingest", "--json", tmp_path / "files").stdout)
    assert Counter(answer["status"] for answer in again).keys() <= {"stored", "duplicate"}
    everything = contents(data)
    assert len(everything["rows"]["INSTANCE"]) == len(everything["objects"]) == each * SENDERS_KILLS
    dicom_common("reconcile")  # exit code 0: no difference
    _assert_every_instance_has_its_events(data, {stored.sop_uid for stored in everything["stored"]})


def _assert_every_instance_has_its_events(data: Path, sop_uids: set[str]) -> None:
    with Services.from_file(overrides={"data": str(data)}) as services:
        assert Relay(services).drain(120) == 0
        for topic in ("dicom_image_queue", "log_queue"):
            seen = set()
            with services.broker.consume([topic], "crash-test") as consumer:
                while deliveries := consumer.receive(1000, timeout=5):
                    seen |= {json.loads(delivery.message.body)["sop_uid"] for delivery in deliveries}
                    consumer.acknowledge(deliveries)
            assert seen == sop_uids
