"""Other people's DICOM peers as processes on this machine, and ours beside them: DCMTK, pynetdicom, Orthanc."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded import COMMAND

from dicom_common.core import Stored
from dicom_common.dicom import data_set_offset, file_start
from dicom_common.host import Config, Services
from dicom_common.testing import dcmtk_program
from dicom_common.testing.servers import free_port

__all__ = [
    "HOST",
    "Site",
    "data_set",
    "dcmtk",
    "free_ports",
    "pynetdicom_app",
    "rest",
    "run",
    "running",
    "scp",
    "write_files",
]

HOST = "127.0.0.1"
_SECONDS = 120


def dcmtk(program: str) -> str:
    """Return a program of DCMTK, or of Orthanc; skips where it is not installed."""
    return dcmtk_program(program)


def pynetdicom_app(name: str) -> list[str]:
    """Return the command of an application of pynetdicom."""
    return [sys.executable, "-m", "pynetdicom", name]


def run(*command: str | Path, codes: tuple[int, ...] = (0,), cwd: Path | None = None) -> str:
    """Run a program to its end, and return what it said."""
    words = [*map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False, cwd=cwd)
    said = done.stdout + done.stderr
    assert done.returncode in codes, f"{command}: exit code {done.returncode}\n{said[-4000:]}"
    return said


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


@contextmanager
def running(
    command: list[str], port: int, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that listens on a port, until the block ends; its output is in `log` of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "TCP_NODELAY": "1", **(variables or {})}
        )
    try:
        _wait_for(port, process, folder / "log")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(errors="replace")
        with socket.socket() as one:
            if one.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens: {log.read_text(errors='replace')}")


@dataclass
class Site:
    """An installation of ours: its configuration, and the command in it."""

    file: Path
    port: int
    ae_title: str = "DICOMCOMMON"
    peers: dict[str, int] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        """Its backends, to be closed by the caller."""
        return Services(Config.load(self.file, variables={}))

    def command(self, *words: str | Path, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command."""
        said = run(*COMMAND, "--config", self.file, *words, codes=codes)
        assert "Traceback" not in said
        return said

    def lines(self, *words: str | Path, codes: tuple[int, ...] = (0,)) -> list[dict[str, Any]]:
        """Run a command with `--json`, and return what it printed."""
        said = self.command(*words, "--json", codes=codes)
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def data_sets(self, tenant: str) -> dict[str, bytes]:
        """Return the data set of each instance of a tenant, by SOP Instance UID."""
        with self.services as services:
            return {
                one.sop_uid: data_set(b"".join(services.storage.read(one.key)))
                for one in services.db.walk()
                if one.tenant == tenant
            }


@contextmanager
def scp(site: Site) -> Iterator[Site]:
    """Run `dicom-common scp` until the block ends; an exception in its log is a failure."""
    folder = site.file.parent / "scp"
    with running([*COMMAND, "--config", str(site.file), "scp"], site.port, folder):
        yield site
    log = (folder / "log").read_text(errors="replace")
    assert not re.search("Traceback|ERROR", log), log[-4000:]


def data_set(data: bytes) -> bytes:
    """Return the data set of an object, with the zero that an odd length needs on the wire (PS3.8 E.1)."""
    found = data[data_set_offset(data) :]
    return found + bytes(len(found) % 2)


def write_files(services: Services, instances: list[Stored], folder: Path) -> None:
    """Write stored instances as DICOM files that every peer can read (PS3.10 7.1)."""
    folder.mkdir()
    for one in instances:
        start = file_start(one.sop_class_uid, one.sop_uid, one.transfer_syntax_uid)
        data = data_set(b"".join(services.storage.read(one.key)))
        (folder / f"{one.sop_uid}.dcm").write_bytes(start + data)


def rest(port: int, method: str, path: str, body: Any = None) -> Any:
    """Ask Orthanc by its REST API."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        told = answer.read()
        is_json = answer.headers["Content-Type"].startswith("application/json")
    return json.loads(told) if is_json else told
