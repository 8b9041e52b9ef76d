"""Whole processes: what starting costs, and from which amount on the work does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpus import ct_template, write_files
from rows import row, show

_MANY = 200
_READ = "import sys, pydicom; pydicom.dcmread(sys.argv[1])"


def _seconds(command: Sequence[str | Path]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def run(rounds: int = 7) -> list[dict[str, Any]]:
    """Measure; the ratios are those of one round, whose processes run one after the other."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER")) as folder:
        base = Path(folder)
        files = write_files(base / "files", ct_template(64), _MANY)
        finding: list[float] = []
        one: list[float] = []
        many: list[float] = []
        for number in range(rounds + 1):
            begin = ["-m", "dicom_common.cli", "--data"]
            plain = _seconds(["-c", _READ, files[0]])
            first = _seconds([*begin, base / f"one-{number}", "ingest", files[0]])
            found = _seconds([*begin, base / f"one-{number}", "find", "--level", "study"])
            all_files = _seconds([*begin, base / f"many-{number}", "ingest", base / "files"])
            if number:  # the first round compiles modules
                finding.append(found / plain)
                one.append(first / plain)
                many.append(all_files / first)
    unit = "times as long as a process that reads a file with pydicom"
    return [
        row("start: find, whole process", finding, None, better="lower", unit=unit),
        row("start: ingest of one file, whole process", one, None, better="lower", unit=unit),
        row(f"ingest of {_MANY} files, against one, whole process", many, 1.5, better="lower", unit="times as long"),
    ]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
