"""Certificates that are made here, in real connections: our own contexts on both sides, and Redis."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

import pytest

from dicom_common.cache.redis import RedisCache, Settings
from dicom_common.certs import (
    Authority,
    Issued,
    KeyType,
    Usage,
    write_certificate,
    write_issued,
    write_revocations,
)
from dicom_common.core import ConfigError, HealthStatus, UnavailableError
from dicom_common.core.tls import Tls, client_context
from dicom_common.host import ServerTls, TlsClient, client_of, server_context
from dicom_common.testing.servers import PrivateServer, listens, server_named

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=500)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good and bad certificates of one authority, and some of another of the same name."""
    folder = tmp_path_factory.mktemp("site")
    ours, other = (Authority.create("Our site", now=LONG_AGO) for _ in range(2))
    server = ["localhost", "127.0.0.1"]
    made: dict[str, Issued] = {
        "server": ours.issue(server, Usage.SERVER),
        "server-rsa": ours.issue(server, Usage.SERVER, key_type=KeyType.RSA_3072),
        "server-expired": ours.issue(server, Usage.SERVER, now=LONG_AGO),
        "server-of-client": ours.issue(server, Usage.CLIENT),
        "server-elsewhere": ours.issue(["db.example"], Usage.SERVER),
        "server-other": other.issue(server, Usage.SERVER),
        "client": ours.issue(["worker.example"], Usage.CLIENT),
        "client-rsa": ours.issue(["worker.example"], Usage.CLIENT, key_type=KeyType.RSA_3072),
        "client-expired": ours.issue(["worker.example"], Usage.CLIENT, now=LONG_AGO),
        "client-of-server": ours.issue(["worker.example"], Usage.SERVER),
        "client-of-signer": ours.issue(["worker.example"], Usage.SIGNING),
        "client-of-recipient": ours.issue(["worker.example"], Usage.ENCRYPTION),
        "client-other": other.issue(["worker.example"], Usage.CLIENT),
        "client-revoked": ours.issue(["worker.example"], Usage.CLIENT),
    }
    for name, issued in made.items():
        write_issued(issued, folder / f"{name}.pem", folder / f"{name}.key")
    write_certificate(ours.certificate, folder / "ca.pem")
    write_certificate(other.certificate, folder / "other-ca.pem")
    write_revocations(ours.revoke([made["client-revoked"].certificate]), folder / "crl.pem")
    write_revocations(ours.revoke([], now=LONG_AGO), folder / "old-crl.pem")
    write_issued(other, folder / "self-signed.pem", folder / "self-signed.key")
    return folder


def pair(site: Path, name: str | None) -> dict[str, Any]:
    return {} if name is None else {"certificate": site / f"{name}.pem", "key": site / f"{name}.key"}


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[tuple[int, list[Any]]]:
    """Greet each client, and note what its certificate says, or why it is refused."""
    seen: list[Any] = []
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


def greet(port: int, tls: Tls, host: str = "localhost") -> bytes:
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    with client_context(tls).wrap_socket(plain, server_hostname=host) as connection:
        return connection.recv(5)


