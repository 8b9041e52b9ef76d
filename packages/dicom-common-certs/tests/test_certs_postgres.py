"""The recipe of the README: PostgreSQL that lets clients in by their certificates, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest

from dicom_common.certs import Authority, Usage, write_certificate, write_issued, write_revocations
from dicom_common.core import RefusedError, UnavailableError
from dicom_common.core.tls import Tls
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.testing.servers import AbsentError, PrivateServer, server_named

pytestmark = pytest.mark.kills
_FILES = {"ca": "ca.pem", "crl": "crl.pem", "cert": "server.pem", "key": "server.key"}


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
def port(site: Path, without_service: Callable[[str], NoReturn]) -> Iterator[int]:
    """Run a server with the files of the site."""
    try:
        # Over TCP it lets in only clients with a certificate: whether it is ready is asked through its socket.
        server = PrivateServer(replace(server_named("postgres"), ready=lambda port: _is_ready(server.folder, port)))
    except AbsentError as error:
        without_service(str(error))
    files = {f"ssl_{key}_file": server.put(name, (site / name).read_bytes()) for key, name in _FILES.items()}
    files["hba_file"] = server.put("hba", b"local all all trust\nhostssl postgres all 127.0.0.1/32 cert map=images\n")
    files["ident_file"] = server.put("ident", b"images worker-1.hospital.example dicom\n")
    server.options = ("-c", "ssl=on", *(word for key, file in files.items() for word in ("-c", f"{key}={file}")))
    try:
        server.start()
        with closing(_as_owner(server.folder, server.port)) as connection:
            connection.execute("CREATE ROLE dicom LOGIN")
            connection.execute("GRANT ALL ON DATABASE postgres TO dicom")
            connection.execute("GRANT ALL ON SCHEMA public TO dicom")
        yield server.port
    finally:
        server.remove()


def _is_ready(folder: Path, port: int) -> bool:
    try:
        _as_owner(folder, port).close()
    except psycopg.OperationalError:
        return False
    return True


def _as_owner(folder: Path, port: int) -> psycopg.Connection[Any]:
    return psycopg.connect(host=str(folder), port=port, dbname="postgres", user="postgres", autocommit=True)


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
