"""conformance.md 9.5, 7.16, T6: what hostile peers send costs them more than us, and others notice nothing."""

from __future__ import annotations

import gc
import resource
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from live_ae import LiveAe, live_ae, until
from raw_scu import (
    ABORT,
    ACCEPT,
    ECHO,
    IMPLICIT,
    associate_rq,
    data_set,
    fragment,
    item,
    p_data,
    pdu,
    raw_scu,
    store_rq,
    uid_of,
)
from scp_process import scp_process

from dicom_common.dimse._receiving import Incoming
from dicom_common.dimse._receiving._pdu import LostError
from dicom_common.dimse._receiving._wire import Wire
from dicom_common.pipeline import HELD

MIB = 1 << 20


@pytest.mark.parametrize("kind", [1, 4, 5, 6, 7])
@pytest.mark.parametrize("is_associated", [False, True])
def test_9_5_a_length_is_judged_before_anything_is_read(ae: LiveAe, kind: int, *, is_associated: bool) -> None:
    with raw_scu(ae.port) as scu:
        if is_associated:
            scu.associate()
        scu.send(struct.pack(">BxI", kind, 0xFFFFFFFF))
        assert scu.read()[0] == ABORT


def test_9_5_the_agreed_length_is_the_limit(tmp_path: Path) -> None:
    with live_ae(tmp_path, "max_pdu_bytes = 4096") as ae:
        for length, expected in ((4096, 4), (4097, ABORT)):
            with raw_scu(ae.port) as scu:
                scu.associate()
                asked = store_rq(uid_of(1))
                scu.send(p_data(fragment(3, asked, is_command=True, is_last=True)))
                scu.send(p_data(fragment(3, bytes(length - 6), is_command=False, is_last=True)))
                assert scu.read()[0] == expected


def test_9_5_a_command_set_without_end_is_not_collected(ae: LiveAe) -> None:
    with raw_scu(ae.port) as scu:
        scu.associate()
        endless = p_data(fragment(1, bytes(16000), is_command=True, is_last=False))
        scu.send(*[endless] * 5)
        assert scu.read()[0] == ABORT


def test_9_5_many_contexts_and_items_are_no_trouble(ae: LiveAe) -> None:
    syntaxes = tuple(f"1.2.3.{number}" for number in range(40))
    contexts = [(number, ECHO, (*syntaxes, IMPLICIT)) for number in range(1, 256, 2)]
    with raw_scu(ae.port) as scu:
        scu.send(associate_rq(contexts=contexts, user_items=item(0x77, bytes(50)) * 1000))
        assert scu.read()[0] == ACCEPT
        assert scu.echo() == 0


def test_7_16_200_silent_and_half_open_connections_harm_no_other(tmp_path: Path) -> None:
    # Whoever waited for a silent one would wait for longer than the client of this test does.
    with live_ae(tmp_path, "associate_seconds = 600.0") as ae, ExitStack() as stack:
        for number in range(200):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", ae.port)))
            silent.sendall(associate_rq()[: number % 30])
        with raw_scu(ae.port) as scu:
            assert scu.associate()[0] == ACCEPT
            assert scu.store(1) == 0


def test_7_16_of_too_many_connections_the_oldest_silent_one_is_closed(tmp_path: Path) -> None:
    settings = "associate_seconds = 600.0\nmax_connections = 20"
    with live_ae(tmp_path, settings) as ae, raw_scu(ae.port) as busy, ExitStack() as stack:
        assert busy.associate()[0] == ACCEPT
        silent = [stack.enter_context(raw_scu(ae.port)) for _ in range(30)]
        assert silent[0].is_closed()
        assert silent[5].is_closed()
        with raw_scu(ae.port) as scu:
            assert scu.associate()[0] == ACCEPT
            assert scu.echo() == 0
        assert busy.echo() == 0


def test_9_5_a_peer_that_drips_is_cut_off(tmp_path: Path) -> None:
    with live_ae(tmp_path, "receive_seconds = 0.5") as ae, raw_scu(ae.port) as scu:
        scu.associate()
        scu.send(p_data(fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)))
        dripped = p_data(fragment(3, data_set(1), is_command=False, is_last=True))
        # `receive_seconds` as it comes would let all of it through.
        with pytest.raises(OSError, match=r"."):  # noqa: PT012 - each byte may be the last that is taken
            for begin in range(len(dripped)):
                scu.send(dripped[begin : begin + 1])
                time.sleep(0.05)


