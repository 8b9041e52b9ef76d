"""conformance.md 7.14, 7.9, 7.10: requests are answered or the association is aborted; no end leaves half a thing."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from live_ae import LiveAe, associations, live_ae, until
from raw_scu import (
    ABORT,
    CONTEXTS,
    ECHO,
    IMPLICIT,
    SECONDARY_CAPTURE,
    command,
    data_set,
    fragment,
    p_data,
    raw_scu,
    store_rq,
    uid_of,
)

from dicom_common.core import Level, Query


def instances(ae: LiveAe) -> set[str]:
    return {str(row["SOPInstanceUID"]) for row in ae.services.db.find(Query(tenant="local", level=Level.INSTANCE))}


def objects(ae: LiveAe) -> int:
    return len(list(ae.services.storage.scan("")))


def leftovers(folder: Path) -> list[Path]:
    """Files of uploads that were begun."""
    writing = (folder / "data/objects/.dicom-common/writing").rglob("*")
    return [path for path in writing if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("field", [0x0002, 0x0055, 0x0020, 0x0021, 0x0010, 0x0140, 0x7FFF])
@pytest.mark.parametrize("has_data_set", [False, True])
def test_7_14_an_operation_that_is_not_offered_is_0211(ae: LiveAe, field: int, *, has_data_set: bool) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        asked = command({2: ECHO, 0x100: field, 0x110: 513}, has_data_set=has_data_set)
        scu.send(p_data(fragment(1, asked, is_command=True, is_last=True)))
        if has_data_set:
            scu.send(p_data(fragment(1, b"an identifier", is_command=False, is_last=True)))
        response = scu.response()
        assert response[0x0900] == b"\x11\x02"
        assert int.from_bytes(response[0x0100], "little") == field | 0x8000
        assert int.from_bytes(response[0x0120], "little") == 513
        assert scu.echo() == 0


@pytest.mark.parametrize(("context", "field"), [(1, 0x0030), (3, 0x0001), (5, 0x0020), (7, 0x0021), (9, 0x0010)])
def test_7_14_a_sop_class_that_is_not_that_of_the_context_is_0122(ae: LiveAe, context: int, field: int) -> None:
    contexts = [*CONTEXTS, *((number, uid, (IMPLICIT,)) for number, uid in QUERY_RETRIEVE)]
    with raw_scu(ae.port) as scu:
        scu.associate(contexts=contexts)
        asked = command({2: "1.2.840.10008.5.1.4.1.1.2", 0x100: field, 0x110: 1, 0x1000: "1.2.3"}, has_data_set=True)
        scu.send(p_data(fragment(context, asked, is_command=True, is_last=True)))
        scu.send(p_data(fragment(context, b"a data set", is_command=False, is_last=True)))
        assert scu.status() == 0x0122
        assert scu.echo() == 0


QUERY_RETRIEVE = (
    (5, "1.2.840.10008.5.1.4.1.2.2.1"),
    (7, "1.2.840.10008.5.1.4.1.2.2.2"),
    (9, "1.2.840.10008.5.1.4.1.2.2.3"),
)


def test_7_14_a_late_c_cancel_is_met_with_silence(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        assert scu.store(1) == 0
        late = command({0x100: 0x0FFF, 0x120: 1})
        scu.send(p_data(fragment(3, late, is_command=True, is_last=True)))
        assert scu.echo(9) == 0


def test_7_14_a_command_in_explicit_vr_aborts(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        explicit = b"\0\0\0\0UL\x04\0\x14\0\0\0" + b"\0\0\0\1US\x02\0\x30\0" + b"\0\0\x10\1US\x02\0\1\0"
        scu.send(p_data(fragment(1, explicit, is_command=True, is_last=True)))
        assert scu.read()[0] == ABORT


def test_7_14_responses_keep_the_order_of_requests_sent_ahead(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        for number in (1, 2, 3):
            scu.send(
                p_data(fragment(3, store_rq(uid_of(number), message_id=number), is_command=True, is_last=True)),
                p_data(fragment(3, data_set(number), is_command=False, is_last=True)),
            )
        for number in (1, 2, 3):
            response = scu.response()
            assert (response[0x0120][0], response[0x0900]) == (number, b"\0\0")


@pytest.mark.parametrize("size", [500, 6_000_000], ids=["held", "streamed"])
@pytest.mark.parametrize("end", ["close", "reset", "abort", "release", "protocol"])
def test_7_9_a_peer_that_goes_in_the_middle_leaves_nothing(ae: LiveAe, tmp_path: Path, size: int, end: str) -> None:
    data = data_set(1, size=size)
    with raw_scu(ae.port) as scu:
        scu.associate()
        assert scu.store(7) == 0
        scu.send(p_data(fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)))
        for begin in range(0, len(data) // 2, 100_000):
            half = data[begin : begin + 100_000][: len(data) // 2]
            scu.send(p_data(fragment(3, half, is_command=False, is_last=False)))
        if end == "reset":
            scu.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of no time: close sends a RST
        elif end == "abort":
            scu.send(b"\7\0\0\0\0\4\0\0\0\0")
        elif end == "release":
            scu.send(b"\5\0\0\0\0\4\0\0\0\0")
        elif end == "protocol":
            scu.send(b"\4\0\xff\xff\xff\xff")
            assert scu.read()[0] == ABORT
    until(lambda: not associations(ae))
    assert instances(ae) == {uid_of(7)}
    assert objects(ae) == 1
    assert leftovers(tmp_path) == []


def test_7_9_a_slow_peer_blocks_no_other(ae: LiveAe) -> None:
    with raw_scu(ae.port) as slow, raw_scu(ae.port) as other:
        slow.associate()
        slow.send(p_data(fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)))
        slow.send(p_data(fragment(3, data_set(1, size=100_000), is_command=False, is_last=False))[:90_000])
        other.associate()
        for number in range(2, 12):
            assert other.store(number) == 0
    assert len(instances(ae)) == 10


def test_7_10_a_stop_lets_the_request_in_hand_end_and_aborts_the_rest(tmp_path: Path) -> None:
    with live_ae(tmp_path) as ae, raw_scu(ae.port) as busy, raw_scu(ae.port) as idle:
        idle.associate()
        busy.associate()
        data = data_set(1, size=50_000)
        busy.begin_store(1, data[:1000])
        stopping = threading.Thread(target=ae.ae.close)
        stopping.start()
        assert idle.read()[0] == ABORT
        busy.send(p_data(fragment(3, data[1000:], is_command=False, is_last=True)))
        assert busy.status() == 0
        assert busy.read()[0] == ABORT
        stopping.join(60)
        assert not stopping.is_alive()
        assert instances(ae) == {uid_of(1)}


def test_9_8_nothing_of_a_patient_is_in_the_log(ae: LiveAe, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = data_set(1).replace(b"LO\x02\0P1", b"LO\x06\0CANARY")
    with raw_scu(ae.port) as scu:
        scu.associate()
        for data in (canary, canary[:-3], canary.replace(b"MONOCHROME2", b"SECRETVALUE")):
            scu.send(
                p_data(fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)),
                p_data(fragment(3, data, is_command=False, is_last=True)),
            )
            scu.status()
        scu.send(p_data(fragment(3, b"CANARY", is_command=True, is_last=True)))
        assert scu.read()[0] == ABORT
    assert SECONDARY_CAPTURE not in caplog.text
    assert "CANARY" not in caplog.text
    assert "SECRETVALUE" not in caplog.text
