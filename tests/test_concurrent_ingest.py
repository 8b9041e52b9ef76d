"""Two ingests of the same folder at once."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from embedded import COMMAND, contents, lines


def test_two_processes_that_ingest_the_same_folder_leave_one_row_and_one_object_of_each(
    data: Path, tmp_path: Path, small_files: Callable[[int], list[Path]]
) -> None:
    files = small_files(1500)
    command = [*COMMAND, "--data", str(data), "ingest", "--json", "--jobs", "2", str(tmp_path / "files")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [lines(process.communicate(timeout=300)[0]) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    statuses = Counter(answer["status"] for both in answers for answer in both)
    assert statuses == {"stored": len(files), "duplicate": len(files)}
    everything = contents(data)
    assert len(everything["stored"]) == len(everything["rows"]["INSTANCE"]) == len(files)
    assert sorted(everything["objects"]) == sorted(stored.key for stored in everything["stored"])
    assert sorted(everything["objects"].values()) == sorted(file.read_bytes() for file in files)
