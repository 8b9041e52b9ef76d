"""Follows a page of the guide as a new author would: what it says is done, and nothing else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

__all__ = ["files_of", "follow"]

_BLOCK = re.compile(r"```python\n# (\S+)\n(.*?)```", re.DOTALL)


def files_of(page: str) -> dict[str, str]:
    """Return the files that a page shows: the blocks that begin with the name of a file."""
    return dict(_BLOCK.findall(page))


def follow(python: Path, folder: Path, kind: str = "storage") -> Path:
    """Make the backend of a page in a folder, with what is installed for a Python, and return its repository."""
    module: list[str | Path] = [python, "-m", "dicom_common.testing"]
    page = _output([*module, "guide", kind], folder)
    _output([*module, "new", kind, "memo"], folder)
    made = folder / f"dicom-common-{kind}-memo"
    files = files_of(page)
    assert files.keys() == {f"src/dicom_common_{kind}_memo/_backend.py", "tests/test_contract.py"}
    for name, text in files.items():
        assert (made / name).is_file(), f"the guide shows {name}, which `new` does not make"
        (made / name).write_text(text)
    return made


def _output(words: list[str | Path], folder: Path) -> str:
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout
