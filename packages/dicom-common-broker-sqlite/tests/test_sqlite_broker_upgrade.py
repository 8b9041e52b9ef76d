"""A file of version 1, which kept its groups in tables of its own, goes on as one of today's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from broker_messages import messages, take

from dicom_common.broker.sqlite import Settings, SqliteBroker

_BEFORE = """
DROP TABLE records;
CREATE TABLE positions (consumers TEXT NOT NULL, partition INTEGER NOT NULL REFERENCES partitions,
    position INTEGER NOT NULL, owner TEXT, PRIMARY KEY (consumers, partition)) WITHOUT ROWID;
CREATE TABLE acknowledged (consumers TEXT NOT NULL, partition INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (consumers, partition, position)) WITHOUT ROWID;
CREATE TABLE members (id TEXT PRIMARY KEY, consumers TEXT NOT NULL, topics TEXT NOT NULL, lease REAL NOT NULL)
    WITHOUT ROWID;
INSERT INTO positions SELECT 'g', id, 0, 'somebody' FROM partitions;
UPDATE positions SET position = 4 WHERE partition = 1;
INSERT INTO acknowledged VALUES ('g', 1, 6), ('g', 1, 7);
INSERT INTO members VALUES ('somebody', 'g', '["t"]', 9e9);
PRAGMA user_version = 1;
"""


def test_a_file_of_version_1_keeps_its_messages_and_what_its_groups_acknowledged(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path))) as broker:
        broker.publish("t", messages(200))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_BEFORE)
    with closing(SqliteBroker(Settings(path=path))) as broker:
        assert broker.backlog("t", "g") == 194
        with broker.consume(["t"], "g") as consumer:
            taken = take(consumer, 194)
            of_first = [each.offset for each in taken if each.partition == 0]
            assert of_first[:4] == [4, 5, 8, 9]
            consumer.acknowledge(taken)
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"topics", "partitions", "messages", "records", "probe"}
