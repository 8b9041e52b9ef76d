"""A whole installation whose parts can be killed: servers, receivers, workers and relays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import chaos_receiver
import psycopg
from embedded import COMMAND

from dicom_common.host import Services
from dicom_common.testing.servers import PrivateServer, private_server

HANG = 300
"""Seconds after which something counts as hanging. A guard, no measure."""
CANNOT_START = 2
"""The exit code of a command that found a backend away when it started; one that goes away later is waited for."""
_TRIGGER = """
CREATE TABLE written (pk bigint PRIMARY KEY, event_id text, topic text, event_key text);
CREATE FUNCTION note_event() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO written VALUES (NEW.pk, NEW.event_id, NEW.topic, NEW.event_key); RETURN NEW; END';
CREATE TRIGGER note_event AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION note_event();
"""
"""Keeps for good what the outbox forgets: which events there were, and in which order."""


class Part(Protocol):
    """What can be killed and started again."""

    def kill(self) -> None:
        """Kill it with SIGKILL, and wait until it is gone."""
        ...

    def start(self) -> None:
        """Start it again."""
        ...


class Program:
    """A process of the library. It may end well by itself, but not badly."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        self.name = name
        self._command, self._log = [str(word) for word in command], log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(HANG)
            self._process = None

    def stop(self) -> int:
        """End it in good order, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(HANG)

    def supervise(self) -> None:
        """Start it again where it found a server away while it started: as whoever runs it does."""
        if self.code == CANNOT_START:
            self.start()
        assert self.code in (None, 0), f"{self.name} ended with {self.code}:\n{self.log[-4000:]}"

    @property
    def code(self) -> int | None:
        """The exit code of one that has ended by itself."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""


class Site:
    """See `running_site`."""

    def __init__(self, folder: Path, servers: dict[str, PrivateServer], files: Sequence[bytes]) -> None:
        self.folder, self.servers = folder, servers
        self.configuration = folder / "dicom-common.toml"
        self.configuration.write_text(self._settings())
        self.journals = [folder / f"journal-{number}" for number in range(2)]
        for number, content in enumerate(files):
            file = folder / f"sender-{number % 2}" / f"{number:06}.dcm"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        self.receivers = [
            self._program(
                f"receiver-{number}", sys.executable, chaos_receiver.__file__, folder / f"sender-{number}", journal
            )
            for number, journal in enumerate(self.journals)
        ]
        self.workers = [self._program(f"worker-{number}", *COMMAND, "worker") for number in range(3)]
        self.relays = [self._program(f"relay-{number}", *COMMAND, "relay") for number in range(2)]

    def _settings(self) -> str:
        kafka, redis, postgres = (self.servers[name] for name in ("kafka", "redis", "postgres"))
        return f"""
            data = "{self.folder / "data"}"
            [db]
            backend = "postgres"
            host = "{postgres.host}"
            port = {postgres.port}
            user = "postgres"
            [broker]
            backend = "kafka"
            servers = ["{kafka.host}:{kafka.port}"]
            partitions = 6
            session_timeout = 6.0
            timeout = 10.0
            connect_timeout = 2.0
            [cache]
            backend = "redis"
            url = "redis://{redis.host}:{redis.port}/0"
            [ingest]
            mode = "queued"
            [worker]
            batch_seconds = 0.5
            """

    def _program(self, name: str, *command: str | Path) -> Program:
        words = list(command)
        words[3:3] = ["--config", self.configuration]  # behind python -m dicom_common.cli
        if "receiver" in name:
            words = [*command[:2], self.configuration, *command[2:]]
        return Program(name, words, self.folder / f"{name}.log")

    @property
    def programs(self) -> list[Program]:
        return [*self.receivers, *self.workers, *self.relays]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        line = [*COMMAND, "--config", str(self.configuration), *words]
        return subprocess.run(line, capture_output=True, text=True, timeout=HANG, check=False)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the index's server directly."""
        server = self.servers["postgres"]
        with psycopg.connect(
            host=server.host, port=server.port, user="postgres", dbname="dicom_common", autocommit=True
        ) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def acknowledged(self) -> list[str]:
        """Return the SOP Instance UIDs of which a sender knows that they are safe."""
        return [line.split()[1] for journal in self.journals for line in chaos_receiver.journal_lines(journal)]

    def indexed(self) -> int:
        """Count the instances of the index; it has to be there."""
        return int(self.sql("SELECT count(*) FROM instance")[0][0])

    def candidates(self) -> dict[str, list[Part]]:
        """Return what may be killed now, by kind: a receiver that has ended is no longer one."""
        parts: dict[str, list[Part]] = {name: [server] for name, server in self.servers.items()}
        parts["receiver"] = [receiver for receiver in self.receivers if receiver.code is None]
        parts["worker"], parts["relay"] = list(self.workers), list(self.relays)
        return parts


@contextmanager
def running_site(folder: Path, files: Sequence[bytes]) -> Iterator[Site]:
    """Start everything: PostgreSQL, Kafka, Redis, two receivers, three workers, two relays.

    Raises:
        AbsentError: this machine lacks a server.
    """
    with ExitStack() as stack:
        servers = {name: stack.enter_context(private_server(name)) for name in ("postgres", "kafka", "redis")}
        postgres = servers["postgres"]
        with psycopg.connect(host=postgres.host, port=postgres.port, user="postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE dicom_common TEMPLATE template0")
        site = Site(folder, servers, files)
        with Services.from_file(site.configuration) as services:
            services.db.backlog()  # makes the tables
        site.sql(_TRIGGER)
        for program in site.programs:
            stack.callback(program.kill)
            program.start()
        yield site
