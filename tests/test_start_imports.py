"""What short commands do not use is not imported: on an SQLite index, `ingest` and `find` need no SQLAlchemy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

NOT_USED = {
    *(
        "alembic",
        "asyncio",
        "difflib",
        "logging.handlers",
        "multiprocessing",
        "sqlalchemy",
        "ssl",
        "subprocess",
        "tomllib",
    ),
    *("dicom_common.host._policy", "dicom_common.host._server_tls", "dicom_common.pipeline._process_pool"),
    *("dicom_common.pipeline._documents._documents", "dicom_common.toolkit._statement", "tomllib"),
}
PROGRAM = """
import json, sys
from dicom_common.cli import main
code = main(sys.argv[1:])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


def imported(*words: str | Path) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *map(str, words)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "keys",
    [
        [],
        ["PatientID=1CT1"],
        ["PatientName=doe*"],
        ["StudyDate=20200101-20261231"],
        ["AccessionNumber=A1"],
        ["ModalitiesInStudy=CT", "--limit", "20"],
        ["--level", "series", "StudyInstanceUID=1.2"],
        ["--level", "instance", "StudyInstanceUID=1.2", "SeriesInstanceUID=1.3"],
        ["--level", "patient"],
    ],
    ids=" ".join,
)
def test_find_imports_only_what_it_uses(
    small_files: Callable[[int], list[Path]], tmp_path: Path, keys: list[str]
) -> None:
    data = tmp_path / "data"
    assert not NOT_USED & imported("--data", data, "ingest", *small_files(1))  # which makes the index
    modules = imported("--data", data, "find", *keys)
    assert "dicom_common.db.sqlite" in modules
    assert not NOT_USED & modules


def test_ingest_imports_only_what_it_uses(small_files: Callable[[int], list[Path]], tmp_path: Path) -> None:
    data = tmp_path / "data"
    first, second = small_files(2)
    for file in (first, second, second):
        modules = imported("--data", data, "ingest", file)
        assert "dicom_common.db.sqlite" in modules
        assert not NOT_USED & modules
