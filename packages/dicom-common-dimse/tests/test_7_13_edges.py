"""conformance.md 7.1, 7.4, 7.13, 7.14: the edges of negotiation, of command sets and of identifiers, one by one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_ae import LiveAe, live_ae
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode
from raw_scu import (
    ABORT,
    ACCEPT,
    ECHO,
    EXPLICIT,
    IMPLICIT,
    P_DATA,
    RELEASE_RP,
    RELEASE_RQ,
    SECONDARY_CAPTURE,
    RawScu,
    associate_rq,
    command,
    fragment,
    item,
    p_data,
    pdu,
    raw_scu,
)
from stored_instances import ingest, make_instance, study_uid

_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_ECHO_RQ = command({2: ECHO, 0x100: 0x30, 0x110: 7})


@pytest.fixture(scope="module")
def ae(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAe]:
    """An archive with two studies."""
    with live_ae(tmp_path_factory.mktemp("edges"), "associate_seconds = 2.0") as live:
        ingest(
            live,
            make_instance(1, PatientName="SMITH^JOHN", StudyDate="20260102", StudyDescription="CHEST [1] 50%_x"),
            make_instance(2, PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", StudyDate="20260103"),
        )
        yield live


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The items of an A-ASSOCIATE-AC, or the sub-items of one."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at], data[at + 4 : end]
        at = end


def _results(body: bytes) -> dict[int, int]:
    return {value[0]: value[2] for kind, value in _parts(body[68:]) if kind == 0x21}


def _answers(body: bytes, wanted: int) -> list[bytes]:
    (information,) = (value for kind, value in _parts(body[68:]) if kind == 0x50)
    return [value for kind, value in _parts(information) if kind == wanted]


def _named(uid: str, value: bytes) -> bytes:
    return struct.pack(">H", len(uid)) + uid.encode() + value


@pytest.mark.parametrize(
    "contexts",
    [((2, ECHO, (IMPLICIT,)),), ((0, ECHO, (IMPLICIT,)),), ((1, ECHO, (IMPLICIT,)), (1, _FIND, (IMPLICIT,)))],
    ids=["even", "zero", "twice"],
)
def test_7_13_a_presentation_context_id_is_odd_and_there_once(ae: LiveAe, contexts: Any) -> None:
    with raw_scu(ae.port) as scu:
        assert scu.associate(contexts=contexts)[0] == ABORT
        assert scu.is_closed()


def test_7_13_as_many_contexts_as_there_are_ids_also_of_the_same_abstract_syntax(tmp_path: Path) -> None:
    with live_ae(tmp_path) as ae, raw_scu(ae.port) as scu:
        kind, body = scu.associate(
            contexts=[(2 * number + 1, SECONDARY_CAPTURE, ("1.2.3.4", EXPLICIT)) for number in range(127)]
            + [(255, ECHO, ("1.2.840.10008.1.2.4.50",))]
        )
        assert (kind, _results(body)) == (ACCEPT, {**dict.fromkeys(range(1, 255, 2), 0), 255: 4})
        assert scu.store(4711, context=253) == 0


@pytest.mark.parametrize(
    ("uid", "proposed", "answered"),
    [
        (SECONDARY_CAPTURE, b"\0\0", b"\0\0"),
        (SECONDARY_CAPTURE, b"\0\1", b"\0\1"),
        (SECONDARY_CAPTURE, b"\1\1", b"\1\1"),
        (_FIND, b"\1\1", b"\1\0"),
        (_FIND, b"\0\1", b"\0\0"),
        ("1.2.3", b"\1\1", None),
    ],
)
def test_7_13_no_role_is_given_that_was_not_proposed_or_is_not_ours(
    ae: LiveAe, uid: str, proposed: bytes, answered: bytes | None
) -> None:
    with raw_scu(ae.port) as scu:
        contexts = ((1, _FIND, (IMPLICIT,)), (3, SECONDARY_CAPTURE, (EXPLICIT,)))
        kind, body = scu.associate(contexts=contexts, user_items=item(0x54, _named(uid, proposed)))
        assert kind == ACCEPT
        assert _answers(body, 0x54) == ([] if answered is None else [_named(uid, answered)])
        if uid == SECONDARY_CAPTURE and not proposed[0]:
            assert scu.store(4712) == 0x0124  # who is no SCU may ask for nothing


@pytest.mark.parametrize(
    ("proposed", "answered"),
    [(b"\0", b"\0"), (b"\2", b"\0"), (b"\1", b"\1"), (b"\1" * 8, b"\1\1\1\0\0\1\1"), (b"", None)],
)
def test_7_13_extended_negotiation_is_answered_byte_by_byte(
    ae: LiveAe, proposed: bytes, answered: bytes | None
) -> None:
    with raw_scu(ae.port) as scu:
        _, body = scu.associate(contexts=((1, _FIND, (IMPLICIT,)),), user_items=item(0x56, _named(_FIND, proposed)))
        assert _answers(body, 0x56) == ([] if answered is None else [_named(_FIND, answered)])


def test_7_13_a_user_identity_is_passed_over_and_so_are_items_of_the_future(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        more = item(0x58, b"\1\1\0\3bob\0\0") + item(0x57, b"\0\3abc\0\0\0\0") + item(0x5F, b"?")
        kind, body = scu.associate(user_items=more)
        assert (kind, _answers(body, 0x59)) == (ACCEPT, [])
        assert scu.echo() == 0


def _found(ae: LiveAe, identifier: Dataset, *, most: int = 16384) -> tuple[int, int, list[int]]:
    """Send a C-FIND; the number of pending responses, the last status, and the lengths of the PDUs."""
    data = encode(identifier, is_implicit_vr=True, is_little_endian=True)
    assert data is not None
    with raw_scu(ae.port) as scu:
        scu.associate(contexts=((1, _FIND, (IMPLICIT,)),), most=most)
        asked = command({2: _FIND, 0x100: 0x20, 0x110: 1, 0x700: 0}, has_data_set=True)
        scu.send(p_data(fragment(1, asked, is_command=True, is_last=True)))
        scu.send(p_data(fragment(1, data, is_command=False, is_last=True)))
        pending, held, lengths = 0, b"", list[int]()
        while True:
            kind, body = scu.read()
            assert kind == P_DATA
            lengths.append(len(body))
            held += body[6:] if body[5] & 1 else b""
            if body[5] == 3:
                at = held.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8
                status = int.from_bytes(held[at : at + 2], "little")
                held = b""
                if status >> 8 != 0xFF:
                    return pending, status, lengths
                pending += 1


@pytest.mark.parametrize("most", [0, 1, 7, 8, 9, 12, 13, 60])
def test_7_13_answers_fit_into_the_smallest_pdu_that_a_peer_takes(ae: LiveAe, most: int) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.PatientName, identifier.StudyInstanceUID = "STUDY", "", ""
    pending, status, lengths = _found(ae, identifier, most=most)
    assert (pending, status) == (2, 0)
    assert max(lengths) <= max(8, most or 1 << 20)  # a P-DATA-TF of two bytes is the shortest there can be


@pytest.mark.parametrize(
    ("keys", "pending", "status"),
    [
        ({"StudyInstanceUID": "*", "PatientName": "*"}, 2, 0),
        ({"StudyInstanceUID": [study_uid(1), study_uid(1), "1.2.3"]}, 1, 0),
        ({"StudyInstanceUID": "2.25.*"}, 0, 0),
        ({"StudyInstanceUID": "abc"}, 0, 0),
        ({"StudyDate": "2026.01.02"}, 1, 0),
        ({"StudyDate": "20260103-"}, 1, 0),
        ({"StudyDate": "2026*"}, 0, 0xC000),
        ({"StudyDate": "-"}, 0, 0xC000),
        ({"StudyDate": "20260105-20260101"}, 0, 0xC000),
        ({"StudyTime": "2561"}, 0, 0xC000),
        ({"StudyDescription": "CHEST [1]*"}, 1, 0),
        ({"StudyDescription": "CHEST_*"}, 0, 0),
        ({"PatientName": "yamada^tarou=*"}, 1, 0),
        ({"PatientName": "山田*", "SpecificCharacterSet": "ISO_IR 192"}, 1, 0),
        ({"PatientName": "S*", "SpecificCharacterSet": "FOO"}, 1, 0),
        ({"PatientName": "*a" * 30}, 0, 0xC000),
        ({"QueryRetrieveLevel": "study"}, 0, 0xA900),
        ({"QueryRetrieveLevel": "STUDY "}, 2, 0),
    ],
)
def test_7_4_values_of_keys(ae: LiveAe, keys: dict[str, Any], pending: int, status: int) -> None:
    identifier = Dataset()
    for keyword, value in ({"QueryRetrieveLevel": "STUDY"} | keys).items():
        setattr(identifier, keyword, value)
    assert _found(ae, identifier)[:2] == (pending, status)


def _echoes(scu: RawScu) -> bool:
    return int.from_bytes(scu.response()[0x120], "little") == 7


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("<HHII", 0, 0, 4, 9999) + _ECHO_RQ[12:],
        _ECHO_RQ[12:],
        _ECHO_RQ + struct.pack("<HHI2s", 0, 0x5110, 2, b"X "),
        command({0x100: 0x30, 0x110: 7}),
    ],
    ids=["wrong-group-length", "no-group-length", "retired-element", "no-sop-class"],
)
def test_7_14_an_odd_command_set_is_answered(ae: LiveAe, sent: bytes) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        scu.send(p_data(fragment(1, sent, is_command=True, is_last=True)))
        assert _echoes(scu)


def test_7_14_a_message_id_may_come_again_and_be_zero(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        assert [scu.echo(message_id) for message_id in (7, 7, 0, 65535)] == [0, 0, 0, 0]


def test_7_14_a_c_cancel_is_for_what_was_asked_before_it(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        scu.send(p_data(fragment(1, command({0x100: 0x0FFF, 0x120: 7}), is_command=True, is_last=True)))
        assert scu.echo(7) == 0


@pytest.mark.parametrize(
    ("sent", "kind", "reason"),
    [
        ([p_data(fragment(1, _ECHO_RQ[:10], is_command=True, is_last=False)), RELEASE_RQ], RELEASE_RP, None),
        ([p_data(fragment(3, b"ab", is_command=False, is_last=True))], ABORT, 6),
        ([pdu(P_DATA, b"")], ABORT, 6),
        ([p_data(fragment(13, _ECHO_RQ, is_command=True, is_last=True))], ABORT, 6),
        ([associate_rq()], ABORT, 2),
        ([p_data(fragment(1, command({2: ECHO, 0x100: 0x30}), is_command=True, is_last=True))], ABORT, 6),
        (
            [p_data(fragment(1, command({2: ECHO, 0x100: 0x8030, 0x120: 5, 0x900: 0}), is_command=True, is_last=True))],
            ABORT,
            2,
        ),
    ],
    ids=["release", "data-first", "empty", "context", "associate-again", "no-message-id", "response"],
)
def test_7_13_what_does_not_belong_to_a_message_ends_the_association(
    ae: LiveAe, sent: list[bytes], kind: int, reason: int | None
) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        scu.send(*sent)
        answered, body = scu.read()
        assert (answered, body[3] if reason is not None else None) == (kind, reason)
