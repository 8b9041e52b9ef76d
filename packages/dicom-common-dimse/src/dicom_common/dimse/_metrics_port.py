"""Metrics where Prometheus finds them: on loopback, so that nothing of them is open to a network by oversight."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from dicom_common.core import ConfigError
from dicom_common.dimse._settings import DimseSettings

__all__ = ["shown_metrics"]


@contextmanager
def shown_metrics(settings: DimseSettings, registry: CollectorRegistry) -> Iterator[None]:
    """Show metrics at `http://127.0.0.1:<metrics_port>/metrics` until the block ends, if there is a port for it.

    Of several processes one shows those of all: the first to take the port.

    Raises:
        ConfigError: the port cannot be listened on.
    """
    server = None
    if settings.metrics_port:
        try:
            server, _ = start_http_server(settings.metrics_port, addr="127.0.0.1", registry=registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or settings.workers == 1:
                port, why = settings.metrics_port, error.strerror
                raise ConfigError(f"dimse.metrics_port {port} cannot be used ({why}): choose another.") from error
    try:
        yield
    finally:
        if server is not None:
            server.shutdown()
            server.server_close()
