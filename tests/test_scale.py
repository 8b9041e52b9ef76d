"""A hundred thousand instances: memory stays bounded, and the rate holds."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from embedded import COMMAND

INSTANCES = int(os.environ.get("DICOM_COMMON_TEST_INSTANCES", "100000"))
PARTS = 10
MEMORY = 300 * 1024 * 1024


def _peak_memory(group: int) -> int:
    """Return the largest resident set of the processes of a session, in bytes, as the kernel counts it."""
    peak = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rpartition(")")[2].split()[3]) == group:
                text = (status.parent / "status").read_text()
                peak = max(peak, int(text.split("VmHWM:")[1].split()[0]) * 1024)
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return peak


def test_memory_is_bounded_and_the_rate_holds_for_many_instances(
    data: Path, tmp_path: Path, small_instances: Callable[[int], Iterator[bytes]]
) -> None:
    folder = tmp_path / "files"
    for number, instance in enumerate(small_instances(INSTANCES)):
        path = folder / f"{number // 1000:04}" / f"{number:07}.dcm"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(instance)
    command = [*COMMAND, "--data", str(data), "ingest", "--json", str(folder)]
    peak = done = 0
    marks = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            assert '"stored"' in line
            done += 1
            if done % (INSTANCES // PARTS) == 0:
                marks.append(time.monotonic())
                peak = max(peak, _peak_memory(process.pid))
        assert process.wait(timeout=300) == 0
    assert done == INSTANCES
    assert 0 < peak < MEMORY
    # The first part holds the start of the processes; so the rates between the marks are compared.
    seconds = [after - before for before, after in itertools.pairwise(marks)]
    early, late = seconds[0], statistics.median(seconds[-3:])
    print(f"peak {peak / 2**20:.0f} MiB; rate of the last parts / rate of an early one: {early / late:.2f}")
    assert early / late >= 0.8
