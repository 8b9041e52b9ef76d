from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme

from dicom_common.core import AuthenticationError, ConfigError
from dicom_common.core.tls import Tls, client_context
from dicom_common.host import ServerTls, TlsClient, client_of, server_context


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("server-tls")
    for name in ("our", "other"):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / f"{name}-ca.pem")
        for whose in ("localhost", "worker.example"):
            issued = authority.issue_cert(whose)
            issued.cert_chain_pems[0].write_to_path(folder / f"{name}-{whose}.pem")
            issued.private_key_pem.write_to_path(folder / f"{name}-{whose}.key")
    (folder / "garbage.pem").write_text("not a certificate")
    return folder


def settings(folder: Path, **changes: Any) -> ServerTls:
    given = {
        "certificate": folder / "our-localhost.pem",
        "key": folder / "our-localhost.key",
        "client_ca": folder / "our-ca.pem",
    }
    return ServerTls(**{**given, **changes})


def client(folder: Path, whose: str | None = "our-worker.example") -> ssl.SSLContext:
    pair: dict[str, Any] = (
        {} if whose is None else {"certificate": folder / f"{whose}.pem", "key": folder / f"{whose}.key"}
    )
    return client_context(Tls(ca=folder / "our-ca.pem", **pair))


@contextmanager
def serving(tls: ServerTls) -> Iterator[tuple[int, list[Any]]]:
    """Greet each client; the list has what `getpeercert` said of it, or the reason of the refusal."""
    seen: list[Any] = []
    context = server_context(tls)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.settimeout(20)
                with connection:
                    try:
                        with context.wrap_socket(connection, server_side=True) as wrapped:
                            seen.append(wrapped.getpeercert())
                            wrapped.sendall(b"hello")
                            wrapped.recv(1)
                    except OSError as error:
                        seen.append(getattr(error, "reason", type(error).__name__))

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], seen
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def greet(port: int, context: ssl.SSLContext) -> tuple[bytes, bool]:
    """Return the greeting, and whether the server gave a ticket with which to resume the session."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        return connection.recv(5), connection.session is not None and connection.session.has_ticket


def test_a_client_with_a_certificate_of_the_authority_is_let_in_and_known(folder: Path) -> None:
    with serving(settings(folder)) as (port, seen):
        assert greet(port, client(folder))[0] == b"hello"
    known = TlsClient(name="Worker.example", tenant="clinic-a", ae_titles=("CT1",), roles=("store",))
    assert client_of(seen[0], [TlsClient(name="other.example", tenant="clinic-b"), known]) is known
    assert known.principal.tenant == "clinic-a"
    assert known.principal.roles == {"store"}


@pytest.mark.parametrize("whose", [None, "other-worker.example"], ids=["no certificate", "another authority"])
def test_a_client_that_proves_nothing_is_refused(folder: Path, whose: str | None) -> None:
    # Of TLS 1.3 the client hears it when it reads: it may have been reset by then.
    with serving(settings(folder)) as (port, seen), pytest.raises(OSError):  # noqa: PT011 - the server's reason is below
        assert greet(port, client(folder, whose))[0] == b"hello"
    assert seen == ["PEER_DID_NOT_RETURN_A_CERTIFICATE" if whose is None else "CERTIFICATE_VERIFY_FAILED"]


def test_where_certificates_are_optional_a_client_without_one_has_no_identity(folder: Path) -> None:
    with serving(settings(folder, client_certificates="optional")) as (port, seen):
        assert greet(port, client(folder, None))[0] == b"hello"
        with pytest.raises(AuthenticationError, match="no certificate"):
            client_of(seen[0], [TlsClient(name="worker.example", tenant="clinic-a")])
        with pytest.raises(OSError):  # noqa: PT011 - the server's reason is below
            assert greet(port, client(folder, "other-worker.example"))[0] == b"hello"
    assert seen[1] == "CERTIFICATE_VERIFY_FAILED"


def test_where_they_are_off_none_is_asked_for(folder: Path) -> None:
    with serving(settings(folder, client_ca=None, client_certificates="off")) as (port, seen):
        assert greet(port, client(folder))[0] == b"hello"
    assert not seen[0]


def test_tls_1_1_and_ciphers_without_forward_secrecy_are_refused(folder: Path) -> None:
    with serving(settings(folder)) as (port, seen):
        old = client(folder)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError):  # noqa: PT011 - the server's reason is below
            greet(port, old)
        for ciphers in ("kRSA+AES", "ECDHE+AES+SHA256:!AESGCM:!AESCCM"):
            weak = client(folder)
            weak.maximum_version = ssl.TLSVersion.TLSv1_2
            weak.set_ciphers(ciphers)
            with pytest.raises(OSError):  # noqa: PT011 - the server's reason is below
                greet(port, weak)
    assert seen == ["UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "NO_SHARED_CIPHER"]


def test_tls_1_2_has_an_aead_cipher_and_no_compression(folder: Path) -> None:
    context = client(folder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving(settings(folder)) as (port, _):
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.recv(5) == b"hello"
            cipher = connection.cipher()
            assert cipher is not None
            assert cipher[0].startswith("ECDHE-")
            assert "GCM" in cipher[0] or "POLY1305" in cipher[0]
            assert connection.compression() is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_ticket_is_given_with_which_a_session_goes_on_without_the_certificate(
    folder: Path, version: ssl.TLSVersion
) -> None:
    context = client(folder)
    context.maximum_version = version
    with serving(settings(folder)) as (port, _):
        assert greet(port, context) == (b"hello", False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_ca": None}, "tls.client_ca"),
        ({"client_certificates": "off"}, "tls.client_certificates"),
        ({"client_ca": None, "client_certificates": "off", "client_crl": Path("x")}, "tls.client_crl"),
    ],
)
def test_settings_that_say_less_than_one_believes_are_refused(
    folder: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        settings(folder, **changes)


@pytest.mark.parametrize(
    ("setting", "file", "why"),
    [
        ("certificate", "missing.pem", "No such file"),
        ("key", "other-localhost.key", "mismatch"),
        ("client_ca", "garbage.pem", "certificate"),
        ("client_ca", "missing.pem", "No such file"),
        ("client_ca", "our-worker.example.pem", "no authority"),
        ("client_crl", "our-ca.pem", "no list of revoked"),
    ],
)
def test_a_file_of_a_server_that_cannot_be_used_is_named(folder: Path, setting: str, file: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"{file}.*tls\.{setting}.*{why}"):
        server_context(settings(folder, **{setting: folder / file}))


CLIENTS = (
    TlsClient(name="a.example", tenant="clinic-a"),
    TlsClient(name="b.example", tenant="clinic-b"),
)


DIRECTORY_NAME = ("DirName", ((("commonName", "a.example"),),))
"""As `getpeercert()` gives one."""


def names(*alternatives: str, common: str = "") -> dict[str, Any]:
    subject = {"subject": ((("commonName", common),),)} if common else {}
    return {**subject, **({"subjectAltName": tuple(("DNS", name) for name in alternatives)} if alternatives else {})}


@pytest.mark.parametrize(
    ("certificate", "tenant"),
    [
        (names("a.example"), "clinic-a"),
        (names("more.example", "B.EXAMPLE"), "clinic-b"),
        (names(common="a.example"), "clinic-a"),
        (names("b.example", common="a.example"), "clinic-b"),
        (names("a.example", "b.example"), None),
        (names("c.example", common="a.example"), None),
        (names("*.example"), None),
        (names("a.example.org"), None),
        ({"subjectAltName": (DIRECTORY_NAME, ("DNS", "a.example"))}, "clinic-a"),
        ({**names(common="a.example"), "subjectAltName": (DIRECTORY_NAME,)}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_certificate_is_that_of_exactly_one_client_or_of_nobody(
    certificate: dict[str, Any] | None, tenant: str | None
) -> None:
    if tenant is None:
        with pytest.raises(AuthenticationError) as caught:
            client_of(certificate, CLIENTS)
        assert "example" not in str(caught.value)
    else:
        assert client_of(certificate, CLIENTS).tenant == tenant


@pytest.mark.parametrize("name", ["", "*.example"])
def test_a_client_has_one_name(name: str) -> None:
    with pytest.raises(ValueError, match="wildcard"):
        TlsClient(name=name, tenant="clinic-a")
