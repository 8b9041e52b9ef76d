"""`Client.send` and `Client.echo`: stored bytes go out as they are, each until the peer has it or will not take it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from live_ae import LiveAe, live_ae
from made_peer import made_peer
from pydicom.data import get_testdata_file
from pydicom.uid import UID
from pynetdicom.association import Association

from dicom_common.core import RefusedError, Stored, UnavailableError
from dicom_common.dicom import data_set_offset
from dicom_common.dimse import Client, Destination, SendReason, SendStatus
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received

_NAMES = ("CT_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "image_dfl.dcm", "rtplan.dcm")
_FILES = [Path(str(get_testdata_file(name))) for name in _NAMES]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A library with a few instances in it."""
    folder = tmp_path_factory.mktemp("library")
    with Services.from_file(overrides={"data": str(folder)}) as services, Ingest(services) as ingest:
        received = [Received(source=path, name=path.name) for path in _FILES]
        results = ingest.store(received, tenant="local")
        assert {result.status for result in results} <= {"stored", "rejected"}
        yield services


def _all(services: Services) -> list[Stored]:
    return list(services.db.walk())


def _data_set(data: bytes) -> bytes:
    """Return the data set of a file, with the zero that a deflated one needs behind an odd length."""
    found = data[data_set_offset(data) :]
    return found + bytes(len(found) % 2)


def _stored_data_set(services: Services, stored: Stored) -> bytes:
    return _data_set(b"".join(services.storage.read(stored.key)))


def test_every_data_set_arrives_byte_for_byte(services: Services) -> None:
    instances = _all(services)
    with made_peer() as peer:
        sent = list(peer.client().send(services.storage, instances))
    assert [(one.status, one.code, one.reason) for one in sent] == [(SendStatus.SENT, 0, None)] * len(instances)
    assert {one.stored.sop_uid for one in sent} == set(peer.received) == {one.sop_uid for one in instances}
    for one in instances:
        assert peer.received[one.sop_uid] == _stored_data_set(services, one), one.transfer_syntax_uid
    assert len({one.transfer_syntax_uid for one in instances}) >= 5
    assert peer.associations == 1


def test_our_own_application_entity_has_the_same_afterwards(services: Services, tmp_path: Path) -> None:
    with live_ae(tmp_path) as live:
        client = _client_of(live)
        client.echo()
        sent = list(client.send(services.storage, _all(services)))
        assert {one.status for one in sent} == {SendStatus.SENT}
        there = {one.sop_uid: one for one in live.services.db.walk()}
        for one in _all(services):
            copy = there[one.sop_uid]
            assert _stored_data_set(live.services, copy) == _stored_data_set(services, one)
            assert copy.transfer_syntax_uid == one.transfer_syntax_uid


def _client_of(live: LiveAe, ae_title: str = "DICOMCOMMON", calling: str = "CT1") -> Client:
    destination = Destination(name="own", ae_title=ae_title, host="127.0.0.1", port=live.port, calling_ae_title=calling)
    return Client(destination=destination, attempts=2)


@pytest.mark.parametrize(("ae_title", "calling", "cure"), [
    ("OTHER", "CT1", "correct ae_title of the peer"),
    ("DICOMCOMMON", "STRANGER", "enter STRANGER there"),
])  # fmt: skip
def test_a_rejected_association_says_what_to_do(ae: LiveAe, ae_title: str, calling: str, cure: str) -> None:
    with pytest.raises(RefusedError, match=cure):
        _client_of(ae, ae_title, calling).echo()


def test_a_peer_that_is_not_there_cannot_be_reached(services: Services) -> None:
    destination = Destination(name="gone", ae_title="GONE", host="127.0.0.1", port=1, calling_ae_title="US")
    client = Client(destination=destination, attempts=1)
    with pytest.raises(UnavailableError, match=r"The peer gone .* cannot be reached"):
        client.echo()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        list(client.send(services.storage, _all(services)))


def test_what_a_peer_has_no_resources_for_is_sent_again(services: Services) -> None:
    instances = _all(services)
    first = instances[0].sop_uid
    with made_peer() as peer:
        peer.on_store = lambda uid, _: 0xA700 if uid == first and peer.stores.count(first) < 2 else 0
        sent = list(peer.client().send(services.storage, instances))
    assert {one.status for one in sent} == {SendStatus.SENT}
    assert peer.stores.count(first) == 2
    assert len(peer.stores) == len(instances) + 1  # nothing else was sent twice


def test_what_a_peer_never_has_resources_for_is_given_up(services: Services) -> None:
    with made_peer() as peer:
        peer.on_store = lambda _, __: 0xA701
        (sent,) = peer.client(attempts=2).send(services.storage, _all(services)[:1])
    assert (sent.status, sent.reason, sent.retry) == (SendStatus.FAILED, SendReason.OUT_OF_RESOURCES, True)
    assert len(peer.stores) == 2


