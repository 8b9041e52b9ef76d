"""C-MOVE: instances go to a destination of the configuration, on an association of our own (PS3.4 C.4.2)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from dicom_common.codecs import Codecs
from dicom_common.core import Stored, UnavailableError
from dicom_common.dimse._identifiers import StatusError
from dicom_common.dimse._moving._data_sets import DataSet
from dicom_common.dimse._moving._destinations import destination_for
from dicom_common.dimse._moving._kept import KeptAssociations
from dicom_common.dimse._moving._retrieval import Retrieval, retrieval_of
from dicom_common.dimse._moving._sending import send_all, store_values
from dicom_common.dimse._moving._syntaxes import choose, proposals_for
from dicom_common.dimse._receiving import Operation, Request, Response, Tag, Value
from dicom_common.dimse._requesting import Destination, Outgoing, Proposal
from dicom_common.dimse._service_settings import RetrieveSettings

__all__ = ["Mover"]

_log = logging.getLogger(__name__)
_UNKNOWN: Final = 0xA801
_MOST_TRIES: Final = 3
"""Instances that fail one after the other for want of an association, before the rest is not tried."""


class Mover:
    """Answers C-MOVE, and keeps associations to destinations for a while.

    Args:
        settings: the limits.
    """

    def __init__(self, settings: RetrieveSettings) -> None:
        self._settings = settings
        self._kept = KeptAssociations(settings.keep_seconds)

    def close(self) -> None:
        """Release the associations that are kept."""
        self._kept.close()

    def move(self, request: Request) -> Iterator[Response]:
        """Answer one C-MOVE."""
        destination = destination_for(request)
        if destination is None:
            if request.data is not None:
                request.data.drain()
            yield StatusError(_UNKNOWN, "The Move Destination is not configured.").response()
            return
        where = f"dicom://{destination.host}:{destination.port}/{destination.ae_title}"

        def work(asked: Request, retrieval: Retrieval) -> Iterator[Response]:
            yield from self._move(asked, retrieval, destination)

        yield from retrieval_of(request, work, where)

    def _move(self, request: Request, retrieval: Retrieval, destination: Destination) -> Iterator[Response]:
        site, counts = request.association.site, retrieval.counts
        comment = ""
        # First those of the SOP classes that one association has room for, then the others.
        groups: list[tuple[list[Proposal], list[Stored]]] = []
        for proposals in proposals_for(retrieval.instances):
            classes = {one.abstract_syntax for one in proposals}
            groups.append((proposals, [one for one in retrieval.instances if one.sop_class_uid in classes]))
        retrieval.instances = [one for _, group in groups for one in group]
        for proposals, group in groups:
            with closing(_Sender(self._kept, self._settings, request, destination, proposals)) as sender:
                cancelled = yield from send_all(
                    group,
                    sender,
                    counts,
                    storage=site.services.storage,
                    codecs=site.codecs,
                    is_cancelled=request.is_cancelled,
                )
                comment = comment or sender.problem
            if cancelled:
                yield counts.cancelled()
                return
        yield counts.final(comment)


class _Sender:
    """The destination of one C-MOVE, for the SOP classes of one association."""

    def __init__(
        self,
        kept: KeptAssociations,
        settings: RetrieveSettings,
        request: Request,
        destination: Destination,
        proposals: list[Proposal],
    ) -> None:
        self._kept, self._settings, self._destination, self._proposals = kept, settings, destination, proposals
        self._calling = request.association.called
        self._codecs: Codecs = request.association.site.codecs
        self._priority = request.command.number(Tag.PRIORITY) or 0
        self._originator: dict[Tag, Value] = {
            Tag.MOVE_ORIGINATOR: request.association.calling,
            Tag.MOVE_ORIGINATOR_ID: request.message_id,
        }
        self._association: Outgoing | None = None
        self._was_kept = False
        self._failures = 0
        self._chosen: dict[tuple[str, str], tuple[str, int] | None] = {}
        self.problem = ""
        """Why instances could not be sent at all."""

    def syntax_for(self, stored: Stored) -> str | None:
        """See `Receiver`."""
        try:
            chosen = self._choice(stored)
        except UnavailableError:
            return None
        return None if chosen is None else chosen[0]

    def store(self, stored: Stored, transfer_syntax: str, data: DataSet) -> int:
        """See `Receiver`."""
        while True:
            try:
                status = self._store(stored, transfer_syntax, data)
            except UnavailableError:
                was_kept = self._was_kept
                self._drop()
                if was_kept:
                    continue  # its peer may have closed it at this very moment: that is no failure of the instance
                self._failures += 1
                self.problem = self.problem or "The association to the Move Destination broke."
                raise
            self._failures, self._was_kept = 0, False
            return status

    def close(self) -> None:
        """Keep the association for others."""
        if self._association is not None:
            self._kept.give_back(self._destination, self._calling, self._proposals, self._association)
            self._association = None

    def _store(self, stored: Stored, transfer_syntax: str, data: DataSet) -> int:
        chosen = self._choice(stored)
        if chosen is None or chosen[0] != transfer_syntax:
            raise UnavailableError("The destination no longer accepts the same transfer syntaxes.")
        assert self._association is not None
        values = store_values(stored, self._priority) | self._originator
        response = self._association.request(chosen[1], Operation.C_STORE, values, data)
        status = response.number(Tag.STATUS)
        return 0xC000 if status is None else status

    def _choice(self, stored: Stored) -> tuple[str, int] | None:
        """Return the transfer syntax and the context for an instance.

        Raises:
            UnavailableError: there is no association, and none can be had.
        """
        accepted = self._open().accepted
        key = stored.sop_class_uid, stored.transfer_syntax_uid
        if key not in self._chosen:
            self._chosen[key] = choose(
                stored, lambda sop_class, uid: accepted.get(Proposal(sop_class, (uid,))), self._codecs
            )
        return self._chosen[key]

    def _open(self) -> Outgoing:
        if self._association is None:
            if self._failures >= _MOST_TRIES:
                raise UnavailableError("The destination failed; it is not tried again.")
            try:
                self._association, self._was_kept = self._kept.take(
                    self._destination, self._calling, self._proposals, self._ask
                )
            except UnavailableError as error:
                _log.warning("instances were not sent: %s", error)
                self._failures = _MOST_TRIES
                self.problem = "The Move Destination does not accept an association."
                raise
        return self._association

    def _ask(self) -> Outgoing:
        return Outgoing.open(
            self._destination,
            self._calling,
            self._proposals,
            connect_seconds=self._settings.connect_seconds,
            response_seconds=self._settings.response_seconds,
        )

    def _drop(self) -> None:
        if self._association is not None:
            self._association.abort()
        self._association, self._was_kept = None, False
        self._chosen.clear()
