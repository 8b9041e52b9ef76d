"""The application entity: associations are accepted in threads of this process."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from dicom_common.dimse._receiving import Listener, Site
from dicom_common.dimse._services import services_of
from dicom_common.dimse._settings import DimseSettings
from dicom_common.host import Services, listen

__all__ = ["ApplicationEntity", "create_ae"]


class ApplicationEntity:
    """An application entity that accepts associations after `start`; as a context manager, it is started and closed.

    Args:
        services: the backends. The caller owns them, and closes them after the application entity.
        settings: the table `[dimse]`.
        listening: a listening socket, which the caller owns; by default the application entity opens its own.
    """

    def __init__(self, services: Services, settings: DimseSettings, listening: socket.socket | None = None) -> None:
        self.settings = settings
        self._owned = listen(settings.host, settings.port, table="dimse") if listening is None else None
        self._listening = listening or self._owned
        assert self._listening is not None
        try:
            self._site = Site.open(services, settings)
            self._offered = services_of(settings)
            self._listener = Listener(self._site, self._offered, self._listening)
        except BaseException:
            if self._owned is not None:
                self._owned.close()
            raise
        self._thread = threading.Thread(target=self.serve, name="dicom-common-ae", daemon=True)

    @property
    def port(self) -> int:
        """The port that the application entity listens on."""
        assert self._listening is not None
        return int(self._listening.getsockname()[1])

    def start(self) -> None:
        """Accept associations from now on, in threads."""
        self._thread.start()

    def serve(self) -> None:
        """Accept associations in this thread until `stop`; return once all associations have ended."""
        with ExitStack() as ending:
            ending.callback(self._site.close)
            for service in self._offered:
                if service.stop is not None:
                    ending.callback(service.stop)
                if service.start is not None:
                    service.start(self._site)
            self._listener.serve()

    @property
    def metrics(self) -> CollectorRegistry:
        """Its metrics for Prometheus; if several processes share the port, those of all of them."""
        return self._site.metrics.registry

    def stop(self) -> None:
        """Accept no further associations, and let current requests finish. Any thread or signal handler may call it."""
        self._listener.stop()

    def close(self) -> None:
        """Stop and wait: current requests may finish within `shutdown_seconds`."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self._site.close()
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create_ae(services: Services, settings: DimseSettings | None = None) -> ApplicationEntity:
    """Make a DICOM application entity that already listens, and accepts associations once it is started.

        with Services.from_file("dicom-common.toml") as services, create_ae(services) as ae:
            print(ae.port)

    Args:
        services: the backends.
        settings: the table `[dimse]`; by default that of the configuration.

    Raises:
        DicomCommonError: the configuration is invalid, the port cannot be used, or a backend cannot be opened.
    """
    return ApplicationEntity(services, settings or services.settings("dimse", DimseSettings))
