"""The README's example works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from pipeline_site import Make

from dicom_common.pipeline import IngestReason, IngestSettings, TopicSettings
from dicom_common.pipeline._ingest._status_codes import STATUSES

README = Path(__file__).parent.parent / "README.md"


def test_the_example_stores_what_lies_in_the_folder(tmp_path: Path, make: Make) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "incoming").mkdir()
    for sop in (1, 2):
        (tmp_path / "incoming" / f"{sop}.dcm").write_bytes(make(sop))
    (tmp_path / "incoming" / "3.dcm").write_bytes(b"no DICOM")
    done = subprocess.run(
        [sys.executable, "-c", example + "print(waiting)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["stored", "stored", "rejected", "0"]
    assert len(list((tmp_path / "dicom-common-data" / "objects").rglob("*.dcm"))) == 2


def test_the_settings_and_reasons_that_there_are_stand_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    for field in fields(IngestSettings):
        shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
        assert f"| `{field.name}` | {shown} |" in text or f"| `{field.name}` | `{shown}` |" in text
    for field in fields(TopicSettings):
        assert f"`{field.name}` (`{field.default}`)" in text.replace("\n", " ")
    sources = "".join(path.read_text() for path in (README.parent / "src").rglob("*.py"))
    for reason in re.findall(r"(?:reject|rejection)\(\s*(?:attempt|received|batch\[0\]), \"([a-z-]+)\"", sources):
        assert f"`{reason}`" in text, f"the reason {reason} is missing"


def test_the_table_of_status_codes_is_the_one_of_the_code() -> None:
    section = README.read_text(encoding="utf-8").split("### Status codes")[1].split("## Limits")[0]
    rows = re.findall(r"^\| `([0-9A-F]{4})` \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)
    documented = {reason: int(code, 16) for code, reasons in rows for reason in re.findall(r"`([a-z-]+)`", reasons)}
    assert documented == {str(reason): code for reason, code in STATUSES.items()}


def test_every_reason_of_the_ingest_is_in_the_table_of_results() -> None:
    section = README.read_text(encoding="utf-8").split("## Results")[1].split("### Status codes")[0]
    assert {str(reason) for reason in IngestReason} <= set(re.findall(r"`([a-z-]+)`", section))
