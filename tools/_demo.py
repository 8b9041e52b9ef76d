"""`dev.py demo`: ingests the DICOM files that ship inside pydicom's wheel, and shows what came of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _environment import BIN, ToolError, install_embedded, tool_environment
from _workspace import ROOT

DATA = ROOT / ".demo"
ATTRIBUTES_SHOWN = 16
LINE = 110
FIND_PYDICOM = "import importlib.util as u; print(u.find_spec('pydicom').submodule_search_locations[0])"


def demo() -> int:
    """Run the demonstration from an empty data folder; 0 unless a command could not be run."""
    install_embedded()
    shutil.rmtree(DATA, ignore_errors=True)
    package = subprocess.run([BIN / "python", "-c", FIND_PYDICOM], capture_output=True, text=True, check=True)
    source = Path(package.stdout.strip()) / "data" / "test_files"

    heading("1. Ingest the DICOM files that ship with pydicom")
    refused = show("ingest", source, accepted=(0, 1)) == 1
    if refused:
        print("\nSome files were refused, each with its reason, and that is right: pydicom ships them because they are")
        print("broken, or are no DICOM instances (a DICOMDIR, a file without UIDs). None of them harmed the others.")

    heading("2. Find the studies")
    show("find", "--level", "study")

    heading("3. One instance as DICOM JSON (PS3.18 Annex F), taken when it was ingested")
    study = first_study()
    instances = json.loads(capture("metadata", study))
    print_abridged(instances[0])

    heading("Done")
    print(f"The data lie in {short(DATA)}: the files as received, the index, the events; delete the folder at will.")
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
    return 0


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def short(path: Path) -> str:
    """Return a path as it is typed from here."""
    return os.path.relpath(path)


def command(*words: str | Path) -> list[str]:
    """Return the command line of `dicom-common` for the demo's data folder."""
    return [str(BIN / "dicom-common"), "--data", str(DATA), *map(str, words)]


def show(*words: str | Path, accepted: Sequence[int] = (0,)) -> int:
    """Print a command, run it on this terminal, and return its exit code."""
    shown = [short(Path(word)) if Path(word).is_absolute() else str(word) for word in command(*words)]
    print(f"$ {shlex.join(shown)}", flush=True)
    code = subprocess.run(command(*words), env=tool_environment(), stdin=subprocess.DEVNULL, check=False).returncode
    if code not in accepted:
        raise ToolError(f"`dicom-common {words[0]}` ended with exit code {code}; what it said stands above.")
    return code


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


def first_study() -> str:
    """Return the Study Instance UID of the first study that `find` lists."""
    answer = capture("find", "--level", "study", "--json").strip()
    first = json.loads(answer)[0] if answer.startswith("[") else json.loads(answer.splitlines()[0])
    value: Any = first.get("StudyInstanceUID") or first["0020000D"]["Value"][0]
    return str(value)


def print_abridged(instance: dict[str, Any]) -> None:
    """Print the first attributes of a DICOM JSON object, one a line, each cut to the width of a terminal."""
    print("{")
    for tag, attribute in list(instance.items())[:ATTRIBUTES_SHOWN]:
        text = f'  "{tag}": {json.dumps(attribute, ensure_ascii=False)},'
        print(text if len(text) <= LINE else text[: LINE - 1] + "…")
    print(f"  … {max(0, len(instance) - ATTRIBUTES_SHOWN)} more attributes\n}}")
