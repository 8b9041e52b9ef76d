"""conformance.md 7.7: storage commitment. Remembered durably, verified by digest, reported here or there, for days."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from live_ae import LiveAe, live_ae, until
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.events import Event
from raw_scu import EXPLICIT, IMPLICIT, P_DATA, RELEASE_RP, RELEASE_RQ, command, fragment, p_data, raw_scu
from scp_process import ScpProcess, scp_process
from stored_instances import free_port, ingest, instance_uid, make_instance

from dicom_common.pipeline import Reconciliation

_CLASS, _INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
_HANG = 60


@dataclass
class _Reports:
    """The reports that came to a peer."""

    event_types: list[int] = field(default_factory=list)
    data_sets: list[Dataset] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)
    """Set when the response to a report has been sent, on an association of the peer's."""
    status: int = 0x0000

    def take(self, event: Event) -> tuple[int, None]:
        assert isinstance(event.request, N_EVENT_REPORT)
        self.event_types.append(event.request.EventTypeID or 0)
        self.data_sets.append(event.event_information)
        status = self.status
        self.answers.append(status)
        self.came.set()
        return status, None

    def sent(self, _: Event) -> None:
        """Take note of a PDU that the peer sent: behind a report it is the response."""
        if self.came.is_set():
            self.answered.set()

    @property
    def committed(self) -> list[str]:
        return [str(one.ReferencedSOPInstanceUID) for one in self.data_sets[-1].get("ReferencedSOPSequence", [])]

    @property
    def failed(self) -> dict[str, int]:
        listed = self.data_sets[-1].get("FailedSOPSequence", [])
        return {str(one.ReferencedSOPInstanceUID): one.FailureReason for one in listed}


@contextmanager
def _archive(folder: Path, port: int = 0, settings: str = "") -> Iterator[LiveAe]:
    address = f'host = "127.0.0.1"\nport = {port}\n' if port else ""
    peers = f'[dimse.peers.ct1]\nae_title = "CT1"\ntenant = "local"\nallow = ["store"]\n{address}'
    with live_ae(folder, f"[dimse.commitment]\nretry_seconds = 0.2\n{settings}", peers) as live:
        yield live


@contextmanager
def _peer(port: int, reports: _Reports) -> Iterator[None]:
    """Run a peer that takes reports on associations of ours."""
    scp = AE(ae_title="CT1")
    scp.add_supported_context(_CLASS, scu_role=False, scp_role=True)
    server = scp.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, reports.take)])
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()


def _request(transaction: str | None, *references: tuple[str, str]) -> Dataset:
    request = Dataset()
    if transaction is not None:
        request.TransactionUID = transaction
    items = []
    for sop_class, sop_instance in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
        items.append(item)
    request.ReferencedSOPSequence = items
    return request


def _act(
    live: LiveAe | ScpProcess,
    request: Dataset | None,
    *,
    reports: _Reports | None = None,
    action: int = 1,
    sop_instance: str = _INSTANCE,
) -> int:
    """Send an N-ACTION and return its status; wait for the report on the same association."""
    scu = AE(ae_title="CT1")
    scu.add_requested_context(_CLASS)
    handlers: list[Any] = []
    if reports is not None:
        reports.came.clear()
        reports.answered.clear()
        handlers = [(evt.EVT_N_EVENT_REPORT, reports.take), (evt.EVT_PDU_SENT, reports.sent)]
    association = scu.associate("127.0.0.1", live.port, ae_title="DICOMCOMMON", evt_handlers=handlers)
    assert association.is_established
    status, _ = association.send_n_action(request, action, _CLASS, sop_instance)
    if reports is not None:
        assert reports.answered.wait(_HANG)
    association.release()
    return int(status.Status)


def _remembered(live: LiveAe) -> list[str]:
    return [info.key for info in live.services.storage.scan("local/commitments/")]


_SC = str(SecondaryCaptureImageStorage)


def test_7_7_the_report_comes_on_the_same_association_and_says_what_is_safe(tmp_path: Path) -> None:
    with _archive(tmp_path) as live:
        ingest(live, *(make_instance(1, 1, number) for number in (1, 2, 3)))
        damaged = live.services.db.stored("local", [instance_uid(1, 1, 3)])[instance_uid(1, 1, 3)]
        reports = _Reports()
        wanted = [(_SC, instance_uid(1, 1, number)) for number in (1, 2)]
        assert _act(live, _request("2.25.1", *wanted), reports=reports) == 0x0000
        assert (reports.event_types, reports.committed, reports.failed) == ([1], [uid for _, uid in wanted], {})
        assert (reports.data_sets[0].TransactionUID, reports.data_sets[0].RetrieveAETitle) == ("2.25.1", "DICOMCOMMON")

        live.services.storage.write(damaged.key, b"x" * damaged.size)
        request = _request(
            "2.25.2", *wanted[:1], (_SC, "1.2.3"), (CTImageStorage, instance_uid(1, 1, 2)), (_SC, damaged.sop_uid)
        )
        assert _act(live, request, reports=reports) == 0x0000
        assert (reports.event_types[-1], reports.committed) == (2, [instance_uid(1, 1, 1)])
        assert reports.failed == {"1.2.3": 0x0112, instance_uid(1, 1, 2): 0x0119, damaged.sop_uid: 0x0110}
        # An instance that is named by two classes is two references.
        assert len(reports.data_sets) == 2


