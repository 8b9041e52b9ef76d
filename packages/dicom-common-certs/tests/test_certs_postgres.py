"""The recipe of the README: PostgreSQL that lets clients in by their certificates, and by nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dicom_common.certs import Authority, Usage, write_certificate, write_issued, write_revocations
from dicom_common.core import RefusedError, UnavailableError
from dicom_common.core.tls import Tls
from dicom_common.db.postgres import PostgresDatabase, Settings

pytestmark = pytest.mark.kills


def _program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))
    return found or pytest.skip("no PostgreSQL server on this machine (Debian: postgresql)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    ours, other = Authority.create("Our site"), Authority.create("Our site")
    write_certificate(ours.certificate, folder / "ca.pem")
    write_certificate(other.certificate, folder / "other-ca.pem")
    revoked = ours.issue(["worker-1.hospital.example"], Usage.CLIENT)
    for name, issued in {
        "server": ours.issue(["localhost"], Usage.SERVER),
        "worker": ours.issue(["worker-1.hospital.example"], Usage.CLIENT),
        "worker-renewed": ours.renew(revoked.certificate),
        "revoked": revoked,
        "unknown": ours.issue(["worker-9.hospital.example"], Usage.CLIENT),
        "wrong-usage": ours.issue(["worker-1.hospital.example"], Usage.SIGNING),
        "other": other.issue(["worker-1.hospital.example"], Usage.CLIENT),
    }.items():
        write_issued(issued, folder / f"{name}.pem", folder / f"{name}.key")
    write_revocations(ours.revoke([revoked.certificate]), folder / "crl.pem")
    return folder


@pytest.fixture(scope="module")
def port(site: Path) -> Iterator[int]:
    """Run a server; in /tmp itself, since its account must reach the folder and a socket's path is short."""
    initdb, postgres = _program("initdb"), _program("postgres")
    account: dict[str, Any] = {"user": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="dicom-common-certs-") as name:
        folder = Path(name)
        for file in ("ca.pem", "crl.pem", "server.pem", "server.key"):
            shutil.copy(site / file, folder / file)
        if account:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, "postgres")
        words = [
            initdb,
            "-D",
            str(folder / "data"),
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run(words, check=True, capture_output=True, cwd=folder, **account)
        (folder / "data" / "pg_hba.conf").write_text(
            "local all all trust\nhostssl postgres all 127.0.0.1/32 cert map=images\n"
        )
        (folder / "data" / "pg_ident.conf").write_text("images worker-1.hospital.example dicom\n")
        options = {
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off",
            "ssl": "on", "ssl_cert_file": folder / "server.pem", "ssl_key_file": folder / "server.key",
            "ssl_ca_file": folder / "ca.pem", "ssl_crl_file": folder / "crl.pem",
        }  # fmt: skip
        words = [postgres, "-D", str(folder / "data"), *(w for k, v in options.items() for w in ("-c", f"{k}={v}"))]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder, **account)
        try:
            with closing(_as_owner(folder, port, server)) as connection:
                connection.execute("CREATE ROLE dicom LOGIN")
                connection.execute("GRANT ALL ON DATABASE postgres TO dicom")
                connection.execute("GRANT ALL ON SCHEMA public TO dicom")
            yield port
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


def _as_owner(folder: Path, port: int, server: subprocess.Popen[bytes]) -> psycopg.Connection[Any]:
    give_up = time.monotonic() + 60
    while True:
        try:
            return psycopg.connect(host=str(folder), port=port, dbname="postgres", user="postgres", autocommit=True)
        except psycopg.OperationalError:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < give_up
            time.sleep(0.05)


def settings(site: Path, port: int, client: str | None, ca: str = "ca.pem") -> Settings:
    pair = {} if client is None else {"certificate": site / f"{client}.pem", "key": site / f"{client}.key"}
    tls = Tls(mode="on", ca=site / ca, **pair)
    return Settings(host="localhost", port=port, database="postgres", user="dicom", tls=tls)


@pytest.mark.parametrize("client", ["worker", "worker-renewed"])
def test_a_client_comes_in_by_its_certificate_alone(site: Path, port: int, client: str) -> None:
    PostgresDatabase(settings(site, port, client)).close()


@pytest.mark.parametrize("client", [None, "unknown", "wrong-usage", "other", "revoked"])
def test_a_client_whose_certificate_is_not_good_does_not_come_in(site: Path, port: int, client: str | None) -> None:
    with pytest.raises((RefusedError, UnavailableError)):
        PostgresDatabase(settings(site, port, client)).close()


def test_a_server_of_another_authority_is_not_talked_to(site: Path, port: int) -> None:
    with pytest.raises((RefusedError, UnavailableError)):
        PostgresDatabase(settings(site, port, "worker", "other-ca.pem")).close()
