"""Many instances: memory stays bounded, and each costs the same. A hundred thousand by `dev.py test scale`."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from embedded import COMMAND

INSTANCES = int(os.environ.get("DICOM_COMMON_TEST_INSTANCES", "20000"))
PARTS = 10
MEMORY = 300 * 1024 * 1024


class _Used(NamedTuple):
    """What the processes of a session have used, as the kernel counts it."""

    memory: int
    """The largest resident set of one, in bytes."""
    seconds: float
    """Of processor time: the wall clock also counts what else runs on the machine."""


def _used(group: int) -> _Used:
    memory, ticks = 0, 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[3]) == group:
                text = (status.parent / "status").read_text()
                memory = max(memory, int(text.split("VmHWM:")[1].split()[0]) * 1024)
                ticks += int(fields[11]) + int(fields[12])
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return _Used(memory, ticks / os.sysconf("SC_CLK_TCK"))


def test_memory_is_bounded_and_each_of_many_instances_costs_the_same(
    data: Path, tmp_path: Path, small_instances: Callable[[int], Iterator[bytes]]
) -> None:
    folder = tmp_path / "files"
    for number, instance in enumerate(small_instances(INSTANCES)):
        path = folder / f"{number // 1000:04}" / f"{number:07}.dcm"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(instance)
    command = [*COMMAND, "--data", str(data), "ingest", "--json", str(folder)]
    done = 0
    marks: list[_Used] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            assert '"stored"' in line
            done += 1
            if done % (INSTANCES // PARTS) == 0:
                marks.append(_used(process.pid))
        assert process.wait(timeout=300) == 0
    assert done == INSTANCES
    assert 0 < max(mark.memory for mark in marks) < MEMORY
    # The first part holds the start of the processes, and at the last mark some may have ended.
    costs = [after.seconds - before.seconds for before, after in itertools.pairwise(marks[:-1])]
    early, late = statistics.median(costs[:3]), statistics.median(costs[-3:])
    print(f"peak {max(marks).memory / 2**20:.0f} MiB; cost of early parts / of the last parts: {early / late:.2f}")
    assert early / late >= 0.7