def test_7_7_each_report_comes_on_the_association_that_asked_whatever_else_is_asked_there(tmp_path: Path) -> None:
    reports = _Reports()
    with _archive(tmp_path) as live:
        ingest(live, make_instance(1))
        scu = AE(ae_title="CT1")
        scu.add_requested_context(_CLASS)
        scu.add_requested_context("1.2.840.10008.1.1")
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, reports.take)]
        association = scu.associate("127.0.0.1", live.port, ae_title="DICOMCOMMON", evt_handlers=handlers)
        for number in (1, 2, 3):
            request = _request(f"2.25.{number}", (_SC, instance_uid(1)))
            status, _ = association.send_n_action(request, 1, _CLASS, _INSTANCE)
            assert (status.Status, association.send_c_echo().Status) == (0x0000, 0x0000)
        until(lambda: len(reports.data_sets) == 3)
        association.release()
        assert sorted(one.TransactionUID for one in reports.data_sets) == ["2.25.1", "2.25.2", "2.25.3"]


def test_7_7_a_report_and_a_request_of_the_peer_may_cross(tmp_path: Path) -> None:
    with _archive(tmp_path) as live, raw_scu(live.port) as scu:
        contexts = ((1, _CLASS, (IMPLICIT,)), (3, _SC, (EXPLICIT,)))
        scu.associate(contexts=contexts)
        action = command({3: _CLASS, 0x100: 0x130, 0x110: 7, 0x1001: _INSTANCE, 0x1008: 1}, has_data_set=True)
        wanted = encode(_request("2.25.1", (_SC, "1.2.3")), is_implicit_vr=True, is_little_endian=True)
        assert wanted is not None
        scu.send(p_data(fragment(1, action, is_command=True, is_last=True)))
        scu.send(p_data(fragment(1, wanted, is_command=False, is_last=True)))
        assert scu.status() == 0x0000
        report = scu.response()
        assert int.from_bytes(report[0x100], "little") == 0x0100
        assert scu.read()[0] == P_DATA
        assert scu.store(1) == 0x0000  # before the report is answered
        answer = command({2: _CLASS, 0x100: 0x8100, 0x120: 1, 0x900: 0, 0x1000: _INSTANCE, 0x1002: 2})
        scu.send(p_data(fragment(1, answer, is_command=True, is_last=True)), RELEASE_RQ)
        assert scu.read()[0] == RELEASE_RP
        until(lambda: ["/reported/" in key for key in _remembered(live)] == [True])


def test_7_7_the_report_comes_on_a_new_association_where_the_first_one_is_over(tmp_path: Path) -> None:
    port, reports = free_port(), _Reports()
    with _archive(tmp_path, port) as live, _peer(port, reports):
        ingest(live, make_instance(1))
        assert _act(live, _request("2.25.1", (_SC, instance_uid(1)))) == 0x0000
        assert reports.came.wait(_HANG)
        assert (reports.event_types, reports.committed) == ([1], [instance_uid(1)])
        until(lambda: not any(key.endswith(".claim") for key in _remembered(live)))
        time.sleep(0.5)
        assert len(reports.data_sets) == 1, "it is reported once"


