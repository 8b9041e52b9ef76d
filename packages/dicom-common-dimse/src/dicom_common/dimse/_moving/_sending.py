"""The sub-operations of C-MOVE and C-GET (PS3.4 C.4.2.2, C.4.3.2): instances in order, read ahead, by C-STORE."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Final, Protocol

from dicom_common.codecs import Codecs
from dicom_common.core import BackendError, DicomError, Storage, Stored, UnavailableError
from dicom_common.dimse._moving._counts import SubOperations
from dicom_common.dimse._moving._data_sets import DataSet, data_set
from dicom_common.dimse._receiving import Response, Tag, Value
from dicom_common.pipeline import Retrieved, read_ahead

__all__ = ["Receiver", "send_all", "store_values"]

_log = logging.getLogger(__name__)
CANNOT_SEND: Final = 0xA702
"""The status that is counted for an instance that was not sent."""


class Receiver(Protocol):
    """Whom the instances are sent to."""

    def syntax_for(self, stored: Stored) -> str | None:
        """Return the transfer syntax that an instance goes out in; None: it takes none that there is."""
        ...

    def store(self, stored: Stored, transfer_syntax: str, data: DataSet) -> int:
        """Send an instance, and return the status of the C-STORE.

        Raises:
            UnavailableError: it was not sent, and the next ones may be.
        """
        ...


def send_all(  # noqa: PLR0913 - what is sent, whereto, and who counts
    instances: Iterable[Stored],
    receiver: Receiver,
    counts: SubOperations,
    *,
    storage: Storage,
    codecs: Codecs,
    is_cancelled: Callable[[], bool],
) -> Generator[Response, None, bool]:
    """Send instances, and give a pending response after each; return whether a C-CANCEL ended that.

    Args:
        instances: in their order.
        receiver: whom to.
        counts: how it goes.
        storage: where they are.
        codecs: what converts.
        is_cancelled: tells whether a C-CANCEL has come.
    """
    with closing(read_ahead(storage, instances)) as retrieved:
        for one in retrieved:
            if is_cancelled():
                return True
            counts.count(one.stored.sop_uid, _sent(one, receiver, codecs))
            if counts.remaining:
                yield counts.pending()
    return False


def _sent(one: Retrieved, receiver: Receiver, codecs: Codecs) -> int:
    """Send an instance and return the status; what prevents that costs this instance alone."""
    syntax = receiver.syntax_for(one.stored)
    if syntax is None:
        return CANNOT_SEND
    try:
        with data_set(one.chunks, one.stored, syntax, codecs) as data:
            return receiver.store(one.stored, syntax, data)
    except UnavailableError as error:
        _log.warning("an instance was not sent: %s", error)
    except (BackendError, DicomError) as error:
        _log.error("an instance was not sent: %s", type(error).__name__)
    return CANNOT_SEND


def store_values(stored: Stored, priority: int) -> dict[Tag, Value]:
    """Return the command set of a C-STORE, as far as it says what is stored (PS3.7 9.3.1.1)."""
    return {
        Tag.AFFECTED_SOP_CLASS: stored.sop_class_uid,
        Tag.PRIORITY: priority,
        Tag.AFFECTED_SOP_INSTANCE: stored.sop_uid,
    }
