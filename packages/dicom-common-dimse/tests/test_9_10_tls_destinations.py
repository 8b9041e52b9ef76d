"""conformance.md 9.10: TLS to destinations, by DCMTK's storescp. Verified, with a sentence for each failure."""

from __future__ import annotations

import logging
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from live_ae import LiveAe, live_ae, until
from stored_instances import STUDY_ROOT, asked, data_set_of, free_port, ingest, key, make_instance, study_uid

from dicom_common.certs import Authority, Issued, Usage
from dicom_common.cli import main
from dicom_common.core import RefusedError, UnavailableError
from dicom_common.dimse import Client, DimseSettings, destination_of
from dicom_common.testing import dcmtk_program

_NOT_TRUSTED = "its certificate is not from an authority that tls.ca of it names"
_NOT_FOR = "its certificate is not for 127.0.0.1: set host to a name of the certificate, or issue it for 127.0.0.1"
_WANTS_OURS = "it wants a certificate of ours, or shares no cipher: set tls.certificate and tls.key of the peer"
_REFUSES_OURS = "it does not accept our certificate: set a tls.certificate of the peer that comes from its authority"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of two authorities."""
    folder = tmp_path_factory.mktemp("certificates")
    old = datetime.now(UTC) - timedelta(days=30)
    ours, other = (Authority.create(name, now=old) for name in ("Test authority", "Other authority"))
    for name, authority in (("ca", ours), ("other-ca", other)):
        (folder / f"{name}.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    for name, issued in (
        ("good", ours.issue(["127.0.0.1", "localhost"], Usage.SERVER)),
        ("elsewhere", ours.issue(["pacs.example"], Usage.SERVER)),
        ("expired", ours.issue(["127.0.0.1"], Usage.SERVER, days=5, now=old)),
        ("archive", ours.issue(["archive.example"], Usage.CLIENT)),
        ("stranger", other.issue(["archive.example"], Usage.CLIENT)),
    ):
        _write(folder, name, issued)
    return folder


def _write(folder: Path, name: str, issued: Issued) -> None:
    (folder / f"{name}.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    data = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(data)


@contextmanager
def _storescp(folder: Path, into: Path, certificate: str | None, *, wants: bool = False) -> Iterator[int]:
    """Run DCMTK's storescp with a certificate, None: without TLS, and give its port."""
    port = free_port()
    into.mkdir()
    options = (
        [] if certificate is None else ["+tls", str(folder / f"{certificate}.key"), str(folder / f"{certificate}.pem")]
    )
    if certificate is not None:
        options += ["+cf", str(folder / "ca.pem"), "-rc" if wants else "-ic"]
    command = [dcmtk_program("storescp"), *options, "-aet", "DEST", "-od", str(into), "+xa", "+B", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, "storescp did not start"
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probing:
        return probing.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _archive(tmp_path: Path, port: int, tls: str) -> Iterator[LiveAe]:
    peers = f"""
[dimse.peers.ct1]
ae_title = "CT1"
tenant = "local"
allow = ["retrieve"]
[dimse.peers.dest]
ae_title = "DEST"
host = "127.0.0.1"
port = {port}
tenant = "local"
tls = {{ mode = "on", {tls} }}
"""
    with live_ae(tmp_path, peers=peers) as live:
        ingest(live, make_instance(1))
        yield live


def _client(live: LiveAe) -> Client:
    settings = live.services.settings("dimse", DimseSettings)
    return Client(destination=destination_of(settings, "dest"), attempts=2)


def _moved(live: LiveAe) -> int:
    """Move the study to the destination; return the final status."""
    uid = f"{STUDY_ROOT}.2"
    with asked(live, uid) as association:
        answers = association.send_c_move(key("STUDY", StudyInstanceUID=study_uid()), "DEST", uid)
        return [int(status.Status) for status, _ in answers][-1]


@pytest.mark.parametrize("wants", [False, True], ids=["server", "mutual"])
def test_9_10_echo_send_and_c_move_go_to_a_destination_by_tls(tmp_path: Path, folder: Path, *, wants: bool) -> None:
    tls = f'ca = "{folder}/ca.pem"'
    if wants:
        tls += f', certificate = "{folder}/archive.pem", key = "{folder}/archive.key"'
    with _storescp(folder, tmp_path / "dest", "good", wants=wants) as port, _archive(tmp_path, port, tls) as live:
        client = _client(live)
        client.echo()
        (sent,) = client.send(live.services.storage, live.services.db.instances("local", study_uid()))
        assert sent.code == 0
        (file,) = (tmp_path / "dest").iterdir()
        assert file.read_bytes().endswith(data_set_of(make_instance(1)))
        file.unlink()
        assert _moved(live) == 0x0000
        (file,) = (tmp_path / "dest").iterdir()
        assert file.read_bytes().endswith(data_set_of(make_instance(1)))


@pytest.mark.parametrize(
    ("certificate", "ours", "why"),
    [
        ("good", 'ca = "{folder}/other-ca.pem"', _NOT_TRUSTED),
        ("expired", 'ca = "{folder}/ca.pem"', "its certificate has expired: it needs a new one"),
        ("elsewhere", 'ca = "{folder}/ca.pem"', _NOT_FOR),
        (None, 'ca = "{folder}/ca.pem"', "it does not answer with TLS: correct its port, or remove its table tls"),
        ("mutual", 'ca = "{folder}/ca.pem"', _WANTS_OURS),
        (
            "mutual",
            'ca = "{folder}/ca.pem", certificate = "{folder}/stranger.pem", key = "{folder}/stranger.key"',
            _REFUSES_OURS,
        ),
    ],
    ids=["other-authority", "expired", "other-name", "no-tls", "no-certificate-of-ours", "foreign-certificate-of-ours"],
)
def test_9_10_each_failure_has_its_sentence_and_nothing_is_sent(  # noqa: PLR0917 - three fixtures, three parameters
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture, certificate: str | None, ours: str, why: str
) -> None:
    wants = certificate == "mutual"
    serving = _storescp(folder, tmp_path / "dest", "good" if wants else certificate, wants=wants)
    with serving as port, _archive(tmp_path, port, ours.format(folder=folder)) as live:
        client = _client(live)
        sentence = f"There is no association with the peer dest (DEST at 127.0.0.1:{port}): {why}."
        with pytest.raises(RefusedError) as refused:
            client.echo()
        assert str(refused.value) == sentence
        with pytest.raises((RefusedError, UnavailableError)) as unsent:
            list(client.send(live.services.storage, live.services.db.instances("local", study_uid())))
        assert str(unsent.value) == sentence
        with caplog.at_level(logging.WARNING):
            assert _moved(live) == 0xA702
        assert (
            f"instances were not sent: The destination DEST does not accept an association: {why}." in caplog.messages
        )
        assert list((tmp_path / "dest").iterdir()) == []


def test_9_10_relative_paths_of_tls_are_below_the_data_folder_those_of_a_peer_too(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("ca.pem", "good.pem", "good.key"):
        (data / name).write_bytes((folder / name).read_bytes())
    with _storescp(folder, tmp_path / "dest", "good") as port:
        (tmp_path / "site.toml").write_text(
            f"""data = "data"
            [dimse.tls]
            certificate = "good.pem"
            key = "good.key"
            client_ca = "ca.pem"
            [dimse.peers.dest]
            ae_title = "DEST"
            host = "127.0.0.1"
            port = {port}
            tls = {{ mode = "on", ca = "ca.pem" }}
            """
        )
        assert main(["--config", str(tmp_path / "site.toml"), "echo", "dest"]) == 0, capsys.readouterr().err
