"""DICOMweb beside Debian's Orthanc with its DICOMweb plugin: the same requests with the same new files, in turns.

What is measured is the time from the first byte of a request to the last byte of its answer, as a client on the same
machine sees it. Bodies are made before. The client is a bare socket (see `lean_http`), the same for both servers: what
it needs, some 0.05 ms a request, is in both times. Each server has its defaults: ours is one process.

    python tests/benchmarks/bench_web.py [ROUNDS [small] [large] [studies]]
"""

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
from lean_http import Connection, connected
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


def _store(connection: Connection, body: bytes) -> None:
    kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    connection.post("/dicom-web/studies", body, {"Content-Type": kind, **_JSON})


def _get(connection: Connection, path: str, headers: dict[str, str]) -> bytes:
    return connection.get(f"/dicom-web{path}", headers)


def _search(connection: Connection, patient: str) -> None:
    for _ in range(_SEARCHES):
        _get(connection, f"/studies?PatientID={patient}", _JSON)


def _one_by_one(port: int) -> Way:
    """Store each instance by a request of its own, over one connection."""

    @contextmanager
    def way() -> Iterator[Send]:
        with connected(port) as connection:
            yield lambda body: _store(connection, body)

    return way


def _timed(port: int, work: Callable[[Connection], object]) -> float:
    with connected(port) as connection:
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


def run(rounds: int = 5, *sections: str) -> list[dict[str, Any]]:
    """Measure; the ratios are those of one round, whose servers are asked one after the other.

    Args:
        rounds: how many.
        sections: of `small`, `large` and `studies`; none: all of them.
    """
    if not (is_installed() and DICOMWEB.is_file()):
        print("bench web needs Orthanc with DICOMweb (Debian: apt-get install orthanc orthanc-dicomweb)")
        return []
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER"))))
        ours = stack.enter_context(_ours(base / "ours"))
        theirs = stack.enter_context(orthanc(base / "orthanc", DICOMWEB))
        made = 0
        for section, label, pixels, number in (("small", "15 KB", 64, 160), ("large", "500 KB", 512, 48)):
            if not sections or section in sections:
                rows += _single(ours, theirs, rounds, label, ct_template(pixels), number, made)
                made += 100_000
        if not sections or "studies" in sections:
            rows += _studies(ours, theirs, rounds)
    return rows


def _single(  # noqa: PLR0917 - who is asked, how often, and with what
    ours: int, theirs: int, rounds: int, label: str, template: bytes, number: int, made: int
) -> list[dict[str, Any]]:
    """Measure requests with one instance each."""
    rows = []

    def new(number: int) -> list[bytes]:
        nonlocal made
        made += number
        return [_body([one]) for one in instances(template, number, start=made - number)]

    for port in (ours, theirs):
        seconds(_one_by_one(port), new(8), 1)
    for clients in _CLIENTS:
        taken = []
        for _ in range(rounds):
            bodies = new(number)
            mine = seconds(_one_by_one(ours), bodies, clients)
            taken.append((mine, seconds(_one_by_one(theirs), bodies, clients)))
        name = f"STOW-RS, {label} a request, {clients} client{'s' if clients > 1 else ''}"
        _tell(name, taken, number)
        rows.append(row(name, [other / mine for mine, other in taken], 1.0))
    return rows


def _studies(ours: int, theirs: int, rounds: int) -> list[dict[str, Any]]:
    """Measure what is about whole studies; each round has a new one."""
    template = ct_template(64)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ("store", "search", "metadata", "retrieve")}
    for number in range(rounds):
        body = _body(
            list(instances(template, _STUDY_SIZE, start=(9_000 + number) * 1000, per_series=125, series_per_study=8))
        )
        study = (9_000 + number) * 1000 // 125 // 8
        uid, patient = f"2.25.4{study:029}", f"PATIENT-{study // 2:06}"
        work: dict[str, Callable[[Connection], object]] = {
            "store": lambda to, body=body: _store(to, body),  # type: ignore[misc]  # a default binds the round's
            "search": lambda to, patient=patient: _search(to, patient),  # type: ignore[misc]
            "metadata": lambda to, uid=uid: _get(to, f"/studies/{uid}/metadata", _JSON),  # type: ignore[misc]
            "retrieve": lambda to, uid=uid: _get(to, f"/studies/{uid}", _FILES),  # type: ignore[misc]
        }
        for name, do in work.items():
            taken[name].append((_timed(ours, do), _timed(theirs, do)))
    for name, times in taken.items():
        _tell(name, times, _SEARCHES if name == "search" else 1)
    ratios = {name: [mine / other for mine, other in times] for name, times in taken.items()}
    lower: dict[str, Any] = {"better": "lower", "unit": "times the time"}
    return [
        row(f"STOW-RS, {_STUDY_SIZE} instances of 15 KB in one request", [1 / one for one in ratios["store"]], 5.0),
        row("QIDO-RS of a PatientID", ratios["search"], 0.1, **lower),
        row(f"metadata of a study of {_STUDY_SIZE} instances", ratios["metadata"], 0.1, **lower),
        row(f"retrieve a study of {_STUDY_SIZE} instances", ratios["retrieve"], 1.0, **lower),
    ]


def _tell(name: str, taken: Sequence[tuple[float, float]], number: int) -> None:
    each = ", ".join(f"{mine / number * 1000:.2f} and {other / number * 1000:.2f}" for mine, other in taken)
    print(f"{name}: {each} ms each", file=sys.stderr, flush=True)


if __name__ == "__main__":
    _, *given = sys.argv
    show(run(int(given[0]), *given[1:]) if given else run())
