"""The client that programs use to call a peer."""

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
    """An SCU of one peer: verifies, queries, sends and fetches. Thread-safe; it keeps no association open.

    Each call opens its own associations and releases them at its end. After a broken association, `send` and `fetch`
    try again with growing delays. A query is not repeated, because its matches have already been returned.

        client = Client(destination=destination_of(settings, "ct1"))
        for sent in client.send(services.storage, services.db.instances("local", study_uid)):
            print(sent.status, sent.stored.sop_uid)
    """

    destination: Destination
    attempts: int = 5
    """How many tries in a row may fail before a call gives up."""

    def __post_init__(self) -> None:
        """Refuse fewer than one attempt."""
        if self.attempts < 1:
            raise ValueError("attempts has to be at least 1")

    def echo(self) -> None:
        """Verify that the peer answers and accepts our association (C-ECHO, PS3.7 9.1.5). Tried once.

        Raises:
            UnavailableError: the peer cannot be reached, or does not answer.
            RefusedError: the peer rejects the association, or does not offer the Verification SOP Class.
            BackendError: the peer responds with a failure status.
        """
        echo(self.destination)

    def find(
        self, level: Level, keys: Mapping[str, str], fields: Iterable[str] = (), *, limit: int | None = None
    ) -> Generator[Match, None, None]:
        """Search the peer, and iterate over the matches as they arrive (C-FIND, PS3.4 C.4.1). Tried once.

        Uses the Patient Root information model at the patient level, and the Study Root model at all other levels.

        Args:
            level: the Query/Retrieve Level. Below the study level, the unique keys of the higher levels are required.
            keys: the matching keys and their values (PS3.4 C.2.2.2). A key is a keyword, a tag (eight hex digits), or
                a path of them such as `RequestAttributesSequence.ScheduledProcedureStepID`.
            fields: further attributes to return.
            limit: the maximum number of matches, after which the query is cancelled.

        Raises:
            QueryError: a key is not an attribute, or a value is invalid for its VR.
            UnavailableError: the peer cannot be reached, or ended the association; there may be more matches.
            RefusedError: the peer rejects the association, or does not offer the service.
            BackendError: the peer responds with a failure status, or with an identifier that cannot be read.
        """
        return find(self.destination, level, keys, fields, limit=limit)

    def send(self, storage: Storage, instances: Iterable[Stored]) -> Generator[Sent, None, None]:
        """Send instances as they are stored (C-STORE, PS3.4 Annex B), and iterate over their results.

        Nothing is decoded or converted: each combination of SOP class and transfer syntax has its own presentation
        context, and an instance whose context the peer does not accept is not sent. An instance is sent again only if
        the peer did not respond to it, or responded A7xx (out of resources).

        Args:
            storage: the storage of the objects.
            instances: the instances to send; they are read in batches of 1,000.

        Raises:
            UnavailableError: every attempt to reach the peer failed. Instances without a result were not sent.
            RefusedError: the peer rejects the association.
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
        """Fetch a study, or one of its series, into this library, and iterate over the results of its instances.

        Searches the peer for its instances (C-FIND) and retrieves those that are not indexed here: a whole series if
        none of its instances is here, otherwise by SOP Instance UID. With C-GET each instance is held in memory as a
        whole.

        Args:
            services: the index.
            ingest: stores the instances that C-GET retrieves.
            study_uid: the Study Instance UID.
            series_uid: the Series Instance UID; None: the whole study.
            tenant: the tenant that will own the instances.
            by: `get`: C-GET, on the same association. `move`: C-MOVE to our own AE title, where `dicom-common scp`
                has to receive for this index.

        Raises:
            NotFoundError: the peer has no such study or series.
            UnavailableError: every attempt failed: the peer could not be reached, or ended the association.
            RefusedError: the peer rejects the association, or does not offer the service.
            BackendError: the peer responds with a failure status, or the index or the storage here failed.
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
