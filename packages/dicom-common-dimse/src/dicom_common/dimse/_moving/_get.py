"""C-GET: instances go to the requestor on its own association (PS3.4 C.4.3)."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_common.core import Stored
from dicom_common.dimse._moving._data_sets import DataSet
from dicom_common.dimse._moving._retrieval import Retrieval, retrieval_of
from dicom_common.dimse._moving._sending import send_all, store_values
from dicom_common.dimse._moving._syntaxes import choose
from dicom_common.dimse._receiving import Association, Context, Operation, Request, Response, Tag

__all__ = ["get"]


def get(request: Request) -> Iterator[Response]:
    """Answer one C-GET."""
    yield from retrieval_of(request, _get)


def _get(request: Request, retrieval: Retrieval) -> Iterator[Response]:
    site = request.association.site
    receiver = _Requestor(request.association, request.command.number(Tag.PRIORITY) or 0)
    cancelled = yield from send_all(
        retrieval.instances,
        receiver,
        retrieval.counts,
        storage=site.services.storage,
        codecs=site.codecs,
        is_cancelled=request.is_cancelled,
    )
    comment = "" if receiver.takes_any else "No storage SOP class was negotiated with the role SCP."
    yield retrieval.counts.cancelled() if cancelled else retrieval.counts.final(comment)


class _Requestor:
    """The peer that asked, as the SCP of what it negotiated with that role (PS3.7 D.3.3.4)."""

    def __init__(self, association: Association, priority: int) -> None:
        self._association, self._priority = association, priority
        self._codecs = association.site.codecs
        self._contexts = {
            (one.abstract_syntax, one.transfer_syntax): one for one in association.contexts.values() if one.peer_is_scp
        }
        self._chosen: dict[tuple[str, str], tuple[str, Context] | None] = {}
        self.takes_any = bool(self._contexts)
        """Whether it takes instances at all."""

    def syntax_for(self, stored: Stored) -> str | None:
        """See `Receiver`."""
        chosen = self._choice(stored)
        return None if chosen is None else chosen[0]

    def store(self, stored: Stored, transfer_syntax: str, data: DataSet) -> int:  # noqa: ARG002 - as Receiver has it
        """See `Receiver`."""
        chosen = self._choice(stored)
        assert chosen is not None
        values = store_values(stored, self._priority)
        response = self._association.request(chosen[1], Operation.C_STORE, values, data)
        status = response.number(Tag.STATUS)
        return 0xC000 if status is None else status

    def _choice(self, stored: Stored) -> tuple[str, Context] | None:
        key = stored.sop_class_uid, stored.transfer_syntax_uid
        if key not in self._chosen:
            self._chosen[key] = choose(stored, lambda *wanted: self._contexts.get(wanted), self._codecs)
        return self._chosen[key]
