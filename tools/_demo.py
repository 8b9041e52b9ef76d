"""`dev.py demo`: ingests the DICOM files that ship inside pydicom's wheel, and shows the result."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from _environment import BIN, ToolError, install_embedded, tool_environment
from _table import print_table
from _workspace import ROOT

DATA = ROOT / ".demo"
PATIENT = "1CT1"
"""The patient of `CT_small.dcm`, whose instance is shown in detail."""
ATTRIBUTES_SHOWN = 16
LINE = 110
FIND_PYDICOM = "import importlib.util as u; print(u.find_spec('pydicom').submodule_search_locations[0])"


def demo() -> int:
    """Run the demonstration from an empty data folder; 0 unless a command could not be run."""
    install_embedded()
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    package = subprocess.run([BIN / "python", "-c", FIND_PYDICOM], capture_output=True, text=True, check=True)
    source = Path(package.stdout.strip()) / "data" / "test_files"

    heading("1. Ingest the DICOM files that ship with pydicom")
    ingest(source)

    heading("2. Find the studies")
    show("find", "--level", "study")
    show("find", "--level", "study", f"PatientID={PATIENT}")

    heading("3. One instance as DICOM JSON (PS3.18 Annex F), taken when it was ingested")
    study = one_study()
    instances = json.loads(capture("metadata", study))
    print_abridged(instances[0])

    heading("Done")
    print(f"The files as received, the index and the events are in {short(DATA)}, which you may delete.")
    print("Type next:")
    program = short(BIN / "dicom-common")
    for words in (
        "find --level series Modality=CT",
        f"get {study} --output /tmp/study",
        "events dicom_state_queue",
        "reconcile",
        "plugins",
        "--help",
    ):
        print(f"  {program} --data {short(DATA)} {words}")
    print(f"To see the studies in a browser, type `{program} --data {short(DATA)} serve`: it says where they are.")
    return 0


def ingest(source: Path) -> None:
    """Ingest a folder, with a progress bar on a terminal, and count what became of its files."""
    log = DATA / "ingest.jsonl"
    words = ("ingest", source, "--json")
    print(f"$ {written(*words)} > {short(log)}", flush=True)
    with log.open("wb") as output:
        done = subprocess.run(
            command(*words), env=tool_environment(), stdin=subprocess.DEVNULL, stdout=output, check=False
        )
    if done.returncode not in (0, 1):  # 1: files were rejected, and here some have to be
        raise ToolError(f"`dicom-common ingest` ended with exit code {done.returncode}; what it said stands above.")
    files = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    counted = Counter((file["status"], file["reason"]) for file in files)
    rows = [(str(number), status, reason) for (status, reason), number in counted.most_common()]
    print_table(f"{len(files)} files", ("files", "status", "reason"), rows)
    if done.returncode == 1:
        print(
            "\nThe rejections are as they should be: pydicom ships broken files, files that are no DICOM instances, and"
        )
        print("several files under one SOP Instance UID, of which the first is kept. None of them harmed the others.")
    print(f"\n{reader()}")


def reader() -> str:
    """Say which reader read the files."""
    settings = [json.loads(line) for line in capture("config", "explain", "--json").splitlines()]
    [engine] = [setting["origin"] for setting in settings if setting["key"] == "reader.engine"]
    if engine.endswith(": native"):
        return "The native reader (dicom-common-native) read them."
    return (
        "The Python reader read them, because the native reader (dicom-common-native), which is several times as fast,"
        "\nis not installed. It is optional; cargo builds it: see packages/dicom-common-native/README.md."
    )


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def short(path: Path) -> str:
    """Return a path as it is typed from here."""
    return os.path.relpath(path)


def command(*words: str | Path) -> list[str]:
    """Return the command line of `dicom-common` for the demo's data folder."""
    return [str(BIN / "dicom-common"), "--data", str(DATA), *map(str, words)]


def written(*words: str | Path) -> str:
    """Return a command as one types it."""
    return shlex.join(short(Path(word)) if Path(word).is_absolute() else str(word) for word in command(*words))


def show(*words: str | Path) -> None:
    """Print a command and run it on this terminal."""
    print(f"\n$ {written(*words)}", flush=True)
    code = subprocess.run(command(*words), env=tool_environment(), stdin=subprocess.DEVNULL, check=False).returncode
    if code != 0:
        raise ToolError(f"`dicom-common {words[0]}` ended with exit code {code}; what it said stands above.")


def capture(*words: str | Path) -> str:
    """Run a command and return what it wrote to standard output."""
    done = subprocess.run(
        command(*words),
        env=tool_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(f"`dicom-common {words[0]}` ended with exit code {done.returncode}.")
    return done.stdout


def one_study() -> str:
    """Return the Study Instance UID of the study that is shown in detail."""
    found = capture("find", "--level", "study", f"PatientID={PATIENT}", "--json").splitlines()
    return str(json.loads(found[0])["StudyInstanceUID"])


def print_abridged(instance: dict[str, Any]) -> None:
    """Print the first attributes of a DICOM JSON object, one a line, each cut to the width of a terminal."""
    print("{")
    for tag, attribute in list(instance.items())[:ATTRIBUTES_SHOWN]:
        text = f'  "{tag}": {json.dumps(attribute, ensure_ascii=False)},'
        print(text if len(text) <= LINE else text[: LINE - 1] + "…")
    print(f"  … {max(0, len(instance) - ATTRIBUTES_SHOWN)} more attributes\n}}")
