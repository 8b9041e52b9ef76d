"""conformance.md 9.2 and 9.10: TLS, and the certificate that says which peer is calling."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from live_ae import live_ae
from raw_scu import ACCEPT, REJECT, RawScu, raw_scu

from dicom_common.certs import Authority, Usage
from dicom_common.core import ConfigError

PEERS = """
[dimse.peers.ct1]
ae_title = "CT1"
tenant = "ward-a"
allow = ["store"]
certificate = "ct1.example"

[dimse.peers.ct2]
ae_title = "CT1"
tenant = "ward-b"
allow = ["store"]
certificate = "ct2.example"
"""
TLS = """
[dimse.tls]
certificate = "{folder}/localhost.pem"
key = "{folder}/localhost.key"
client_ca = "{folder}/ca.pem"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority, other = Authority.create("Test authority"), Authority.create("Other authority")
    (folder / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    for name, usage, issuer in (
        ("localhost", Usage.SERVER, authority),
        ("ct1.example", Usage.CLIENT, authority),
        ("ct2.example", Usage.CLIENT, authority),
        ("ct3.example", Usage.CLIENT, authority),
        ("ct4.example", Usage.CLIENT, other),
    ):
        issued = issuer.issue([name], usage)
        (folder / f"{name}.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
        key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key").write_bytes(key)
    return folder


@contextmanager
def secured(port: int, folder: Path, name: str | None) -> Iterator[RawScu]:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if name is not None:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        yield RawScu(connection)


def test_9_2_the_certificate_says_which_peer_and_which_tenant(tmp_path: Path, folder: Path) -> None:
    with live_ae(tmp_path, peers=PEERS + TLS.format(folder=folder)) as ae:
        for name, tenant in (("ct1.example", "ward-a"), ("ct2.example", "ward-b")):
            with secured(ae.port, folder, name) as scu:
                assert scu.associate()[0] == ACCEPT
                assert scu.store(1, size=120_000) == 0
                assert scu.store(2) == 0
            assert len(ae.services.db.stored(tenant, ["2.25.16.1", "2.25.16.2"])) == 2
        with secured(ae.port, folder, "ct3.example") as scu:
            assert scu.associate()[0] == REJECT  # it is of our authority, and of no peer


@pytest.mark.parametrize("name", [None, "ct4.example"], ids=["none", "other-authority"])
def test_9_2_without_a_certificate_of_the_authority_there_is_no_association(
    tmp_path: Path, folder: Path, name: str | None
) -> None:
    with live_ae(tmp_path, peers=PEERS + TLS.format(folder=folder)) as ae:
        with pytest.raises(OSError, match=r"."), secured(ae.port, folder, name) as scu:  # noqa: PT012 - at the handshake, or behind it
            kind, _ = scu.associate()
            raise OSError(f"closed with {kind}") if kind == 0 else AssertionError(kind)
        with raw_scu(ae.port) as plain:
            assert plain.associate()[0] not in (ACCEPT, REJECT)
        with secured(ae.port, folder, "ct1.example") as scu:
            assert scu.associate()[0] == ACCEPT


def test_9_5_a_handshake_that_does_not_come_holds_up_no_other(tmp_path: Path, folder: Path) -> None:
    peers = PEERS + TLS.format(folder=folder)
    # Whoever waited for the silent one would wait for longer than the client of this test does.
    with (
        live_ae(tmp_path, "associate_seconds = 600.0", peers=peers) as ae,
        raw_scu(ae.port),
        secured(ae.port, folder, "ct1.example") as scu,
    ):
        assert scu.associate()[0] == ACCEPT
        assert scu.store(1) == 0
    with live_ae(tmp_path, "associate_seconds = 0.5", peers=peers) as ae, raw_scu(ae.port) as silent:
        assert silent.is_closed()


def test_9_2_a_certificate_without_tls_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"peer ct1 has a certificate: name its authority as dimse\.tls\.client_ca"):
        live_ae(tmp_path, peers=PEERS).__enter__()