@pytest.mark.parametrize("server", ["server", "server-rsa"])
@pytest.mark.parametrize("client", ["client", "client-rsa"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_both_sides_know_each_other(site: Path, server: str, client: str, host: str) -> None:
    ours = ServerTls(**pair(site, server), client_ca=site / "ca.pem", client_crl=site / "crl.pem")
    with serving(server_context(ours)) as (port, seen):
        assert greet(port, Tls(ca=site / "ca.pem", **pair(site, client)), host) == b"hello"
    clients = [TlsClient(name="worker.example", tenant="clinic-a"), TlsClient(name="other.example", tenant="clinic-b")]
    assert client_of(seen[0], clients).tenant == "clinic-a"


@pytest.mark.parametrize(
    "client",
    [
        None,
        "client-expired",
        "client-of-server",
        "client-of-signer",
        "client-of-recipient",
        "client-other",
        "client-revoked",
        "self-signed",
    ],
)
def test_a_client_without_a_good_certificate_is_refused(site: Path, client: str | None) -> None:
    ours = ServerTls(**pair(site, "server"), client_ca=site / "ca.pem", client_crl=site / "crl.pem")
    # In TLS 1.3 the client hears of it only when it reads, and may have been reset by then.
    with serving(server_context(ours)) as (port, seen), suppress(OSError):
        assert greet(port, Tls(ca=site / "ca.pem", **pair(site, client))) == b""
    assert seen == ["PEER_DID_NOT_RETURN_A_CERTIFICATE" if client is None else "CERTIFICATE_VERIFY_FAILED"]


def test_where_the_list_of_revoked_certificates_has_run_out_nobody_comes_in(site: Path) -> None:
    ours = ServerTls(**pair(site, "server"), client_ca=site / "ca.pem", client_crl=site / "old-crl.pem")
    with serving(server_context(ours)) as (port, seen), suppress(OSError):
        assert greet(port, Tls(ca=site / "ca.pem", **pair(site, "client"))) == b""
    assert seen == ["CERTIFICATE_VERIFY_FAILED"]


@pytest.mark.parametrize(
    "server", ["server-expired", "server-of-client", "server-elsewhere", "server-other", "self-signed"]
)
def test_a_server_without_a_good_certificate_is_not_talked_to(site: Path, server: str) -> None:
    ours = ServerTls(**pair(site, server), client_certificates="off")
    with serving(server_context(ours)) as (port, _), pytest.raises(ssl.SSLCertVerificationError):
        greet(port, Tls(ca=site / "ca.pem"))


def test_a_server_of_our_own_authority_is_not_trusted_by_others(site: Path) -> None:
    ours = ServerTls(**pair(site, "server"), client_certificates="off")
    with serving(server_context(ours)) as (port, _), pytest.raises(ssl.SSLCertVerificationError):
        greet(port, Tls())


# Redis


@pytest.fixture
def start_redis(site: Path, without_service: Callable[[str], NoReturn]) -> Iterator[Callable[[str], str]]:
    """Start servers that want certificates of clients, each with a certificate of its own."""
    redis = server_named("redis")
    if reason := redis.missing():
        without_service(reason)
    servers: list[PrivateServer] = []

    def start(name: str) -> str:
        def commands(folder: Path, port: int) -> list[list[str | Path]]:
            words: list[str | Path] = [*redis.commands(folder, port)[0][:1], "--port", "0", "--tls-port", str(port)]
            words += ["--bind", "127.0.0.1", "--save", "", "--dir", folder, "--tls-ca-cert-file", site / "ca.pem"]
            words += ["--tls-auth-clients", "yes", "--tls-cert-file", site / f"{name}.pem"]
            return [[*words, "--tls-key-file", site / f"{name}.key"]]

        servers.append(PrivateServer(replace(redis, commands=commands, ready=listens)))
        servers[-1].start()
        return f"rediss://localhost:{servers[-1].port}/0"

    yield start
    for server in servers:
        server.remove()


def cache(site: Path, url: str, client: str | None, ca: str = "ca.pem") -> RedisCache:
    tls = Tls(mode="on", ca=site / ca, **pair(site, client))
    return RedisCache(Settings(url=url, timeout=20, connect_timeout=20, tls=tls))


@pytest.mark.kills
def test_redis_lets_in_a_client_with_a_certificate_and_nobody_else(
    site: Path, start_redis: Callable[[str], str]
) -> None:
    url = start_redis("server")
    with closing(cache(site, url, "client")) as good:
        good.set("a", b"x", ttl=60)
        assert good.get("a") == b"x"
        assert good.check().status is HealthStatus.OK
    for client in (None, "client-expired", "client-of-server", "client-other", "self-signed"):
        with closing(cache(site, url, client)) as refused, pytest.raises(UnavailableError):
            refused.get("a")


@pytest.mark.kills
@pytest.mark.parametrize("server", ["server-expired", "server-elsewhere", "server-other"])
def test_a_redis_without_a_good_certificate_is_not_talked_to(
    site: Path, start_redis: Callable[[str], str], server: str
) -> None:
    url = start_redis(server)
    with closing(cache(site, url, "client")) as refused, pytest.raises(UnavailableError):
        refused.get("a")


def test_a_key_of_another_certificate_is_named_before_anything_is_sent(site: Path) -> None:
    with pytest.raises(ConfigError, match=r"tls\.key"):
        client_context(Tls(certificate=site / "client.pem", key=site / "server.key"))
