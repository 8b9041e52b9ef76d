"""Mutated PDUs: no exception but a refusal, no hang, and another association is served meanwhile.

`DICOM_COMMON_TEST_FUZZ` is the number of PDUs that are sent, 2,000 by default; a stream of them has a few mutations.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from live_ae import LiveAe, associations, live_ae, until
from raw_scu import (
    ECHO,
    RELEASE_RQ,
    associate_rq,
    command,
    data_set,
    fragment,
    item,
    p_data,
    raw_scu,
    store_rq,
    uid_of,
)

PDUS = int(os.environ.get("DICOM_COMMON_TEST_FUZZ", "2000"))
PATIENT = 0.01
"""How many streams are followed by silence, and not by the end of what is sent."""


def corpus() -> list[list[bytes]]:
    """What peers send: an association with stores and echoes, in several shapes."""
    data = data_set(1, size=900)
    echo = p_data(fragment(1, command({2: ECHO, 0x100: 0x30, 0x110: 1}), is_command=True, is_last=True))
    request = fragment(3, store_rq(uid_of(1)), is_command=True, is_last=True)
    cut = [
        p_data(fragment(3, data[begin : begin + 100], is_command=False, is_last=begin + 100 >= len(data)))
        for begin in range(0, len(data), 100)
    ]
    extended = associate_rq(
        user_items=item(0x53, b"\0\1\0\1") + item(0x54, struct.pack(">H", len(ECHO)) + ECHO.encode() + b"\1\0")
    )
    return [
        [associate_rq(), echo, echo, RELEASE_RQ],
        [extended, p_data(request), p_data(fragment(3, data, is_command=False, is_last=True)), RELEASE_RQ],
        [associate_rq(), p_data(request, fragment(3, data, is_command=False, is_last=True)), echo, RELEASE_RQ],
        [associate_rq(), p_data(request), *cut, echo, b"\7\0\0\0\0\4\0\0\0\0"],
        [associate_rq(), p_data(fragment(1, command({0x100: 0x0FFF, 0x120: 1}), is_command=True, is_last=True)), echo],
    ]


def mutated(chance: random.Random, stream: list[bytes]) -> bytes:
    """A stream with a few bytes changed, taken out, doubled or put in; lengths most of all."""
    pdus = [bytearray(one) for one in stream]
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        one = chance.choice(pdus)
        where = chance.randrange(len(one)) if one else 0
        match chance.randrange(7):
            case 0 if one:
                one[where] = chance.randrange(256)
            case 1 if one:
                one[where] ^= 1 << chance.randrange(8)
            case 2:
                del one[where : where + chance.randrange(1, 40)]
            case 3:
                one[where:where] = chance.randbytes(chance.randrange(1, 40))
            case 4 if len(one) > 6:
                one[2:6] = struct.pack(">I", chance.choice((0, 1, 4, len(one), 131_072, 0x7FFFFFFF, 0xFFFFFFFF)))
            case 5:
                pdus.insert(chance.randrange(len(pdus) + 1), bytearray(one))
            case _:
                pdus.insert(chance.randrange(len(pdus)), pdus.pop(chance.randrange(len(pdus))))
    return b"".join(map(bytes, pdus))


@pytest.mark.slow
def test_mutated_pdus_are_refused_and_harm_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    chance, streams = random.Random(20261129), corpus()
    settings = "associate_seconds = 2.0\nreceive_seconds = 2.0\nidle_seconds = 2.0"
    with live_ae(tmp_path, settings) as ae:
        sent, streams_sent = 0, 0
        while sent < PDUS:
            stream = chance.choice(streams)
            sent, streams_sent = sent + len(stream), streams_sent + 1
            with raw_scu(ae.port) as scu, suppress(OSError):
                scu.send(mutated(chance, stream))
                if chance.random() > PATIENT:
                    scu.connection.shutdown(socket.SHUT_WR)
                while scu.read()[0] and chance.random() < 0.8:
                    pass
            if streams_sent % 50 == 0:
                assert_another_is_served(ae)
                assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
                caplog.clear()
        assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
        until(lambda: not associations(ae))


def assert_another_is_served(ae: LiveAe) -> None:
    with raw_scu(ae.port) as other:
        other.associate(calling="VIEWER")
        assert other.echo() == 0
