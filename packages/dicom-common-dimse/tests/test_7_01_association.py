"""conformance.md 7.1 and 7.13: who is let in, what is negotiated, and what ends an association."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from live_ae import PEERS, LiveAe, live_ae, until
from raw_scu import (
    ABORT,
    ACCEPT,
    ECHO,
    EXPLICIT,
    IMPLICIT,
    REJECT,
    RELEASE_RP,
    RELEASE_RQ,
    SECONDARY_CAPTURE,
    associate_rq,
    command,
    echo_rq,
    fragment,
    item,
    p_data,
    pdu,
    raw_scu,
)


def results(body: bytes) -> dict[int, tuple[int, str]]:
    """Result and transfer syntax of each context of an A-ASSOCIATE-AC."""
    return {value[0]: (value[2], value[8:].decode()) for kind, value in items(body[68:]) if kind == 0x21}


def user_items(body: bytes) -> dict[int, bytes]:
    (information,) = (value for kind, value in items(body[68:]) if kind == 0x50)
    return dict(items(information))


def items(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from(">BxH", data, at)
        found.append((kind, data[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"called": "OTHER"}, (1, 1, 7)),
        ({"calling": "STRANGER"}, (1, 1, 3)),
        ({"application_context": "1.2.3"}, (1, 1, 2)),
        ({"version": 2}, (1, 2, 2)),
    ],
    ids=str,
)
def test_7_1_a_peer_is_rejected_with_the_reason(
    ae: LiveAe, options: dict[str, object], expected: tuple[int, int, int]
) -> None:
    with raw_scu(ae.port) as scu:
        kind, body = scu.associate(**options)
        assert (kind, tuple(body[1:])) == (REJECT, expected)


@pytest.mark.parametrize(
    ("calling", "expected"), [("CT1", None), ("VIEWER", (1, 1, 7)), ("STRANGER", (1, 1, 7))], ids=str
)
def test_7_1_an_ae_title_of_ours_is_one_for_its_peer_only(
    tmp_path: Path, calling: str, expected: tuple[int, int, int] | None
) -> None:
    peers = PEERS.replace('"CT1"', '"CT1"\ncalled = { RESEARCH = "research" }')
    with live_ae(tmp_path, peers=peers) as ae, raw_scu(ae.port) as scu:
        kind, body = scu.associate(calling=calling, called="RESEARCH")
        assert (kind == ACCEPT) if expected is None else (kind, tuple(body[1:])) == (REJECT, expected)


@pytest.mark.parametrize("calling", ["CT1", " CT1", "  CT1 "])
def test_7_13_spaces_of_an_ae_title_mean_nothing(ae: LiveAe, calling: str) -> None:
    with raw_scu(ae.port) as scu:
        assert scu.associate(calling=calling, called=" DICOMCOMMON")[0] == ACCEPT
        assert scu.echo() == 0


@pytest.mark.parametrize("calling", ["ct1", "CT", "CT1 X", "CT1\\X"])
def test_7_1_an_ae_title_is_compared_whole(ae: LiveAe, calling: str) -> None:
    with raw_scu(ae.port) as scu:
        assert scu.associate(calling=calling)[0] == REJECT


def test_9_2_without_peers_everybody_is_rejected(tmp_path: Path) -> None:
    with live_ae(tmp_path, peers="") as ae, raw_scu(ae.port) as scu:
        kind, body = scu.associate()
        assert (kind, tuple(body[1:])) == (REJECT, (1, 1, 3))


def test_9_2_a_peer_calls_from_its_addresses_only(tmp_path: Path) -> None:
    peers = '[dimse.peers.a]\nae_title = "A"\naddresses = ["192.0.2.0/24"]\n'
    peers += '[dimse.peers.b]\nae_title = "B"\naddresses = ["127.0.0.0/8", "::1"]\n'
    with live_ae(tmp_path, peers=peers) as ae:
        for calling, expected in (("A", REJECT), ("B", ACCEPT)):
            with raw_scu(ae.port) as scu:
                assert scu.associate(calling=calling)[0] == expected


def test_7_1_the_limits_of_associations_are_a_transient_rejection(tmp_path: Path) -> None:
    peers = PEERS.replace('ae_title = "VIEWER"', 'ae_title = "VIEWER"\nmax_associations = 1')
    with (
        live_ae(tmp_path, settings="max_associations = 3", peers=peers) as ae,
        raw_scu(ae.port) as first,
        raw_scu(ae.port) as second,
        raw_scu(ae.port) as third,
        raw_scu(ae.port) as fourth,
        raw_scu(ae.port) as fifth,
    ):
        assert first.associate(calling="VIEWER")[0] == ACCEPT
        assert second.associate(calling="VIEWER")[1][1:] == bytes((2, 3, 2))
        assert third.associate()[0] == fourth.associate()[0] == ACCEPT
        assert fifth.associate()[1][1:] == bytes((2, 3, 2))
        first.send(RELEASE_RQ)
        assert first.read()[0] == RELEASE_RP
        first.connection.close()

        def is_accepted() -> bool:
            with raw_scu(ae.port) as again:
                return again.associate(calling="VIEWER")[0] == ACCEPT

        until(is_accepted)  # the place is given back


def test_7_1_contexts_are_answered_one_by_one(ae: LiveAe) -> None:
    contexts = [
        (1, ECHO, (IMPLICIT,)),
        (3, "1.2.3.4", (IMPLICIT,)),
        (5, SECONDARY_CAPTURE, ("1.2.3.5",)),
        (7, SECONDARY_CAPTURE, ("1.2.3.5", EXPLICIT, IMPLICIT)),
        (9, SECONDARY_CAPTURE, ("1.2.840.10008.1.2.4.91",)),
        (255, ECHO, ("1.2.840.10008.1.2.4.91", EXPLICIT)),
    ]
    with raw_scu(ae.port) as scu:
        kind, body = scu.associate(contexts=contexts)
        assert kind == ACCEPT
        found = results(body)
        assert {number: result for number, (result, _) in found.items()} == {1: 0, 3: 3, 5: 4, 7: 0, 9: 0, 255: 0}
        assert [found[number][1] for number in (1, 7, 9, 255)] == [
            IMPLICIT,
            EXPLICIT,
            "1.2.840.10008.1.2.4.91",
            EXPLICIT,
        ]


def test_7_1_private_classes_and_syntaxes_are_accepted_where_they_are_configured(tmp_path: Path) -> None:
    contexts = [(1, "1.2.3.4", (EXPLICIT,)), (3, SECONDARY_CAPTURE, ("1.2.3.5",)), (5, "1.2.3.6", ("1.2.3.7",))]
    for settings, expected in (
        ("", [3, 4, 3]),
        ('sop_classes = ["1.2.3.4"]\ntransfer_syntaxes = ["1.2.3.5"]', [0, 0, 3]),
        ("any_sop_class = true\nany_transfer_syntax = true", [0, 0, 0]),
    ):
        with live_ae(tmp_path, settings) as ae, raw_scu(ae.port) as scu:
            found = results(scu.associate(contexts=contexts)[1])
            assert [result for result, _ in found.values()] == expected


def test_7_13_what_is_not_known_is_skipped_and_order_means_nothing(ae: LiveAe) -> None:
    unknown = item(0x99, b"whatever") + item(0x31, b"")
    user = item(0x7E, b"?") + item(0x58, struct.pack(">BBH", 1, 0, 1) + b"u\0\0")
    asked = associate_rq(items=unknown, user_items=user)
    head, body = asked[:74], asked[74:]
    backwards = b"".join(item(kind, value) for kind, value in reversed(items(body)))
    for pdu_sent in (asked, head + backwards):
        with raw_scu(ae.port) as scu:
            scu.send(pdu_sent)
            assert scu.read()[0] == ACCEPT
            assert scu.echo() == 0


@pytest.mark.parametrize("asked", [(0, 0), (1, 1), (5, 3)])
def test_7_11_the_asynchronous_window_is_answered_when_it_is_asked_for(ae: LiveAe, asked: tuple[int, int]) -> None:
    with raw_scu(ae.port) as scu:
        assert user_items(scu.associate(user_items=item(0x53, struct.pack(">HH", *asked)))[1])[0x53] == b"\0\1\0\1"
    with raw_scu(ae.port) as scu:
        assert 0x53 not in user_items(scu.associate()[1])


def test_7_1_roles_are_answered_where_they_are_proposed(ae: LiveAe) -> None:
    def role(uid: str, scu: int, scp: int) -> bytes:
        return item(0x54, struct.pack(">H", len(uid)) + uid.encode() + bytes((scu, scp)))

    with raw_scu(ae.port) as scu:
        _, body = scu.associate(user_items=role(SECONDARY_CAPTURE, 1, 1))
        assert user_items(body)[0x54] == role(SECONDARY_CAPTURE, 1, 1)[4:]
    with raw_scu(ae.port) as scu:
        _, body = scu.associate(user_items=role(ECHO, 1, 1))
        assert user_items(body)[0x54] == role(ECHO, 1, 0)[4:]
    with raw_scu(ae.port) as scu:
        scu.associate(user_items=role(ECHO, 0, 1))
        assert scu.echo() == 0x0124


def test_7_1_release_is_answered_and_the_connection_ends_by_artim(tmp_path: Path) -> None:
    with live_ae(tmp_path, "associate_seconds = 2.0") as ae, raw_scu(ae.port) as scu:
        scu.associate()
        scu.send(RELEASE_RQ)
        assert scu.read()[0] == RELEASE_RP
        assert scu.is_closed()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (pdu(2, bytes(68)), 2),
        (pdu(3, bytes(4)), 2),
        (associate_rq(), 2),
        (pdu(6, bytes(4)), 2),
        (pdu(8, bytes(4)), 1),
        (pdu(0, b""), 1),
        (pdu(5, b""), 6),
        (pdu(5, bytes(8)), 6),
        (pdu(4, b""), 6),
        (pdu(4, b"\0\0\0\1\1"), 6),
        (pdu(4, struct.pack(">IBB", 400, 1, 3)), 6),
        (pdu(4, struct.pack(">IBB", 1, 1, 3)), 6),
        (p_data(fragment(1, b"", is_command=True, is_last=True)), 6),
        (p_data(fragment(1, b"\0\0\0\1\4\0\0\0", is_command=True, is_last=True)), 6),
        (p_data(fragment(1, command({2: ECHO, 0x100: 0x30}), is_command=True, is_last=True)), 6),
        (p_data(fragment(99, command({2: ECHO, 0x100: 0x30, 0x110: 1}), is_command=True, is_last=True)), 6),
        (p_data(fragment(1, command({0x100: 0x8030, 0x120: 1, 0x900: 0}), is_command=True, is_last=True)), 2),
        (p_data(fragment(1, b"data", is_command=False, is_last=True)), 6),
    ],
)
def test_7_13_what_must_not_come_aborts_the_association(ae: LiveAe, sent: bytes, reason: int) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        scu.send(sent)
        kind, body = scu.read()
        assert (kind, body[2], body[3]) == (ABORT, 2, reason)
    with raw_scu(ae.port) as another:
        another.associate()
        assert another.echo() == 0


@pytest.mark.parametrize(
    "sent",
    [
        pdu(4, bytes(10)),
        RELEASE_RQ,
        pdu(2, bytes(68)),
        pdu(9, bytes(4)),
        pdu(1, bytes(10)),
        pdu(1, bytes(68) + b"\x10\0\0\xff"),
        associate_rq(contexts=[(2, ECHO, (IMPLICIT,))]),
        associate_rq(contexts=[(1, ECHO, (IMPLICIT,)), (1, ECHO, (EXPLICIT,))]),
        associate_rq(user_items=item(0x53, b"\0")),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_7_13_what_is_no_request_for_an_association_is_aborted(ae: LiveAe, sent: bytes) -> None:
    with raw_scu(ae.port) as scu:
        scu.send(sent)
        assert scu.read()[0] == ABORT
    with raw_scu(ae.port) as another:
        assert another.associate()[0] == ACCEPT


def test_7_1_an_idle_association_is_aborted(tmp_path: Path) -> None:
    with live_ae(tmp_path, "idle_seconds = 0.3") as ae, raw_scu(ae.port) as scu:
        scu.send(associate_rq(), echo_rq())  # in one piece: between two it might be idle
        assert scu.read()[0] == ACCEPT
        assert scu.status() == 0
        assert scu.read()[0] == ABORT
        assert scu.is_closed()


def test_7_1_a_silent_connection_is_closed_by_artim(tmp_path: Path) -> None:
    with live_ae(tmp_path, "associate_seconds = 0.3") as ae, raw_scu(ae.port) as silent, raw_scu(ae.port) as slow:
        slow.send(associate_rq()[:40])
        assert silent.is_closed()
        assert slow.is_closed()
