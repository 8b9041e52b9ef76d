"""What the associations of one process share."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from dicom_common.codecs import Codecs, CodecSettings
from dicom_common.dicom import ReaderSettings
from dicom_common.dimse._peers import Peers
from dicom_common.dimse._receiving._alerts import Alerts
from dicom_common.dimse._receiving._metrics import Metrics
from dicom_common.dimse._settings import DimseSettings
from dicom_common.host import Services
from dicom_common.pipeline import AccessLog, Ingest

__all__ = ["Site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the associations of one process share. `close` ends what it has begun; the services stay open."""

    services: Services
    settings: DimseSettings
    peers: Peers
    ingest: Ingest
    codecs: Codecs
    access_log: AccessLog
    metrics: Metrics
    alerts: Alerts
    places: Places
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when no further request is to be begun."""

    @classmethod
    def open(cls, services: Services, settings: DimseSettings) -> Self:
        """Open a site.

        Raises:
            DicomCommonError: the configuration is wrong, or a backend cannot be opened.
        """
        return cls(
            services=services,
            settings=settings,
            peers=Peers(settings),
            ingest=Ingest(services),
            codecs=Codecs(
                services.settings("codecs", CodecSettings), reader=services.settings("reader", ReaderSettings)
            ),
            access_log=AccessLog(services),
            metrics=Metrics(),
            alerts=Alerts(services),
            places=Places(settings.max_associations),
        )

    def close(self) -> None:
        """Wait for what is being stored or logged, and end the threads."""
        self.ingest.close()
        self.access_log.close()
        self.codecs.close()


class Places:
    """How many associations there may be: in all, and of each peer.

    Args:
        most: in all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, peer: str, most: int) -> bool:
        """Take a place for a peer, of which it may have `most`; tell whether there was one."""
        with self._lock:
            if self._taken.total() >= self._most or self._taken[peer] >= most:
                return False
            self._taken[peer] += 1
            return True

    def give_back(self, peer: str) -> None:
        """Give a place back."""
        with self._lock:
            self._taken[peer] -= 1

    @property
    def taken(self) -> dict[str, int]:
        """How many associations each peer has."""
        with self._lock:
            return dict(self._taken)
