"""Deleting objects that no row of the index refers to any more."""

from __future__ import annotations

import logging

from dicom_common.core import BackendError, Stored
from dicom_common.host import Services
from dicom_common.pipeline._documents._documents import MetadataDocuments
from dicom_common.pipeline._events._messages import removal_events
from dicom_common.pipeline._settings import TopicSettings

__all__ = ["remove", "sweep"]

_log = logging.getLogger(__name__)


def sweep(services: Services, limit: int = 1000) -> int:
    """Delete up to `limit` discarded objects from the storage, and return how many are gone.

    What fails stays in the index's list of discarded keys and is tried again by the next sweep.

    Raises:
        BackendError: the index cannot be read or written.
    """
    gone = []
    for key in services.db.discarded(limit):
        try:
            services.storage.delete(key)
        except BackendError as error:
            _log.warning("a discarded object could not be deleted and is kept for the next sweep: %s", error)
        else:
            gone.append(key)
    if gone:
        services.db.deleted(gone)
    return len(gone)


def remove(
    services: Services, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
) -> list[Stored]:
    """Remove a study, a series or an instance: from the index in one transaction, then from the storage.

    The transaction has the events of the removal: an image message with `image_status` `DELETED` for each instance, and
    for each series a state message with what is left of it. Once this returns nothing is found any more. An object
    whose deletion fails is deleted by a later `sweep`. The metadata documents that what is removed is in are deleted in
    the same way.

    Raises:
        BackendError: the index cannot be written; nothing was removed.
    """
    # Entered before the rows go, by which they are known, and deleted after them: a crash in between leaves none.
    if documents := MetadataDocuments(services).keys(tenant, study_uid, series_uid):
        services.db.discard(documents)
    topics = services.settings("topics", TopicSettings)
    removed = services.db.remove(
        tenant, study_uid, series_uid, sop_uid, events=lambda removed: removal_events(removed, topics)
    )
    try:
        if documents:
            services.db.discard(documents)  # again: another one's sweep was quicker, and somebody asked for one since
        while removed and sweep(services):
            pass
    except BackendError as error:
        _log.warning("discarded objects are kept for a later sweep: %s", error)
    return removed
