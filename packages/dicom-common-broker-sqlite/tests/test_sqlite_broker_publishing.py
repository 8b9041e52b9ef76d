"""A publish that fails says why, and nothing of its batch is there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from broker_messages import messages

from dicom_common.broker.sqlite import Settings, SqliteBroker
from dicom_common.core import Message, PublishError, TooLargeError, UnavailableError


def test_a_file_that_is_kept_busy_is_said_and_nothing_is_half_published(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, timeout=0.2))) as broker:
        broker.publish("t", messages(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(PublishError, match="busy") as caught:
                broker.publish("t", messages(3))
            assert caught.value.failed == (0, 1, 2)
            assert isinstance(caught.value, UnavailableError)
            other.execute("ROLLBACK")
        broker.publish("t", messages(3))
        assert broker.backlog("t", "g") == 4


def test_a_message_that_is_too_large_is_told_and_nothing_of_its_batch_is_there(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, max_message_bytes=10))) as broker:
        broker.publish("topic", [Message(key="k", body=bytes(10))])
        with pytest.raises(TooLargeError, match=r"broker\.max_message_bytes"):
            broker.publish("topic", [Message(key="k", body=b"small"), Message(key="k", body=bytes(11))])
        assert broker.backlog("topic", "readers") == 1
