"""C-FIND and C-MOVE beside Debian's Orthanc, both asked by DCMTK's findscu and movescu: the same files, in turns."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from corpus import ct_template, instances
from orthanc import is_installed, orthanc, post
from rows import row, show

from dicom_common.testing.servers import free_port

_STUDIES = 1000
_STUDY_SIZE = 250
_KEYS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
    *("StudyDescription", "StudyID", "StudyInstanceUID", "ReferringPhysicianName"),
    *("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
)
_TOOLS = ("findscu", "movescu", "storescp")
_AT_ONCE = {"TCP_NODELAY": "1"}
"""How DCMTK, which Orthanc is built on, sends without waiting for the acknowledgement of what went before."""
_Server = tuple[str, int, str]
"""Its AE title and port, and the AE title of its Move Destination."""


@contextmanager
def _storescp(folder: Path, title: str, port: int) -> Iterator[None]:
    """Run a Move Destination that throws away what it gets."""
    folder.mkdir()
    command = ["storescp", "--ignore", "-aet", title, "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _ours(base: Path, files: Path, destination: int) -> Iterator[_Server]:
    """Run `dicom-common scp` with files."""
    port = free_port()
    site = base / "site.toml"
    site.write_text(
        f'data = "{base}/data"\n[dimse]\nport = {port}\n'
        '[dimse.peers.bench]\nae_title = "BENCH"\ntenant = "local"\nallow = ["find", "retrieve"]\n'
        f'[dimse.peers.ours]\nae_title = "OURS"\ntenant = "local"\nhost = "127.0.0.1"\nport = {destination}\n'
    )
    command = [sys.executable, "-m", "dicom_common.cli", "--config", str(site)]
    subprocess.run([*command, "ingest", str(files)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = subprocess.Popen([*command, "scp"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        echo = ["echoscu", "-aet", "BENCH", "-aec", "DICOMCOMMON", "127.0.0.1", str(port)]
        while subprocess.run(echo, check=False, capture_output=True).returncode:
            if time.monotonic() > end or process.poll() is not None:
                raise AssertionError("dicom-common scp did not start")
            time.sleep(0.05)
        yield "DICOMCOMMON", port, "OURS"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _theirs(folder: Path, files: Path, title: str, destination: int, variables: dict[str, str]) -> Iterator[_Server]:
    """Run Orthanc with files."""
    port = free_port()
    settings = {
        "DicomServerEnabled": True,
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {title: [title, "127.0.0.1", destination]},
    }
    with orthanc(folder, settings=settings, variables=variables) as http:
        with closing(HTTPConnection("127.0.0.1", http)) as connection:
            for file in sorted(files.iterdir()):
                post(connection, file.read_bytes())
        yield "ORTHANC", port, title


def _timed(*command: str) -> float:
    begun = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    taken = time.perf_counter() - begun
    if done.returncode or "rror" in done.stderr:
        raise AssertionError(f"{command[0]} failed: {done.stderr[:500]}")
    return taken


def _find(server: _Server, *options: str) -> float:
    """Time the list of all studies."""
    title, port, _ = server
    keys = [part for name in _KEYS for part in ("-k", name)]
    to = ("-aet", "BENCH", "-aec", title, "127.0.0.1", str(port))
    return _timed("findscu", *options, "-S", *to, "-k", "QueryRetrieveLevel=STUDY", *keys)


def _median(server: _Server, *options: str) -> float:
    """Time five lists, each of which is over in a fraction of a second."""
    return statistics.median(_find(server, *options) for _ in range(5))


def _move(server: _Server, study: str) -> float:
    """Time the sending of a study to the server's destination."""
    title, port, destination = server
    to = ("-aet", "BENCH", "-aec", title, "-aem", destination, "127.0.0.1", str(port))
    return _timed("movescu", "-S", *to, "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")


def _write(folder: Path) -> str:
    """Write 1,000 studies of one instance and one of 250; return the UID of the large one."""
    folder.mkdir()
    small, template = ct_template(16), ct_template(64)
    lists = (
        instances(small, _STUDIES - 1, start=1_000_000, per_series=1, series_per_study=1),
        instances(template, _STUDY_SIZE, start=5_000_000, per_series=125, series_per_study=2),
    )
    for number, data in enumerate(one for made in lists for one in made):
        (folder / f"{number:05}.dcm").write_bytes(data)
    return f"2.25.4{5_000_000 // 250:029}"


def run(rounds: int = 5) -> list[dict[str, Any]]:
    """Measure; the ratios are those of one round, in which the servers are asked one after the other."""
    if not is_installed() or not all(map(shutil.which, _TOOLS)):
        print("bench dimse query needs Orthanc and DCMTK (Debian: apt-get install orthanc dcmtk)")
        return []
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER"))))
        study = _write(base / "files")
        ports = {title: free_port() for title in ("OURS", "THEIRS", "AT_ONCE")}
        for title, port in ports.items():
            stack.enter_context(_storescp(base / f"to-{title}", title, port))
        ours = stack.enter_context(_ours(base, base / "files", ports["OURS"]))
        theirs = stack.enter_context(_theirs(base / "orthanc", base / "files", "THEIRS", ports["THEIRS"], {}))
        at_once = stack.enter_context(_theirs(base / "orthanc2", base / "files", "AT_ONCE", ports["AT_ONCE"], _AT_ONCE))
        for server in (ours, theirs, at_once):
            _find(server)
            _move(server, study)
        found, found_quietly, moved, moved_at_once = [], [], [], []
        for _ in range(rounds):
            # Printed, a list is 86,000 calls of `write`: most of the time is the program's own.
            found_quietly.append(_median(ours, "--quiet") / _median(theirs, "--quiet"))
            found.append(_median(ours) / _median(theirs))
            taken = _move(ours, study)
            moved.append(_move(theirs, study) / taken)
            moved_at_once.append(_move(at_once, study) / taken)
    return [
        row(f"C-FIND of {_STUDIES} studies", found, 0.5, better="lower", unit="times the time"),
        row(f"C-FIND of {_STUDIES} studies, not printed", found_quietly, 0.5, better="lower", unit="times the time"),
        row(f"C-MOVE of {_STUDY_SIZE} instances of 15 KB", moved, 1.0),
        row(f"C-MOVE of {_STUDY_SIZE} instances of 15 KB, TCP_NODELAY=1 in Orthanc", moved_at_once, 1.0),
    ]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
