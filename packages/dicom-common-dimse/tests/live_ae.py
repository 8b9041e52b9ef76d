"""An application entity on a free port of this machine, with backends of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_common.dimse import ApplicationEntity, create_ae
from dicom_common.host import Config, Services
from dicom_common.testing import dcmtk_program

__all__ = ["PEERS", "LiveAe", "associations", "dcmtk", "live_ae", "until"]

PEERS = """
[dimse.peers.ct1]
ae_title = "CT1"
tenant = "local"
allow = ["store", "find", "retrieve"]

[dimse.peers.viewer]
ae_title = "VIEWER"
tenant = "local"
allow = ["find"]
"""


@dataclass
class LiveAe:
    """An application entity and its backends."""

    ae: ApplicationEntity
    services: Services

    @property
    def port(self) -> int:
        return self.ae.port


@contextmanager
def live_ae(folder: Path, settings: str = "", peers: str = PEERS, *, top: str = "") -> Iterator[LiveAe]:
    """Serve until the block ends.

    Args:
        folder: for the configuration and the data.
        settings: further lines below [dimse].
        peers: the tables of the peers.
        top: further lines above all tables.
    """
    file = folder / "site.toml"
    file.write_text(f'data = "data"\n{top}\n[dimse]\nport = 0\n{settings}\n{peers}', encoding="utf-8")
    with Services(Config.load(file, variables={})) as services, create_ae(services) as ae:
        yield LiveAe(ae, services)


def dcmtk(program: str, *arguments: str | Path, fails: bool = False) -> str:
    """Run a program of DCMTK and return what it says; skips where it is not installed."""
    done = subprocess.run(
        [dcmtk_program(program), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, said
    return said


def associations(ae: LiveAe, peer: str = "ct1") -> int:
    """How many associations a peer has."""
    return int(ae.ae.metrics.get_sample_value("dicom_common_dimse_associations", {"peer": peer}) or 0)


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so. The seconds are a guard, no measure."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
