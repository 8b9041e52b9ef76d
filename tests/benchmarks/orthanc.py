"""Debian's Orthanc with its defaults, as a process of its own in a temporary folder, for comparisons over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["DICOMWEB", "is_installed", "orthanc", "post"]

DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
"""The plugin of the Debian package `orthanc-dicomweb`."""

_START = 30.0
"""Seconds that it may take to answer."""


def is_installed() -> bool:
    """Tell whether there is an Orthanc (the Debian package `orthanc`)."""
    return shutil.which("Orthanc") is not None


@contextmanager
def orthanc(
    folder: Path,
    *plugins: Path,
    settings: Mapping[str, Any] = MappingProxyType({}),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[int]:
    """Run it on the loopback interface, with a configuration of its own; give its port.

    Args:
        folder: for its files; it makes it.
        plugins: what it loads.
        settings: further ones.
        variables: further variables of its environment.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    folder.mkdir(parents=True)
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "KeepAlive": True,
        "Plugins": list(map(str, plugins)),
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log, env={**os.environ, **variables}
        )
        try:
            _wait_until_it_answers(process, port)
            yield port
        finally:
            process.terminate()
            process.wait()


def post(connection: HTTPConnection, data: bytes) -> None:
    """Store an instance."""
    connection.request("POST", "/instances", data, {"Content-Type": "application/dicom"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or json.loads(body)["Status"] != "Success":
        raise AssertionError(f"Orthanc did not store it: {answer.status}")


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/system")
            if connection.getresponse().status == 200:
                return
        except OSError:
            if time.monotonic() > end or process.poll() is not None:
                raise
            time.sleep(0.05)
        finally:
            connection.close()
