"""Apache Kafka as a server for tests: one process that is broker and controller (KRaft), from its Maven artifacts."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dicom_common.testing.servers._install import Commands, Install

HOST = "127.0.0.1"
VERSION = "4.1.0"
_HOME = os.environ.get("KAFKA_HOME")
_CLUSTER = "dGVzdHMtb2YtZGljb20tYw"  # 16 bytes, made up
_HEAP = ("-Xmx512m", "-XX:TieredStopAtLevel=1")  # it lives for minutes: what compiles longer than it runs is no gain

KAFKA = Install(
    name="kafka",
    version=VERSION,
    tool="mvn",
    tool_package="maven",
    commands=lambda folder: [
        [
            *("mvn", "--batch-mode", "--quiet", "--file", Path(__file__).with_name("kafka.pom.xml")),
            *("dependency:copy-dependencies", f"-Dkafka={VERSION}", f"-DoutputDirectory={folder / 'libs'}"),
        ]
    ],
    program=f"libs/kafka_2.13-{VERSION}.jar",
)
INSTALL = None if _HOME else KAFKA

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listeners": "PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}",
    "advertised.listeners": "PLAINTEXT://{host}:{port}",
    "controller.quorum.bootstrap.servers": "{host}:{controller}",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": "{folder}/data",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A topic is made by who knows how many partitions it needs.
    "auto.create.topics.enable": "false",
}
# A container has names of its own for these, and one port that is not the one that clients use.
IMAGE_ENVIRONMENT = (
    *("KAFKA_NODE_ID=1", "KAFKA_PROCESS_ROLES=broker,controller"),
    "KAFKA_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093",
    f"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{HOST}:{{port}}",
    *("KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER", "KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093"),
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    *("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1"),
    *("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0"),
    *("KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS=1000", "KAFKA_AUTO_CREATE_TOPICS_ENABLE=false"),
)


def commands(
    folder: Path, port: int, *, properties: Mapping[str, str] = MappingProxyType({}), users: tuple[str, ...] = ()
) -> Commands:
    """Return the command that makes the data folder, and the server's.

    Args:
        folder: of the server.
        port: of the first listener.
        properties: what differs from `PROPERTIES`.
        users: credentials for SCRAM, as StorageTool takes them.
    """
    file = folder / "kraft.properties"
    if not file.exists():  # a server that is started again keeps its controller's port
        with socket.create_server((HOST, 0)) as probe:
            controller = probe.getsockname()[1]
        lines = [
            f"{name}={value.format(host=HOST, port=port, controller=controller, folder=folder)}\n"
            for name, value in {**PROPERTIES, **properties}.items()
        ]
        file.write_text("".join(lines), encoding="utf-8")
    classes = Path(_HOME) / "libs" if _HOME else KAFKA.folder / "libs"
    java = ["java", *_HEAP, "-cp", f"{classes}/*"]
    scram = [word for user in users for word in ("--add-scram", user)]
    tool = [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", _CLUSTER, "-c", str(file), *scram]
    return [tool, [*java, "kafka.Kafka", str(file)]]


def ready(port: int) -> bool:
    """Ask for the versions of the API (key 18): who answers that without an error takes work."""
    request = struct.pack("!hhih", 18, 0, 1, -1)
    with socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(struct.pack("!i", len(request)) + request)
        answer = b""
        while len(answer) < 10 and (part := connection.recv(10 - len(answer))):
            answer += part
    return len(answer) == 10 and answer[8:] == b"\0\0"