@pytest.mark.parametrize(("code", "status", "reason"), [
    (0xB000, SendStatus.WARNING, None),
    (0x0110, SendStatus.FAILED, SendReason.REFUSED),
    (0xC123, SendStatus.FAILED, SendReason.REFUSED),
])  # fmt: skip
def test_the_status_of_the_peer_is_the_report(
    services: Services, code: int, status: SendStatus, reason: SendReason | None
) -> None:
    with made_peer() as peer:
        peer.on_store = lambda _, __: code
        (sent,) = peer.client().send(services.storage, _all(services)[:1])
    assert (sent.status, sent.code, sent.reason, sent.retry) == (status, code, reason, False)
    assert len(peer.stores) == 1  # it has been answered


def test_an_association_that_breaks_off_is_asked_for_again(services: Services) -> None:
    instances = _all(services)
    second = instances[1].sop_uid

    def on_store(uid: str, association: Association) -> int:
        if uid == second and peer.stores.count(second) == 1:
            association.abort()
        return 0

    with made_peer() as peer:
        peer.on_store = on_store
        sent = list(peer.client().send(services.storage, instances))
    assert {one.status for one in sent} == {SendStatus.SENT}
    assert [one.stored.sop_uid for one in sent] == [one.sop_uid for one in instances]
    assert peer.associations == 2
    assert peer.stores.count(instances[0].sop_uid) == 1  # what was answered is not sent again


def test_an_instance_that_breaks_every_association_does_not_hold_up_the_others(services: Services) -> None:
    instances = _all(services)
    bad = instances[1].sop_uid

    def on_store(uid: str, association: Association) -> int:
        if uid == bad:
            association.abort()
        return 0

    with made_peer() as peer:
        peer.on_store = on_store
        sent = {one.stored.sop_uid: one for one in peer.client(attempts=2).send(services.storage, instances)}
    assert (sent[bad].status, sent[bad].reason) == (SendStatus.FAILED, SendReason.BROKEN_OFF)
    assert {one.status for uid, one in sent.items() if uid != bad} == {SendStatus.SENT}
    assert set(sent) == {one.sop_uid for one in instances}


def test_what_a_peer_accepts_no_context_for_is_not_sent(services: Services) -> None:
    instances = _all(services)
    with made_peer(syntaxes=["1.2.840.10008.1.2.1"]) as peer:
        sent = list(peer.client().send(services.storage, instances))
    explicit = {one.sop_uid for one in instances if one.transfer_syntax_uid == "1.2.840.10008.1.2.1"}
    assert {one.stored.sop_uid for one in sent if one.status is SendStatus.SENT} == explicit == set(peer.received)
    assert {one.reason for one in sent if one.status is SendStatus.FAILED} == {SendReason.NOT_ACCEPTED}
    with made_peer(sop_classes=["1.2.3.4"]) as peer:
        sent = list(peer.client().send(services.storage, instances))
    assert [one.reason for one in sent] == [SendReason.NOT_ACCEPTED] * len(instances)


def test_what_the_storage_has_lost_or_damaged_does_not_hold_up_the_others(tmp_path: Path) -> None:
    with Services.from_file(overrides={"data": str(tmp_path)}) as services, Ingest(services) as ingest:
        ingest.store([Received(source=path, name=path.name) for path in _FILES], tenant="local")
        lost, damaged, *others = _all(services)
        services.storage.delete(lost.key)
        [file] = tmp_path.rglob(f"{damaged.sop_uid}.dcm")
        changed = bytearray(file.read_bytes())
        changed[-1] ^= 1
        file.chmod(0o600)
        file.write_bytes(changed)
        with made_peer() as peer:
            sent = {one.stored.sop_uid: one for one in peer.client().send(services.storage, _all(services))}
    assert (sent[lost.sop_uid].reason, sent[damaged.sop_uid].reason) == (SendReason.MISSING, SendReason.DAMAGED)
    assert set(peer.received) == {one.sop_uid for one in others}


def test_a_large_instance_goes_out_by_pieces(tmp_path: Path) -> None:
    made = pydicom.dcmread(_FILES[0])
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4.5")
    made.Rows = made.Columns = 2048
    made.PixelData = bytes(range(256)) * (2 * 2048 * 2048 // 256)
    made.save_as(tmp_path / "large.dcm")
    with Services.from_file(overrides={"data": str(tmp_path / "data")}) as services, Ingest(services) as ingest:
        ingest.store([Received(source=tmp_path / "large.dcm", name="large")], tenant="local")
        with made_peer() as peer:
            (sent,) = peer.client().send(services.storage, _all(services))
    expected = _data_set((tmp_path / "large.dcm").read_bytes())
    assert sent.status is SendStatus.SENT
    assert hashlib.sha256(peer.received["1.2.3.4.5"]).digest() == hashlib.sha256(expected).digest()


def test_whoever_has_enough_releases_the_association(services: Services) -> None:
    with made_peer() as peer:
        sending = peer.client().send(services.storage, _all(services))
        next(sending)
        sending.close()
        assert len(peer.received) == 1
