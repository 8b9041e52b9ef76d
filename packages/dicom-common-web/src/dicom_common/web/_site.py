"""What the requests of one process share: the backends, the ingest, the lanes of work, and who may do what."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

from dicom_common.codecs import Codecs, CodecSettings
from dicom_common.core import Authenticator, ConfigError, LetsEverybodyIn, LocalFiles
from dicom_common.crypto import Capabilities
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Policy, Services
from dicom_common.pipeline import AccessLog, Ingest, MetadataDocuments
from dicom_common.web._lanes import Lane
from dicom_common.web._links import capabilities_of
from dicom_common.web._metrics import Metrics
from dicom_common.web._settings import WebSettings
from dicom_common.web._store_calls import StoreCalls
from dicom_common.web._tracing import Tracing, open_tracing

__all__ = ["Lanes", "Site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The lanes of work: none waits for another."""

    store: Lane
    upload: Lane
    """Instances that are too large for memory: each keeps a thread for as long as its sender takes."""
    search: Lane
    retrieve: Lane

    @property
    def at_work(self) -> int:
        """How many requests are at work now."""
        return self.store.at_work + self.upload.at_work + self.search.at_work + self.retrieve.at_work


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the requests of one process share. `close` ends what it has begun; the services stay open.

    Attributes:
        authenticator: None: everybody is let in, as the tenant of the configuration; on loopback only.
        relative_documents: those of requests by links, whose BulkDataURIs stay below the link.
        capabilities: what verifies links; None: there are none.
        tracing: makes OpenTelemetry spans; None: tracing is off.
        public_url: the service root as clients know it, without a slash at its end; "" where that is not known.
    """

    services: Services
    settings: WebSettings
    authenticator: Authenticator | None
    policy: Policy
    ingest: Ingest
    store_calls: StoreCalls
    documents: MetadataDocuments
    relative_documents: MetadataDocuments
    capabilities: Capabilities | None
    codecs: Codecs
    lanes: Lanes
    public_url: str
    access_log: AccessLog
    metrics: Metrics
    tracing: Tracing | None

    @classmethod
    def open(cls, services: Services, settings: WebSettings, *, public_url: str = "") -> Self:
        """Open a site.

        Raises:
            DicomCommonError: the configuration is wrong, or a backend cannot be opened.
        """
        public_url = (public_url or services.config.general.public_url).rstrip("/")
        sizes = {
            "store": settings.stores,
            "upload": settings.stores,
            "search": settings.searches,
            "retrieve": settings.retrieves,
        }
        tracing = open_tracing()
        if tracing is not None:
            services = tracing.see(services)
        lanes = Lanes(**{name: Lane(name, size, settings.waiting, tracing) for name, size in sizes.items()})
        ingest = Ingest(services)
        return cls(
            services=services,
            settings=settings,
            authenticator=_authenticator(services),
            policy=services.settings("policy", Policy),
            ingest=ingest,
            store_calls=StoreCalls(ingest, lanes.store, at_once=1 if isinstance(services.storage, LocalFiles) else 2),
            documents=MetadataDocuments(services, public_url=public_url),
            relative_documents=MetadataDocuments(services, public_url=""),
            capabilities=capabilities_of(settings.links),
            codecs=Codecs(
                services.settings("codecs", CodecSettings), reader=services.settings("reader", ReaderSettings)
            ),
            lanes=lanes,
            public_url=public_url,
            access_log=AccessLog(services),
            metrics=Metrics(),
            tracing=tracing,
        )

    @property
    def is_open(self) -> bool:
        """Whether everybody is let in: there is nothing that tells who is calling."""
        if self.authenticator is None:
            return not self.settings.clients
        return isinstance(self.authenticator, LetsEverybodyIn)

    def close(self) -> None:
        """Wait for what is being stored or logged, and end the threads."""
        self.ingest.close()
        self.access_log.close()
        self.codecs.close()
        for one in fields(self.lanes):
            getattr(self.lanes, one.name).close()
        if self.tracing is not None:
            self.tracing.close()


def _authenticator(services: Services) -> Authenticator | None:
    """Return the authenticator that is configured, or that a program has given; None without one."""
    try:
        return services.auth
    except ConfigError:
        if services.config.backend("auth") is not None:
            raise
        return None
