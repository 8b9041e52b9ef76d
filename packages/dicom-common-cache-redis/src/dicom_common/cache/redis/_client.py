"""The client of redis-py for each form of address, and its errors as sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
    TryAgainError,
)
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SlaveNotFoundError

from dicom_common.cache.redis._settings import Settings
from dicom_common.core import BackendError, UnavailableError
from dicom_common.core.tls import client_context
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["ERRORS", "answered", "explained", "forget_connections", "is_read_only", "open_client", "refused_for_now"]

ERRORS = (RedisError, RedisClusterException, OSError)
"""What redis-py raises; not all of it has one root."""


def open_client(settings: Settings) -> Redis | RedisCluster:
    """Make a client. A cluster is asked for its nodes at once, all others connect when they are first used."""
    address = settings.address
    common: dict[str, Any] = {
        "username": settings.username,
        "password": settings.password.reveal() or None,
        "socket_connect_timeout": settings.connect_timeout,
        "socket_timeout": settings.timeout,
        "socket_keepalive": True,
        # A command is never sent twice: `add` would then not know its own first try. An idle connection that was
        # closed is noticed before it is used.
        "retry": Retry(NoBackoff(), 0),
    } | (_tls(settings) if address.tls else {})
    if address.form == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.nodes]  # type: ignore[no-untyped-call]  # redis-py's
        del common["retry"]  # its own: it asks the other nodes once where one is gone, and follows what has moved
        return RedisCluster(
            startup_nodes=nodes, retry=Retry(NoBackoff(), 1), max_connections=settings.pool_size, **common
        )
    if address.form == "sentinel":
        theirs = dict(common)
        theirs["username"], theirs["password"] = (
            settings.sentinel_username,
            settings.sentinel_password.reveal() or None,
        )
        sentinel = Sentinel(list(address.nodes), sentinel_kwargs=theirs)  # type: ignore[no-untyped-call]  # redis-py's
        return sentinel.master_for(  # type: ignore[no-untyped-call, no-any-return]  # redis-py's
            address.service,
            db=address.database,
            max_connections=settings.pool_size,
            **common,
        )
    where: dict[str, Any] = (
        {"unix_socket_path": address.path}
        if address.form == "socket"
        else {"host": address.nodes[0][0], "port": address.nodes[0][1]}
    )
    plain = Redis(db=address.database, **where, **common).connection_pool
    pool = BlockingConnectionPool(  # type: ignore[no-untyped-call]  # redis-py's
        connection_class=plain.connection_class,
        max_connections=settings.pool_size,
        timeout=settings.timeout,
        **plain.connection_kwargs,
    )
    return Redis.from_pool(pool)


def _tls(settings: Settings) -> dict[str, Any]:
    tls = settings.tls
    context = client_context(tls)  # says which file is wrong; redis-py takes no context, only the same files again

    def text(path: Path | None) -> str | None:
        return None if path is None else str(path)

    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": context.minimum_version,
        "ssl_ca_certs": text(tls.ca),
        "ssl_certfile": text(tls.certificate),
        "ssl_keyfile": text(tls.key),
    }


def answered(error: Exception) -> bool:
    """Tell whether an error is the answer of a server that is well otherwise."""
    return isinstance(error, ResponseError) and not isinstance(error, ClusterDownError | NoPermissionError)


def is_read_only(error: Exception) -> bool:
    """Tell whether a server is a replica, which takes no values."""
    # redis-py's own words where sentinels have named it as the primary.
    return isinstance(error, ReadOnlyError) or "previous master is now a slave" in str(error)


def refused_for_now(error: Exception) -> bool:
    """Tell whether a server did not do what it was asked, because its part in an installation changes.

    A new connection may lead to the one that has taken over; and to send a command again that was refused is safe.
    """
    return is_read_only(error) or isinstance(error, BusyLoadingError | ClusterDownError | TryAgainError)


def forget_connections(client: Redis | RedisCluster) -> None:
    """Close the connections that are not in use. The client of a cluster asks for the nodes by itself."""
    if isinstance(client, Redis):
        client.connection_pool.disconnect(inuse_connections=False)


_NO_LOGIN = "{where} refuses cache.username and cache.password."
_IS_REPLICA = "{where} is a replica and takes no values: name the primary, or sentinels, in cache.url."
_MEANINGS = (
    Meaning(UnavailableError, _NO_LOGIN, classes=(AuthenticationError, AuthenticationWrongNumberOfArgsError)),
    Meaning(UnavailableError, _NO_LOGIN, words=("NOAUTH",)),
    Meaning(
        UnavailableError,
        "{where} does not let the user of cache.username do this: the README lists what is needed.",
        classes=(NoPermissionError,),
    ),
    Meaning(
        UnavailableError,
        "{where} is full: give it a maxmemory-policy such as allkeys-lru, or more memory.",
        classes=(OutOfMemoryError,),
    ),
    Meaning(UnavailableError, "{where} is a cluster: write redis+cluster:// in cache.url.", classes=(MovedError,)),
    Meaning(UnavailableError, _IS_REPLICA, classes=(ReadOnlyError,)),
    Meaning(
        UnavailableError,
        "{where}: the server that these sentinels name has just become a replica: try again.",
        words=("previous master is now a slave",),
    ),
    Meaning(UnavailableError, "{where} is starting and loads its data: try again.", classes=(BusyLoadingError,)),
    Meaning(
        UnavailableError,
        "{where} is a replica that has lost its primary: name the primary, or sentinels, in cache.url.",
        classes=(MasterDownError,),
    ),
    Meaning(UnavailableError, "{where} is a cluster that is down: check its nodes.", classes=(ClusterDownError,)),
    Meaning(UnavailableError, "{where} is moving keys between its nodes: try again.", classes=(TryAgainError,)),
    Meaning(
        UnavailableError,
        "{where} is not a cluster: write redis:// in cache.url.",
        classes=(RedisClusterException,),
        words=("luster mode is not enabled",),
    ),
    Meaning(
        UnavailableError,
        "{where}: these sentinels name no server for the service of cache.url, or do not answer.",
        classes=(MasterNotFoundError, SlaveNotFoundError),
    ),
    Meaning(
        UnavailableError,
        "{where}: all connections are in use: raise cache.pool_size.",
        words=("No connection available", "Too many connections"),
    ),
    Meaning(
        UnavailableError,
        "{where}: its certificate cannot be verified: check cache.tls.ca, and the host in cache.url.",
        words=("CERTIFICATE_VERIFY", "certificate verify"),
    ),
    Meaning(
        UnavailableError,
        "{where}: TLS fails: does it speak TLS (cache.url), and does it ask for cache.tls.certificate?",
        words=("SSL", "TLS"),
    ),
    Meaning(UnavailableError, "{where} refuses to work{code}: see its log.", classes=(ResponseError,)),
    Meaning(
        UnavailableError,
        "{where} does not answer in time (cache.timeout, cache.connect_timeout): check cache.url{tls}.",
        classes=(RedisTimeoutError, TimeoutError),
    ),
    Meaning(UnavailableError, "{where} cannot be reached ({name}): check cache.url{tls}."),
)


def explained(error: BaseException, settings: Settings) -> BackendError:
    """Return what is wrong and which setting mends it; no word of the server's own, for it may hold a key."""
    code = str(error).partition(" ")[0]
    # A server that wants a certificate, or speaks no TLS, only hangs up or is silent.
    tls = ", and whether it speaks TLS and asks for cache.tls.certificate" if settings.address.tls else ""
    return Meanings(_MEANINGS, {"where": f"Redis at {settings.address}", "tls": tls}).error(
        error, code=f" ({code})" if code.isalpha() and code.isupper() else "", name=type(error).__name__
    )
