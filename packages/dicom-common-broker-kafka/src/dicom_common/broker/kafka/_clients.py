"""What every client of kafka-python is given, and its errors as sentences."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import errors

from dicom_common.broker.kafka._settings import Settings
from dicom_common.core import BackendError, ConfigError, NotFoundError, RefusedError, TooLargeError, UnavailableError
from dicom_common.core.tls import client_context
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["common", "compression", "explained", "is_refused", "translated"]

_GLANCE = 1.0
"""Seconds in which a server that refuses a connection says so."""
_CODECS = {"lz4": "lz4", "snappy": "snappy", "zstd": "zstandard"}
"""The module that a compression needs."""


def common(settings: Settings) -> dict[str, Any]:
    """Return the arguments that all clients share."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": list(settings.servers),
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.timeout * 1000),
        "bootstrap_timeout_ms": int(settings.connect_timeout * 1000),
        "reconnect_backoff_max_ms": 1000,
        "security_protocol": ("SASL_" if settings.username else "") + ("SSL" if settings.encrypted else "PLAINTEXT"),
    }
    if settings.encrypted:
        arguments["ssl_context"] = client_context(settings.tls)
    if settings.username:
        arguments |= {
            "sasl_mechanism": settings.mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password.reveal(),
        }
    return arguments


def compression(settings: Settings) -> str | None:
    """Return what a producer is given.

    Raises:
        ConfigError: the package for it is missing.
    """
    if settings.compression == "none":
        return None
    module = _CODECS.get(settings.compression)
    if module is not None and importlib.util.find_spec(module) is None:
        package = {"snappy": "python-snappy"}.get(module, module)
        raise ConfigError(f"broker.compression = {settings.compression!r} needs a package: pip install {package}")
    return settings.compression


def is_refused(settings: Settings) -> bool:
    """Tell whether every server refuses a connection. kafka-python would try again for `connect_timeout` seconds."""
    for server, host in zip(settings.servers, settings.hosts, strict=True):
        try:
            socket.create_connection((host, int(server.rpartition(":")[2])), timeout=_GLANCE).close()
        except ConnectionRefusedError:
            continue
        except OSError:
            return False  # kafka-python finds out what is wrong
        return False
    return True


@contextmanager
def translated(settings: Settings) -> Iterator[None]:
    """Raise the errors of kafka-python as ours."""
    try:
        yield
    except (errors.KafkaError, OSError, AssertionError) as error:  # its checks of answers are asserts
        raise explained(error, settings) from error


_MEANINGS = (
    Meaning(
        RefusedError,
        "{where} refuses broker.username and broker.password.",
        classes=(errors.SaslAuthenticationFailedError, errors.IllegalSaslStateError),
    ),
    Meaning(
        RefusedError,
        "{where} does not offer the mechanism of broker.mechanism.",
        classes=(errors.UnsupportedSaslMechanismError,),
    ),
    Meaning(
        RefusedError,
        "{where} does not let the user of broker.username do this: the README lists what is needed.",
        classes=(errors.AuthorizationError,),
    ),
    Meaning(
        NotFoundError,
        "{where} does not have the topic: run `dicom-common init`.",
        classes=(errors.UnknownTopicOrPartitionError,),
    ),
    Meaning(
        TooLargeError,
        "{where} does not take a message of this size: raise broker.max_message_bytes, and message.max.bytes there.",
        classes=(errors.MessageSizeTooLargeError, errors.RecordListTooLargeError),
    ),
    Meaning(
        UnavailableError,
        "{where} has too few replicas in sync to take messages durably (min.insync.replicas): check its brokers.",
        classes=(errors.NotEnoughReplicasError, errors.NotEnoughReplicasAfterAppendError),
    ),
    Meaning(
        RefusedError,
        "{where} has fewer brokers than broker.replicas asks for.",
        classes=(errors.InvalidReplicationFactorError,),
    ),
    Meaning(BackendError, "{where} refuses: {name}.", classes=(errors.BrokerResponseError,), codes=(False,)),
    # kafka-python goes on trying whatever the reason is, and in the end says only that the time is over.
    Meaning(
        UnavailableError,
        "{where} does not answer in time, or refuses the connection: check {settings}.",
        classes=(errors.KafkaTimeoutError, errors.RequestTimedOutError, TimeoutError),
    ),
    Meaning(UnavailableError, "{where} cannot be reached: check {settings}."),
)


def explained(error: BaseException, settings: Settings) -> BackendError:
    """Return what is wrong and which setting mends it. The code of an error is whether it may pass."""
    check = ["broker.servers"]
    check += ["broker.username and broker.password"] if settings.username else []
    check += ["broker.tls.ca and broker.tls.certificate"] if settings.encrypted else []
    names = {"where": f"Kafka at {', '.join(settings.servers)}", "settings": ", ".join(check)}
    may_pass = bool(getattr(error, "retriable", False))
    return Meanings(_MEANINGS, names).error(error, may_pass, name=type(error).__name__)
