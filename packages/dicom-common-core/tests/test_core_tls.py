from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dicom_common.core import ConfigError
from dicom_common.core.tls import Tls, client_context, is_local


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "other"):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / f"{name}-ca.pem")
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    key = load_pem_private_key((folder / "server.key").read_bytes(), password=None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "locked.key").write_bytes(locked)
    (folder / "garbage.pem").write_text("not a certificate")
    return folder


@contextmanager
def server(folder: Path, *, maximum: ssl.TLSVersion | None = None) -> Iterator[int]:
    """Accept TLS connections, one after the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if maximum:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = maximum
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(connection, server_side=True) as tls:
                        tls.sendall(b"hello")
                except OSError:
                    connection.close()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def greet(port: int, tls: Tls, host: str = "localhost") -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        client_context(tls).wrap_socket(plain, server_hostname=host) as connection,
    ):
        return connection.recv(5)


def test_a_server_whose_certificate_is_trusted_is_talked_to(folder: Path) -> None:
    with server(folder) as port:
        assert greet(port, Tls(ca=folder / "server-ca.pem")) == b"hello"


@pytest.mark.parametrize(
    ("tls", "host"),
    [
        pytest.param("other-ca.pem", "localhost", id="another authority"),
        pytest.param(None, "localhost", id="the system's authorities"),
        pytest.param("server-ca.pem", "images.example", id="another host name"),
    ],
)
def test_a_certificate_that_does_not_verify_is_refused(folder: Path, tls: str | None, host: str) -> None:
    with server(folder) as port, pytest.raises(ssl.SSLCertVerificationError):
        greet(port, Tls(ca=folder / tls if tls else None), host)


def test_tls_before_1_2_is_refused(folder: Path) -> None:
    with server(folder, maximum=ssl.TLSVersion.TLSv1_1) as port, pytest.raises(ssl.SSLError):
        greet(port, Tls(ca=folder / "server-ca.pem"))


@pytest.mark.parametrize(
    ("files", "named", "why"),
    [
        ({"ca": "missing.pem"}, "tls.ca", "No such file"),
        ({"ca": "garbage.pem"}, "tls.ca", "certificate"),
        ({"certificate": "server.pem", "key": "other.key"}, "tls.key", "mismatch"),
        ({"certificate": "server.pem", "key": "locked.key"}, "tls.key", "encrypted"),
        ({"certificate": "missing.pem", "key": "server.key"}, "tls.certificate", "No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_setting(
    folder: Path, files: dict[str, str], named: str, why: str
) -> None:
    tls = Tls(**{name: folder / file for name, file in files.items()})  # type: ignore[arg-type]  # files only
    with pytest.raises(ConfigError, match=rf"{next(iter(files.values()))}.*{named}.*{why}"):
        client_context(tls)


def test_half_a_pair_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        Tls(key=folder / "server.key")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "/run/db")),
        *((host, False) for host in ("db", "10.0.0.1", "localhost.example", "::2", "0.0.0.0", "127.0.0.1.example")),
    ],
)
def test_only_this_machine_is_local(host: str, local: bool) -> None:
    assert is_local(host) is local
    assert Tls().wanted(host) is not local
    assert Tls(mode="on").wanted(host)
    assert not Tls(mode="off").wanted(host)
