"""The settings, the client, and what its errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from dicom_common.core import BackendError, Limits, RefusedError, Secret, UnavailableError
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["Settings", "connect", "place", "translated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of the table `[broker]`."""

    url: str = "redis://127.0.0.1:6379/0"
    """Where the server is: `redis://` or `rediss://`, without a password."""
    user: str | None = None
    password: Secret | None = None
    prefix: str = "dicom-common:"
    """How all keys in the server begin."""
    partitions: Annotated[int, Limits(1, 1024)] = 8
    """How many partitions a new topic gets."""
    lease: Annotated[float, Limits(1, 3600)] = 30.0
    """Seconds after which a member of a group that gives no sign of life loses what it was working on."""
    keep_messages: Annotated[int, Limits(0, 1 << 40)] = 100_000
    """How many messages of a partition are kept at least; older ones go when all groups have acknowledged them."""
    max_message_bytes: Annotated[int, Limits(1, 1 << 29)] = 64 << 20
    timeout: Annotated[float, Limits(0.1, 600)] = 5.0
    """Seconds to wait for the server."""


_MEANINGS = (
    Meaning(
        RefusedError,
        "{where} refuses the user: correct broker.user or broker.password ({name}).",
        classes=(exceptions.AuthenticationError, exceptions.NoPermissionError),
    ),
    Meaning(
        UnavailableError,
        "{where} cannot be reached or does not answer: check broker.url, and that the server runs ({name}).",
        classes=(exceptions.ConnectionError, exceptions.TimeoutError, OSError),
    ),
    Meaning(
        UnavailableError,
        "{where} takes no messages now: check its memory and its disk ({name}).",
        words=("OOM", "MISCONF", "LOADING", "READONLY", "BUSY"),
    ),
    Meaning(BackendError, "{where} failed in an unforeseen way ({name})."),
)


def place(settings: Settings) -> str:
    """Return how messages call the server: without what a URL may hide."""
    parts = urlsplit(settings.url)
    return f"the Redis server {parts.hostname}:{parts.port or 6379}"


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the client's errors into those of the core."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        raise Meanings(_MEANINGS, {"where": where, "name": type(error).__name__}).error(error) from error


def connect(settings: Settings) -> Redis:
    """Make a client; it connects when it is used, and makes no request again by itself."""
    return Redis.from_url(
        settings.url,
        username=settings.user,
        password=None if settings.password is None else settings.password.reveal(),
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        retry=Retry(NoBackoff(), 0),
    )
