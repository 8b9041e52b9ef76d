"""`dicom-common scp` beside Debian's Orthanc: dcmsend and storescu send the same new files to each, in turns.

Beside them, where it is installed, `dicom-storescp` (`cargo install dicom-storescp`; on PATH, or named by
DICOM_COMMON_TEST_STORESCP): a Rust program that writes what it gets, and neither syncs nor indexes. Its lines have no
target.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from corpus import ct_template, instances
from orthanc import is_installed, orthanc
from rows import row, show

from dicom_common.testing.servers import free_port

_ASSOCIATIONS = (1, 2, 4)
_AT_ONCE = {"TCP_NODELAY": "1"}
"""By which DCMTK, and Orthanc with it, send the second piece of a PDU without waiting for the first to arrive."""
_SITE = """data = "data"
[dimse]
port = {port}
[dimse.peers.sender]
ae_title = "SENDER"
tenant = "local"
allow = ["store"]
"""


@contextmanager
def _ours(folder: Path) -> Iterator[int]:
    """Run `dicom-common scp` with its defaults; give its port."""
    port = free_port()
    folder.mkdir()
    (folder / "site.toml").write_text(_SITE.format(port=port), encoding="utf-8")
    command = [sys.executable, "-m", "dicom_common.cli", "--config", str(folder / "site.toml"), "scp"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not _answers(port):
            if time.monotonic() > end or process.poll() is not None:
                raise AssertionError("dicom-common scp did not start")
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _storescp(program: str, folder: Path) -> Iterator[int]:
    """Run `dicom-storescp`; give its port."""
    port = free_port()
    folder.mkdir()
    command = [program, "--non-blocking", "--max-pdu-length", "131072", "-o", str(folder), "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not _answers(port):
            if time.monotonic() > end or process.poll() is not None:
                raise AssertionError("dicom-storescp did not start")
        yield port
    finally:
        process.terminate()
        process.wait()


def _dicom(port: int) -> dict[str, Any]:
    return {"DicomServerEnabled": True, "DicomPort": port}


def _answers(port: int) -> bool:
    asked = ["echoscu", "-aet", "SENDER", "-aec", "DICOMCOMMON", "127.0.0.1", str(port)]
    return subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _seconds(program: str, port: int, folders: list[Path], environment: Mapping[str, str]) -> float:
    """Send each folder by an association of its own, all at once."""
    options = ["+sd", "+sp", "*.dcm"]
    command = [program, *options, "-aet", "SENDER", "-aec", "DICOMCOMMON", "127.0.0.1", str(port)]
    begun = time.perf_counter()
    senders = [
        subprocess.Popen(
            [*command, str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        for folder in folders
    ]
    codes = [sender.wait() for sender in senders]
    if any(codes):
        raise AssertionError(f"{program} ended with {codes}")
    return time.perf_counter() - begun


def run(rounds: int = 5) -> list[dict[str, Any]]:
    """Measure; the ratios are those of one round, whose servers get the same files one after the other."""
    if not is_installed() or any(shutil.which(one) is None for one in ("dcmsend", "storescu", "echoscu")):
        print("bench dimse needs Orthanc and DCMTK (Debian: apt-get install orthanc dcmtk)")
        return []
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER"))))
        ours = stack.enter_context(_ours(base / "ours"))
        slow, fast = free_port(), free_port()
        stack.enter_context(orthanc(base / "slow", settings=_dicom(slow)))
        stack.enter_context(orthanc(base / "fast", settings=_dicom(fast), variables=_AT_ONCE))
        rust = os.environ.get("DICOM_COMMON_TEST_STORESCP") or shutil.which("dicom-storescp")
        anchor = stack.enter_context(_storescp(rust, base / "anchor")) if rust else None
        made = 0
        for label, pixels, number in (("15 KB", 64, 160), ("500 KB", 512, 80)):
            template = ct_template(pixels)
            for program, theirs, how, environment, target in (
                ("dcmsend", slow, "as it comes", {}, 3.0),
                ("dcmsend", fast, "TCP_NODELAY", _AT_ONCE, 0.8),
                ("storescu", fast, "TCP_NODELAY", _AT_ONCE, 0.8),
            ):
                for associations in _ASSOCIATIONS:
                    taken, anchored = [], []
                    for _ in range(rounds):
                        folders = _write(base / "files", template, number, made, associations)
                        made += number
                        mine = _seconds(program, ours, folders, environment)
                        taken.append((mine, _seconds(program, theirs, folders, environment)))
                        if anchor is not None:
                            anchored.append(_seconds(program, anchor, folders, environment))
                    rates = ", ".join(f"{number / mine:.0f} and {number / other:.0f}" for mine, other in taken)
                    print(f"{program} {how}, {label}, {associations}: {rates} a second", flush=True)
                    name = f"C-STORE, {program} {how}, {label}, {associations} association{'s' * (associations > 1)}"
                    rows.append(row(name, [other / mine for mine, other in taken], target))
                    if anchored:
                        ratios = [other / mine for (mine, _), other in zip(taken, anchored, strict=True)]
                        rows.append(row(f"{name}, to dicom-storescp", ratios, None))
                        rates = ", ".join(f"{number / other:.0f}" for other in anchored)
                        print(f"  dicom-storescp: {rates} a second", flush=True)
    return rows


def _write(folder: Path, template: bytes, number: int, start: int, parts: int) -> list[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folders = [folder / str(part) for part in range(parts)]
    for one in folders:
        one.mkdir(parents=True)
    for place, data in enumerate(instances(template, number, start=start)):
        (folders[place % parts] / f"{place}.dcm").write_bytes(data)
    return folders


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
