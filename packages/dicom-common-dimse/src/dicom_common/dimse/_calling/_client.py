"""A client of one peer: what a program calls."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from dicom_common.core import Level, Storage, Stored
from dicom_common.dimse._calling._destination import Destination
from dicom_common.dimse._calling._fetching import Fetched, fetch
from dicom_common.dimse._calling._identifiers import Match
from dicom_common.dimse._calling._querying import echo, find
from dicom_common.dimse._calling._sending import Sent, send
from dicom_common.host import Services
from dicom_common.pipeline import Ingest

__all__ = ["Client"]


@dataclass(frozen=True, kw_only=True)
class Client:
    """Calls one peer: verifies it, asks it, sends to it and fetches from it. Thread-safe; it holds nothing open.

    Each call has associations of its own, which end with it. What breaks off is tried again, with longer and longer
    waits; a query is not, since its answers have been given.

        client = Client(destination=destination_of(settings, "ct1"))
        for sent in client.send(services.storage, services.db.instances("local", study_uid)):
            print(sent.status, sent.stored.sop_uid)
    """

    destination: Destination
    attempts: int = 5
    """How often in a row without any success something is tried."""

    def __post_init__(self) -> None:
        """Refuse what tries nothing."""
        if self.attempts < 1:
            raise ValueError("attempts has to be at least 1")

    def echo(self) -> None:
        """Verify that the peer is there and knows us (C-ECHO, PS3.7 9.1.5). Tried once.

        Raises:
            UnavailableError: it cannot be reached, or does not answer.
            RefusedError: it rejects the association, or does not offer verification.
            BackendError: it answers with a failure.
        """
        echo(self.destination)

    def find(
        self, level: Level, keys: Mapping[str, str], fields: Iterable[str] = (), *, limit: int | None = None
    ) -> Generator[Match, None, None]:
        """Ask the peer for what matches, and iterate over the answers as they come (C-FIND, PS3.4 C.4.1). Tried once.

        At the level of patients the Patient Root is asked, else the Study Root.

        Args:
            level: what to ask for. Below studies the unique keys of the levels above are needed.
            keys: what has to match, written as PS3.4 C.2.2.2 says, by keyword, tag (eight hex digits), or a path of
                them such as `RequestAttributesSequence.ScheduledProcedureStepID`.
            fields: what else is wanted of each match.
            limit: how many matches are enough: then the query is cancelled.

        Raises:
            QueryError: a key is no attribute, or a value cannot be written.
            UnavailableError: the peer cannot be reached, or broke off: there may be more matches.
            RefusedError: it rejects the association, or does not offer the service.
            BackendError: it answers with a failure, or with what cannot be read.
        """
        return find(self.destination, level, keys, fields, limit=limit)

    def send(self, storage: Storage, instances: Iterable[Stored]) -> Generator[Sent, None, None]:
        """Send instances as they are stored (C-STORE, PS3.4 annex B), and tell what became of each.

        Nothing is decoded or converted: each SOP class in each transfer syntax has a presentation context of its own,
        and what the peer does not accept so is not sent. Nothing is sent again once the peer has answered it, but for
        what it is out of resources for (A7xx).

        Args:
            storage: has the objects.
            instances: what to send; they are taken a thousand at a time.

        Raises:
            UnavailableError: the peer could not be reached, at none of the attempts. What was not told of was not sent.
            RefusedError: it rejects the association.
        """
        return send(self.destination, storage, instances, attempts=self.attempts)

    def fetch(  # noqa: PLR0913 - to where, what, and how
        self,
        services: Services,
        ingest: Ingest,
        study_uid: str,
        series_uid: str | None = None,
        *,
        tenant: str,
        by: Literal["get", "move"] = "get",
    ) -> Generator[Fetched, None, None]:
        """Fetch a study, or one of its series, into this library, and tell what became of each instance.

        The peer is asked what it has (C-FIND), and for what is not indexed here: for a whole series where nothing of it
        is here, else by SOP Instance UID. An instance is in memory as a whole while it is fetched by C-GET.

        Args:
            services: the index.
            ingest: takes what comes by C-GET.
            study_uid: its Study Instance UID.
            series_uid: the Series Instance UID; None: all of the study.
            tenant: whose the instances will be.
            by: `get`: by C-GET, over the same association. `move`: by C-MOVE to our own AE title, at which
                `dicom-common scp` receives for this index.

        Raises:
            NotFoundError: the peer has no such study or series.
            UnavailableError: it could not be reached, or broke off, at each of the attempts.
            RefusedError: it rejects the association, or does not offer the service.
            BackendError: it answers with a failure; or the index or the storage here failed.
        """
        return fetch(
            self.destination,
            services,
            ingest,
            study_uid,
            series_uid,
            tenant=tenant,
            by=by,
            attempts=self.attempts,
        )
