"""`dicom-common serve`: where it listens, whom it lets in, how it ends, and several processes."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from made_instances import instance_uid, make_instance
from server_process import COMMAND, STUDIES, ServerProcess, multipart, server_process, until

from dicom_common.certs import Authority, Usage
from dicom_common.core import ConfigError
from dicom_common.host import Services, listen
from dicom_common.web import WebSettings
from dicom_common.web._serving import url_of


def refused(*options: str, data: Path, **settings: str) -> str:
    """Run a server that cannot start, and return its one sentence."""
    variables = {f"DICOM_COMMON_{name.upper()}": value for name, value in settings.items()}
    command = [*COMMAND, "--data", str(data), "serve", *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **variables}
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_it_says_where_it_listens_and_that_it_has_no_authenticator(process: ServerProcess) -> None:
    assert f"Listening on http://127.0.0.1:{process.port}/dicom-web" in process.said[0]
    assert any("no authenticator" in line for line in process.said)


def test_a_port_in_use_is_one_sentence(process: ServerProcess, tmp_path: Path) -> None:
    said = refused("--port", str(process.port), data=tmp_path)
    assert f"Port {process.port} of 127.0.0.1 is in use" in said
    assert "set another web.port." in said


def test_a_folder_without_a_viewer_is_one_sentence(tmp_path: Path) -> None:
    said = refused("--port", "0", data=tmp_path / "data", web__viewer=str(tmp_path))
    assert f"web.viewer names {tmp_path}, in which there is no viewer" in said


@pytest.mark.parametrize("host", ["192.0.2.1", "host.invalid", "2001:db8::1"])
def test_a_host_that_is_not_ours_is_one_sentence(host: str) -> None:
    with pytest.raises(ConfigError, match="is not an address of this machine"):
        listen(host, 0, table="web").close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may listen on every port")
def test_a_privileged_port_is_one_sentence(tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))
    if limit > 1:
        assert "needs privileges" in refused("--port", "1", data=tmp_path)


@pytest.mark.parametrize(
    ("host", "shown", "is_usable"),
    [
        ("127.0.0.1", "http://127.0.0.1:", True),
        ("localhost", "http://localhost:", True),
        ("0.0.0.0", "http://0.", False),
    ],
)
def test_links_have_the_address_that_is_listened_on_unless_it_is_a_wildcard(
    host: str, shown: str, is_usable: bool
) -> None:
    settings = WebSettings(host=host, port=0)
    with closing(listen(settings.host, settings.port, table="web")) as listening:
        url, usable = url_of(settings, listening)
    assert url.startswith(shown)
    assert usable is is_usable


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "host.invalid"])
def test_without_an_authenticator_it_listens_on_loopback_only(tmp_path: Path, host: str) -> None:
    assert "There is no auth backend" in refused("--host", host, "--port", "0", data=tmp_path)


@pytest.mark.kills
def test_a_store_in_flight_is_finished_when_the_server_is_told_to_stop(tmp_path: Path) -> None:
    body, content_type = multipart([make_instance(1)])
    with server_process(tmp_path / "data") as running:
        idle = running.connect()
        with running.connect() as connection:
            running.begin_store(connection, content_type, len(body), body[:-50])
            running.process.send_signal(signal.SIGTERM)
            until(lambda: running.is_stopping)
            time.sleep(0.5)  # in which it would end, if it ended at once
            assert running.process.poll() is None
            connection.sendall(body[-50:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert running.process.wait(60) == 0
        idle.close()
    with Services.from_file(overrides={"data": str(tmp_path / "data")}) as services:
        assert list(services.db.stored("local", [instance_uid(1)])) == [instance_uid(1)]


@pytest.mark.kills
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as running, running.connect() as connection:
        running.begin_store(connection, "application/dicom", 10, b"x")
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.is_stopping)
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 130  # in good order it would be 0


@pytest.mark.kills
def test_a_store_that_does_not_end_is_given_up_in_time(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"web__shutdown_seconds": 1, "expected": "timeout graceful shutdown"}
    with server_process(tmp_path / "data", **settings) as running, running.connect() as connection:
        large, content_type = multipart([make_instance(1, PixelData=bytes(5_000_000))])
        running.begin_store(connection, content_type, len(large), large[:4_000_000])
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        assert connection.recv(1000).startswith(b"HTTP/1.1 503 ")


@pytest.mark.kills
def test_several_processes_share_the_port_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    with server_process(tmp_path / "data", "--workers", "2", expected="another one is started") as running:
        assert running.store(make_instance(1)).status == 200
        until(lambda: len(running.workers()) == 2)
        first, _ = running.workers()
        os.kill(first, signal.SIGKILL)
        until(lambda: first not in running.workers())  # what it has accepted until it is gone, goes with it
        answers: list[int] = []

        def send(first: int) -> None:
            answers.extend(running.store(make_instance(number)).status for number in range(first, first + 10))

        threads = [threading.Thread(target=send, args=(first,)) for first in (10, 20, 30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 30
        shown = running.request("GET", "/metrics").body.decode()
        counted = re.search(r'dicom_common_web_stores_total\{status="stored"\} (\d+)', shown)
        assert counted is not None
        assert int(counted[1]) == 31  # of all processes
        until(lambda: any("another one is started" in line for line in running.said))


@pytest.mark.kills
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with server_process(tmp_path / "data", "--workers", "2") as running:
        running.store(make_instance(1))
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        running.process.kill()
        running.process.wait()
        until(lambda: not [one for one in children if Path(f"/proc/{one}").exists()])


def test_9_1_a_clients_certificate_says_who_is_calling(tmp_path: Path) -> None:
    authority = Authority.create("Test authority")
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    for name, usage in (
        ("localhost", Usage.SERVER),
        ("gateway.example", Usage.CLIENT),
        ("other.example", Usage.CLIENT),
    ):
        issued = authority.issue([name], usage)
        (tmp_path / f"{name}.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
        key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(key)
    (tmp_path / "site.toml").write_text(
        f'data = "{tmp_path}/data"\n[web.tls]\n'
        f'certificate = "{tmp_path}/localhost.pem"\nkey = "{tmp_path}/localhost.key"\n'
        f'client_ca = "{tmp_path}/ca.pem"\nclient_certificates = "optional"\n'
        '[[web.clients]]\nname = "gateway.example"\ntenant = "east"\nroles = ["gateway"]\n'
        '[policy.store]\nroles = ["gateway"]\n'
    )
    body, content_type = multipart([make_instance(1)])
    statuses = {}
    with server_process(tmp_path / "data", config=tmp_path / "site.toml") as running:
        for name in ("gateway.example", "other.example", ""):
            context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            if name:
                context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
            with context.wrap_socket(running.connect(), server_hostname="localhost") as connection:
                lines = (f"POST {STUDIES} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}")
                more = ("Connection: close", f"Content-Length: {len(body)}", "", "")
                connection.sendall("\r\n".join([*lines, *more]).encode() + body)
                statuses[name] = b"".join(iter(lambda: connection.recv(65536), b"")).split(b" ", 2)[1]
    assert statuses == {"gateway.example": b"200", "other.example": b"401", "": b"401"}
    with Services.from_file(tmp_path / "site.toml") as services:
        assert list(services.db.stored("east", [instance_uid(1)])) == [instance_uid(1)]
        assert services.db.stored("local", [instance_uid(1)]) == {}
