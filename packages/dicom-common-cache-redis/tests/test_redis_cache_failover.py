"""Servers whose part changes: a primary that becomes a replica and back, and one that is still loading."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
import redis

from dicom_common.cache.redis import RedisCache, Settings
from dicom_common.core import HealthStatus, UnavailableError
from dicom_common.testing import health_of

pytestmark = pytest.mark.kills

Server = Any
"""What `start_redis` of conftest.py starts."""
Start = Callable[..., Server]


def opened(port: int, **settings: Any) -> RedisCache:
    return RedisCache(Settings(url=f"redis://127.0.0.1:{port}/0", timeout=20, connect_timeout=20, **settings))


def plain(server: Server) -> redis.Redis:
    return redis.Redis(port=server.port)


@contextmanager
def address(target: Server) -> Iterator[tuple[int, Callable[[Server], None]]]:
    """Give a port that leads to a server, as a virtual address does; the second leads it to another.

    What was connected stays connected.
    """
    current = [target.port]
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", current[0]))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    def move(to: Server) -> None:
        current[0] = to.port

    with closing(listener):
        yield int(listener.getsockname()[1]), move


def test_a_failover_that_moves_the_address_is_not_noticed(start_redis: Start) -> None:
    first, second = start_redis(), start_redis()
    with address(first) as (port, move), closing(opened(port)) as cache:
        cache.set("a", b"x", ttl=60)
        with plain(first) as client:
            client.replicaof("127.0.0.1", second.port)
        move(second)
        cache.set("a", b"y", ttl=60)
        assert cache.add("b", b"z", ttl=60) is True
        assert cache.delete("b", only_if=b"z") is True
        assert health_of(cache).status is HealthStatus.OK
        with plain(second) as client:
            assert client.get("dicom-common:a") == b"y"


def test_each_command_that_writes_goes_to_the_server_that_has_taken_over(start_redis: Start) -> None:
    commands: tuple[Callable[[RedisCache], Any], ...] = (
        lambda cache: cache.set("a", b"y", ttl=60),
        lambda cache: cache.add("b", b"y", ttl=60),
        lambda cache: cache.delete("a"),
        lambda cache: cache.delete("a", only_if=b"x"),
    )
    first, second = start_redis(), start_redis()
    for command in commands:
        with plain(first) as client:
            client.replicaof("NO", "ONE")
        with plain(second) as client:
            client.flushall()
            client.set("dicom-common:a", b"x")
        with address(first) as (port, move), closing(opened(port)) as cache:
            cache.set("a", b"x", ttl=60)
            with plain(first) as client:
                client.execute_command("CONFIG", "SET", "replica-serve-stale-data", "yes")
                client.replicaof("127.0.0.1", 1)  # nobody is there: it keeps what it has
            move(second)
            command(cache)


def test_a_primary_that_becomes_a_replica_is_told_of_and_used_again_when_it_is_one_no_more(start_redis: Start) -> None:
    primary, server = start_redis(), start_redis()
    with closing(opened(server.port)) as cache, plain(server) as client:
        cache.set("a", b"x", ttl=60)
        client.execute_command("CONFIG", "SET", "replica-serve-stale-data", "yes")
        client.replicaof("127.0.0.1", primary.port)
        for _ in range(5):  # a server that answers is not left alone
            with pytest.raises(UnavailableError, match=r"replica.*cache\.url"):
                cache.set("a", b"y", ttl=60)
        health = health_of(cache)
        assert (health.status, "cache.url" in health.detail) == (HealthStatus.DEGRADED, True)
        client.execute_command("CONFIG", "SET", "replica-read-only", "no")
        health = health_of(cache)
        assert (health.status, "replica" in health.detail) == (HealthStatus.DEGRADED, True)
        client.replicaof("NO", "ONE")
        cache.set("a", b"y", ttl=60)
        assert cache.get("a") == b"y"
        assert health_of(cache).status is HealthStatus.OK


def test_a_replica_that_has_lost_its_primary_is_said(start_redis: Start, free: int) -> None:
    server = start_redis("--replica-serve-stale-data", "no")
    with closing(opened(server.port)) as cache, plain(server) as client:
        client.replicaof("127.0.0.1", free)
        with pytest.raises(UnavailableError, match="lost its primary"):
            cache.get("a")
        assert health_of(cache).status is HealthStatus.FAILED


def test_a_server_that_loads_its_data_is_said_and_used_when_it_has_it(start_redis: Start) -> None:
    server = start_redis("--enable-debug-command", "yes")
    with closing(opened(server.port, failures=1000)) as cache, plain(server) as client:
        client.execute_command("DEBUG", "POPULATE", "2000", "key", "100")
        client.config_set("key-load-delay", 1000)  # microseconds for each key
        client.config_set("loading-process-events-interval-bytes", 1024)
        loading = threading.Thread(target=lambda: client.execute_command("DEBUG", "RELOAD"))
        loading.start()
        told: list[str] = []
        end = time.monotonic() + 60
        while loading.is_alive():
            assert time.monotonic() < end
            try:
                cache.set("a", b"x", ttl=60)
            except UnavailableError as error:
                told.append(str(error))
        loading.join()
        assert any("loads its data" in text for text in told)
        cache.set("a", b"x", ttl=60)
