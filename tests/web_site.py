"""`dicom-common serve` as a process of its own, on a free port."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PROGRAM", "serving"]

PROGRAM = (sys.executable, "-m", "dicom_common.cli")


@contextmanager
def serving(place: Path, *options: str) -> Iterator[str]:
    """Serve the embedded set in a folder, or a configuration file, until the block ends; give the address."""
    named = "--config" if place.is_file() else "--data"
    command = [*PROGRAM, named, str(place), "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = process.stderr.readline()
        found = re.search(r"http://[0-9.]+:\d+", told)
        assert found, told
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)