def test_9_5_a_peer_that_takes_nothing_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as deaf,
        listening.accept()[0] as ours,
    ):
        with pytest.raises(LostError, match="sending failed with TimeoutError"):
            Wire(ours, 16384, send_seconds=0.3).send(bytes(64 * MIB))
        assert deaf.recv(10) == bytes(10)


def test_9_5_what_associations_hold_together_is_bounded(ae: LiveAe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HELD, "most", MIB)
    with ExitStack() as stack:
        slow = [stack.enter_context(raw_scu(ae.port)) for _ in range(8)]
        instances = [data_set(number, size=1_900_000) for number in range(1, 9)]
        for number, (scu, data) in enumerate(zip(slow, instances, strict=True), 1):
            scu.associate()
            scu.send(p_data(fragment(3, store_rq(uid_of(number)), is_command=True, is_last=True)))
            for begin in range(0, 1_800_000, 100_000):
                piece = data[begin : begin + 100_000]
                scu.send(p_data(fragment(3, piece, is_command=False, is_last=False)))
        until(lambda: HELD.size > MIB)
        assert HELD.size < MIB + 8 * 512 * 1024
        for scu, data in zip(slow, instances, strict=True):
            scu.send(p_data(fragment(3, data[1_800_000:], is_command=False, is_last=True)))
        assert [scu.status() for scu in slow] == [0] * 8
    until(lambda: HELD.size == 0)


def test_9_5_what_a_peer_sent_that_breaks_off_is_let_go_of(ae: LiveAe) -> None:
    def held() -> int:
        return sum(isinstance(one, Incoming) for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = held()
        for ending in (b"", b"\7\0\0\0\0\4\0\0\0\0", p_data(fragment(1, b"x", is_command=True, is_last=True))):
            with raw_scu(ae.port) as scu:
                scu.associate()
                scu.send(p_data(fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)))
                scu.send(p_data(fragment(3, bytes(10_000), is_command=False, is_last=False)) + ending)
        until(lambda: held() <= before)
    finally:
        gc.enable()


@pytest.mark.kills
def test_9_5_silent_connections_that_take_all_file_descriptors_give_them_back(tmp_path: Path) -> None:
    settings = "associate_seconds = 60.0"
    with (
        scp_process(tmp_path, settings=settings, expected="a connection cannot be accepted") as running,
        ExitStack() as stack,
    ):
        with raw_scu(running.port) as scu:
            scu.associate()
            assert scu.store(1) == 0
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (80, 80))
        for _ in range(120):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
        with raw_scu(running.port) as scu:
            assert scu.associate()[0] == ACCEPT
            assert scu.echo() == 0


@pytest.mark.kills
@pytest.mark.slow
def test_9_5_memory_is_bounded_whatever_is_sent(tmp_path: Path) -> None:
    with scp_process(tmp_path) as running:
        with raw_scu(running.port) as scu:
            scu.associate()
            assert scu.store(1, size=1000) == 0
        before = running.memory()
        for kind in (1, 4, 7):
            for _ in range(20):
                with raw_scu(running.port) as scu:
                    scu.associate()
                    scu.send(struct.pack(">BxI", kind, 300 * MIB), bytes(MIB))
        with raw_scu(running.port) as scu, raw_scu(running.port) as slow:
            slow.send(pdu(1, bytes(MIB))[: MIB // 2])
            scu.associate()
            scu.send(p_data(fragment(3, store_rq(uid_of(2)), is_command=True, is_last=True)))
            piece = p_data(fragment(3, bytes(130_000), is_command=False, is_last=False))
            for _ in range(1500):  # 195 MB that are no data set
                scu.send(piece)
            scu.send(p_data(fragment(3, b"", is_command=False, is_last=True)))
            assert scu.status() == 0xA910  # no UIDs
        assert running.memory() - before < 64 * MIB
