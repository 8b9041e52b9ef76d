"""The Python that READMEs show is run, each README from top to bottom, in a folder of its own.

All in one process, which imports everything once. Blocks in the language `py` are parts of a program, not one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from _workspace import ROOT
from doc_blocks import blocks

NEEDED = {
    "dicom-common-broker-kafka": "a server: Kafka",
    "dicom-common-cache-redis": "a server: Redis",
    "dicom-common-dimse": "an application entity to send to",
    "dicom-common-db-mysql": "a server: MySQL",
    "dicom-common-db-postgres": "a server: PostgreSQL",
    "dicom-common-storage-azure": "a server: Azure Blob Storage",
    "dicom-common-storage-gcs": "a server: Google Cloud Storage",
    "dicom-common-storage-s3": "a server: S3",
    "dicom-common-native": "a compiler",
    "dicom-common-testing": "a backend of the reader's own; the page of tools/docs about writing one is run",
}
"""READMEs whose examples are not run here, and what they need. Their names and settings are compared all the same."""

CONFIGURED = {
    "dicom-common-audit": 'extensions = ["audit"]\n',
    "dicom-common-host": "",
    "dicom-common-web": '[auth]\nbackend = "none"\ntenant = "local"\n',
}
"""The configuration that an example opens, and the text above it tells of."""

PROGRAM = """
import contextlib, json, os, sys, traceback

for name, (folder, code) in json.load(sys.stdin).items():
    os.chdir(folder)
    failure = None
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            # A module of its own: dataclasses and annotations look it up.
            module = type(sys)(name)
            sys.modules[name] = module
            exec(compile(code, name, "exec"), module.__dict__)
    except BaseException:
        failure = traceback.format_exc()
    print(json.dumps([name, failure]), flush=True)
"""


def examples() -> dict[str, str]:
    """Return the Python of each README, all blocks of it together."""
    found = {}
    for page in [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]:
        code = "\n".join(block.code for block in blocks(page, page.parent.name) if block.language == "python")
        name = "README" if page.parent == ROOT else page.parent.name
        if code and name not in NEEDED:
            found[name] = code
    return found


EXAMPLES = examples()


def results(chosen: dict[str, str], folder: Path) -> dict[str, str | None]:
    """Run examples, and return how each of them failed."""
    program = {}
    for name, code in chosen.items():
        own = folder / name
        (own / "incoming").mkdir(parents=True)
        sample = Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm"
        shutil.copy(sample, own)
        shutil.copy(sample, own / "incoming")
        if name in CONFIGURED:
            (own / "dicom-common.toml").write_text(CONFIGURED[name], encoding="utf-8")
        program[name] = (str(own), code)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(program),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    return results(EXAMPLES, tmp_path_factory.mktemp("examples"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, ran: dict[str, str | None]) -> None:
    assert ran[name] is None


def test_an_example_that_does_not_run_is_found(tmp_path: Path) -> None:
    assert "ZeroDivisionError" in str(results({"wrong": "1 / 0"}, tmp_path)["wrong"])


def test_what_is_not_run_is_there() -> None:
    assert [name for name in (*NEEDED, *CONFIGURED) if not (ROOT / "packages" / name / "README.md").is_file()] == []