def test_7_7_a_report_that_does_not_arrive_is_tried_again_also_by_the_next_process(tmp_path: Path) -> None:
    port, reports = free_port(), _Reports()
    with _archive(tmp_path, port) as live:
        ingest(live, make_instance(1))
        assert _act(live, _request("2.25.1", (_SC, instance_uid(1)))) == 0x0000
        until(lambda: len(_remembered(live)) == 1)
    reports.status = 0x0110
    with _peer(port, reports), _archive(tmp_path, port):
        until(lambda: len(reports.data_sets) >= 2)  # what is answered with a failure is sent again
        reports.status = 0x0000
        until(lambda: 0x0000 in reports.answers)
        assert reports.committed == [instance_uid(1)]
        time.sleep(1.0)
        assert reports.answers.count(0x0000) == 1


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff"])
def test_7_7_a_commitment_that_cannot_be_read_holds_up_no_other(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    port, reports = free_port(), _Reports()
    with _archive(tmp_path, port) as live:
        ingest(live, make_instance(1))
        for number in (1, 2):
            assert _act(live, _request(f"2.25.{number}", (_SC, instance_uid(1)))) == 0x0000
    pending = sorted(tmp_path.rglob("pending/*/*.json"))
    pending[0].write_bytes(damage)
    with _peer(port, reports), _archive(tmp_path, port):
        until(lambda: len(reports.data_sets) == 1)
    assert "a pending storage commitment cannot be read" in caplog.text


def test_7_7_a_transaction_uid_that_was_used_before_is_0131(tmp_path: Path) -> None:
    with _archive(tmp_path) as live:
        ingest(live, make_instance(1))
        reports = _Reports()
        request = _request("2.25.1", (_SC, instance_uid(1)))
        assert _act(live, request, reports=reports) == 0x0000
        assert _act(live, request) == 0x0131
        assert _act(live, _request("2.25.2", (_SC, instance_uid(1)))) == 0x0000


def test_7_7_a_peer_that_takes_no_reports_may_have_some_pending_and_no_more(tmp_path: Path) -> None:
    port, reports = free_port(), _Reports()
    with _archive(tmp_path, port, "max_pending = 3") as live:
        ingest(live, make_instance(1))
        wanted = (_SC, instance_uid(1))
        assert [_act(live, _request(f"2.25.{number}", wanted)) for number in range(5)] == [0, 0, 0, 0x0213, 0x0213]
        assert _act(live, _request("2.25.2", wanted)) == 0x0131
        assert len([key for key in _remembered(live) if not key.endswith(".claim")]) == 3
        with _peer(port, reports):
            until(lambda: len({one.TransactionUID for one in reports.data_sets}) == 3)
            until(lambda: not any("/pending/" in key for key in _remembered(live)))
            assert _act(live, _request("2.25.4", wanted)) == 0
            assert _act(live, _request("2.25.2", wanted)) == 0x0131, "it is remembered, though it was reported"


def test_7_7_what_was_reported_or_given_up_is_forgotten_in_the_end(tmp_path: Path) -> None:
    days = 5 / 86_400
    with _archive(tmp_path, settings=f"give_up_days = {days}\nmax_retry_seconds = 0.2") as live:
        ingest(live, make_instance(1))
        reports = _Reports()
        assert _act(live, _request("2.25.1", (_SC, instance_uid(1))), reports=reports) == 0
        assert _act(live, _request("2.25.2", (_SC, instance_uid(1)))) == 0  # it has no host for a report
        assert _remembered(live)
        until(lambda: not _remembered(live))
        assert _act(live, _request("2.25.2", (_SC, instance_uid(1)))) == 0


@pytest.mark.parametrize(
    ("request_", "options", "status"),
    [
        (_request(None, (_SC, "1.2.3")), {}, 0x0120),
        (_request("", (_SC, "1.2.3")), {}, 0x0121),
        (_request("2.25.1"), {}, 0x0121),
        (None, {}, 0x0120),
        (_request("2.25.1", (_SC, "")), {}, 0x0121),
        (_request("2.25.1", (_SC, "1.2.3")), {"action": 2}, 0x0123),
        (_request("2.25.1", (_SC, "1.2.3")), {"sop_instance": "1.2.3"}, 0x0112),
    ],
)
def test_7_7_what_is_missing_or_unknown_is_told_apart(
    live: LiveAe, request_: Dataset | None, options: dict[str, Any], status: int
) -> None:
    assert _act(live, request_, **options) == status
    assert _remembered(live) == []


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAe]:
    """An archive without an instance."""
    with _archive(tmp_path_factory.mktemp("commitment")) as live:
        yield live


def test_7_7_reconciliation_leaves_what_is_remembered_alone(tmp_path: Path) -> None:
    with _archive(tmp_path) as live:
        ingest(live, make_instance(1))
        assert _act(live, _request("2.25.1", (_SC, instance_uid(1)))) == 0x0000
        assert list(Reconciliation(live.services.config).run()) == []
        assert _remembered(live)


@pytest.mark.kills
def test_7_7_what_was_answered_0000_is_reported_by_the_process_after_one_that_was_killed(tmp_path: Path) -> None:
    port, reports = free_port(), _Reports()
    peers = (
        f'[dimse.peers.ct1]\nae_title = "CT1"\ntenant = "local"\nallow = ["store"]\nhost = "127.0.0.1"\nport = {port}\n'
    )
    options = {"settings": "[dimse.commitment]\nretry_seconds = 0.2", "peers": peers}

    def claims() -> list[Path]:
        return list(tmp_path.rglob("commitments/**/*.claim"))

    with scp_process(tmp_path, **options) as running:
        assert _act(running, _request("2.25.1", (_SC, "1.2.3"))) == 0x0000
        until(lambda: not claims())  # the first try is over
        running.process.kill()
        running.process.wait()
    with _peer(port, reports), scp_process(tmp_path, **options):
        assert reports.came.wait(_HANG)
        assert (reports.event_types[0], reports.failed) == (2, {"1.2.3": 0x0112})
