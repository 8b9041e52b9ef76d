"""An embedded installation, looked at from outside: the command, real files, and everything that is stored."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom

from dicom_common.core import Level, Query
from dicom_common.host import Services

COMMAND = [sys.executable, "-m", "dicom_common.cli"]
DATA_VARIABLE = "DICOM_COMMON_TEST_DATA"


def real_files() -> Iterator[Path]:
    """Iterate over the real files that are at hand: pydicom's own, and those of the data folder where there is one."""
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    named = os.environ.get(DATA_VARIABLE)
    folders.append(Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "dicom")
    for folder in folders:
        if folder.is_dir():
            yield from sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".csv", ".txt", ".md"))


def lines(text: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def contents(data: Path, tenant: str = "local") -> dict[str, Any]:
    """Return everything that an embedded installation holds of a tenant, for comparisons."""
    with Services.from_file(overrides={"data": str(data)}) as services:
        return {
            "rows": {level.name: services.db.find(Query(tenant=tenant, level=level)) for level in Level},
            "stored": list(services.db.walk()),
            "metadata": [
                json.loads(document)
                for study in services.db.find(Query(tenant=tenant, level=Level.STUDY))
                for document in services.db.metadata(tenant, str(study["StudyInstanceUID"]))
            ],
            "objects": {info.key: b"".join(services.storage.read(info.key)) for info in services.storage.scan()},
        }
