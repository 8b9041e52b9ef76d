"""DICOMweb beside Debian's Orthanc with its DICOMweb plugin: the same requests with the same new files, in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from corpus import ct_template, instances
from orthanc import DICOMWEB, is_installed, orthanc
from rows import row, show
from senders import Send, Way, seconds

from dicom_common.testing.servers import free_port

_CLIENTS = (1, 4, 8)
_STUDY_SIZE = 250
_SEARCHES = 20
_BOUNDARY = "a-boundary-that-no-file-has"
_JSON = {"Accept": "application/dicom+json"}
_FILES = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


def _body(files: Sequence[bytes]) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + one + b"\r\n" for one in files) + f"--{_BOUNDARY}--\r\n".encode()


def _store(connection: HTTPConnection, files: Sequence[bytes]) -> None:
    kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    connection.request("POST", "/dicom-web/studies", _body(files), {"Content-Type": kind, **_JSON})
    _answer(connection)


def _get(connection: HTTPConnection, path: str, headers: dict[str, str]) -> bytes:
    connection.request("GET", f"/dicom-web{path}", headers=headers)
    return _answer(connection)


def _search(connection: HTTPConnection, patient: str) -> None:
    for _ in range(_SEARCHES):
        _get(connection, f"/studies?PatientID={patient}", _JSON)


def _answer(connection: HTTPConnection) -> bytes:
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise AssertionError(f"a request of the benchmark was answered with {answer.status}")
    return body


def _one_by_one(port: int) -> Way:
    """Store each instance by a request of its own, over one connection."""

    @contextmanager
    def way() -> Iterator[Send]:
        with closing(HTTPConnection("127.0.0.1", port)) as connection:
            connection.connect()
            yield lambda data: _store(connection, [data])

    return way


def _timed(port: int, work: Callable[[HTTPConnection], object]) -> float:
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.connect()
        begun = time.perf_counter()
        work(connection)
        return time.perf_counter() - begun


@contextmanager
def _ours(folder: Path) -> Iterator[int]:
    """Run `dicom-common serve` with its defaults; give its port."""
    port = free_port()
    command = [sys.executable, "-m", "dicom_common.cli", "--data", str(folder), "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not _is_ready(port):
            if time.monotonic() > end or process.poll() is not None:
                raise AssertionError("dicom-common serve did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False


def run(rounds: int = 5) -> list[dict[str, Any]]:
    """Measure; the ratios are those of one round, whose servers are asked one after the other."""
    if not (is_installed() and DICOMWEB.is_file()):
        print("bench web needs Orthanc with DICOMweb (Debian: apt-get install orthanc orthanc-dicomweb)")
        return []
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER"))))
        ours = stack.enter_context(_ours(base / "ours"))
        theirs = stack.enter_context(orthanc(base / "orthanc", DICOMWEB))
        rows, made = [], 0

        def new(template: bytes, number: int) -> list[bytes]:
            nonlocal made
            made += number
            return list(instances(template, number, start=made - number))

        for label, pixels, number in (("15 KB", 64, 160), ("500 KB", 512, 48)):
            template = ct_template(pixels)
            for port in (ours, theirs):
                seconds(_one_by_one(port), new(template, 8), 1)
            for clients in _CLIENTS:
                ratios = []
                for _ in range(rounds):
                    files = new(template, number)
                    mine = seconds(_one_by_one(ours), files, clients)
                    ratios.append(seconds(_one_by_one(theirs), files, clients) / mine)
                plural = "s" if clients > 1 else ""
                rows.append(row(f"STOW-RS, {label} a request, {clients} client{plural}", ratios, 1.0))
        return rows + _studies(ours, theirs, rounds)


def _studies(ours: int, theirs: int, rounds: int) -> list[dict[str, Any]]:
    """Measure what is about whole studies; each round has a new one."""
    template = ct_template(64)
    taken: dict[str, list[float]] = {name: [] for name in ("store", "search", "metadata", "retrieve")}
    for number in range(rounds):
        files = list(
            instances(template, _STUDY_SIZE, start=(9_000 + number) * 1000, per_series=125, series_per_study=8)
        )
        study = (9_000 + number) * 1000 // 125 // 8
        uid, patient = f"2.25.4{study:029}", f"PATIENT-{study // 2:06}"
        work: dict[str, Callable[[HTTPConnection], object]] = {
            "store": lambda to, files=files: _store(to, files),  # type: ignore[misc]  # a default binds the round's
            "search": lambda to, patient=patient: _search(to, patient),  # type: ignore[misc]
            "metadata": lambda to, uid=uid: _get(to, f"/studies/{uid}/metadata", _JSON),  # type: ignore[misc]
            "retrieve": lambda to, uid=uid: _get(to, f"/studies/{uid}", _FILES),  # type: ignore[misc]
        }
        for name, do in work.items():
            taken[name].append(_timed(ours, do) / _timed(theirs, do))
    lower: dict[str, Any] = {"better": "lower", "unit": "times the time"}
    return [
        row(f"STOW-RS, {_STUDY_SIZE} instances of 15 KB in one request", [1 / one for one in taken["store"]], 5.0),
        row("QIDO-RS of a PatientID", taken["search"], 0.1, **lower),
        row(f"metadata of a study of {_STUDY_SIZE} instances", taken["metadata"], 0.1, **lower),
        row(f"retrieve a study of {_STUDY_SIZE} instances", taken["retrieve"], 1.0, **lower),
    ]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
